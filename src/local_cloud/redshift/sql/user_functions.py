"""The names of functions that clients made: a statement may call them besides those of the lists.

No name of PostgreSQL's own gets in (catalog/64), so that a call never means one of those.
"""

from __future__ import annotations

from src.sql.cursors import Cursor

KNOWN: set[str] = set()


def learn(cursor: Cursor) -> None:
    """Add the names of the functions that the server has."""
    cursor.execute_postgres("SELECT redshift_local.user_functions()")
    (names,) = cursor.fetchone()
    KNOWN.update(names or ())
