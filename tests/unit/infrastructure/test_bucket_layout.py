"""The bucket layout: what a run writes is recognised as its own, and nothing else is."""

from datetime import UTC, datetime
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from src.domain import bucket_layout as layout
from src.domain.tables import TABLES
from src.reporting.run_report import new_run_id

PREFIXES = {value for name, value in vars(layout).items() if name.endswith("_PREFIX")}
MOMENTS = st.datetimes(datetime(2001, 1, 1), datetime(2099, 1, 1), timezones=st.just(UTC))


@settings(max_examples=60)
@given(MOMENTS, st.sampled_from(TABLES), st.integers(0, 10**6), st.binary())
def test_every_key_of_a_run_is_its_own(moment, table, number, digest):
    run_id = new_run_id(moment, Path("/nonexistent"))
    raw = layout.folder(layout.RAW_PREFIX, run_id)
    known = layout.folder(layout.UNLOAD_PREFIX, f"known_{table.name}-{run_id}")
    keys = [
        raw + layout.part_file(table.name, number, "json.gz"),
        raw + layout.MANIFEST_NAME,
        layout.folder(layout.PROCESSED_PREFIX, run_id, table.name) + "part-0.parquet",
        layout.folder(layout.QUARANTINE_PREFIX, run_id) + "part-0.parquet",
        layout.folder(layout.SUMMARY_PREFIX, run_id) + "part-0.json",
        layout.copy_manifest(run_id, table.name),
        f"{known}000.parquet",
        layout.job_script("concert_etl_job", (digest.hex() + "0" * 64)[:64]),
        layout.model_version("ticket_sales", number) + layout.MODEL_MANIFEST_NAME,
        layout.model_alias("venue_popularity", "champion"),
    ]
    for key in keys:
        assert layout.is_own_key(key), key
        assert not layout.is_own_key(f"backup/{key}"), key
        assert not layout.is_own_key(key.replace(run_id, "2026")) or run_id not in key
    assert {key.split("/")[0] for key in keys} == PREFIXES


def test_only_the_models_and_scripts_stay():
    kept = {layout.MODEL_PREFIX, layout.SCRIPT_PREFIX}
    found = {prefix.removesuffix(layout.MARKER).rstrip("/") for prefix in layout.EXPIRING}
    assert found == PREFIXES - kept


def test_the_marks_that_glue_leaves_are_recognised_beside_a_run_only():
    for prefix in (layout.PROCESSED_PREFIX, layout.QUARANTINE_PREFIX, layout.SUMMARY_PREFIX):
        run = f"{prefix}/20260102T030405Z-ab12"
        assert layout.is_own_key(run + layout.MARKER)
        assert layout.is_own_key(f"{run}/artists{layout.MARKER}")
        assert not layout.is_own_key(prefix + layout.MARKER)  # any program's that writes there
        assert not layout.is_own_key(f"{run}x{layout.MARKER}")
