"""Queries and DML: refuse what Redshift lacks, translate what PostgreSQL lacks.

What a statement may use is a list (`portability`), so that nothing passes by accident: a
function, type, clause or system relation that is not on it is refused by name. Only the words
and the syntax tree decide; nothing is looked for in the text.
"""

from __future__ import annotations

import logging
import sys
import threading
from functools import lru_cache
from typing import Any

import sqlglot
from sqlglot import exp
from sqlglot.errors import ErrorLevel, ParseError, SqlglotError, UnsupportedError

from src.local_cloud.redshift.sql import (
    expanding,
    substitutes,
    super_values,
    trusted_keys,
    user_functions,
)
from src.local_cloud.redshift.sql.dialect import RedshiftDialect
from src.local_cloud.redshift.sql.portability import (
    CATALOG_ATTRIBUTES,
    CATALOG_FUNCTIONS,
    CATALOG_TYPES,
    FUNCTIONS,
    INTERVAL_FIELDS,
    INTERVALS,
    OF_LEADER,
    OTHER_TYPES,
    POSTGRES_CLAUSES,
    POSTGRES_KINDS,
    POSTGRES_ONLY,
    POSTGRES_TYPES,
    POSTGRES_WORDS,
    SAME_BY_NAME,
    SYSTEM_SCHEMAS,
    TYPES,
)
from src.local_cloud.redshift.sql.refused_clauses import check_clause, without_leader_functions
from src.local_cloud.redshift.sql.relations import (
    check_attributes,
    check_relations,
    reads_system_only,
    relations,
)
from src.local_cloud.redshift.sql.rewriting import rewrite
from src.sql import scanning
from src.sql.quoting import shown
from src.sql.reading import whole_number
from src.sql.refusal import SYNTAX, Refusal
from src.sql.scanning import Statement

_ROOTS = (exp.Query, exp.Insert, exp.Update, exp.Delete, exp.Merge, exp.Create, exp.Drop,
          exp.Alter, exp.TruncateTable)  # fmt: skip
_KINDS = {"CREATE": ("TABLE", "VIEW", "SCHEMA"), "DROP": ("TABLE", "VIEW", "SCHEMA"),
          "ALTER": ("TABLE",)}  # fmt: skip
_BEFORE_KIND = frozenset(["OR", "REPLACE", "LOCAL", "GLOBAL", "TEMP", "TEMPORARY", "UNLOGGED",
                          "MATERIALIZED"])  # fmt: skip
_LONGEST = {"VARCHAR": 65_535, "NVARCHAR": 65_535, "TEXT": 65_535, "CHAR": 4_096, "NCHAR": 4_096,
            "BPCHAR": 4_096, "VARBINARY": 1_024_000}  # fmt: skip
_DEFAULT_IN_CAST = frozenset(["VARCHAR", "NVARCHAR"])  # CAST(x AS VARCHAR) is of 256 bytes
_ALLOWED = FUNCTIONS | SAME_BY_NAME
_CACHED_LENGTH = 16_384  # a statement that is longer is hardly sent twice, and its tree is large
# A bracket takes up to 27 of Python's frames: some 200 of them within each other are read.
_FRAMES, _DEEP = 10_000, threading.Lock()
logging.getLogger("sqlglot").addHandler(logging.NullHandler())  # it warns of what is refused


def translate(statement: Statement | str) -> str:
    """Return the PostgreSQL text of a Redshift query, DML or simple DDL statement."""
    if isinstance(statement, str):
        statement = scanning.read(statement)
    is_same = not (expanding.depends_on_columns(statement) or trusted_keys.is_trusting())
    if len(statement.code) <= _CACHED_LENGTH and is_same:
        return _cached_translation(statement)
    return _translation(statement)


@lru_cache(maxsize=256)
def _cached_translation(statement: Statement) -> str:
    return _translation(statement)


def _translation(statement: Statement) -> str:
    try:
        return _translated(statement)
    except RecursionError:
        with _DEEP:  # the limit is that of all threads
            limit = sys.getrecursionlimit()
            sys.setrecursionlimit(max(limit, _FRAMES))
            try:
                return _translated(statement)
            finally:
                sys.setrecursionlimit(limit)


def _translated(statement: Statement) -> str:
    found = _catalog_query(statement)
    if found is not None:
        return found
    head, rest = scanning.without_plain_rows(statement)
    if rest is not None:
        return f"{_translated(head)}{rest.postgres}"
    return render(check(trusted_keys.answered(parse(statement))))


def render(tree: exp.Expression) -> str:
    """Return a checked tree as PostgreSQL's text; nothing in it is left out."""
    try:
        return rewrite(tree).sql(dialect="postgres", unsupported_level=ErrorLevel.RAISE)
    except UnsupportedError as error:
        raise Refusal.not_emulated(str(error).splitlines()[0].rstrip(".")) from None


