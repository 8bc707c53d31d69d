"""What the statements of the local Redshift use of a cursor; psycopg2 has no types of its own."""

from __future__ import annotations

from typing import Any, Protocol

Row = tuple[Any, ...]


class Cursor(Protocol):
    """A cursor that executes Redshift's statements, and PostgreSQL's as they are."""

    connection: Any
    description: Any
    rowcount: int

    def execute(self, query: str, vars: object = None) -> None:
        """Execute Redshift statements."""

    def execute_postgres(self, statement: object, arguments: object = None) -> None:
        """Send a statement to PostgreSQL as it is."""

    def columns_of(self, query: str) -> list[str]:
        """Return the names of the columns of one of PostgreSQL's queries."""

    def fetchone(self) -> Any:
        """Return the next row."""

    def fetchall(self) -> list[Any]:
        """Return all rows that are left."""

    def copy_expert(self, sql: str, file: object, size: int = 8192) -> None:
        """Run PostgreSQL's COPY with a file."""
