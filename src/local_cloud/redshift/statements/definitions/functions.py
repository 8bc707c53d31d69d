"""Scalar functions of clients in SQL: one SELECT of the arguments, checked as any query."""

from __future__ import annotations

from typing import Any

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from src.local_cloud.redshift.sql import parsing, user_functions
from src.local_cloud.redshift.sql.relations import check_target, relations
from src.local_cloud.redshift.statements.definitions.grants import routine_types
from src.local_cloud.redshift.statements.objects import at_end, name_parts
from src.sql import scanning
from src.sql.cursors import Cursor
from src.sql.quoting import postgres_literal, qualified
from src.sql.reading import TokenReader
from src.sql.refusal import SYNTAX, Refusal
from src.sql.scanning import Statement

_VOLATILITIES = ("VOLATILE", "STABLE", "IMMUTABLE")


def is_of_functions(statement: Statement) -> bool:
    """Tell whether a statement creates or drops a function."""
    words = statement.words(0, 4)
    if words[:3] == ["CREATE", "OR", "REPLACE"]:
        words = [words[0], *words[3:]]
    return words[:2] in (["CREATE", "FUNCTION"], ["DROP", "FUNCTION"])


def change_functions(statement: Statement, cursor: Cursor) -> None:
    """Run CREATE [OR REPLACE] FUNCTION ... LANGUAGE sql, or DROP FUNCTION name(types)."""
    words = TokenReader(statement)
    is_new = words.next().upper() == "CREATE"
    replaces = words.take("OR")
    if replaces:
        words.expect("REPLACE")
    words.expect("FUNCTION")
    parts = name_parts(words)
    if len(parts) > 2:
        raise Refusal.not_emulated("the name of a database before a function's")
    check_target(parts[0] if len(parts) > 1 else "", parts[-1])
    name = qualified(*parts)
    types = ", ".join(postgres_type(text) for text in routine_types(words))
    if not is_new:
        words.take_any("CASCADE", "RESTRICT")
        at_end(words)
        cursor.execute_postgres(f"DROP FUNCTION {name}({types})")
        return
    words.expect("RETURNS")
    returned, volatility = _returned(words)
    words.expect("AS")
    body = words.string()
    words.expect("LANGUAGE")
    language = words.identifier()
    at_end(words)
    if language != "sql":
        raise Refusal.not_emulated(f"CREATE FUNCTION ... LANGUAGE {language}")
    cursor.execute_postgres("SELECT redshift_local.check_function_name(%s)", (parts[-1],))
    cursor.execute_postgres(
        f"CREATE{' OR REPLACE' if replaces else ''} FUNCTION {name}({types}) RETURNS {returned} "
        f"LANGUAGE sql {volatility} AS {postgres_literal(_body(body))}"
    )
    user_functions.KNOWN.add(parts[-1])


def _returned(words: TokenReader) -> tuple[str, str]:
    text = ""
    while not words.peek_is(*_VOLATILITIES):
        text += f" {words.next()}"
    return postgres_type(text.strip()), words.next().upper()


def postgres_type(text: str) -> str:
    """Return a type of Redshift's as PostgreSQL writes it."""
    try:
        tree = sqlglot.parse_one(f"CAST(1 AS {text})", read="redshift")
    except SqlglotError:
        raise Refusal(f'type "{text[:60]}" does not exist', "42704") from None
    if not isinstance(tree, exp.Cast):
        raise Refusal(f'type "{text[:60]}" does not exist', "42704")
    checked: Any = parsing.check(exp.select(tree))
    return str(checked.selects[0].to.sql("postgres"))


def _body(body: str) -> str:
    """Return the function's query for PostgreSQL: a SELECT that reads no table, as on Redshift."""
    query = scanning.read(body)
    if query.leading_word != "SELECT":
        raise Refusal("the body of a SQL function is one SELECT", SYNTAX)
    tree = parsing.parse(query)
    if any(relations(tree)) or tree.find(exp.Into):
        raise Refusal("a SQL function's SELECT has no FROM, INTO or other clause", SYNTAX)
    return parsing.translate(query)