def has_outer_limit(query: str) -> bool:
    """Tell whether a query's outermost SELECT has a LIMIT, which UNLOAD refuses."""
    try:
        tree = sqlglot.parse_one(scanning.read(query).code, read=RedshiftDialect)
    except SqlglotError:
        return False  # its own error is raised when it is translated
    return tree.args.get("limit") is not None


def creates_table(statement: Statement) -> bool:
    """Tell whether a CREATE statement makes a table (not a view or a schema)."""
    return _kind(statement) == "TABLE"


def parse(statement: Statement) -> Any:
    """Parse one statement as Redshift."""
    _check_kind(statement)
    for token, after in zip(statement.tokens, statement.tokens[1:], strict=False):
        if after.text == "(" and token.word in POSTGRES_WORDS:
            raise Refusal.fails_on_redshift(f"function {token.name}()")
    tree = _parsed(statement.code, RedshiftDialect)
    if isinstance(tree, exp.Command):
        raise Refusal.not_emulated(f"{statement.leading_word}: {statement.code[:60]!r}")
    if isinstance(tree, exp.Delete) and not tree.this and len(tree.args["tables"] or []) == 1:
        tree.set("this", tree.args["tables"][0])  # DELETE without FROM
        tree.set("tables", None)
    if not isinstance(tree, _ROOTS):
        raise Refusal.not_emulated(f"{statement.leading_word} statements: {statement.code[:60]!r}")
    return tree


def _parsed(code: str, dialect: Any) -> Any:
    try:
        return sqlglot.parse_one(code, read=dialect)
    except SqlglotError as error:
        found = error.errors[0] if isinstance(error, ParseError) and error.errors else {}
        near = str(found.get("highlight") or "").strip()
        where = f'at or near "{near}"' if near else "at end of input"
        raise Refusal(f"syntax error {where}", SYNTAX, str(error).splitlines()[0]) from None


def _kind(statement: Statement) -> str:
    """Return what a CREATE, DROP or ALTER statement is about, in capitals."""
    after = (word for word in statement.words(1, 8) if word not in _BEFORE_KIND)
    return next(after, "")


def _check_kind(statement: Statement) -> None:
    word = statement.leading_word
    if word not in _KINDS:
        return
    kind = _kind(statement)
    if kind in POSTGRES_KINDS:
        raise Refusal.fails_on_redshift(f"{word} {kind}")
    if kind not in _KINDS[word]:
        raise Refusal.not_emulated(f"{word} {kind}".strip() + f": {statement.code[:60]!r}")


def _catalog_query(statement: Statement) -> str | None:
    """Return a tool's query of PostgreSQL's catalog, as PostgreSQL reads it; else None.

    It names pg_catalog as a schema, and reads system relations only.
    """
    tokens = statement.tokens
    is_named = any(
        token.kind in ("word", "quoted") and token.name == "pg_catalog" and after.text == "."
        for token, after in zip(tokens, tokens[1:], strict=False)
    )
    if not is_named or statement.leading_word not in ("SELECT", "WITH", "("):
        return None
    # PostgreSQL gets the text as it is. So what is checked is its words alone: of what stands in
    # strings, sqlglot and PostgreSQL may not think alike.
    tree = _parsed(statement.outline, "postgres")
    if not _is_catalog(tree) or tree.find(exp.Into):
        return None
    check_relations(tree)
    check_attributes(tree, CATALOG_ATTRIBUTES)
    for node in tree.find_all(exp.Func):
        _check_function(node, FUNCTIONS | SAME_BY_NAME | CATALOG_FUNCTIONS, frozenset())
    return substitutes.in_words(statement, tree)


def _is_catalog(tree: exp.Expression) -> bool:
    return isinstance(tree, exp.Query) and reads_system_only(tree)


def check(tree: exp.Expression) -> exp.Expression:
    """Refuse functions, types, clauses and relations that Redshift lacks or this layer does."""
    tree = expanding.expand(tree, lambda query: render(check(query)))
    tree = super_values.resolve(tree)
    allowed, refused, types = _ALLOWED, POSTGRES_ONLY, TYPES
    reads_catalog = _is_catalog(tree)
    if reads_catalog:
        allowed, types = _ALLOWED | CATALOG_FUNCTIONS, TYPES | CATALOG_TYPES
        refused = frozenset() if any(relations(tree)) else POSTGRES_ONLY - OF_LEADER
    for node in tree.walk():
        check_clause(node)
        if isinstance(node, exp.Identifier):
            node.set("this", node.this.lower())  # folded even when quoted
        elif isinstance(node, exp.DataType) and not isinstance(node, exp.IntervalSpan):
            _check_type(node, types)
        elif type(node) in POSTGRES_CLAUSES:
            raise Refusal.fails_on_redshift(POSTGRES_CLAUSES[type(node)])
        elif isinstance(node, exp.Func):
            if not (super_values.is_own(node) or super_values.is_function(node)):
                _check_function(node, allowed, refused)
        elif isinstance(node, exp.Distinct) and node.args.get("on"):
            raise Refusal.fails_on_redshift("DISTINCT ON")
        elif isinstance(node, exp.Values) and not isinstance(node.parent, exp.Insert):
            raise Refusal.fails_on_redshift("VALUES as a table")
    if not reads_catalog:
        without_leader_functions(tree)
    check_relations(tree)
    check_attributes(tree)
    return substitutes.in_tree(tree)


