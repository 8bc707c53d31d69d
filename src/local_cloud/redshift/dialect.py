"""Queries and DML: refuse what Redshift lacks, translate what PostgreSQL lacks.

What a statement may use is a list, so that nothing passes by accident: a function, type or
clause that is not on it is refused by name.
"""

from __future__ import annotations

import logging
from functools import lru_cache
from typing import Any

import sqlglot
from sqlglot import exp
from sqlglot.dialects.redshift import Redshift
from sqlglot.errors import SqlglotError, TokenError
from sqlglot.parsers.redshift import RedshiftParser

from src.local_cloud.redshift.failures import SYNTAX, fail, fails_on_redshift, not_emulated
from src.local_cloud.redshift.rewriting import rewrite

_FUNCTIONS = frozenset(
    [
        "abs", "and", "any", "approx_distinct", "ascii", "avg", "bit_length", "bool_and",
        "bool_or", "btrim", "byte_length", "case", "cast", "ceil", "chr", "coalesce", "concat",
        "convert_timezone", "cos", "count", "cume_dist", "current_database", "current_date",
        "current_schema", "current_timestamp", "current_user", "current_version", "date_add",
        "date_diff", "date_part", "date_trunc", "dateadd", "datediff", "decode_case", "degrees",
        "dense_rank", "distinct_fn", "exists", "exp", "extract", "filter", "first_value",
        "floor", "from_base", "getdate", "greatest", "group_concat", "hex", "if", "initcap",
        "isnull", "json_extract_scalar", "lag", "last_day", "last_value", "lead", "least",
        "left", "len", "length", "length_b", "ln", "log", "logical_and", "logical_or", "lower",
        "ltrim", "max", "md5", "median", "min", "mod", "months_between", "not", "nth_value",
        "ntile", "nullif", "nvl2", "octet_length", "or", "pad", "percent_rank",
        "percentile_cont", "pg_backend_pid", "pg_last_copy_count", "pg_last_copy_id",
        "pg_last_query_id", "pg_last_unload_count", "pg_last_unload_id", "pi", "pow", "power",
        "quantile", "radians", "random", "rank", "ratio_to_report", "regexp_count",
        "regexp_extract", "regexp_like", "regexp_replace", "regexp_substr", "repeat", "replace",
        "reverse", "right", "round", "row_number", "rtrim", "safe_divide", "sign", "sin",
        "split_part", "sqrt", "stddev", "stddev_pop", "stddev_samp", "str_position",
        "str_to_date", "str_to_time", "strpos", "substring", "sum", "tan", "to_char", "to_date",
        "to_timestamp",
        "timestamp_add", "timestamp_diff", "timestamp_trunc", "to_hex", "to_number", "translate",
        "trim", "trunc", "try_cast", "ts_or_ds_add", "ts_or_ds_diff", "ts_or_ds_to_date",
        "upper", "values", "variance", "variance_pop", "xor",
    ]
)  # fmt: skip
# sqlglot gives LISTAGG and STRING_AGG one name: these are refused by their own.
_POSTGRES_WORDS = frozenset(["STRING_AGG", "ARRAY_AGG", "JSON_AGG", "JSONB_AGG", "FORMAT"])
_POSTGRES_ONLY = frozenset(
    [
        "array", "array_agg", "array_to_string", "explode", "exploding_generate_series",
        "gen_random_uuid", "generate_series", "json_agg", "json_build_object", "jsonb_agg",
        "jsonb_build_object", "pg_input_is_valid", "pg_sleep", "regexp_matches", "row_to_json",
        "string_agg", "to_json", "unnest", "uuid",
    ]
)  # fmt: skip
_TYPES = frozenset(
    [
        "VARCHAR", "CHAR", "TEXT", "NVARCHAR", "NCHAR", "BPCHAR", "SMALLINT", "INT", "BIGINT",
        "DECIMAL", "FLOAT", "DOUBLE", "BOOLEAN", "DATE", "TIMESTAMP", "TIMESTAMPTZ", "INTERVAL",
        "TIMESTAMPNTZ", "TIME",
    ]
)  # fmt: skip
# Redshift has these; this emulation has not.
_OTHER_TYPES = frozenset(["SUPER", "VARBINARY", "GEOMETRY", "GEOGRAPHY", "HLLSKETCH", "TIMETZ"])


