"""GRANT, REVOKE and ALTER DEFAULT PRIVILEGES: PostgreSQL's own statement for each.

So PostgreSQL decides who may grant what, and holds everyone to it.
"""

from __future__ import annotations

from src.local_cloud.redshift.sql.relations import check_target
from src.local_cloud.redshift.statements.objects import at_end, name_parts
from src.sql.cursors import Cursor
from src.sql.quoting import identifier, qualified
from src.sql.reading import TokenReader
from src.sql.refusal import Refusal
from src.sql.scanning import Statement

_PRIVILEGES = {
    "TABLE": ("SELECT", "INSERT", "UPDATE", "DELETE", "REFERENCES", "TRIGGER", "TRUNCATE"),
    "SCHEMA": ("CREATE", "USAGE"),
    "DATABASE": ("CREATE", "TEMPORARY", "TEMP"),
    "FUNCTION": ("EXECUTE",),
    "LANGUAGE": ("USAGE",),
}
_KNOWN = frozenset(word for words in _PRIVILEGES.values() for word in words)
_ROUTINES = ("FUNCTION", "PROCEDURE")
_SPACES = ("TABLES", "FUNCTIONS", "PROCEDURES", "ROUTINES")


def change_grants(statement: Statement, cursor: Cursor) -> None:
    """Run GRANT or REVOKE, of privileges or of roles."""
    words = TokenReader(statement)
    is_grant = words.next().upper() == "GRANT"
    has_option = not is_grant and _option_for(words)
    if words.take("ROLE"):
        _roles(words, is_grant, has_option, cursor)
    else:
        cursor.execute_postgres(_privileges(words, is_grant, has_option))


def change_default_privileges(statement: Statement) -> str:
    """Translate ALTER DEFAULT PRIVILEGES [FOR USER u, ...] [IN SCHEMA s, ...] GRANT | REVOKE."""
    words = TokenReader(statement)
    for word in ("ALTER", "DEFAULT", "PRIVILEGES"):
        words.expect(word)
    text = "ALTER DEFAULT PRIVILEGES"
    if words.take("FOR"):
        words.expect("USER")
        text += f" FOR ROLE {_identifiers(words)}"
    if words.take("IN"):
        words.expect("SCHEMA")
        text += f" IN SCHEMA {_schemas(words)}"
    is_grant = words.next().upper() == "GRANT"
    has_option = not is_grant and _option_for(words)
    return f"{text} {_privileges(words, is_grant, has_option, is_default=True)}"


def is_of_default_privileges(statement: Statement) -> bool:
    """Tell whether ALTER is about the privileges of what will be created."""
    return statement.words(0, 3) == ["ALTER", "DEFAULT", "PRIVILEGES"]


def _option_for(words: TokenReader) -> bool:
    if not words.take_any("GRANT", "ADMIN"):
        return False
    words.expect("OPTION")
    words.expect("FOR")
    return True


def _roles(words: TokenReader, is_grant: bool, has_option: bool, cursor: Cursor) -> None:
    """GRANT ROLE r, ... TO user | ROLE r, ... [WITH ADMIN OPTION]; REVOKE ROLE ... FROM ..."""
    names = _names(words)
    words.expect("TO" if is_grant else "FROM")
    members = [_member(words)]
    while words.take(","):
        members.append(_member(words))
    if is_grant and words.take("WITH"):
        words.expect("ADMIN")
        words.expect("OPTION")
        has_option = True
    at_end(words)
    for name in names:
        for kind, member in members:
            cursor.execute_postgres(
                "SELECT redshift_local.set_member('role', %s, %s, %s, %s, %s)",
                (name, kind, member, is_grant, has_option),
            )


def _member(words: TokenReader) -> tuple[str, str]:
    if words.take("GROUP"):
        raise Refusal.fails_on_redshift("GRANT ROLE ... TO GROUP")
    return ("role" if words.take("ROLE") else "user"), words.identifier()


def _privileges(
    words: TokenReader, is_grant: bool, has_option: bool, is_default: bool = False
) -> str:
    given = _given(words)
    words.expect("ON")
    kind, target = _defaults(words) if is_default else _target(words)
    allowed = ("ALL", *_PRIVILEGES[kind])
    for name, _ in given:
        if name not in allowed:
            raise Refusal.not_emulated(f"GRANT {name} ON {kind}")
    words.expect("TO" if is_grant else "FROM")
    names, has_grant_option = _grantees(words)
    tail = " WITH GRANT OPTION" if is_grant and has_grant_option else ""
    if not is_grant and words.take_any("CASCADE", "RESTRICT"):
        tail = ""
    at_end(words)
    if not is_grant:
        tail = " CASCADE"  # what was granted on is revoked with it, as on Redshift
    listed = ", ".join(f"{name}{columns}" for name, columns in given)
    verb = "GRANT" if is_grant else f"REVOKE{' GRANT OPTION FOR' if has_option else ''}"
    return f"{verb} {listed} ON {target} {'TO' if is_grant else 'FROM'} {names}{tail}"


