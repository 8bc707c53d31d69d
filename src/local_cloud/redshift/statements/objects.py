"""COMMENT, LOCK, OWNER TO and CREATE SCHEMA: statements about objects as a whole."""

from __future__ import annotations

from src.local_cloud.redshift.sql.relations import check_target
from src.sql.cursors import Cursor
from src.sql.quoting import identifier, qualified
from src.sql.reading import TokenReader
from src.sql.refusal import Refusal
from src.sql.scanning import Statement


def comment(statement: Statement) -> str:
    """Translate COMMENT ON kind name IS 'text' | NULL."""
    words = TokenReader(statement)
    words.next()
    words.expect("ON")
    kind = words.next().upper()
    if kind not in ("TABLE", "VIEW", "COLUMN", "SCHEMA"):
        raise Refusal.not_emulated(f"COMMENT ON {kind}")
    parts = name_parts(words)
    if kind == "SCHEMA":
        check_target(parts[-1], "")
    else:
        relation = parts[:-1] if kind == "COLUMN" else parts
        if not relation:
            words.syntax(parts[-1])
        check_target(relation[-2] if len(relation) > 1 else "", relation[-1])
    words.expect("IS")
    text = "NULL"
    if not words.take("NULL"):
        words.string()
        text = statement.tokens[-1].postgres
    at_end(words)
    return f"COMMENT ON {kind} {_dotted(parts)} IS {text}"


def is_checked_comment(statement: Statement) -> bool:
    """Tell whether COMMENT is about what the server behind has no place for a comment of."""
    return statement.words(0, 2) == ["COMMENT", "ON"] and statement.words(2, 1) in (
        ["DATABASE"], ["CONSTRAINT"])  # fmt: skip


def check_comment(statement: Statement, cursor: Cursor) -> None:
    """COMMENT ON DATABASE name | CONSTRAINT name ON table: checked, and not kept."""
    words = TokenReader(statement.since(2))
    kind, name = words.next().upper(), words.identifier()
    check, arguments = "SELECT redshift_local.check_database(%s)", [name]
    if kind == "CONSTRAINT":
        words.expect("ON")
        check = "SELECT redshift_local.key_of(%s::regclass, %s)"
        arguments.insert(0, _relation(words))
    words.expect("IS")
    if not words.take("NULL"):
        words.string()
    at_end(words)
    cursor.execute_postgres(check, arguments)


def lock(statement: Statement) -> str:
    """Translate LOCK [TABLE] name, ...; no other session reads or writes then."""
    words = TokenReader(statement)
    words.next()
    words.take("TABLE")
    names = [_relation(words)]
    while words.take(","):
        names.append(_relation(words))
    at_end(words)
    return f"LOCK TABLE {', '.join(names)} IN ACCESS EXCLUSIVE MODE"


def is_of_owner(statement: Statement) -> bool:
    """Tell whether ALTER gives something to an owner."""
    return statement.words()[-3:-1] == ["OWNER", "TO"]


def give_owner(statement: Statement) -> str:
    """Translate ALTER TABLE | VIEW | SCHEMA name OWNER TO user."""
    words = TokenReader(statement)
    words.next()
    kind = words.next().upper()
    if kind not in ("TABLE", "VIEW", "SCHEMA"):
        raise Refusal.not_emulated(f"ALTER {kind} ... OWNER TO")
    if kind == "SCHEMA":
        name = words.identifier()
        check_target(name, "")
        shown = identifier(name)
    else:
        shown = _relation(words)
    words.expect("OWNER")
    words.expect("TO")
    return f"ALTER {kind} {shown} OWNER TO {identifier(words.identifier())}"


def is_schema(statement: Statement) -> bool:
    """Tell whether CREATE makes a schema of this database's own."""
    return statement.words(0, 2) == ["CREATE", "SCHEMA"]


def create_schema(statement: Statement, cursor: Cursor) -> None:
    """CREATE SCHEMA [IF NOT EXISTS] name [AUTHORIZATION user] [QUOTA n [MB | GB | TB]].

    Nothing here measures a schema: a quota is kept and shown, and never reached.
    """
    words = TokenReader(statement)
    words.next()
    words.next()
    text, name = "CREATE SCHEMA", ""
    if words.take("IF"):
        words.expect("NOT")
        words.expect("EXISTS")
        text += " IF NOT EXISTS"
    if not words.peek_is("AUTHORIZATION"):
        name = name_parts(words)[-1]
        check_target(name, "")
        text += f" {identifier(name)}"
    if words.take("AUTHORIZATION"):
        owner = words.identifier()
        name = name or owner
        text += f" AUTHORIZATION {identifier(owner)}"
    quota = _quota(words) if words.take("QUOTA") else None
    at_end(words)
    cursor.execute_postgres(text)
    if quota is not None:
        cursor.execute_postgres("SELECT redshift_local.set_quota(%s, %s)", (name, quota))


def is_schema_change(statement: Statement) -> bool:
    """Tell whether ALTER SCHEMA gives a schema another name or quota."""
    return statement.words(0, 2) == ["ALTER", "SCHEMA"] and not is_of_owner(statement)


def alter_schema(statement: Statement, cursor: Cursor) -> None:
    """ALTER SCHEMA name RENAME TO name | QUOTA n [MB | GB | TB]."""
    words = TokenReader(statement)
    words.next()
    words.next()
    name = words.identifier()
    check_target(name, "")
    if words.take("QUOTA"):
        quota = _quota(words)
        at_end(words)
        cursor.execute_postgres("SELECT redshift_local.set_quota(%s, %s)", (name, quota))
        return
    words.expect("RENAME")
    words.expect("TO")
    new = words.identifier()
    at_end(words)
    check_target(new, "")
    cursor.execute_postgres(f"ALTER SCHEMA {identifier(name)} RENAME TO {identifier(new)}")


def _quota(words: TokenReader) -> int:
    """Read UNLIMITED, or a size; returns its megabytes, 0 for no limit."""
    if words.take("UNLIMITED"):
        return 0
    number = words.next()
    unit = next((u for u in ("MB", "GB", "TB") if words.take(u)), "MB")
    try:
        found = int(float(number) * {"MB": 1, "GB": 1_024, "TB": 1_048_576}[unit])
    except (ValueError, OverflowError):
        words.syntax(number)
    return found


def name_parts(words: TokenReader) -> list[str]:
    """Read a name with its schema and database, as far as they are given."""
    parts = [words.identifier()]
    while words.take("."):
        parts.append(words.identifier())
    return parts


def at_end(words: TokenReader) -> None:
    """Refuse what follows the end of a statement."""
    if not words.is_at_end:
        words.syntax(words.next())


def _relation(words: TokenReader) -> str:
    parts = name_parts(words)
    check_target(parts[-2] if len(parts) > 1 else "", parts[-1])
    return _dotted(parts)


def _dotted(parts: list[str]) -> str:
    return qualified(*parts)