# What PostgreSQL can create and Redshift cannot.
_POSTGRES_KINDS = frozenset(
    ["SEQUENCE", "TRIGGER", "TYPE", "DOMAIN", "RULE", "EXTENSION", "AGGREGATE", "OPERATOR", "CAST",
     "INDEX", "TABLESPACE"]
)  # fmt: skip
_POSTGRES_CLAUSES: dict[type[Any], str] = {
    exp.Returning: "RETURNING",
    exp.OnConflict: "ON CONFLICT",
    exp.NullSafeEQ: "IS DISTINCT FROM",
    exp.NullSafeNEQ: "IS DISTINCT FROM",
    exp.Index: "CREATE INDEX",
    exp.TableSample: "TABLESAMPLE",
    exp.Filter: "FILTER of an aggregate",
    exp.Lateral: "LATERAL",
    exp.Lock: "SELECT ... FOR UPDATE",
    exp.InheritsProperty: "INHERITS",
    exp.UnloggedProperty: "UNLOGGED",
    exp.PartitionedByProperty: "PARTITION BY",
}
logging.getLogger("sqlglot").addHandler(logging.NullHandler())  # it warns of what we refuse


class _Dialect(Redshift):
    """Redshift as sqlglot reads it, less what loses the letter case of formats."""

    class Parser(RedshiftParser):
        """Leaves PostgreSQL's own formatting functions as they stand."""

        FUNCTIONS = {
            name: build
            for name, build in RedshiftParser.FUNCTIONS.items()
            if name not in ("TO_CHAR", "TO_DATE", "TO_TIMESTAMP")
        }


def split(text: str, execute: Any) -> list[str]:
    """Split a script into its statements; semicolons in strings and comments do not count.

    What cannot be read as words at all is a syntax error, raised through the server.
    """
    try:
        found = tokens(text)
    except TokenError as error:
        fail(execute, f"syntax error: {str(error).splitlines()[0]}", SYNTAX)
    pieces, start = [], 0
    for token in found:
        if token.token_type == sqlglot.TokenType.SEMICOLON:
            pieces.append(text[start : token.start])
            start = token.end + 1
    pieces.append(text[start:])
    return [piece.strip() for piece in pieces if any(tokens(piece))]


def leading_word(statement: str) -> str:
    """Return a statement's first word, comments passed over."""
    words = tokens(statement)
    return words[0].text.upper() if words else ""


def has_outer_limit(query: str) -> bool:
    """Tell whether a query's outermost SELECT has a LIMIT, which UNLOAD refuses."""
    try:
        tree = sqlglot.parse_one(query, read=_Dialect)
    except SqlglotError:
        return False  # its own error is raised when it is translated
    return tree.args.get("limit") is not None


def creates_table(statement: str) -> bool:
    """Tell whether a CREATE statement makes a table (not a view or a schema)."""
    words = [token.text.upper() for token in tokens(statement)[:4]]
    return "TABLE" in words


@lru_cache(maxsize=256)
def tokens(text: str) -> list[Any]:
    """Return a statement's tokens, each with its text and place."""
    return list(Redshift().tokenize(text))


def parse(statement: str, execute: Any) -> exp.Expression:
    """Parse one statement as Redshift; a syntax error is raised through the server."""
    words = tokens(statement)
    created = words[1].text.upper() if len(words) > 1 and words[0].text.upper() == "CREATE" else ""
    if created in _POSTGRES_KINDS:
        fails_on_redshift(execute, f"CREATE {created}")
    if created in ("FUNCTION", "PROCEDURE"):
        not_emulated(execute, f"CREATE {created}")
    for token, after in zip(words, words[1:], strict=False):
        if token.text.upper() in _POSTGRES_WORDS and after.text == "(":
            fails_on_redshift(execute, f"function {token.text.lower()}()")
    try:
        tree = sqlglot.parse_one(statement, read=_Dialect)
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
    return rewrite(tree).sql(dialect="postgres")


def _render(tree: exp.Expression) -> str:
    check(tree, _complain)
    return rewrite(tree).sql(dialect="postgres")


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
        elif isinstance(node, exp.Distinct) and node.args.get("on"):
            fails_on_redshift(execute, "DISTINCT ON")
        elif isinstance(node, exp.Values) and not isinstance(node.parent, exp.Insert):
            fails_on_redshift(execute, "VALUES as a table")
        elif type(node) in _POSTGRES_CLAUSES:
            fails_on_redshift(execute, _POSTGRES_CLAUSES[type(node)])


def _check_type(node: exp.DataType, execute: Any) -> None:
    name = node.this.name if hasattr(node.this, "name") else str(node.this)
    if name in _OTHER_TYPES:
        not_emulated(execute, f"type {name}")
    if name not in _TYPES or (name.startswith("TIMESTAMP") and node.expressions):
        fails_on_redshift(execute, f"type {node.sql('postgres')}")


def _check_function(node: exp.Func, execute: Any) -> None:
    if isinstance(node, exp.Anonymous):
        name = str(node.this).lower()
    else:
        name = node.sql_name().lower()
    if name in _POSTGRES_ONLY:
        fails_on_redshift(execute, f"function {name}()")
    if name not in _FUNCTIONS:
        not_emulated(execute, f"function {name}()")
