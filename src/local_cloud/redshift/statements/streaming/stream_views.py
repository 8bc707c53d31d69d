"""Streaming materialized views: what their definition may be, and how they are kept.

A view NAME reads the table mv_tbl__NAME__0 beside it, to which each REFRESH adds rows. Its
definition is kept as the text that the client sent, and translated at each use.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlglot import exp

from src.local_cloud.redshift.sql import parsing
from src.local_cloud.redshift.sql.relations import ROWS_PREFIX, relations
from src.local_cloud.redshift.statements.streaming.shard_reading import open_stream
from src.local_cloud.redshift.statements.table_attributes import Recorded
from src.sql import scanning
from src.sql.cursors import Cursor
from src.sql.quoting import identifier, qualified
from src.sql.reading import whole_number
from src.sql.refusal import NOT_EMULATED, Refusal
from src.sql.scanning import Statement

# The session's views of the records that a refresh has read: as the client sees them, and with
# what two functions of `kinesis_data` give, which a usual record's text tells without its digits.
RECORDS, PARSED = "redshift_stream_records", "redshift_stream_parsed"
_READY = {"can_json_parse": "redshift_can_parse", "json_parse": "redshift_parsed"}
# One line a column: the client's types are those of the page that follows. The digits of a record
# are copied as ASCII bytes, which is what a VARBYTE is kept as.
PREPARE_RECORDS = f"""
CREATE TEMPORARY TABLE redshift_stream_rows (
    approximate_arrival_timestamp timestamp, partition_key varchar(256), shard_id char(20),
    sequence_number varchar(128), refresh_time timestamp, body text, is_compact boolean,
    digits bytea) ON COMMIT DELETE ROWS;
CREATE TEMPORARY VIEW {PARSED} AS SELECT approximate_arrival_timestamp, partition_key, shard_id,
    sequence_number, refresh_time,
    CASE WHEN body IS NULL THEN digits::varbyte
         ELSE redshift_local.varbyte(convert_to(body, 'UTF8')) END AS kinesis_data,
    CASE WHEN body IS NULL THEN redshift_local.can_json_parse(digits::varbyte)
         ELSE body IS JSON END AS {_READY["can_json_parse"]},
    CASE WHEN is_compact AND body IS JSON THEN body::json::super
         WHEN body IS NULL THEN redshift_local.json_parse(digits::varbyte)
         ELSE redshift_local.json_parse(body) END AS {_READY["json_parse"]}
    FROM redshift_stream_rows;
CREATE TEMPORARY VIEW {RECORDS} AS SELECT approximate_arrival_timestamp, partition_key, shard_id,
    sequence_number, refresh_time, kinesis_data FROM {PARSED}"""
_CLAUSES = {"joins": "a join", "with_": "WITH", "laterals": "a join"}
_AGGREGATIONS = {"group": "GROUP BY", "having": "HAVING", "distinct": "DISTINCT"}
_ORDERED = {"order": "ORDER BY", "limit": "LIMIT", "offset": "OFFSET", "windows": "WINDOW"}


@dataclass(frozen=True)
class StreamView:
    """A streaming view; `rows_table` is its table's name as SQL reads it."""

    oid: int
    rows_table: str
    external_schema: str
    stream: str
    query: str


def find_stream_view(name: str, cursor: Cursor) -> StreamView | None:
    """Return the streaming view of a name, if it is one and this session may refresh it."""
    return _found("to_regclass(%s)", name, cursor)


def stream_view_of(oid: int, cursor: Cursor) -> StreamView | None:
    """Return a streaming view, unless it was dropped."""
    return _found("%s", oid, cursor)


def _found(argument: str, value: object, cursor: Cursor) -> StreamView | None:
    cursor.execute_postgres(f"SELECT * FROM redshift_local.stream_view({argument})", (value,))
    row = cursor.fetchone()
    return None if row is None else StreamView(*row)


def external_schema_of(query: Statement, cursor: Cursor) -> str | None:
    """Return the external schema that a query reads, or None where it reads none."""
    named = {table.db.lower() for table in relations(parsing.parse(query)) if table.db}
    if not named:
        return None
    cursor.execute_postgres("SELECT redshift_local.external_schemas_among(%s)", (list(named),))
    (found,) = cursor.fetchone()
    return None if found is None else str(found[0])


