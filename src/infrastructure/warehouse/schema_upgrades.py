"""Tables that an earlier version made, changed to match src/sql/schema; their rows stay.

CREATE TABLE IF NOT EXISTS leaves an existing table as it is. What Redshift cannot alter is
rebuilt: it has no way to let a NOT NULL column take NULL.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from src.domain.tables import SCHEMA
from src.errors import WarehouseError
from src.json_object import JsonObject
from src.sql.files import read_all

ADDED_COLUMNS = (
    ("ticket_sales", "streamed_at", "TIMESTAMP"),
    ("rejected_records", "parent_key", "VARCHAR(65535)"),
    ("concert_predictions", "model_role", "VARCHAR(16)"),
    ("venue_rankings", "model_role", "VARCHAR(16)"),
    ("concert_predictions", "sell_out", "DECIMAL(5,4)"),
    ("concert_predictions", "demand", "DECIMAL(14,1)"),
    ("concert_predictions", "sold_so_far", "INTEGER"),
    ("concert_predictions", "moved_tickets", "DECIMAL(12,1)"),
    ("concert_predictions", "moved_low", "DECIMAL(12,1)"),
    ("concert_predictions", "moved_high", "DECIMAL(12,1)"),
    ("concert_predictions", "as_of", "TIMESTAMP"),
)
NOW_OPTIONAL = (("venues", "capacity"),)
_BEFORE = "_before_upgrade"


class Client(Protocol):
    """What an upgrade needs of the RedshiftClient, which calls it."""

    def execute(self, statement: str) -> int:
        """Execute a statement."""

    def query(self, statement: str, arguments: Sequence[Any] | None) -> list[JsonObject]:
        """Return a query's rows."""


def upgrade_tables(client: Client) -> list[str]:
    """Upgrade the tables, in the caller's transaction; returns what was upgraded."""
    columns = {
        (row["table_name"], row["column_name"]): row["is_nullable"]
        for row in client.query(
            "SELECT table_name, column_name, is_nullable FROM information_schema.columns "
            "WHERE table_schema = %s",
            (SCHEMA,),
        )
    }
    tables = {table for table, _ in columns}
    done = []
    for table, column, kind in ADDED_COLUMNS:
        if table in tables and (table, column) not in columns:
            client.execute(f"ALTER TABLE {SCHEMA}.{table} ADD COLUMN {column} {kind}")
            done.append(f"{table}.{column}")
    for table, column in NOW_OPTIONAL:
        if columns.get((table, column)) == "NO":
            names = ", ".join(name for owner, name in columns if owner == table)
            _rebuild(client, read_all("schema", f"*_{table}")[0].text, table, names)
            done.append(f"{table}.{column}")
    return done


def _rebuild(client: Client, ddl: str, table: str, names: str) -> None:
    """Move a table's rows to a new one; raises WarehouseError where a view depends on it."""
    client.execute(f"ALTER TABLE {SCHEMA}.{table} RENAME TO {table}{_BEFORE}")
    client.execute(ddl)
    before = f"{SCHEMA}.{table}{_BEFORE}"
    client.execute(f"INSERT INTO {SCHEMA}.{table} ({names}) SELECT {names} FROM {before}")
    try:
        client.execute(f"DROP TABLE {before}")
    except WarehouseError as error:
        raise WarehouseError(
            f"the table {SCHEMA}.{table} of an earlier version cannot be replaced",
            where=error.where,
            cause=error.cause,
            hint=f"drop the views that read {SCHEMA}.{table}, run the same command again and "
            "create them again",
        ) from error
