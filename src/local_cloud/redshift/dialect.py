"""Queries and DML: refuse what Redshift lacks, translate what PostgreSQL lacks.

What a statement may use is a list, so that nothing passes by accident: a function, type or
clause that is not on it is refused by name.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import sqlglot
from sqlglot import exp
from sqlglot.dialects.redshift import Redshift
from sqlglot.errors import SqlglotError

from src.local_cloud.redshift.failures import SYNTAX, fail, fails_on_redshift, not_emulated

_FUNCTIONS = frozenset(
    [
        "abs",
        "and",
        "any",
        "avg",
        "case",
        "cast",
        "ceil",
        "coalesce",
        "concat",
        "count",
        "current_timestamp",
        "date_add",
        "date_diff",
        "date_part",
        "date_trunc",
        "dense_rank",
        "distinct_fn",
        "exists",
        "exp",
        "extract",
        "filter",
        "first_value",
        "floor",
        "getdate",
        "greatest",
        "if",
        "lag",
        "last_value",
        "lead",
        "least",
        "length",
        "len",
        "ln",
        "lower",
        "max",
        "min",
        "mod",
        "ntile",
        "nullif",
        "octet_length",
        "or",
        "pg_backend_pid",
        "pg_last_copy_count",
        "pg_last_copy_id",
        "pow",
        "power",
        "quantile",
        "percentile_cont",
        "rank",
        "round",
        "row_number",
        "safe_divide",
        "sqrt",
        "stddev",
        "stddev_pop",
        "stddev_samp",
        "substring",
        "sum",
        "timestamp_add",
        "timestamp_diff",
        "timestamp_trunc",
        "trim",
        "trunc",
        "ts_or_ds_add",
        "ts_or_ds_diff",
        "ts_or_ds_to_date",
        "upper",
        "variance",
        "variance_pop",
        "md5",
        "sign",
        "ltrim",
        "rtrim",
        "strpos",
        "str_position",
        "left",
        "right",
        "replace",
        "random",
        "not",
        "try_cast",
        "datediff",
        "dateadd",
        "current_date",
        "cume_dist",
        "percent_rank",
        "xor",
        "length_b",
        "byte_length",
    ]
)
_POSTGRES_ONLY = frozenset(
    [
        "generate_series",
        "exploding_generate_series",
        "string_agg",
        "array_agg",
        "group_concat",
        "unnest",
        "explode",
        "to_json",
        "row_to_json",
        "json_agg",
        "jsonb_agg",
        "array_to_string",
        "regexp_matches",
        "gen_random_uuid",
        "uuid",
        "json_build_object",
        "jsonb_build_object",
        "array",
        "format",
        "pg_sleep",
        "pg_input_is_valid",
    ]
)
_TYPES = frozenset(
    [
        "VARCHAR",
        "CHAR",
        "TEXT",
        "NVARCHAR",
        "NCHAR",
        "BPCHAR",
        "SMALLINT",
        "INT",
        "BIGINT",
        "DECIMAL",
        "FLOAT",
        "DOUBLE",
        "BOOLEAN",
        "DATE",
        "TIMESTAMP",
        "TIMESTAMPTZ",
        "INTERVAL",
        "TIMESTAMPNTZ",
    ]
)


def split(text: str) -> list[str]:
    """Split a script into its statements; semicolons in strings and comments do not count."""
    pieces, start = [], 0
    for token in _tokens(text):
        if token.token_type == sqlglot.TokenType.SEMICOLON:
            pieces.append(text[start : token.start])
            start = token.end + 1
    pieces.append(text[start:])
    return [piece.strip() for piece in pieces if any(_tokens(piece))]


def leading_word(statement: str) -> str:
    """Return a statement's first word, comments passed over."""
    tokens = _tokens(statement)
    return tokens[0].text.upper() if tokens else ""


def creates_table(statement: str) -> bool:
    """Tell whether a CREATE statement makes a table (not a view or a schema)."""
    words = [token.text.upper() for token in _tokens(statement)[:4]]
    return "TABLE" in words


@lru_cache(maxsize=256)
def _tokens(text: str) -> list[Any]:
    return list(Redshift().tokenize(text))


def parse(statement: str, execute: Any) -> exp.Expression:
    """Parse one statement as Redshift; a syntax error is raised through the server."""
    try:
        tree = sqlglot.parse_one(statement, read="redshift")
    except SqlglotError as error:
        fail(execute, f"syntax error: {str(error).splitlines()[0]}", SYNTAX)
    if isinstance(tree, exp.Command):
        not_emulated(execute, f"{tree.this} {str(tree.expression)[:60]}")
    assert isinstance(tree, exp.Expression)
    return tree


def translate(statement: str, execute: Any) -> str:
    """Return the PostgreSQL text of a Redshift query, DML or simple DDL statement."""
    return _translated(statement) or _translate_or_fail(statement, execute)


@lru_cache(maxsize=256)
def _translated(statement: str) -> str | None:
    """Translate what needs no server to complain; None where something is wrong."""
    try:
        return _render(parse(statement, _complain))
    except _ComplaintError:
        return None


def _translate_or_fail(statement: str, execute: Any) -> str:
    tree = parse(statement, execute)
    check(tree, execute)
    return tree.sql(dialect="postgres")


def _render(tree: exp.Expression) -> str:
    check(tree, _complain)
    return tree.sql(dialect="postgres")


class _ComplaintError(Exception):
    pass


def _complain(*_: Any) -> None:
    raise _ComplaintError


def check(tree: exp.Expression, execute: Any) -> None:
    """Refuse functions, types and clauses that Redshift lacks or this layer does not know."""
    for node in tree.walk():
        if isinstance(node, exp.Identifier):
            node.set("this", node.this.lower())  # folded even when quoted
        elif isinstance(node, exp.DataType):
            _check_type(node, execute)
        elif isinstance(node, exp.Func):
            _check_function(node, execute)
        elif isinstance(node, exp.Returning):
            fails_on_redshift(execute, "RETURNING")
        elif isinstance(node, exp.OnConflict):
            fails_on_redshift(execute, "ON CONFLICT")
        elif isinstance(node, exp.Distinct) and node.args.get("on"):
            fails_on_redshift(execute, "DISTINCT ON")
        elif isinstance(node, exp.Index):
            fails_on_redshift(execute, "CREATE INDEX")


def _check_type(node: exp.DataType, execute: Any) -> None:
    name = node.this.name if hasattr(node.this, "name") else str(node.this)
    if name not in _TYPES:
        fails_on_redshift(execute, f"type {name}")


def _check_function(node: exp.Func, execute: Any) -> None:
    if isinstance(node, exp.Anonymous):
        name = str(node.this).lower()
    else:
        name = node.sql_name().lower()
    if name in _POSTGRES_ONLY:
        fails_on_redshift(execute, f"function {name}()")
    if name not in _FUNCTIONS:
        not_emulated(execute, f"function {name}()")
