"""Redshift's functions and forms that PostgreSQL lacks or means otherwise, tree by tree."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlglot import exp

# Redshift's names of date parts, where PostgreSQL has another.
PARTS = {
    "Y": "year", "YR": "year", "YRS": "year", "YEARS": "year", "QTR": "quarter", "QTRS": "quarter",
    "MON": "month", "MONS": "month", "MONTHS": "month", "W": "week", "WEEKS": "week", "D": "day",
    "DAYS": "day", "H": "hour", "HR": "hour", "HRS": "hour", "HOURS": "hour", "M": "minute",
    "MIN": "minute", "MINS": "minute", "MINUTES": "minute", "S": "second", "SEC": "second",
    "SECS": "second", "SECONDS": "second", "MS": "milliseconds", "MSEC": "milliseconds",
    "US": "microseconds", "USEC": "microseconds", "C": "century", "DEC": "decade",
    "DW": "dow", "DAYOFWEEK": "dow", "WEEKDAY": "dow", "DY": "doy", "DAYOFYEAR": "doy",
    "YEARDAY": "doy",
}  # fmt: skip


def rewrite(tree: exp.Expression) -> exp.Expression:
    """Return a tree that PostgreSQL understands as Redshift would have understood it."""
    result: exp.Expression = tree.transform(_rewritten)
    return result


def _rewritten(node: Any) -> Any:
    change = _CHANGES.get(type(node))
    return change(node) if change else node


def _call(name: str, *arguments: Any) -> exp.Expression:
    return exp.Anonymous(this=name, expressions=[a for a in arguments if a is not None])


def _part(node: Any, otherwise: str = "day") -> str:
    name = (node.name if node is not None else otherwise).upper()
    return PARTS.get(name, name.lower())


def _datediff(node: Any) -> exp.Expression:
    """Count the boundaries between two moments, as Redshift does; PostgreSQL's AGE does not."""
    unit = exp.Literal.string(_part(node.args.get("unit")))
    return _call("redshift_local.datediff", unit, node.expression, node.this)


def _dateadd(node: Any) -> exp.Expression:
    """Add intervals in place: a function PostgreSQL cannot inline would cost joins dearly."""
    unit, step = _part(node.args.get("unit")), 1
    if unit == "quarter":
        unit, step = "month", 3
    one = exp.Interval(this=exp.Literal.string(str(step)), unit=exp.var(unit))
    amount = exp.Mul(this=exp.Paren(this=node.expression), expression=one)
    return exp.Paren(this=exp.Add(this=exp.cast(node.this, "timestamp"), expression=amount))


def _now(node: Any) -> exp.Expression:
    return _call("pg_catalog.sysdate" if node.args.get("sysdate") else "pg_catalog.getdate")


def _extract(node: Any) -> exp.Expression:
    node.set("this", exp.var(_part(node.this)))
    return exp.cast(node, "int") if _part(node.this) not in ("epoch", "second") else node


def _date_trunc(node: Any) -> exp.Expression:
    return _call("DATE_TRUNC", exp.Literal.string(_part(node.args.get("unit"))), node.this)


def _listagg(node: Any) -> Any:
    """LISTAGG, alone or WITHIN GROUP; the separator is '' where none is given."""
    order = None
    if isinstance(node, exp.WithinGroup):
        if not isinstance(node.this, exp.GroupConcat):
            return node
        node, order = node.this, node.expression
    what, separator = node.this, node.args.get("separator")
    if isinstance(what, exp.Distinct):
        parts = what.expressions
        separator = separator or (parts[1] if len(parts) > 1 else None)
        what = exp.Distinct(expressions=[exp.cast(parts[0], "text")])
    else:
        what = exp.cast(what, "text")
    separator = separator or exp.Literal.string("")
    if order is not None:
        separator = exp.Order(this=separator, expressions=order.expressions)
    return _call("STRING_AGG", what, separator)


def _window(node: Any) -> Any:
    """RATIO_TO_REPORT(x) OVER w is x / SUM(x) OVER w."""
    called = node.this
    if not (isinstance(called, exp.Anonymous) and str(called.this).upper() == "RATIO_TO_REPORT"):
        return node
    value = called.expressions[0]
    total = node.copy()
    total.set("this", exp.Sum(this=value.copy()))
    divisor = exp.Nullif(this=total, expression=exp.Literal.number(0))
    return exp.Div(this=exp.cast(value, "double"), expression=divisor)


def _anonymous(node: Any) -> Any:
    name = str(node.this).upper()
    if name == "ISNULL":
        return exp.Coalesce(this=node.expressions[0], expressions=node.expressions[1:])
    return node


def _json_text(node: Any) -> exp.Expression:
    keys = [exp.Literal.string(str(k.this)) for k in node.expression.expressions[1:]]
    return _call("redshift_local.json_text", node.this, *keys)


def _temporary(node: Any) -> Any:
    if node.this.startswith("#"):
        node.set("quoted", True)
    return node


_CHANGES: dict[type, Callable[[Any], Any]] = {
    exp.TsOrDsDiff: _datediff,
    exp.DateDiff: _datediff,
    exp.TsOrDsAdd: _dateadd,
    exp.DateAdd: _dateadd,
    exp.CurrentTimestamp: _now,
    exp.Extract: _extract,
    exp.TimestampTrunc: _date_trunc,
    exp.DateTrunc: _date_trunc,
    exp.WithinGroup: _listagg,
    exp.GroupConcat: _listagg,
    exp.ApproxDistinct: lambda n: exp.Count(this=exp.Distinct(expressions=[n.this])),
    exp.FromBase: lambda n: _call("pg_catalog.strtol", n.this, n.expression),
    exp.MonthsBetween: lambda n: _call("pg_catalog.months_between", n.this, n.expression),
    exp.RegexpExtract: lambda n: _call("REGEXP_SUBSTR", n.this, n.expression),
    exp.JSONExtractScalar: _json_text,
    exp.Window: _window,
    exp.Anonymous: _anonymous,
    exp.Identifier: _temporary,
}
