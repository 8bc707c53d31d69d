"""Names and texts written as SQL: the one place that quotes them."""

from __future__ import annotations


def identifier(name: str) -> str:
    """Return a name as SQL reads it, whatever characters it has."""
    return '"' + name.replace('"', '""') + '"'


def qualified(*names: str) -> str:
    """Return a name with its schema."""
    return ".".join(map(identifier, names))


def literal(text: str) -> str:
    """Return a text as standard SQL's literal; a backslash is an ordinary character."""
    return "'" + text.replace("'", "''") + "'"


def redshift_literal(text: str) -> str:
    """Return a text as Redshift's literal, in which a backslash escapes."""
    return literal(text.replace("\\", "\\\\"))


def postgres_literal(text: str) -> str:
    """Return a text as PostgreSQL's literal with escapes, whatever its settings are."""
    return "E" + redshift_literal(text)


def coded_literal(text: str) -> str:
    """Return a text as PostgreSQL's literal of codes: no character in it is special to anyone."""
    return "E'" + "".join(f"\\x{b:02x}" for b in text.encode()) + "'" if text else "''"


def shown(name: str) -> str:
    """Return a name as PostgreSQL's messages print it: nothing in it is doubled."""
    return f'"{name}"'