def is_postgres_type(node: exp.DataType) -> bool:
    """Tell whether a type is one of PostgreSQL's that Redshift has not."""
    name = node.this.name if hasattr(node.this, "name") else str(node.this)
    if name == "USERDEFINED":
        return str(node.args.get("kind") or "").lower() in POSTGRES_TYPES
    return name not in TYPES | OTHER_TYPES and not isinstance(node.this, exp.Interval)


def _check_type(node: exp.DataType, types: frozenset[str]) -> None:
    name = node.this.name if hasattr(node.this, "name") else str(node.this)
    if isinstance(node.this, exp.Interval):
        _check_interval(node)
        return
    if name == "USERDEFINED":
        kind = str(node.args.get("kind") or "")
        if kind.lower() in INTERVALS:
            first, last = map(exp.var, INTERVALS[kind.lower()])
            span = exp.IntervalSpan(this=first, expression=last)
            node.replace(exp.DataType(this=exp.Interval(unit=span)))
            return
        if kind.lower() in POSTGRES_TYPES:
            raise Refusal.fails_on_redshift(f"type {kind}")
        raise Refusal(f"type {shown(kind)} does not exist", "42704")
    if name in OTHER_TYPES:
        raise Refusal.not_emulated(f"type {name or node.sql('postgres')}")
    if name not in types or (name.startswith("TIME") and node.expressions):
        raise Refusal.fails_on_redshift(f"type {node.sql('postgres')}")
    given = [parameter.name for parameter in node.expressions]
    if name == "DECIMAL":
        _check_decimal(node, given)
    elif name in _DEFAULT_IN_CAST and not given and isinstance(node.parent, exp.Cast):
        node.set("expressions", [exp.DataTypeParam(this=exp.Literal.number(256))])
    elif name in _LONGEST and given:
        limit = _LONGEST[name]
        if given[0].upper() == "MAX":
            node.set("expressions", [exp.DataTypeParam(this=exp.Literal.number(limit))])
        elif not 1 <= (whole_number(given[0]) or 0) <= limit:
            kind = {65_535: "varchar", 4_096: "bpchar"}.get(limit, "varbyte")
            raise Refusal(f"length for type {kind} must be between 1 and {limit}", "22023")


def _check_interval(node: exp.DataType) -> None:
    """INTERVAL field [TO field], of years and months or of days down to seconds."""
    unit = node.this.args.get("unit")
    fields = [part.name.upper() for part in unit.find_all(exp.Var)] if unit else []
    is_one = len({field in ("YEAR", "MONTH") for field in fields}) == 1
    if not is_one or not INTERVAL_FIELDS.issuperset(fields):
        raise Refusal(f"syntax error in type {node.sql('postgres')}", SYNTAX)


def _check_decimal(node: exp.DataType, given: list[str]) -> None:
    """NUMERIC alone is NUMERIC(18,0)."""
    if not given:
        parameters = [exp.DataTypeParam(this=exp.Literal.number(n)) for n in (18, 0)]
        node.set("expressions", parameters)
        return
    precision, scale = (whole_number(number) for number in (*given, "0")[:2])
    if precision is None or not 1 <= precision <= 38:
        raise Refusal(f"NUMERIC precision {given[0][:40]} must be between 1 and 38", "22023")
    if scale is None or scale > precision:
        text = f"NUMERIC scale {given[1][:40]} must be between 0 and precision {given[0]}"
        raise Refusal(text, "22023")


def _check_function(node: exp.Func, allowed: frozenset[str], refused: frozenset[str]) -> None:
    name = (node.name if isinstance(node, exp.Anonymous) else node.sql_name()).lower()
    parent = node.parent
    if isinstance(parent, exp.Dot) and parent.expression is node:
        schema = parent.this.name.lower()
        if schema != "pg_catalog":
            name = f"{schema}.{name}"
    if name in refused:
        raise Refusal.fails_on_redshift(f"function {name}()")
    if name not in allowed and not _is_of_client(node):
        raise Refusal.not_emulated(f"function {name}()")


def _is_of_client(node: exp.Func) -> bool:
    """Tell whether a call names a function that a client made, also by its schema."""
    around = node.parent
    schema = around.this if isinstance(around, exp.Dot) and around.expression is node else None
    if isinstance(schema, exp.Expression) and schema.name.lower() in SYSTEM_SCHEMAS:
        return False
    return isinstance(node, exp.Anonymous) and node.name.lower() in user_functions.KNOWN
