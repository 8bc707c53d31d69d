"""SELECT lists as Redshift reads them: an alias may be used where PostgreSQL wants a column."""

from __future__ import annotations

from collections.abc import Iterator

from sqlglot import exp

from src.json_object import JsonObject
from src.sql.refusal import Refusal

_RENAMED: dict[type, str] = {
    exp.GroupConcat: "listagg",
    exp.Median: "median",
    exp.TsOrDsAdd: "date_add",
    exp.TsOrDsDiff: "date_diff",
}
_RENAMED_CALLS = ("JSON_EXTRACT_PATH_TEXT", "RATIO_TO_REPORT")
_COLUMNS, _ALIASES = "redshift_columns", "redshift_aliases"  # names of the subqueries


def rewrite_selects(tree: exp.Expression) -> None:
    """Resolve lateral aliases and GROUP BY ALL in every SELECT of a statement."""
    for held in reversed(list(tree.find_all(exp.Subquery))):  # a relation in parentheses
        if isinstance(held.this, exp.Table) and not held.this.args.get("joins"):
            inner = held.this
            if held.args.get("alias") is not None:
                inner.set("alias", held.args["alias"])
            held.replace(inner)
    for select in list(tree.find_all(exp.Select)):
        _group_by_all(select)
        _resolve_aliases(select)
        for projection in list(select.expressions):
            name = _column_name(projection)
            if name:
                projection.replace(exp.alias_(projection.copy(), name, quoted=True))


def _column_name(node: exp.Expression) -> str:
    """Return the name of a function's column where the call becomes another one's."""
    while isinstance(node, (exp.Window, exp.WithinGroup)):
        node = node.this
    if isinstance(node, exp.Anonymous):
        return str(node.this).lower() if str(node.this).upper() in _RENAMED_CALLS else ""
    return _RENAMED.get(type(node), "")


def _group_by_all(select: exp.Select) -> None:
    group = select.args.get("group")
    if group is None or not group.args.get("all"):
        return
    if select.is_star:
        raise Refusal.not_emulated("GROUP BY ALL of SELECT *")
    places = [n for n, p in enumerate(select.expressions, 1) if not _has_aggregate(p)]
    numbers = [exp.Literal.number(n) for n in places]
    select.set("group", exp.Group(expressions=numbers) if numbers else None)


def _resolve_aliases(select: exp.Select) -> None:
    """Replace the name of an earlier alias, unless a column of FROM has it."""
    is_grouped = select.args.get("group") is not None or any(
        map(_has_aggregate, select.expressions)
    )
    scope = None if is_grouped else _source_names(select)
    aliases: dict[str, exp.Expression] = {}
    for projection in select.expressions:
        name = projection.alias.lower() if isinstance(projection, exp.Alias) else ""
        is_column = name and any(c.name.lower() == name for c in projection.find_all(exp.Column))
        for held in projection.find_all(exp.Paren):
            if isinstance(held.this, exp.Alias):  # (1 AS one) + 1
                aliases[held.this.alias.lower()] = held.this.this.copy()
                held.set("this", held.this.this)
        _replace(projection, aliases, scope)
        if is_column:
            aliases.pop(name, None)
        elif name:
            aliases[name] = projection.this
    for clause in ("where", "having"):
        if select.args.get(clause) is not None:
            _replace(select.args[clause], aliases, scope)


def _replace(part: exp.Expression, aliases: JsonObject, scope: list[str] | None) -> None:
    for column in list(_own_columns(part)):
        meant = aliases.get(column.name.lower())
        if meant is not None and not column.table:
            column.replace(_meaning(column.name.lower(), meant, scope))


def _meaning(name: str, meant: exp.Expression, scope: list[str] | None) -> exp.Expression:
    """Return what an alias means; PostgreSQL itself finds a column of that name before it."""
    if not scope or _has_aggregate(meant) or meant.find(exp.Window):
        return exp.Paren(this=meant.copy())
    stars = [exp.Column(this=exp.Star(), table=exp.to_identifier(s, quoted=True)) for s in scope]
    columns = exp.select(*stars).subquery(_COLUMNS)
    inner = exp.select(exp.column(exp.to_identifier(name, quoted=True))).from_(columns)
    named = exp.alias_(meant.copy(), exp.to_identifier(name, quoted=True))
    found = exp.select(inner.subquery()).from_(exp.select(named).subquery(_ALIASES))
    return found.subquery()


def _own_columns(part: exp.Expression) -> Iterator[exp.Column]:
    """Yield the columns of an expression, not those of queries inside."""
    for node in part.walk(prune=lambda n: isinstance(n, exp.Query)):
        if isinstance(node, exp.Column):
            yield node


def _has_aggregate(part: exp.Expression) -> bool:
    for node in part.walk(prune=lambda n: isinstance(n, (exp.Query, exp.Window))):
        is_named = isinstance(node, exp.Anonymous) and str(node.this).upper() in _AGGREGATES
        if is_named or (isinstance(node, exp.AggFunc) and not isinstance(node.parent, exp.Window)):
            return True
    return False


_AGGREGATES = frozenset(["ANY_VALUE", "BIT_AND", "BIT_OR"])  # as they stand


def _source_names(select: exp.Select) -> list[str] | None:
    """Return the names of what a SELECT reads from, or None where one has none."""
    source = select.args.get("from_")
    if source is None:
        return None
    found = [source.this, *(join.this for join in select.args.get("joins") or [])]
    names = [item.alias_or_name.lower() for item in found]
    return names if all(names) else None
