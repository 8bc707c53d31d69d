"""Which data a daily run loads: the changes of the day after the newest load."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from src.errors import UsageError
from src.orchestration.environment import DemoEnvironment
from src.settings import Settings

_NEWEST = (
    "SELECT dataset_id, as_of FROM concert_dw.load_history ORDER BY loaded_at DESC, run_id DESC "
    "LIMIT 1"
)


def settings_of_next_day(settings: Settings) -> Settings:
    """Return the settings of a run that loads the next day: its changes, merged.

    Nothing loaded: the first day. Own files are read again, and merged. Raises UsageError where
    the newest load is of own files and no folder is named.
    """
    if settings.input_dir:
        return replace(settings, load_mode="merge")
    with DemoEnvironment(settings, needs_glue=False) as environment:
        environment.redshift.create_tables()
        loads = environment.redshift.query(_NEWEST)
        if not loads:
            return replace(settings, as_of="", since="", load_mode="replace")
        newest = environment.raw_datasets.named(loads[0]["dataset_id"])
    if newest.source != "synthetic" or not newest.as_of:
        raise UsageError(
            "--next-day continues generated data; the newest load is of own files",
            where=f"data set {newest.dataset_id}",
            hint="python run_demo_pipeline.py --next-day --input-dir DIR",
        )
    today = loads[0]["as_of"].date()
    made_with = newest.parameters
    return replace(
        settings,
        **made_with["size"],
        seed=made_with["seed"],
        defect_rate=made_with["defect_rate"],
        as_of=str(today + timedelta(days=1)),
        since=str(today),
        load_mode="merge",
    )
