"""Redshift's functions and forms that PostgreSQL lacks or means otherwise, tree by tree."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlglot import exp

from src.sql.refusal import Refusal

# Date parts as PostgreSQL names them, and Redshift's other spellings of each.
_SPELLINGS = {
    "millennium": "millennia mil mils", "century": "centuries c cent cents",
    "decade": "decades dec decs", "year": "years y yr yrs", "quarter": "quarters qtr qtrs",
    "month": "months mon mons", "week": "weeks w", "day": "days d", "hour": "hours h hr hrs",
    "minute": "minutes m min mins", "second": "seconds s sec secs",
    "milliseconds": "millisecond ms msec msecs msecond mseconds millisec millisecs millisecon",
    "microseconds": "microsecond microsec microsecs us usec usecs usecond useconds",
    "dow": "dayofweek dw weekday", "doy": "dayofyear dy yearday", "epoch": "",
}  # fmt: skip
PARTS = {
    spelling.upper(): part
    for part, others in _SPELLINGS.items()
    for spelling in (part, *others.split())
}


def rewrite(tree: exp.Expression) -> exp.Expression:
    """Return a tree that PostgreSQL understands as Redshift would have understood it.

    Inner nodes come first: what a change takes over of its node is rewritten already.
    """
    for node in reversed(list(tree.bfs())):
        change = _CHANGES.get(type(node))
        if change is None:
            continue
        parent, key, index = node.parent, node.arg_key, node.index
        changed = change(node)
        if changed is node:
            continue
        if parent is None or key is None:
            tree, changed.parent = changed, None
        else:
            parent.set(key, changed, index)
    return tree


def _call(name: str, *arguments: Any) -> exp.Expression:
    return exp.Anonymous(this=name, expressions=[a for a in arguments if a is not None])


def _part(node: Any, otherwise: str = "day") -> str:
    name = (node.name if node is not None else otherwise).upper()
    return PARTS.get(name, name.lower())


def _timestamp(node: Any) -> exp.Expression:
    return exp.cast(node, "timestamp")


def _datediff(node: Any) -> exp.Expression:
    """Count the boundaries between two moments, as Redshift does; PostgreSQL's AGE does not."""
    unit = exp.Literal.string(_part(node.args.get("unit")))
    early, late = _timestamp(node.expression), _timestamp(node.this)
    return _call("redshift_local.datediff", unit, early, late)


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
    unit, moment = exp.Literal.string(_part(node.args.get("unit"))), node.this
    if isinstance(moment, exp.Literal):
        moment = _timestamp(moment)
    return _call("DATE_TRUNC", unit, moment)


def _months_between(node: Any) -> exp.Expression:
    late, early = _timestamp(node.this), _timestamp(node.expression)
    return _call("pg_catalog.months_between", late, early)


def _listagg(node: Any) -> Any:
    """LISTAGG, alone or WITHIN GROUP; NULL and '' are passed over, the separator may be none."""
    order = None
    if isinstance(node, exp.WithinGroup):
        if not isinstance(node.this, exp.GroupConcat):
            return node
        node, order = node.this, node.expression
    elif isinstance(node.parent, exp.WithinGroup):
        return node  # its parent's turn comes
    what, separator = node.this, node.args.get("separator")
    if isinstance(what, exp.Distinct):
        return _distinct_list(what.expressions, separator, order)
    what = exp.Nullif(this=exp.cast(what, "text"), expression=exp.Literal.string(""))
    separator = separator or exp.Literal.string("")
    if order is not None:
        separator = exp.Order(this=separator, expressions=order.expressions)
    return _call("STRING_AGG", what, separator)


def _distinct_list(parts: list[Any], separator: Any, order: Any) -> exp.Expression:
    """LISTAGG(DISTINCT x) is ordered by x as the type that it has, so it is no STRING_AGG."""
    separator = separator or (parts[1] if len(parts) > 1 else exp.Literal.string(""))
    value = exp.cast(parts[0], "text") if parts[0].is_string else parts[0]
    what: exp.Expression = exp.Distinct(expressions=[value])
    if order is not None:
        what = exp.Order(this=what, expressions=order.expressions)
    is_said = exp.NEQ(this=exp.cast(parts[0].copy(), "text"), expression=exp.Literal.string(""))
    values = exp.Filter(this=_call("ARRAY_AGG", what), expression=exp.Where(this=is_said))
    return _call("ARRAY_TO_STRING", values, separator)


