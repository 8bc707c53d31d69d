"""CREATE, DROP and CALL PROCEDURE. PostgreSQL keeps the text and the rights, and never runs it."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence

from src.local_cloud.redshift.procedures.reading import read_body
from src.local_cloud.redshift.procedures.running import Run
from src.local_cloud.redshift.procedures.variables import Scope, Value, Variable
from src.local_cloud.redshift.sql.relations import check_target
from src.local_cloud.redshift.statements.definitions.defined_procedure import (
    Argument,
    Procedure,
    as_defined,
)
from src.local_cloud.redshift.statements.definitions.functions import postgres_type
from src.local_cloud.redshift.statements.objects import at_end, name_parts
from src.local_cloud.redshift.statements.session_settings import set_setting, startup_setting
from src.sql.cursors import Cursor
from src.sql.quoting import identifier, literal, postgres_literal, qualified
from src.sql.reading import TokenReader
from src.sql.refusal import SYNTAX, Refusal
from src.sql.scanning import Statement, Token

_MODES = ("IN", "OUT", "INOUT")
_OF_TWO_WORDS = ("DOUBLE", "CHARACTER", "TIMESTAMP", "TIME")
_DEEPEST = 16  # nested calls, AWS's limit
_Pair = tuple[str, str]
_FIND = """
SELECT p.prosrc, coalesce(p.proargnames, '{}'),
       coalesce(p.proargmodes::text[], '{}'), obj_description(p.oid, 'pg_proc'),
       has_function_privilege(p.oid, 'EXECUTE'),
       CASE WHEN p.prosecdef THEN p.oid END
  FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
 WHERE p.prokind = 'p' AND p.proname = %s AND p.pronargs = %s
   AND CASE WHEN %s = '' THEN pg_catalog.pg_function_is_visible(p.oid) ELSE n.nspname = %s END
 ORDER BY p.oid
