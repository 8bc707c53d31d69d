"""The checks of a load: nearly all before it is published, a few after, and rejects by ledger."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

from src.commands import ROOT
from src.domain.bucket_layout import LEDGER_NAME
from src.domain.dataset import DatasetManifest
from src.domain.judgement import tally
from src.errors import QualityError
from src.json_object import JsonObject
from src.orchestration.environment import DemoEnvironment
from src.reporting.wording import plural
from src.services.data_quality_service import (
    CheckResult,
    DataQualityService,
    Judged,
    compare_with_ledger,
    read_checks,
)
from src.settings import Settings
from src.sql import files

if TYPE_CHECKING:
    from src.infrastructure.warehouse.load_plan import TableLoad

# By the batch, not of the stream. A key may be longer than a row of the Data API.
_REJECTED = (
    "SELECT table_name, LEFT(record_key, 200) AS record_key, rule "
    "FROM concert_dw.rejected_records WHERE run_id <> 'stream'"
)


@dataclass(frozen=True)
class Verification:
    """The results of the checks, and how well the rejected rows match the injected defects."""

    results: list[CheckResult]
    defect_detection: dict[str, float] | None = None

    @property
    def failures(self) -> list[CheckResult]:
        """Return the checks that failed."""
        return [result for result in self.results if result.verdict == "failed"]

    def facts(self) -> JsonObject:
        """Return what the report keeps."""
        counts = tally(result.verdict for result in self.results)
        found: JsonObject = {"checks": self.results, "tally": counts}
        if self.defect_detection is not None:
            found["defect_detection"] = self.defect_detection
        return found


class Verifier:
    """Verifies one load of one data set."""

    def __init__(
        self,
        environment: DemoEnvironment,
        settings: Settings,
        run_id: str,
        manifest: DatasetManifest,
        loads: Mapping[str, TableLoad],
    ) -> None:
        self._environment = environment
        self._manifest = manifest
        self._parameters = _parameters(settings, run_id, manifest, loads)

    def audit(self, judged: Judged = "before_commit") -> Verification:
        """Run every check on what the client sees: in a load's transaction, before its COMMIT."""
        redshift = self._environment.redshift
        results = [
            replace(result, judged=judged)
            for result in DataQualityService(redshift.query).run(self._parameters)
        ]
        ledger = _ledger(self._environment, self._manifest)
        if ledger is None:
            return Verification(results)
        rejected = [
            (r["table_name"], r["record_key"], r["rule"]) for r in redshift.query(_REJECTED)
        ]
        result, detection = compare_with_ledger(rejected, ledger)
        return Verification([*results, replace(result, judged=judged)], detection)

    def after_commit(self, audited: Verification) -> Verification:
        """Run those checks again that prove whether all of the load was published."""
        checks = [check for check in read_checks() if check.shows_publication]
        service = DataQualityService(self._environment.redshift.query, checks)
        found = {
            result.name: replace(result, judged="after_commit")
            for result in service.run(self._parameters)
            if result.verdict != "skipped"
        }
        results = [found.get(result.name, result) for result in audited.results]
        return replace(audited, results=results)


def _parameters(
    settings: Settings,
    run_id: str,
    manifest: DatasetManifest,
    loads: Mapping[str, TableLoad],
) -> JsonObject:
    """Return what is known of the data; a check that needs more is skipped."""
    # Injected defects are no reason to fail.
    injected = (manifest.defects or 0) / max(manifest.records, 1)
    known: JsonObject = {
        "run_id": run_id,
        "max_rejected_share": max(settings.max_rejected_share, round(injected, 6)),
        "rejected_rows": sum(load.rejected_rows for load in loads.values()),
    }
    if loads["ticket_sales"].table_rows:  # without a sale there is no newest one
        known["newest_sale"] = manifest.parameters.get("newest_sale")
    if all(table.records is not None for table in manifest.tables.values()):
        known["records"] = manifest.records
    if settings.load_mode == "replace":  # a merge keeps rows of earlier loads
        for name, table in manifest.tables.items():
            known[f"rows_{name}"] = table.valid_rows or loads[name].source_rows
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


def quality_error(
    verification: Verification, settings: Settings, run_id: str, *, is_published: bool
) -> QualityError:
    """Return the error for failed checks of a load, with a query that shows what they found."""
    failures = verification.failures
    first = failures[0]
    counted = f"{plural(len(failures), 'data-quality check')} of {len(verification.results)} failed"
    error = QualityError(
        counted if is_published else f"{counted}: nothing was published",
        where=", ".join(failure.file or failure.name for failure in failures),
        cause=f"{first.title}: expected {first.expected}, found {first.found}",
        hint=_inspection(first, settings, run_id, is_published=is_published),
    )
    error.facts = verification.facts()
    return error


def _inspection(failed: CheckResult, settings: Settings, run_id: str, *, is_published: bool) -> str:
    """Return the command that shows what a check found: published, or kept in concert_staging."""
    schema = "concert_dw" if is_published else "concert_staging"
    if settings.target != "local":
        in_place = "" if is_published else f", with {schema} in place of concert_dw"
        return f"run the SQL of {failed.file or 'docs/reference'} against the warehouse{in_place}"
    psql = "python -m src.local_cloud psql"
    sql = files.read(ROOT / failed.file).text if failed.file else ""
    if not is_published and (not sql or failed.name.startswith("rejected_")):
        rules = f"SELECT table_name, rule, COUNT(*) FROM {schema}.rejected_records"
        return f'{psql} -c "{rules} GROUP BY 1, 2 ORDER BY 3 DESC"'
    if not sql or ":newest_sale" in sql:
        return psql
    variable = f" -v run_id=\"'{run_id}'\"" if ":run_id" in sql else ""
    file = failed.file if Path(failed.file).is_file() else quote(str(ROOT / failed.file))
    if is_published:
        return f"{psql}{variable} -f {file}"
    return f"sed s/concert_dw/{schema}/g {file} | {psql}{variable}"