def _window(node: Any) -> Any:
    """RATIO_TO_REPORT(x) OVER w is x / SUM(x) OVER w; AVG OVER w as AVG."""
    called = node.this
    if isinstance(called, exp.WithinGroup) or called.find(exp.Order) or _is_ordered_set(called):
        raise Refusal.not_emulated("LISTAGG, MEDIAN or PERCENTILE_CONT as a window function")
    if isinstance(called, exp.Avg):
        return _average(called, lambda aggregate: _with_this(node, aggregate))
    if not (isinstance(called, exp.Anonymous) and str(called.this).upper() == "RATIO_TO_REPORT"):
        return node
    value = called.expressions[0]
    total = _with_this(node, exp.Sum(this=value.copy()))
    divisor = exp.Nullif(this=total, expression=exp.Literal.number(0))
    return exp.Div(this=exp.cast(value, "double"), expression=divisor)


def _with_this(window: Any, called: exp.Expression) -> exp.Expression:
    found: exp.Expression = window.copy()
    found.set("this", called)
    return found


def _avg(node: Any) -> Any:
    if isinstance(node.parent, exp.Window) and node.arg_key == "this":
        return node  # its parent's turn comes
    return _average(node, lambda aggregate: aggregate)


def _average(node: Any, placed: Callable[[Any], Any]) -> exp.Expression:
    """AVG has its argument's type (integers: BIGINT), which MAX shows PostgreSQL."""
    argument = node.this.expressions[0] if isinstance(node.this, exp.Distinct) else node.this
    sample = exp.Max(this=argument.copy())
    return _call("redshift_local.avg", placed(node.copy()), placed(sample))


def _concat(node: Any) -> exp.Expression:
    """CONCAT of two texts is NULL where one is."""
    if len(node.expressions) != 2:
        raise Refusal.fails_on_redshift("CONCAT of other than two values")
    return _call("redshift_local.concat", *(exp.cast(e, "text") for e in node.expressions))


def _regexp_replace(node: Any) -> exp.Expression:
    """REGEXP_REPLACE(text, pattern [, replacement [, position [, flags]]]), every match."""
    flags = node.args.get("modifiers")
    if flags is not None and (not flags.is_string or not set(flags.name) <= set("ice")):
        raise Refusal.not_emulated("REGEXP_REPLACE with other parameters than i, c and e")
    return _call(
        "REGEXP_REPLACE",
        node.this,
        node.expression,
        node.args.get("replacement") or exp.Literal.string(""),
        node.args.get("position") or exp.Literal.number(1),
        exp.Literal.number(0),
        exp.Literal.string(flags.name.replace("e", "") if flags is not None else ""),
    )


def _is_ordered_set(called: Any) -> bool:
    """Tell whether an aggregate is ordered by its own argument, which PostgreSQL has no window of.

    What it was is rewritten already.
    """
    name = str(called.this).upper() if isinstance(called, exp.Anonymous) else ""
    return isinstance(called, (exp.Median, exp.PercentileCont)) or name == "ARRAY_TO_STRING"


def _anonymous(node: Any) -> Any:
    given = node.expressions
    match str(node.this).upper():
        case "ISNULL":
            return _coalesce(exp.Coalesce(this=given[0], expressions=given[1:]))
        case "ADD_MONTHS" if len(given) == 2:
            months = exp.cast(given[1], "int")
            return _call("redshift_local.add_months", _timestamp(given[0]), months)
        case "JSON_EXTRACT_PATH_TEXT" if len(given) > 1:
            return _json_text(given)
    return node


def _json_text(given: list[Any]) -> exp.Expression:
    """JSON_EXTRACT_PATH_TEXT(json, key, ... [, null_if_invalid])."""
    value, *keys = given
    is_lenient = isinstance(keys[-1], exp.Boolean) and keys.pop().this
    name = "redshift_local.json_text_or_null" if is_lenient else "redshift_local.json_text"
    return _call(name, value, *(exp.cast(key, "text") for key in keys))


def _coalesce(node: Any) -> exp.Expression:
    """One COALESCE inside another is one: PostgreSQL gives each a type of its own."""
    found: list[Any] = []
    for argument in (node.this, *node.expressions):
        is_same = isinstance(argument, exp.Coalesce)
        found += [argument.this, *argument.expressions] if is_same else [argument]
    return exp.Coalesce(this=found[0], expressions=found[1:])


