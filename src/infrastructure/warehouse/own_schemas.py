"""The schemas that the demo made in a warehouse, and their removal; views of others stay."""

from __future__ import annotations

from src.domain.tables import SCHEMA
from src.errors import WarehouseError
from src.infrastructure.redshift_client import RedshiftClient
from src.infrastructure.warehouse.streamed_sales import EXTERNAL, LIVE
from src.sql.quoting import identifier

# In the order of their removal; each is known by tables that only the demo names so.
_KNOWN_BY = {LIVE: {"positions", "ingest_log"}, EXTERNAL: set[str](), SCHEMA: {"load_history"}}
_READERS = (
    "SELECT DISTINCT n.nspname AS schema_name, v.relname AS view_name FROM pg_rewrite r "
    "JOIN pg_depend d ON d.objid = r.oid JOIN pg_class t ON t.oid = d.refobjid "
    "JOIN pg_namespace s ON s.oid = t.relnamespace JOIN pg_class v ON v.oid = r.ev_class "
    "JOIN pg_namespace n ON n.oid = v.relnamespace "
    "WHERE s.nspname IN (%s, %s) AND n.nspname NOT IN (%s, %s) ORDER BY 1, 2"
)


class OwnSchemas:
    """Finds and drops the demo's schemas."""

    def __init__(self, client: RedshiftClient) -> None:
        self._client = client

    def find(self) -> dict[str, str]:
        """Return the statement that drops each schema of the demo's, in their order.

        The external schema of a stream has no tables: it is the demo's where the tables are, which
        go last.
        """
        has_tables = _KNOWN_BY[SCHEMA] <= set(self._client.table_names(SCHEMA))
        found = {}
        for name, tables in _KNOWN_BY.items():
            is_own = tables <= set(self._client.table_names(name))
            if (has_tables if name == EXTERNAL else is_own) and self._client.has_schema(name):
                end = "" if name == EXTERNAL else " CASCADE"
                found[name] = f"DROP SCHEMA {identifier(name)}{end}"
        return found

    def readers(self) -> list[str]:
        """Return the views outside of these schemas that read them: CASCADE would drop those."""
        rows = self._client.query(_READERS, (SCHEMA, LIVE, SCHEMA, LIVE))
        return [f"{row['schema_name']}.{row['view_name']}" for row in rows]

    def drop(self, statements: dict[str, str]) -> None:
        """Drop schemas; raises WarehouseError, before any goes, where views of others read them."""
        readers = self.readers() if statements else []
        if readers:
            raise WarehouseError(
                "views of others read the demo's tables, and would go with them",
                where=", ".join(readers),
                hint="drop those views first, or keep the tables with --keep-warehouse",
            )
        for statement in statements.values():
            self._client.execute(statement)
        if self.find():
            raise WarehouseError(f"still there: {', '.join(self.find())}", hint="run it again")
