"""The statements of one step from the streaming view into the tables, as they are sent.

They are always the same texts, so that each is read and translated once.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

from src.domain import sale_events
from src.domain.cleaning import Cleaning
from src.domain.sale_events import STREAM_RUN
from src.domain.tables import TICKET_SALES
from src.sql.files import bind, read_all
from src.sql.quoting import literal

MOST = 50_000  # records of one step
_COLUMNS = TICKET_SALES.column_names
_OTHERS = "streamed_others"  # the batch's table `judged`, whose name is taken here


@cache
def session_tables() -> dict[str, str]:
    """Return the temporary tables of a session, and the statement that creates each, empty."""
    fragments = {
        "texts": ", ".join(f"{name} VARCHAR(65535)" for name in sale_events.FIELDS),
        "types": ", ".join(f"{c.name} {c.redshift_type}" for c in TICKET_SALES.columns),
    }
    made = {
        f"streamed_{file.name.split('_', 1)[1]}": bind(file.statement, fragments.__getitem__)
        for file in read_all("streaming/session")
    }
    return made | {name: f"CREATE TEMP TABLE {name} AS {query}" for name, query in batch_steps()}


@cache
def step() -> dict[str, str]:
    """Return the statements of a step by the names of their files."""
    fragments = {
        "texts": sale_events.texts("s.payload"),
        "is_plain": sale_events.is_plain(),
        "values": sale_events.values(),
        "sent_at": sale_events.sent_at(),
        "columns": ", ".join(f"j.{name}" for name in _COLUMNS),
        "columns_of_first": ", ".join(f"f.{name}" for name in _COLUMNS),
        "names": ", ".join(_COLUMNS),
        "print_of_event": sale_events.fingerprint("j."),
        "print_of_sale": sale_events.fingerprint("s."),
        "ahead": str(sale_events.AHEAD_MINUTES),
        "late": str(-sale_events.LATE_MINUTES),
        "run": literal(STREAM_RUN),
    }
    files = {file.name: file.statement for file in read_all("streaming/ingest")}
    files.pop("05_next")
    return {name: bind(statement, fragments.__getitem__) for name, statement in files.items()}


def next_records(positions: Iterable[tuple[str, str]]) -> str:
    """Return the statement that takes the records behind the positions of the shards."""
    behind = [
        f"shard_id = {literal(shard)} AND position > {literal(position)}"
        for shard, position in positions
    ]
    fragments = {"behind": " OR ".join(behind) or "FALSE", "most": str(MOST)}
    (file,) = (file for file in read_all("streaming/ingest") if file.name == "05_next")
    return bind(file.statement, fragments.__getitem__)


@cache
def batch_steps() -> tuple[tuple[str, str], ...]:
    """Return (table, query) of the batch's steps, for events that are not plain.

    Keys and parents, which its last step looks at, are looked at for all events together.
    """
    raw = (
        f"SELECT {', '.join(_COLUMNS)}, CAST(n AS VARCHAR(20)) AS record_number "
        "FROM streamed_taken WHERE NOT is_plain"
    )
    cleaning = Cleaning(TICKET_SALES, _batch_table, str)
    return (("streamed_raw", raw), *cleaning.judging())


def _batch_table(step_name: str, _: str) -> str:
    return {"judged": _OTHERS, "doubtful": "streamed_raw"}.get(step_name, f"streamed_{step_name}")


@cache
def batch_judgement() -> str:
    """Return the statement that takes over what the batch's steps have found."""
    good = ", ".join(
        "CASE WHEN o.rule IS NULL AND NOT t.is_unreadable "
        f"THEN CAST(o.{column.name} AS {column.redshift_type}) END"
        for column in TICKET_SALES.columns
    )
    return (
        "INSERT INTO streamed_judged (n, shard_id, position, arrived_at, sent_at, record_key, "
        f"{', '.join(_COLUMNS)}, rule) SELECT t.n, t.shard_id, t.position, t.arrived_at, "
        f"t.sent, SUBSTRING(o.record_key, 1, 1000), {good}, "
        "CASE WHEN t.is_unreadable THEN 'unreadable:record' ELSE o.rule END "
        f"FROM {_OTHERS} o JOIN (SELECT n, shard_id, position, arrived_at, is_unreadable, "
        f"{sale_events.sent_at()} AS sent FROM streamed_taken WHERE NOT is_plain) AS t "
        "ON t.n = o.record_number"
    )
