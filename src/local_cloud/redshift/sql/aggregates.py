"""Aggregates and their windows, as PostgreSQL computes them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlglot import exp

from src.local_cloud.redshift.sql.building import call
from src.sql.refusal import Refusal

_COPYING, _MAX_COPYING = ("RATIO_TO_REPORT", "REDSHIFT_LOCAL.AVG"), 3


def _listagg(node: exp.Expression) -> exp.Expression:
    """LISTAGG, alone or WITHIN GROUP; NULL and '' are passed over, the separator may be none."""
    order = None
    if isinstance(node, exp.WithinGroup):
        if not isinstance(node.this, exp.GroupConcat) or isinstance(node.parent, exp.Window):
            return node
        node, order = node.this, node.expression
    elif isinstance(node.parent, (exp.WithinGroup, exp.Window)) and node.arg_key == "this":
        return node  # its parent's turn comes
    what, separator = node.this, node.args.get("separator")
    if isinstance(what, exp.Distinct):
        return _distinct_list(what.expressions, separator, order)
    what, separator = _listed(what), separator or exp.Literal.string("")
    if order is not None:
        separator = exp.Order(this=separator, expressions=order.expressions)
    return call("redshift_local.limited_list", call("STRING_AGG", what, separator))


def _listed(what: exp.Expression) -> exp.Expression:
    return exp.Nullif(this=exp.cast(what, "text"), expression=exp.Literal.string(""))


def _distinct_list(
    parts: list[exp.Expression], separator: exp.Expression | None, order: exp.Expression | None
) -> exp.Expression:
    """LISTAGG(DISTINCT x) is ordered by x as the type that it has, so it is no STRING_AGG."""
    separator = separator or (parts[1] if len(parts) > 1 else exp.Literal.string(""))
    value = exp.cast(parts[0], "text") if parts[0].is_string else parts[0]
    what: exp.Expression = exp.Distinct(expressions=[value])
    if order is not None:
        what = exp.Order(this=what, expressions=order.expressions)
    is_said = exp.NEQ(this=exp.cast(parts[0].copy(), "text"), expression=exp.Literal.string(""))
    values = exp.Filter(this=call("ARRAY_AGG", what), expression=exp.Where(this=is_said))
    return call("redshift_local.limited_list", call("ARRAY_TO_STRING", values, separator))


def _window(node: exp.Expression) -> exp.Expression:
    """RATIO_TO_REPORT(x) OVER w is x / SUM(x) OVER w; AVG and ordered aggregates OVER w."""
    called = node.this
    if isinstance(called, exp.RespectNulls):
        return _with_this(node, called.this)
    if isinstance(called, exp.IgnoreNulls):
        found = _present_values(node, called.this)
        is_column = isinstance(node.parent, exp.Select) and node.arg_key == "expressions"
        name = called.this.sql_name().lower()
        label = exp.to_identifier(name, quoted=True)
        return exp.Alias(this=found, alias=label) if is_column else found
    order = called.expression if isinstance(called, exp.WithinGroup) else None
    aggregate = called.this if isinstance(called, exp.WithinGroup) else called
    if isinstance(aggregate, exp.GroupConcat):
        return _listagg_window(node, aggregate, order)
    if isinstance(aggregate, exp.Median):
        order = exp.Order(expressions=[exp.Ordered(this=aggregate.this.copy())])
        return _percentile_window(node, exp.Literal.number(0.5), order, True)
    if order is not None and isinstance(aggregate, (exp.PercentileCont, exp.PercentileDisc)):
        is_cont = isinstance(aggregate, exp.PercentileCont)
        return _percentile_window(node, aggregate.this, order, is_cont)
    if order is not None:
        raise Refusal.not_emulated(f"{aggregate.sql_name()} as a window function")
    if isinstance(called, exp.Avg):
        return _average(called, lambda aggregate: _with_this(node, aggregate))
    if not (isinstance(called, exp.Anonymous) and str(called.this).upper() == "RATIO_TO_REPORT"):
        return node
    value = called.expressions[0]
    _limit_copies(value)
    total = _with_this(node, exp.Sum(this=value.copy()))
    divisor = exp.Nullif(this=total, expression=exp.Literal.number(0))
    return exp.Div(this=exp.cast(value, "double"), expression=divisor)


def _present_values(node: exp.Expression, called: exp.Expression) -> exp.Expression:
    """What a window function finds when it passes over NULLs: they leave the array of its frame."""
    value, count = called.this, called.args.get("offset") or exp.Literal.number(1)
    frame: exp.Expression | None = None
    if isinstance(called, (exp.Lag, exp.Lead)):
        if called.args.get("default") is not None:
            raise Refusal.not_emulated("IGNORE NULLS with a default")
        is_lag = isinstance(called, exp.Lag)
        ends = {"start": "UNBOUNDED", "end": "1"} if is_lag else {"start": "1", "end": "UNBOUNDED"}
        side = "PRECEDING" if is_lag else "FOLLOWING"
        frame = exp.WindowSpec(kind="ROWS", start_side=side, end_side=side, **ends)
    elif not isinstance(called, (exp.FirstValue, exp.LastValue, exp.NthValue)):
        raise Refusal.not_emulated("IGNORE NULLS of this function")
    values = _with_this(node, call("ARRAY_AGG", value))
    if frame is not None:
        values.set("spec", frame)
    if isinstance(called, (exp.Lag, exp.LastValue)):
        return call("redshift_local.nth_last", values, exp.cast(count, "int"))
    return call("redshift_local.nth", values, exp.cast(count, "int"))


def _listagg_window(
    node: exp.Expression, aggregate: Any, order: exp.Expression | None
) -> exp.Expression:
    if isinstance(aggregate.this, exp.Distinct):
        raise Refusal.not_emulated("LISTAGG(DISTINCT ...) as a window function")
    separator = aggregate.args.get("separator") or exp.Literal.string("")
    return _whole_partition(node, call("STRING_AGG", _listed(aggregate.this), separator), order)


def _percentile_window(
    node: exp.Expression, fraction: exp.Expression, order: exp.Expression, is_cont: bool
) -> exp.Expression:
    """PostgreSQL has no window of ordered aggregates: the sorted partition is an array."""
    name = "redshift_local.percentile_cont" if is_cont else "redshift_local.percentile_disc"
    value = order.expressions[0].this.copy()
    values = call("ARRAY_AGG", exp.cast(value, "double") if is_cont else value)
    return call(name, fraction, _whole_partition(node, values, order))


def _whole_partition(
    node: exp.Expression, called: exp.Expression, order: exp.Expression | None
) -> exp.Expression:
    """Return a window that is ordered, but sees all of its partition from each row."""
    found = _with_this(node, called)
    if order is not None:
        found.set("order", exp.Order(expressions=order.expressions))
        found.set("spec", exp.WindowSpec(kind="ROWS", start="UNBOUNDED", start_side="PRECEDING",
                                         end="UNBOUNDED", end_side="FOLLOWING"))  # fmt: skip
    return found


def _approximate_percentile(node: exp.Expression) -> exp.Expression:
    """APPROXIMATE PERCENTILE_DISC, exactly."""
    disc = exp.PercentileDisc(this=node.args["quantile"])
    order = exp.Order(expressions=[exp.Ordered(this=node.this)])
    return exp.WithinGroup(this=disc, expression=order)


def _with_this(window: exp.Expression, called: exp.Expression) -> exp.Expression:
    found: exp.Expression = window.copy()
    found.set("this", called)
    return found


def _avg(node: exp.Expression) -> exp.Expression:
    if isinstance(node.parent, exp.Window) and node.arg_key == "this":
        return node  # its parent's turn comes
    return _average(node, lambda aggregate: aggregate)


def _average(
    node: exp.Expression, placed: Callable[[exp.Expression], exp.Expression]
) -> exp.Expression:
    """AVG has its argument's type (integers: BIGINT), which MAX shows PostgreSQL, and its scale."""
    argument = node.this.expressions[0] if isinstance(node.this, exp.Distinct) else node.this
    _limit_copies(argument)
    sample = exp.Max(this=argument.copy())
    scale = exp.Max(this=call("redshift_local.scale", argument.copy()))
    return call("redshift_local.avg", placed(node.copy()), placed(sample), placed(scale))


def _limit_copies(argument: exp.Expression) -> None:
    """Refuse what would grow with each level: a rewritten call repeats its argument."""
    inside = argument.find_all(exp.Avg, exp.Anonymous)
    found = [n for n in inside if isinstance(n, exp.Avg) or n.name.upper() in _COPYING]
    if len(found) > _MAX_COPYING:
        raise Refusal.not_emulated("AVG or RATIO_TO_REPORT nested three deep")


AGGREGATES: dict[type, Callable[[exp.Expression], exp.Expression]] = {
    exp.WithinGroup: _listagg,
    exp.GroupConcat: _listagg,
    exp.Avg: _avg,
    exp.ApproxQuantile: _approximate_percentile,
    exp.Window: _window,
}
