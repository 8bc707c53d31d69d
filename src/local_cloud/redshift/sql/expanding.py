"""EXCLUDE, PIVOT and UNPIVOT: PostgreSQL has none, and what they stand for depends on columns.

The session lends a function that names the columns of a query; it is asked for these three only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from sqlglot import exp

from src.sql.refusal import Refusal
from src.sql.scanning import Statement

ColumnsOf = Callable[[str], list[str]]
WORDS = frozenset(["EXCLUDE", "PIVOT", "UNPIVOT"])
_columns_of: ContextVar[ColumnsOf | None] = ContextVar("columns_of", default=None)


@contextmanager
def looking_up(columns_of: ColumnsOf) -> Iterator[None]:
    """Translate with a session at hand that can name the columns of a query."""
    token = _columns_of.set(columns_of)
    try:
        yield
    finally:
        _columns_of.reset(token)


def depends_on_columns(statement: Statement) -> bool:
    """Tell whether a statement's translation may depend on what its relations are today."""
    return any(token.word in WORDS for token in statement.tokens)


def expand(tree: exp.Expression, translated: Callable[[exp.Expression], str]) -> exp.Expression:
    """Return a tree without EXCLUDE, PIVOT and UNPIVOT, the innermost first."""
    for node in reversed(list(tree.bfs())):
        changed = None
        if isinstance(node, exp.Select):
            changed = _without_excluded(node, translated)
        elif isinstance(node, (exp.Table, exp.Subquery)) and node.args.get("pivots"):
            changed = _pivoted(node, translated)
        if changed is not None and node is tree:
            tree = changed
        elif changed is not None:
            node.replace(changed)
    return tree


def _names(
    query: exp.Select, place: exp.Expression, translated: Callable[[exp.Expression], str]
) -> list[str]:
    """Return the names of a query's columns, read where it stands among common tables."""
    columns_of = _columns_of.get()
    if columns_of is None:
        raise Refusal.not_emulated("EXCLUDE, PIVOT or UNPIVOT in this statement")
    query = query.copy()
    for parameter in list(query.find_all(exp.Parameter, exp.Placeholder)):
        parameter.replace(exp.null())
    common = list(_common_tables(place))
    if common:
        own = query.args.get("with_")
        held = [cte.copy() for cte in common] + (own.expressions if own is not None else [])
        query.set("with_", exp.With(expressions=held))
    return columns_of(translated(query))


def _common_tables(place: exp.Expression) -> list[exp.Expression]:
    """Return the common table expressions in sight of a place, the outermost first."""
    found: list[exp.Expression] = []
    inside: Any = place
    around: Any = place.parent
    while around is not None:
        if isinstance(around, exp.With):
            found = around.expressions[: inside.index] + found
            inside = around.parent
            around = inside.parent
            continue
        held = around.args.get("with_")
        found = (held.expressions if held is not None else []) + found
        inside, around = around, around.parent
    return found


# -- EXCLUDE ---------------------------------------------------------------------------------------


def _without_excluded(
    select: exp.Select, translated: Callable[[exp.Expression], str]
) -> exp.Expression | None:
    """Return a SELECT of those columns of the list that EXCLUDE does not name."""
    excluded = list(select.args.get("exclude") or [])
    for projection in select.expressions:
        star = projection.this if isinstance(projection, exp.Column) else projection
        if isinstance(star, exp.Star) and star.args.get("except_"):
            excluded += star.args["except_"]
            star.set("except_", None)
    if not excluded:
        return None
    select.set("exclude", None)
    left_out = {column.name.lower() for column in excluded}
    names = _names(select, select, translated)
    missing = left_out - set(names)
    if missing:
        raise Refusal(f'column "{min(missing)}" in the EXCLUDE list does not exist', "42703")
    common = select.args.get("with_")
    inner = select.copy()
    inner.set("with_", None)
    kept = [(f"c{n}", name) for n, name in enumerate(names) if name not in left_out]
    alias = exp.TableAlias(this=exp.to_identifier("redshift_columns"))
    alias.set("columns", [exp.to_identifier(f"c{n}") for n in range(len(names))])
    found = exp.select(*(exp.alias_(exp.column(c), name, quoted=True) for c, name in kept))
    found = found.from_(exp.Subquery(this=inner, alias=alias))
    found.set("with_", common.copy() if common is not None else None)
    return found


