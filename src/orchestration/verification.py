"""The verification stage: checks against the warehouse, and rejects against the ledger."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from typing import Any

from src.domain.dataset import LEDGER_NAME, DatasetManifest
from src.orchestration.environment import DemoEnvironment
from src.services.data_quality_service import (
    CheckResult,
    DataQualityService,
    compare_with_ledger,
)
from src.settings import Settings

_REJECTED = "SELECT table_name, record_key, rule FROM concert_dw.rejected_records"


def verify(
    environment: DemoEnvironment,
    settings: Settings,
    run_id: str,
    manifest: DatasetManifest,
    load: Mapping[str, Any],
) -> tuple[list[CheckResult], dict[str, Any]]:
    """Run every check; returns the results and what the report keeps of them.

    `load` is the load stage's entry of the report.
    """
    redshift = environment.redshift
    service = DataQualityService(redshift.query_value)
    results = service.run(_parameters(settings, run_id, manifest, load))
    facts: dict[str, Any] = {}
    ledger = _ledger(environment, manifest)
    if ledger is not None:
        rejected = [
            (r["table_name"], r["record_key"], r["rule"]) for r in redshift.query(_REJECTED)
        ]
        result, facts["defect_detection"] = compare_with_ledger(rejected, ledger)
        results.append(result)
    verdicts = [result.verdict for result in results]
    facts["checks"] = results
    facts["tally"] = {word: verdicts.count(word) for word in ("passed", "failed", "skipped")}
    return results, facts


def _parameters(
    settings: Settings, run_id: str, manifest: DatasetManifest, load: Mapping[str, Any]
) -> dict[str, Any]:
    """Return what is known of the data; a check that needs more is skipped."""
    # Defects somebody asked for are no reason to fail.
    injected = (manifest.defects or 0) / max(manifest.records, 1)
    known: dict[str, Any] = {
        "run_id": run_id,
        "max_rejected_share": max(settings.max_rejected_share, round(injected, 6)),
        "newest_sale": manifest.parameters.get("newest_sale"),
        "rejected_rows": load.get("rejected_rows"),
    }
    if all(table.records is not None for table in manifest.tables.values()):
        known["records"] = manifest.records
    if settings.load_mode == "replace":  # a merge keeps rows of earlier loads
        for name, table in manifest.tables.items():
            loaded = load.get("tables", {}).get(name)
            known[f"rows_{name}"] = table.valid_rows or (loaded and loaded.source_rows)
    return known


def _ledger(
    environment: DemoEnvironment, manifest: DatasetManifest
) -> list[tuple[str, str, str]] | None:
    """Return what the generator injected, or None for data it did not make."""
    if manifest.source != "synthetic":
        return None
    datasets = environment.raw_datasets
    body = datasets.storage.find(datasets.prefix(manifest.dataset_id) + LEDGER_NAME)
    if body is None:
        return None
    lines = map(json.loads, gzip.decompress(body).splitlines())
    return [(d["table"], d["key"], d["rule"]) for d in lines if d["rule"] != "untidy"]