"""


def is_of_procedures(statement: Statement) -> bool:
    """Tell whether a statement creates, drops or calls a procedure."""
    words = [word for word in statement.words(0, 4) if word not in ("OR", "REPLACE")]
    is_defined = words[:1] in (["CREATE"], ["ALTER"], ["DROP"]) and words[1:2] == ["PROCEDURE"]
    return words[:1] == ["CALL"] or is_defined


def run_procedures(statement: Statement, cursor: Cursor) -> None:
    """Run CREATE [OR REPLACE], ALTER or DROP PROCEDURE, or CALL."""
    if statement.leading_word == "CALL":
        _call(statement, cursor)
    elif statement.leading_word == "CREATE":
        _create(statement, cursor)
    else:
        words = TokenReader(statement)
        verb = words.next().upper()
        words.next()
        shown, change = signature(words), ""
        if verb == "ALTER":
            change = " OWNER TO " if words.take("OWNER") else " RENAME TO "
            if change == " RENAME TO ":
                words.expect("RENAME")
            words.expect("TO")
            change += identifier(words.identifier())
        at_end(words)
        cursor.execute_postgres(f"{verb} PROCEDURE {shown}{change}")


def signature(words: TokenReader, *, with_modes: bool = True) -> str:
    """Read name(type, ...), and return it for the server."""
    name = _name(words)
    listed = _listed(_arguments(words), with_names=False)
    if not with_modes:
        listed = ", ".join(part.split(" ", 1)[1] for part in listed.split(", ") if part)
    return f"{qualified(*name)}({listed})"


def _name(words: TokenReader) -> list[str]:
    parts = name_parts(words)
    if len(parts) > 2:
        raise Refusal.not_emulated("the name of a database before a procedure's")
    check_target(parts[0] if len(parts) > 1 else "", parts[-1])
    return parts


def _create(statement: Statement, cursor: Cursor) -> None:
    words = TokenReader(statement)
    words.next()
    replaces = words.take("OR")
    if replaces:
        words.expect("REPLACE")
    words.expect("PROCEDURE")
    name = _name(words)
    arguments = _arguments(words)
    body, is_nonatomic, is_definer, settings = _options(words)
    read_body(body)  # a syntax error is one of CREATE, as on Redshift
    if is_definer and is_nonatomic:
        raise Refusal("NONATOMIC procedures cannot be SECURITY DEFINER", SYNTAX)
    cursor.execute_postgres("SELECT redshift_local.check_function_name(%s)", (name[-1],))
    # Redshift keeps the lengths of the arguments' types; PostgreSQL keeps a comment.
    kept = json.dumps({"types": [a.type for a in arguments], "nonatomic": is_nonatomic,
                       "settings": settings})  # fmt: skip
    shown = f"{qualified(*name)}({_listed(arguments, with_names=False)})"
    cursor.execute_postgres(
        "SET check_function_bodies TO off; "
        f"CREATE{' OR REPLACE' if replaces else ''} PROCEDURE {qualified(*name)}"
        f"({_listed(arguments, with_names=True)}) LANGUAGE plpgsql "
        f"{'SECURITY DEFINER ' if is_definer else ''}AS {postgres_literal(body)}; "
        f"COMMENT ON PROCEDURE {shown} IS {literal(kept)}; RESET check_function_bodies"
    )


def _options(words: TokenReader) -> tuple[str, bool, bool, list[str]]:
    """Read AS body, LANGUAGE, NONATOMIC, SECURITY and SET, in any order."""
    body, language = "", ""
    is_nonatomic = is_definer = False
    settings: list[str] = []
    while not words.is_at_end:
        if words.take("AS"):
            body = words.string()
        elif words.take("LANGUAGE"):
            language = words.identifier()
        elif words.take("NONATOMIC"):
            is_nonatomic = True
        elif words.take("SECURITY"):
            is_definer = words.take("DEFINER")
            if not is_definer:
                words.expect("INVOKER")
        elif words.take("SET"):
            name = words.identifier()
            if not words.take_any("TO", "="):
                words.syntax(words.next())
            value = words.string() if words.peek_kind() == "string" else words.next()
            settings.append(set_setting(startup_setting(name, value)))
        else:
            words.syntax(words.next())
    if language != "plpgsql":
        raise Refusal("a stored procedure is written in plpgsql", SYNTAX)
    return body, is_nonatomic, is_definer, settings


def _arguments(words: TokenReader) -> list[Argument]:
    found = []
    words.expect("(")
    if words.take(")"):
        return []
    while True:
        parts: list[str] = []
        depth = 0
        while depth or not words.peek_is(",", ")"):
            text = words.next()
            depth += {"(": 1, ")": -1}.get(text, 0)
            parts.append(text)
        found.append(_argument(parts, words))
        if words.take(")"):
            return found
        words.expect(",")


def _argument(parts: list[str], words: TokenReader) -> Argument:
    """Return [name] [mode] type, or [mode] [name] type."""
    name, mode = "", "IN"
    if parts and parts[0].upper() in _MODES:
        mode = parts.pop(0).upper()
    is_named = len(parts) > 1 and parts[1] != "(" and parts[0].upper() not in _OF_TWO_WORDS
    if is_named or (len(parts) > 2 and parts[1].upper() in _MODES):
        name = Token("quoted" if parts[0].startswith('"') else "word", parts.pop(0)).name
        if parts[0].upper() in _MODES:
            mode = parts.pop(0).upper()
    if not parts:
        words.syntax(")")
    kind = " ".join(parts).replace(" (", "(").replace("( ", "(").replace(" )", ")")
    return Argument(name, mode, kind)


def _listed(arguments: Sequence[Argument], *, with_names: bool) -> str:
    return ", ".join(
        f"{a.mode} {identifier(a.name) + ' ' if a.name and with_names else ''}"
        f"{'refcursor' if a.type.lower() == 'refcursor' else postgres_type(a.type)}"
        for a in arguments
    )


# -- CALL ----------------------------------------------------------------------------------------


def _call(statement: Statement, cursor: Cursor) -> None:
    """Run a procedure, and leave its output arguments as the cursor's one row."""
    connection = cursor.connection
    owns = not connection.is_in_transaction
    outputs = _called(statement, cursor, owns=owns)
    if outputs:
        columns = ", ".join(
            f"{Variable(_sql_type(a.type), value).literal} AS {identifier(a.name or 'column1')}"
            for a, value in outputs
        )
        cursor.execute(f"SELECT {columns}")
    else:  # the rows of what the procedure ran last are none of the client's
        cursor.execute_postgres("DO 'BEGIN END'")


def described(statement: Statement, cursor: Cursor) -> tuple[list[_Pair], list[_Pair]]:
    """Return a CALL's output columns by name, and its values; each with its type."""
    parts, values = _call_parts(statement)
    arguments = _found(parts, len(values), cursor).arguments
    outputs = [(a.name or "column1", _sql_type(a.type)) for a in arguments if a.is_output]
    kinds = [_sql_type(a.type) for a in arguments if a.is_input]
    return outputs, list(zip(values, kinds, strict=True))