# -- PIVOT and UNPIVOT -----------------------------------------------------------------------------


def _pivoted(source: exp.Expression, translated: Callable[[exp.Expression], str]) -> exp.Expression:
    pivots = source.args["pivots"]
    if len(pivots) != 1 or len(pivots[0].args["fields"]) != 1:
        raise Refusal.not_emulated("PIVOT more than once")
    pivot = pivots[0]
    plain = source.copy()
    plain.set("pivots", None)
    if isinstance(plain, exp.Subquery) and not plain.alias:
        plain = plain.this.subquery("redshift_source")
    names = _names(exp.select("*").from_(plain.copy()), source, translated)
    query = (_unpivot if pivot.args.get("unpivot") else _pivot)(pivot, plain, names)
    given = pivot.args.get("alias")
    name = given.this.name if given is not None else source.alias_or_name or "redshift_pivot"
    return query.subquery(name.lower())


def _column(name: str) -> exp.Expression:
    return exp.column(exp.to_identifier(name.lower(), quoted=True))


def _pivot(pivot: exp.Expression, source: exp.Expression, names: list[str]) -> exp.Select:
    """Group by the columns that PIVOT does not name; an aggregate of each value is a column."""
    field = pivot.args["fields"][0]
    named = (field.this, *pivot.expressions)
    used = {c.name.lower() for part in named for c in part.find_all(exp.Column)}
    kept = [name for name in names if name not in used]
    found = exp.select(*map(_column, kept)).from_(source)
    labels = iter(pivot.args["columns"])
    for given in field.expressions:
        value = given.this if isinstance(given, exp.PivotAlias) else given
        is_null = isinstance(value, exp.Null)
        test = (exp.Is if is_null else exp.EQ)(this=field.this.copy(), expression=value.copy())
        for aggregate in pivot.expressions:
            made = (aggregate.this if isinstance(aggregate, exp.Alias) else aggregate).copy()
            what = exp.Literal.number(1) if isinstance(made.this, exp.Star) else made.this
            made.set("this", exp.Case(ifs=[exp.If(this=test.copy(), true=what.copy())]))
            found = found.select(exp.alias_(made, next(labels).name.lower(), quoted=True))
    return found.group_by(*map(_column, kept)) if kept else found


def _unpivot(pivot: exp.Expression, source: exp.Expression, names: list[str]) -> exp.Select:
    """Make a row of each of the named columns; NULLs are left out unless INCLUDE NULLS."""
    field, value_name = pivot.args["fields"][0], pivot.expressions[0].name.lower()
    pairs = [
        (c.this.name.lower(), c.args["alias"].name) if isinstance(c, exp.PivotAlias)
        else (c.name.lower(), c.name.lower())
        for c in field.expressions
    ]  # fmt: skip
    label = field.this.name.lower()
    place = exp.column("redshift_place", table="redshift_places")
    numbered = [
        exp.select(exp.alias_(exp.Literal.number(n), "redshift_place")) for n in range(len(pairs))
    ]
    union: exp.Query = numbered[0]
    for part in numbered[1:]:
        union = union.union(part, distinct=False)

    def chosen(results: list[exp.Expression]) -> exp.Case:
        return exp.Case(this=place.copy(), ifs=[
            exp.If(this=exp.Literal.number(n), true=result) for n, result in enumerate(results)
        ])  # fmt: skip

    texts: list[exp.Expression] = [
        exp.cast(exp.Literal.string(text), "varchar") for _, text in pairs
    ]
    value = chosen([_column(column) for column, _ in pairs])
    unpivoted = {column for column, _ in pairs}
    found = exp.select(*(_column(name) for name in names if name not in unpivoted)).from_(source)
    found = found.select(exp.alias_(chosen(texts), label, quoted=True))
    found = found.select(exp.alias_(value, value_name, quoted=True))
    found = found.join(union.subquery("redshift_places"), join_type="CROSS")
    if pivot.args.get("include_nulls"):
        return found
    present = exp.Not(this=exp.Is(this=value.copy(), expression=exp.null()))
    return found.where(present)