def _regexp_substr(node: Any) -> exp.Expression:
    """REGEXP_SUBSTR(text, pattern [, position [, occurrence [, parameters]]]); '' for no match."""
    flags = node.args.get("parameters")
    if flags is not None and (not flags.is_string or not set(flags.name) <= set("ice")):
        raise Refusal.not_emulated("REGEXP_SUBSTR with other parameters than i, c and e")
    said = flags.name if flags is not None else ""
    return _call(
        "redshift_local.regexp_substr",
        node.this,
        node.expression,
        exp.cast(node.args.get("position") or exp.Literal.number(1), "int"),
        exp.cast(node.args.get("occurrence") or exp.Literal.number(1), "int"),
        exp.Literal.string(said.replace("e", "")),
        exp.Literal.number(int("e" in said)),
    )


def _whole(change: Callable[[Any], Any], *names: str) -> Callable[[Any], Any]:
    """Let a change see a node only if it has no other argument than those the change reads."""

    def checked(node: Any) -> Any:
        for name, value in node.args.items():
            if value not in (None, False, []) and name not in names:
                raise Refusal.not_emulated(f"the {name} of {node.sql_name()}()")
        return change(node)

    return checked


def _comparison(node: Any) -> Any:
    """Two literals are compared as VARCHAR, whose trailing blanks do not count."""
    others = [*node.expressions, *(node.args.get(name) for name in ("expression", "low", "high"))]
    if node.this.is_string and all(o.is_string for o in others if o is not None):
        node.set("this", exp.cast(node.this, "varchar"))
    return node


def _temporary(node: Any) -> Any:
    if node.this.startswith("#"):
        node.set("quoted", True)
    return node


def _counted(*names: str) -> Callable[[Any], Any]:
    """Take a BIGINT for a position or a length: PostgreSQL's functions want an INTEGER."""

    def change(node: Any) -> Any:
        for name in names:
            value = node.args.get(name)
            if value is not None and not isinstance(value, exp.Literal):
                node.set(name, exp.cast(value, "int"))
        return node

    return change


_CHANGES: dict[type, Callable[[Any], Any]] = {
    exp.TsOrDsDiff: _whole(_datediff, "this", "expression", "unit"),
    exp.DateDiff: _whole(_datediff, "this", "expression", "unit"),
    exp.TsOrDsAdd: _whole(_dateadd, "this", "expression", "unit", "return_type"),
    exp.DateAdd: _whole(_dateadd, "this", "expression", "unit", "return_type"),
    exp.CurrentTimestamp: _now,
    exp.Extract: _extract,
    exp.TimestampTrunc: _whole(_date_trunc, "this", "unit", "input_type_preserved"),
    exp.DateTrunc: _whole(_date_trunc, "this", "unit", "input_type_preserved"),
    exp.WithinGroup: _listagg,
    exp.GroupConcat: _listagg,
    exp.ApproxDistinct: _whole(
        lambda n: exp.Count(this=exp.Distinct(expressions=[n.this])), "this"
    ),
    exp.FromBase: _whole(
        lambda n: _call("pg_catalog.strtol", n.this, n.expression), "this", "expression"
    ),
    exp.MonthsBetween: _whole(_months_between, "this", "expression"),
    exp.LastDay: _whole(lambda n: _call("redshift_local.last_day", _timestamp(n.this)), "this"),
    exp.Coalesce: _coalesce,
    exp.Round: _whole(lambda n: _call("ROUND", n.this, n.args.get("decimals")), "this", "decimals"),
    exp.SplitPart: _counted("part_index"),
    exp.Pad: _counted("expression"),
    exp.Left: _counted("expression"),
    exp.Right: _counted("expression"),
    exp.Substring: _counted("start", "length"),
    exp.Repeat: _counted("times"),
    exp.Avg: _avg,
    **dict.fromkeys(
        (exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE, exp.In, exp.Between), _comparison
    ),
    exp.Concat: _concat,
    exp.RegexpReplace: _regexp_replace,
    exp.RegexpExtract: _whole(
        _regexp_substr, "this", "expression", "position", "occurrence", "parameters"
    ),
    exp.Window: _window,
    exp.Anonymous: _anonymous,
    exp.Identifier: _temporary,
}