def create_stream_view(
    parts: list[str], query: Statement, schema: str, recorded: Recorded, cursor: Cursor
) -> None:
    """Create the view, empty, and note what it reads."""
    stream, text = translated(query.code, schema)
    open_stream(cursor.connection, stream)
    prepare_records(cursor)
    name = qualified(*parts)
    rows_table = qualified(*parts[:-1], f"{ROWS_PREFIX}{parts[-1]}__0")
    cursor.execute_postgres(f"CREATE TABLE {rows_table} AS {text} WITH NO DATA")
    # No client can insert into a view of a join; to the planner there is none.
    cursor.execute_postgres(
        f"CREATE VIEW {name} AS SELECT r.* FROM {rows_table} r CROSS JOIN (SELECT) AS one"
    )
    columns = cursor.columns_of(f"SELECT * FROM {rows_table}")
    is_automatic = ("autorefresh", "t") in recorded
    keys = [d for kind, d in recorded if kind.endswith("sortkey")]
    for key in keys:
        _sort(rows_table, key, columns, cursor)
    cursor.execute_postgres(
        "SELECT redshift_local.note_stream_view(to_regclass(%s), to_regclass(%s), %s, %s, %s, %s)",
        (name, rows_table, schema, stream, query.code, is_automatic),
    )


def _sort(rows_table: str, declared: str, columns: list[str], cursor: Cursor) -> None:
    """Give the rows an index in the place of Redshift's order: queries by it read few of them."""
    names = [part.strip().strip('"').lower() for part in
             declared.partition("(")[2].rstrip(") ").split(",")]  # fmt: skip
    found = []
    for given in filter(None, names):
        place = whole_number(given)
        is_place = place is not None and 1 <= place <= len(columns)
        name = columns[place - 1] if place is not None and is_place else given
        if name not in columns:
            raise Refusal(f'column "{name}" named in sortkey does not exist', "42703")
        found.append(identifier(name))
    if found:
        cursor.execute_postgres(f"CREATE INDEX ON {rows_table} ({', '.join(found)})")


def prepare_records(cursor: Cursor) -> None:
    """Create what the definition reads in this session, unless it is there."""
    cursor.execute_postgres("SELECT to_regclass(%s) IS NULL", (f"pg_temp.{RECORDS}",))
    if cursor.fetchone()[0]:
        cursor.execute_postgres(PREPARE_RECORDS)


@lru_cache(maxsize=64)
def translated(query: str, schema: str) -> tuple[str, str]:
    """Return the stream that a definition reads, and its text over the records of a refresh."""
    tree: Any = parsing.parse(scanning.read(query))
    if not isinstance(tree, exp.Select):
        raise Refusal.not_emulated("a streaming materialized view that is not one SELECT")
    _check(tree)
    (table,) = tree.find_all(exp.Table)
    stream = str(table.name)
    if not table.this.args.get("quoted"):
        stream = stream.lower()
    for column in tree.find_all(exp.Column):
        if column.db.lower() == schema:
            column.set("db", None)
    alias = table.args.get("alias") or exp.TableAlias(this=exp.to_identifier(stream, quoted=True))
    source = RECORDS if tree.find(exp.Star) else PARSED
    if source == PARSED:
        _take_ready_columns(tree)
    table.replace(exp.Table(this=exp.to_identifier(source), db=exp.to_identifier("pg_temp"),
                            alias=alias.copy()))  # fmt: skip
    return stream.lower(), parsing.render(parsing.check(tree))


def _take_ready_columns(tree: Any) -> None:
    """Let columns stand for the functions of a whole record that the view of them has ready."""
    for call in list(tree.find_all(exp.Anonymous)):
        name, given = str(call.this).lower(), call.expressions
        is_whole = len(given) == 1 and isinstance(given[0], exp.Column)
        if name in _READY and is_whole and given[0].name.lower() == "kinesis_data":
            ready: Any = exp.column(_READY[name], table=given[0].args.get("table"))
            is_named_by_it = isinstance(call.parent, exp.Select)
            call.replace(exp.alias_(ready, name) if is_named_by_it else ready)


def _check(tree: Any) -> None:
    """Refuse what Redshift cannot keep up to date from the stream's new records alone."""
    sources = {f"{t.db}.{t.name}".lower() for t in tree.find_all(exp.Table)}
    if len(sources) > 1:
        raise _refused("more than one stream or table")
    for name, shown in _CLAUSES.items():
        if tree.args.get(name):
            raise _refused(shown)
    if len(list(tree.find_all(exp.Select))) > 1:
        raise _refused("a subquery")
    for name, shown in _AGGREGATIONS.items():
        if tree.args.get(name):
            raise Refusal.not_emulated(f"{shown} in a streaming materialized view")
    for name, shown in _ORDERED.items():
        if tree.args.get(name):
            raise _refused(shown)
    if tree.find(exp.Window):
        raise _refused("a window function")
    if tree.find(exp.AggFunc):
        raise Refusal.not_emulated("an aggregate in a streaming materialized view")


def _refused(what: str) -> Refusal:
    detail = "it reads one stream; a second materialized view or a view may join what it holds"
    return Refusal(
        f"{what} is not supported in a streaming materialized view", NOT_EMULATED, detail
    )