def _called(statement: Statement, cursor: Cursor, *, owns: bool) -> list[tuple[Argument, Value]]:
    connection = cursor.connection
    parts, values = _call_parts(statement)
    found = _found(parts, len(values), cursor)
    arguments = found.arguments
    if connection.call_depth >= _DEEPEST:
        raise Refusal(f"stored procedure nested calls limit of {_DEEPEST} exceeded", "54001")
    connection.call_depth += 1
    is_good = False
    # A procedure that is not atomic leaves each statement to commit on its own.
    is_atomic = not (found.is_nonatomic and owns)
    if owns and is_atomic:
        connection.open_transaction()
    try:
        scope, outer = Scope(), iter(values)
        for number, argument in enumerate(arguments, 1):
            kind = _sql_type(argument.type)
            variable = Variable(kind)
            if argument.is_input:
                cursor.execute(f"SELECT CAST(({next(outer)}) AS {kind}) AS value")
                variable.value = cursor.fetchone()[0]
            scope.held[f"${number}"] = variable
            if argument.name:
                scope.held[argument.name] = variable

        def nested(inner: Statement, written: Statement) -> list[tuple[str, Value]]:
            outputs = _called(inner, cursor, owns=owns and not is_atomic)
            texts = [text.lower() for text in _call_parts(written)[1]]
            return [(texts[a.place], value) for a, value in outputs if 0 <= a.place < len(texts)]

        is_bound = found.definer is not None or bool(found.settings)  # to one transaction
        with as_defined(found, cursor):
            run = Run(cursor, scope, is_atomic=is_atomic, owns=owns and not is_bound, call=nested)
            run.run(read_body(found.body))
        is_good = True
    finally:
        connection.call_depth -= 1
        if owns and is_atomic and not connection.closed:
            connection.close_transaction("COMMIT" if is_good else "ROLLBACK")
    return [(a, scope.held[f"${n}"].value) for n, a in enumerate(arguments, 1) if a.is_output]


def _call_parts(statement: Statement) -> tuple[list[str], list[str]]:
    """Return a CALL's name and the texts of its values."""
    words = TokenReader(statement)
    words.next()
    parts = name_parts(words)
    words.expect("(")
    start = 1 + 2 * len(parts)
    values: list[str] = []
    depth, begun = 1, start
    for at in range(start, len(statement.tokens)):
        text = statement.tokens[at].text
        depth += {"(": 1, "[": 1, ")": -1, "]": -1}.get(text, 0)
        if depth == 0 or (depth == 1 and text == ","):
            inside = statement.since(begun, at).code
            if inside or text == ",":
                values.append(inside)
            begun = at + 1
        if depth == 0 and at + 1 < len(statement.tokens):
            words.syntax(statement.tokens[at + 1].text)
    if depth:
        words.syntax("end of statement")
    return parts[-2:], values


def _found(parts: list[str], count: int, cursor: Cursor) -> Procedure:
    schema = parts[0] if len(parts) > 1 else ""
    cursor.execute_postgres(_FIND, (parts[-1], count, schema, schema))
    row = cursor.fetchone()
    if row is None:
        shown = ".".join(parts)
        raise Refusal(f"procedure {shown} with {count} arguments does not exist", "42883")
    body, names, modes, comment, may_run, definer = row
    if not may_run:
        raise Refusal(f"permission denied for procedure {parts[-1]}", "42501")
    kept = json.loads(comment)
    shown_modes = {"i": "IN", "o": "OUT", "b": "INOUT"}
    places = itertools.count()
    arguments = []
    for index, kind in enumerate(kept["types"]):
        mode = shown_modes[modes[index]] if index < len(modes) else "IN"
        name = names[index] if index < len(names) else ""
        arguments.append(Argument(name, mode, kind, -1 if mode == "OUT" else next(places)))
    is_nonatomic = bool(kept["nonatomic"])
    return Procedure(body, arguments, is_nonatomic, kept.get("settings", []), definer)


def _sql_type(kind: str) -> str:
    """Return the type of a variable: without a length, a text's is Redshift's longest."""
    plain = kind.lower()
    if plain in ("varchar", "character varying", "text", "nvarchar"):
        return "VARCHAR(65535)"
    return "VARCHAR(63)" if plain == "refcursor" else kind
