"""Isolation levels: SNAPSHOT and SERIALIZABLE; other names are accepted and change nothing."""

from __future__ import annotations

from src.sql.cursors import Cursor
from src.sql.reading import TokenReader
from src.sql.refusal import Refusal
from src.sql.scanning import Statement

_LEVELS = {
    ("SERIALIZABLE",): "SERIALIZABLE",
    ("SNAPSHOT",): "REPEATABLE READ",  # PostgreSQL's name
    ("READ", "UNCOMMITTED"): "",
    ("READ", "COMMITTED"): "",
    ("REPEATABLE", "READ"): "",
}
_OTHERS = frozenset(["WORK", "TRANSACTION", "READ", "WRITE", "ONLY", ","])
_WITHOUT_EFFECT = "SET redshift.isolation TO default"


def begin(statement: Statement) -> str:
    """Translate BEGIN, COMMIT and their like."""
    words = _with_levels(statement, 1)
    return " ".join([statement.leading_word, *words])


def set_level(statement: Statement) -> str:
    """Translate SET TRANSACTION and SET SESSION CHARACTERISTICS AS TRANSACTION."""
    start = statement.words().index("TRANSACTION") + 1
    words = _with_levels(statement, start)
    if not words:
        return _WITHOUT_EFFECT
    return " ".join([*statement.words()[:start], *words])


def alter_database(statement: Statement, cursor: Cursor) -> None:
    """Run ALTER DATABASE name ISOLATION LEVEL level: that of later sessions."""
    words = TokenReader(statement)
    for word in ("ALTER", "DATABASE"):
        words.expect(word)
    name = words.identifier()
    for word in ("ISOLATION", "LEVEL"):
        words.expect(word)
    level = words.next().upper()
    if not words.is_at_end or level not in ("SNAPSHOT", "SERIALIZABLE"):
        raise Refusal.not_emulated(f"{statement.code[:60]!r}")
    cursor.execute_postgres(
        "SELECT redshift_local.set_isolation(%s, %s)", (name, _LEVELS[(level,)].lower())
    )


def is_of_database(statement: Statement) -> bool:
    """Tell whether a statement gives a database its isolation level."""
    return statement.words(0, 2) == ["ALTER", "DATABASE"] and "ISOLATION" in statement.words(3)


def _with_levels(statement: Statement, start: int) -> list[str]:
    """Return a transaction's words with PostgreSQL's level in the place of Redshift's."""
    words, found = statement.words(start), []
    while words:
        if words[:2] == ["ISOLATION", "LEVEL"]:
            level = next((level for level in _LEVELS if tuple(words[2:4])[: len(level)] == level),
                         None)  # fmt: skip
            if level is None:
                raise Refusal.not_emulated(f"{statement.code[:60]!r}")
            found += ["ISOLATION LEVEL", _LEVELS[level]] if _LEVELS[level] else []
            words = words[2 + len(level) :]
            continue
        word = words.pop(0)
        if word not in _OTHERS:
            raise Refusal.not_emulated(f"{statement.code[:60]!r}")
        found.append(word)
    return " ".join(found).strip(" ,").split() if found else []
