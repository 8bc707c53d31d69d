"""COMMENT, LOCK, OWNER TO and CREATE SCHEMA: statements about objects as a whole."""

from __future__ import annotations

from src.local_cloud.redshift.sql.relations import check_target
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


def create_schema(statement: Statement) -> str:
    """Translate CREATE SCHEMA [IF NOT EXISTS] name [AUTHORIZATION user] [QUOTA UNLIMITED].

    Nothing here measures a schema, so a quota that has a limit is refused.
    """
    words = TokenReader(statement)
    words.next()
    words.next()
    text = "CREATE SCHEMA"
    if words.take("IF"):
        words.expect("NOT")
        words.expect("EXISTS")
        text += " IF NOT EXISTS"
    if not words.peek_is("AUTHORIZATION"):
        parts = name_parts(words)
        check_target(parts[-1], "")
        text += f" {identifier(parts[-1])}"
    if words.take("AUTHORIZATION"):
        text += f" AUTHORIZATION {identifier(words.identifier())}"
    if words.take("QUOTA") and not words.take("UNLIMITED"):
        raise Refusal.not_emulated("CREATE SCHEMA ... QUOTA with a limit")
    at_end(words)
    return text


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
