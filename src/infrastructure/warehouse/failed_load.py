"""Keeps the rows of a load that failed its audit where they can be looked at: concert_staging.

The audit runs before COMMIT, so its ROLLBACK takes the rows away. The same load is then done
once more with this schema in place of concert_dw: the statements are the same, word for word.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from src.domain.tables import SCHEMA, TABLES
from src.errors import WarehouseError
from src.infrastructure.redshift_client import RedshiftClient
from src.infrastructure.warehouse.load_plan import LoadMode

STAGING_SCHEMA = "concert_staging"
_TABLES = (*(spec.name for spec in TABLES), "rejected_records", "load_history")
_REGISTER = "kept_tables"  # which tables are the demo's: by id, not by name
_NAMED = re.compile(rf"'(?:[^'\\]|''|\\.)*'|\b{SCHEMA}(?=\.)")
_THERE = (
    "SELECT c.relname AS name, CAST(c.oid AS BIGINT) AS id FROM pg_class c "
    f"JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = '{STAGING_SCHEMA}'"
)
_COLUMNS = (
    "SELECT table_schema, table_name, column_name, is_nullable FROM information_schema.columns "
    f"WHERE table_schema IN ('{SCHEMA}', '{STAGING_SCHEMA}')"
)


class FailedLoad:
    """The schema with the rows of the newest load that failed; empty after one that did not."""

    def __init__(self, client: RedshiftClient) -> None:
        self._client = client

    def keep(self, mode: LoadMode, fill: Callable[[RedshiftClient], None]) -> None:
        """Do a load in the staging schema: `fill(client)` writes it, to concert_dw as it believes.

        Raises WarehouseError where the schema holds tables that no failed load left.
        """
        client = self._client
        with client.transaction():
            self._prepare(mode)
            fill(
                RedshiftClient(
                    lambda: _Redirected(client.connection),
                    is_serverless=client.is_serverless,
                    is_part=True,
                )
            )

    def _prepare(self, mode: LoadMode) -> None:
        """Make the tables: empty, or for a merge with the warehouse's rows."""
        self._client.create_schema(STAGING_SCHEMA)
        own = self._own()
        foreign = self._there().keys() & {*_TABLES, _REGISTER} - own - (
            {_REGISTER} if own else set()
        )
        if foreign:
            names = ", ".join(sorted(foreign))
            raise WarehouseError(
                f"the schema {STAGING_SCHEMA} holds tables that the demo did not make: {names}",
                cause=f"the demo keeps rows of failed loads in the schema {STAGING_SCHEMA}",
                hint="move these tables to another schema: ALTER TABLE ... SET SCHEMA, or CREATE "
                "TABLE ... AS and DROP TABLE",
            )
        for name in self._outdated():
            self._client.execute(f"DROP TABLE {STAGING_SCHEMA}.{name}")
        for name in _TABLES:
            copy = f"{STAGING_SCHEMA}.{name}"
            self._client.execute(f"CREATE TABLE IF NOT EXISTS {copy} (LIKE {SCHEMA}.{name})")
            self._client.execute(f"DELETE FROM {copy}")
        self._register()
        for spec in TABLES if mode == "merge" else ():
            names = ", ".join(spec.column_names)
            self._client.execute(
                f"INSERT INTO {STAGING_SCHEMA}.{spec.name} ({names}) "
                f"SELECT {names} FROM {SCHEMA}.{spec.name}"
            )

    def _register(self) -> None:
        """Note by which ids the tables are known."""
        register = f"{STAGING_SCHEMA}.{_REGISTER}"
        self._client.execute(
            f"CREATE TABLE IF NOT EXISTS {register} (id BIGINT, name VARCHAR(127))"
        )
        self._client.execute(f"DELETE FROM {register}")
        for name, number in self._there().items():
            if name in _TABLES:
                self._client.execute(f"INSERT INTO {register} VALUES (%s, %s)", (number, name))

    def _outdated(self) -> list[str]:
        """Return the own tables that differ from the warehouse's: an earlier version's."""
        columns: dict[tuple[str, str], set[tuple[str, str]]] = {}
        for row in self._client.query(_COLUMNS):
            table = columns.setdefault((row["table_schema"], row["table_name"]), set())
            table.add((row["column_name"], row["is_nullable"]))
        return [
            name
            for name in self._own()
            if columns[STAGING_SCHEMA, name] != columns.get((SCHEMA, name))
        ]

    def clear(self) -> None:
        """Delete what an earlier failed load left; readers are not waited for, as DROP would."""
        own = self._own()
        history = f"SELECT COUNT(*) FROM {STAGING_SCHEMA}.load_history"
        if "load_history" in own and int(self._client.query_value(history)):
            for name in own:
                self._client.execute(f"DELETE FROM {STAGING_SCHEMA}.{name}")

    def _there(self) -> dict[str, int]:
        """Return every relation of the schema, and its id."""
        return {row["name"]: int(row["id"]) for row in self._client.query(_THERE)}

    def _own(self) -> set[str]:
        """Return the tables that an earlier failed load made, and no later load has replaced."""
        there = self._there()
        if _REGISTER not in there:
            return set()
        columns = [
            (row["table_schema"], row["column_name"])
            for row in self._client.query(f"{_COLUMNS} AND table_name = '{_REGISTER}'")
        ]
        if sorted(columns) != [(STAGING_SCHEMA, "id"), (STAGING_SCHEMA, "name")]:
            return set()  # another table of that name
        known = self._client.query(f"SELECT id, name FROM {STAGING_SCHEMA}.{_REGISTER}")
        return {row["name"] for row in known if there.get(row["name"]) == int(row["id"])}


def redirect(statement: str) -> str:
    """Return a statement with concert_staging for concert_dw, quoted texts left alone."""
    return _NAMED.sub(lambda m: m[0] if m[0][0] == "'" else STAGING_SCHEMA, statement)


class _Redirected:
    """A connection whose cursors redirect."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def cursor(self) -> _RedirectedCursor:
        """Return a cursor."""
        return _RedirectedCursor(self._connection.cursor())


class _RedirectedCursor:
    def __init__(self, cursor: Any) -> None:
        self._cursor = cursor

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cursor, name)

    def __enter__(self) -> _RedirectedCursor:
        self._cursor.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._cursor.__exit__(*error)

    def execute(self, statement: str, arguments: Any = None) -> None:
        """Run a statement."""
        self._cursor.execute(redirect(statement), arguments)