def _given(words: TokenReader) -> list[tuple[str, str]]:
    """Read privileges, each with its columns."""
    found = []
    while True:
        name = words.next().upper()
        if name == "ALL":
            words.take("PRIVILEGES")
        elif name not in _KNOWN:
            raise Refusal.not_emulated(f"the privilege {name}")
        columns = ""
        if words.take("("):
            columns = f" ({_identifiers(words)})"
            words.expect(")")
        found.append((name, columns))
        if not words.take(","):
            return found


def _defaults(words: TokenReader) -> tuple[str, str]:
    kind = words.next().upper()
    if kind not in _SPACES:
        words.syntax(kind)
    return ("TABLE", "TABLES") if kind == "TABLES" else ("FUNCTION", "FUNCTIONS")


def _target(words: TokenReader) -> tuple[str, str]:
    """Read what the privileges are on; returns their kind and PostgreSQL's words for it."""
    if words.take("ALL"):
        kind = words.next().upper()
        if kind not in _SPACES:
            words.syntax(kind)
        words.expect("IN")
        words.expect("SCHEMA")
        return kind[:-1].replace("PROCEDURE", "FUNCTION"), f"ALL {kind} IN SCHEMA {_schemas(words)}"
    for kind in ("SCHEMA", "DATABASE", "LANGUAGE"):
        if words.take(kind):
            named = _schemas(words) if kind == "SCHEMA" else _identifiers(words)
            return kind, f"{kind} {named}"
    for kind in _ROUTINES:
        if words.take(kind):
            return "FUNCTION", f"{kind} {_routines(words)}"
    for kind in ("EXTERNAL", "DATASHARE", "MODEL", "COPY", "TEMPLATE"):
        if words.peek_is(kind):
            raise Refusal.not_emulated(f"GRANT ... ON {kind}")
    words.take("TABLE")
    return "TABLE", f"TABLE {_relations(words)}"


def _relations(words: TokenReader) -> str:
    found = []
    while True:
        parts = name_parts(words)
        check_target(parts[-2] if len(parts) > 1 else "", parts[-1])
        found.append(qualified(*parts))
        if not words.take(","):
            return ", ".join(found)


def _routines(words: TokenReader) -> str:
    found = []
    while True:
        parts = name_parts(words)
        check_target(parts[-2] if len(parts) > 1 else "", parts[-1])
        types = routine_types(words)
        found.append(f"{qualified(*parts)}({', '.join(types)})")
        if not words.take(","):
            return ", ".join(found)


def routine_types(words: TokenReader) -> list[str]:
    """Read (type, ...) of a routine's name."""
    found: list[str] = []
    words.expect("(")
    depth, text = 1, ""
    while depth:
        part = words.next()
        depth += {"(": 1, ")": -1}.get(part, 0)
        if depth == 0 or (part == "," and depth == 1):
            found += [text.strip()] if text.strip() else []
            text = ""
        elif not all(c.isalnum() or c in "(),_ " for c in part):
            words.syntax(part)
        else:
            text += part if part in "()," else f" {part}"
    return found


def _schemas(words: TokenReader) -> str:
    names = _names(words)
    for name in names:
        check_target(name, "")
    return ", ".join(identifier(name) for name in names)


def _names(words: TokenReader) -> list[str]:
    found = [words.identifier()]
    while words.take(","):
        found.append(words.identifier())
    return found


def _identifiers(words: TokenReader) -> str:
    return ", ".join(identifier(name) for name in _names(words))


def _grantees(words: TokenReader) -> tuple[str, bool]:
    """Read user | GROUP g | ROLE r | PUBLIC [WITH GRANT OPTION], ..."""
    found, has_option = [], False
    while True:
        if words.take("PUBLIC"):
            found.append("PUBLIC")
        else:
            is_user = not words.take_any("GROUP", "ROLE")
            found.append(identifier(words.identifier()))
            if words.take("WITH"):
                words.expect("GRANT")
                words.expect("OPTION")
                has_option = True
                if not is_user:
                    raise Refusal.fails_on_redshift("WITH GRANT OPTION for a group or role")
        if not words.take(","):
            return ", ".join(found), has_option
