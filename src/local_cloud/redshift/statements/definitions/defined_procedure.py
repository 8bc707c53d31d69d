"""A procedure as it was created, and what holds while it runs: its owner's rights, its settings."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from src.sql.cursors import Cursor
from src.sql.quoting import identifier, literal


@dataclass(frozen=True)
class Argument:
    """One argument."""

    name: str
    mode: str
    type: str
    place: int = -1  # among the values of a CALL

    @property
    def is_input(self) -> bool:
        """Tell whether a CALL has a value for it."""
        return self.mode != "OUT"

    @property
    def is_output(self) -> bool:
        """Tell whether it is in a CALL's row."""
        return self.mode != "IN"


@dataclass(frozen=True)
class Procedure:
    """A procedure as it was created."""

    body: str
    arguments: list[Argument]
    is_nonatomic: bool
    settings: list[str]  # SET statements of the server
    definer: int | None  # the procedure's number, where it is SECURITY DEFINER


@contextmanager
def as_defined(found: Procedure, cursor: Cursor) -> Iterator[None]:
    """Run with the rights of a SECURITY DEFINER's owner, and the procedure's own settings.

    Both are of the transaction: an error takes them back with everything else.
    """
    if found.definer is None and not found.settings:
        yield
        return
    names = [text.split()[1] for text in found.settings]
    cursor.execute_postgres("SELECT current_user, redshift_local.settings_of(%s)", (names,))
    user, earlier = cursor.fetchone()
    for text in found.settings:
        cursor.execute_postgres(text.replace("SET ", "SET LOCAL ", 1))
    if found.definer is not None:
        cursor.execute_postgres("SELECT redshift_local.lend_rights(%s)", (found.definer,))
        cursor.execute_postgres(f"SET LOCAL ROLE {identifier(cursor.fetchone()[0])}")
    yield
    if found.definer is not None:
        cursor.execute_postgres(f"SET LOCAL ROLE {identifier(user)}")
        cursor.execute_postgres("SELECT redshift_local.take_rights_back(%s)", (found.definer,))
    for name, value in zip(names, earlier, strict=True):
        given = value if name == "search_path" and value else literal(value or "")
        cursor.execute_postgres(f"SET LOCAL {name} = {given}")
