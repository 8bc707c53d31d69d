"""Division of decimals: its scale follows from the declared types, which PostgreSQL's does not.

Scale = max(4, s1 + p2 - s2 + 1). A value's own scale is its type's; the precision of the divisor is
read from the tree, or by the server from the column's declaration.
"""

from __future__ import annotations

from sqlglot import exp

from src.local_cloud.redshift.sql.building import call
from src.local_cloud.redshift.sql.relations import is_common

_WHOLE = {"SMALLINT": 5, "INT": 10, "BIGINT": 19}
_MOST = 38
Kind = tuple[int, int]  # precision and scale


def rewrite_divisions(tree: exp.Expression) -> None:
    """Replace each division whose divisor's precision can be found out."""
    for node in reversed(list(tree.find_all(exp.Div))):
        digits = _digits(node.expression)
        if digits is None or node.this.is_string:
            continue
        divided = call("redshift_local.quotient", node.this, node.expression, digits)
        is_column = isinstance(node.parent, exp.Select) and node.arg_key == "expressions"
        node.replace(exp.alias_(divided, "?column?", quoted=True) if is_column else divided)


def _digits(node: exp.Expression) -> exp.Expression | None:
    """Return an expression for the precision of a value, or None where it is not known."""
    kind = _kind(node)
    if kind is not None:
        return exp.Literal.number(kind[0])
    while isinstance(node, (exp.Paren, exp.Neg, exp.Nullif, exp.Abs)):
        node = node.this
    if not isinstance(node, exp.Column):
        return None
    table = _table_of(node)
    if table is None:
        return None
    named = exp.table_(table.args["this"], db=table.args.get("db")).sql("postgres")
    names = exp.Literal.string(named), exp.Literal.string(node.name.lower())
    return call("redshift_local.digits", *names)


def _kind(node: exp.Expression) -> Kind | None:
    """Return the type of a number that the tree alone tells."""
    if isinstance(node, (exp.Paren, exp.Neg, exp.Nullif, exp.Abs)):
        return _kind(node.this)
    if isinstance(node, exp.Literal) and not node.is_string:
        whole, point, decimals = node.name.partition(".")
        if "e" in node.name.lower():
            return None
        if point:
            return max(len(whole.lstrip("0") + decimals), 1), len(decimals)
        return (10 if int(whole) < 2**31 else 19), 0
    if isinstance(node, exp.Cast):
        return _declared(node.to)
    if isinstance(node, (exp.Add, exp.Sub, exp.Mul)):
        early, late = _kind(node.this), _kind(node.expression)
        return _computed(node, early, late) if early and late else None
    return None


def _declared(kind: exp.DataType) -> Kind | None:
    name = getattr(kind.this, "name", "")
    if name == "DECIMAL":
        precision, scale = ([int(p.name) for p in kind.expressions] + [0])[:2] or (18, 0)
        return precision, scale
    return (_WHOLE[name], 0) if name in _WHOLE else None


def _computed(node: exp.Expression, early: Kind, late: Kind) -> Kind:
    (p1, s1), (p2, s2) = early, late
    if isinstance(node, exp.Mul):
        return min(p1 + p2 + 1, _MOST), min(s1 + s2, _MOST)
    scale = max(s1, s2)
    return min(max(p1 - s1, p2 - s2) + 1 + scale, _MOST), scale


def _table_of(column: exp.Column) -> exp.Table | None:
    """Return the relation whose column it is, if it is one with declared columns."""
    around = column.find_ancestor(exp.Select, exp.Update, exp.Delete)
    if around is None:
        return None
    source = around.args.get("from_")
    held = [source.this] if source is not None else []
    held += [join.this for join in around.args.get("joins") or []]
    held += [around.this] if not isinstance(around, exp.Select) else []
    name = column.table.lower()
    found = [item for item in held if not name or item.alias_or_name.lower() == name]
    if len(found) != 1 or not isinstance(found[0], exp.Table) or is_common(found[0]):
        return None
    return found[0] if isinstance(found[0].this, exp.Identifier) else None
