"""Redshift's functions and forms that PostgreSQL lacks or means otherwise, tree by tree."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from sqlglot import exp
from sqlglot.transforms import eliminate_join_marks

from src.local_cloud.redshift.sql import moments, super_values
from src.local_cloud.redshift.sql.aggregates import AGGREGATES
from src.local_cloud.redshift.sql.building import call
from src.local_cloud.redshift.sql.decimals import rewrite_divisions
from src.local_cloud.redshift.sql.portability import SETTINGS
from src.local_cloud.redshift.sql.selecting import rewrite_selects
from src.local_cloud.redshift.sql.super_values import is_function
from src.sql.reading import whole_number
from src.sql.refusal import Refusal

_SHORT = 16_383  # characters, of up to four bytes, that any VARCHAR takes


def rewrite(tree: exp.Expression) -> exp.Expression:
    """Return a tree that PostgreSQL understands as Redshift would have understood it.

    Inner nodes come first: what a change takes over of its node is rewritten already.
    """
    if any(column.args.get("join_mark") for column in tree.find_all(exp.Column)):
        tree = cast(exp.Expression, eliminate_join_marks(tree))
    rewrite_selects(tree)
    rewrite_divisions(tree)
    for node in reversed(list(tree.bfs())):
        change = _CHANGES.get(type(node))
        if change is None:
            continue
        parent, key, index = node.parent, node.arg_key, node.index
        changed = change(cast(exp.Expression, node))
        if changed is node:
            continue
        if parent is None or key is None:
            tree, changed.parent = changed, None
        else:
            parent.set(key, changed, index)
    for kind in list(tree.find_all(exp.DataType)):
        if kind is not _type(kind):
            kind.replace(_type(kind))
    super_values.gather(tree)
    return tree


def _concat(node: exp.Expression) -> exp.Expression:
    """CONCAT of two texts is NULL where one is."""
    if len(node.expressions) != 2:
        raise Refusal.fails_on_redshift("CONCAT of other than two values")
    return _limited(call("redshift_local.concat", *(exp.cast(e, "text") for e in node.expressions)))


def _limited(node: exp.Expression) -> exp.Expression:
    """Hold a text that may have grown to the 65,535 bytes of a VARCHAR."""
    return call("redshift_local.limited", node)


def _pad(node: exp.Expression) -> exp.Expression:
    """LPAD and RPAD; to a small length, no text of theirs can be too long."""
    length = whole_number(node.expression.name) if node.expression.is_int else None
    changed: exp.Expression = _counted("expression")(node)
    return changed if length is not None and length <= _SHORT else _limited(changed)


def _regexp_replace(node: exp.Expression) -> exp.Expression:
    """REGEXP_REPLACE(text, pattern [, replacement [, position [, flags]]]), every match."""
    flags = node.args.get("modifiers")
    if flags is not None and (not flags.is_string or not set(flags.name) <= set("ice")):
        raise Refusal.not_emulated("REGEXP_REPLACE with other parameters than i, c and e")
    return call(
        "REGEXP_REPLACE",
        node.this,
        node.expression,
        node.args.get("replacement") or exp.Literal.string(""),
        node.args.get("position") or exp.Literal.number(1),
        exp.Literal.number(0),
        exp.Literal.string(flags.name.replace("e", "") if flags is not None else ""),
    )


def _anonymous(node: exp.Expression) -> exp.Expression:
    given = node.expressions
    if is_function(node):
        return call(f"redshift_local.{node.this.lower()}", *given)
    match str(node.this).upper():
        case "ISNULL":
            return _coalesce(exp.Coalesce(this=given[0], expressions=given[1:]))
        case "DATE_PART" if len(given) == 2:
            return moments.date_part(given)
        case "CURRENT_SETTING":
            return _current_setting(given)
        case "PG_TERMINATE_BACKEND" | "PG_CANCEL_BACKEND" if len(given) == 1:
            is_ended = exp.Boolean(this="TERMINATE" in str(node.this).upper())
            return call("redshift_local.end_session", given[0], is_ended)
        case "TO_TIMESTAMP" if len(given) in (2, 3):
            value, is_strict = exp.cast(given[0], "text"), given[2:] or [exp.false()]
            return call("redshift_local.to_timestamp", value, given[1], *is_strict)
        case "CHECKSUM" if len(given) == 1:
            node.set("expressions", [exp.cast(given[0], "text")])
        case "ADD_MONTHS" if len(given) == 2:
            months = exp.cast(given[1], "int")
            return call("redshift_local.add_months", moments.timestamp(given[0]), months)
        case "JSON_EXTRACT_PATH_TEXT" if len(given) > 1:
            return _json_text(given)
        case "TO_DATE" if len(given) in (2, 3):
            return call("redshift_local.to_date", *given[:2], *(given[2:] or [exp.false()]))
        case "REGEXP_INSTR" if len(given) >= 2:
            return _regexp_instr(given)
        case "FNV_HASH" | "SHA2" | "REPLICATE" if len(given) == 2:
            node.set("expressions", [given[0], exp.cast(given[1], "bigint")])
    return node


def _current_setting(given: list[exp.Expression]) -> exp.Expression:
    if len(given) != 1 or not given[0].is_string or given[0].name.lower() not in SETTINGS:
        raise Refusal.not_emulated("CURRENT_SETTING of other than the settings that SHOW shows")
    return call("redshift_local.shown_setting", given[0])


def _regexp_instr(given: list[exp.Expression]) -> exp.Expression:
    """REGEXP_INSTR(text, pattern [, position [, occurrence [, option [, parameters]]]])."""
    flags = given[5] if len(given) > 5 else exp.Literal.string("")
    if not flags.is_string or not set(flags.name) <= set("ice"):
        raise Refusal.not_emulated("REGEXP_INSTR with other parameters than i, c and e")
    numbers: list[exp.Expression] = [exp.cast(value, "int") for value in given[2:5]]
    numbers += [exp.Literal.number(n) for n in (1, 1, 0)[len(numbers) :]]
    plain = exp.Literal.string(flags.name.replace("e", ""))
    group = exp.Literal.number(int("e" in flags.name))
    return call("REGEXP_INSTR", *given[:2], *numbers, plain, group)


def _json_text(given: list[exp.Expression]) -> exp.Expression:
    """JSON_EXTRACT_PATH_TEXT(json, key, ... [, null_if_invalid])."""
    value, *keys = given
    is_lenient = isinstance(keys[-1], exp.Boolean) and keys.pop().this
    name = "redshift_local.json_text_or_null" if is_lenient else "redshift_local.json_text"
    return call(name, value, *(exp.cast(key, "text") for key in keys))


def _coalesce(node: exp.Expression) -> exp.Expression:
    """One COALESCE inside another is one: PostgreSQL gives each a type of its own."""
    found: list[exp.Expression] = []
    for argument in (node.this, *node.expressions):
        is_same = isinstance(argument, exp.Coalesce)
        found += [argument.this, *argument.expressions] if is_same else [argument]
    return exp.Coalesce(this=found[0], expressions=found[1:])


def _regexp_substr(node: exp.Expression) -> exp.Expression:
    """REGEXP_SUBSTR(text, pattern [, position [, occurrence [, parameters]]]); '' for no match."""
    flags = node.args.get("parameters")
    if flags is not None and (not flags.is_string or not set(flags.name) <= set("ice")):
        raise Refusal.not_emulated("REGEXP_SUBSTR with other parameters than i, c and e")
    said = flags.name if flags is not None else ""
    return call(
        "redshift_local.regexp_substr",
        node.this,
        node.expression,
        exp.cast(node.args.get("position") or exp.Literal.number(1), "int"),
        exp.cast(node.args.get("occurrence") or exp.Literal.number(1), "int"),
        exp.Literal.string(said.replace("e", "")),
        exp.Literal.number(int("e" in said)),
    )


def _whole(
    change: Callable[[exp.Expression], exp.Expression], *names: str
) -> Callable[[exp.Expression], exp.Expression]:
    """Let a change see a node only if it has no other argument than those the change reads."""

    def checked(node: exp.Expression) -> exp.Expression:
        for name, value in node.args.items():
            if value not in (None, False, []) and name not in names:
                raise Refusal.not_emulated(f"the {name} of {cast(exp.Func, node).sql_name()}()")
        return change(node)

    return checked


def _comparison(node: exp.Expression) -> exp.Expression:
    """Two literals are compared as VARCHAR, whose trailing blanks do not count."""
    others = [*node.expressions, *(node.args.get(name) for name in ("expression", "low", "high"))]
    if node.this.is_string and all(o.is_string for o in others if o is not None):
        node.set("this", exp.cast(node.this, "varchar"))
    return node


def _added(node: exp.Expression) -> exp.Expression:
    """What follows INTERVAL ... + is no interval if it is cast to a moment, as sqlglot has it."""
    right = node.expression
    if isinstance(right, exp.Interval) and right.args.get("unit") is None and node.parent:
        to = node.parent.args.get("to") if isinstance(node.parent, exp.Cast) else None
        if to is not None and to.this.name in ("TIMESTAMP", "TIMESTAMPTZ", "DATE"):
            node.set("expression", exp.Cast(this=right.this, to=to.copy()))
    return node


def _temporary(node: exp.Expression) -> exp.Expression:
    if node.this.startswith("#"):
        node.set("quoted", True)
    return node


def _counted(*names: str) -> Callable[[exp.Expression], exp.Expression]:
    """Take a BIGINT for a position or a length: PostgreSQL's functions want an INTEGER."""

    def change(node: exp.Expression) -> exp.Expression:
        for name in names:
            value = node.args.get(name)
            if value is not None and not isinstance(value, exp.Literal):
                node.set(name, exp.cast(value, "int"))
        return node

    return change


def _cast(node: exp.Expression) -> exp.Expression:
    """VARBYTE is a type of this layer's own; of a length, the value is cut to it.

    The text of an attribute, the most frequent cast of all, is read in one step.
    """
    if node.this.name == "redshift_local.attribute" and node.args["to"].this.name in _TEXTS:
        text = call(super_values.ATTRIBUTE_TEXT, *node.this.expressions)
        return exp.Cast(this=text, to=node.args["to"])
    length = node.args["to"].expressions
    if not length or _type(node.args["to"]) is node.args["to"]:
        return node
    to = exp.DataType.build("VARBINARY")
    return call("redshift_local.cut", exp.Cast(this=node.this, to=_type(to)), length[0].this)


_TEXTS = ("VARCHAR", "TEXT")


def _try_cast(node: exp.Expression) -> exp.Expression:
    """TRY_CAST is NULL where the text is no value of the type."""
    text = exp.cast(node.this, "text")
    sample = exp.Cast(this=exp.null(), to=node.args["to"].copy())
    return exp.Cast(this=call("redshift_local.try_cast", text, sample), to=node.args["to"])


def _collation(node: exp.Expression) -> exp.Expression:
    if isinstance(node.expression, exp.Literal):
        raise Refusal.not_emulated("function collate()")
    return node


def _type(node: exp.Expression) -> exp.Expression:
    if node.this != exp.DataType.Type.VARBINARY:
        return node
    return exp.DataType(this=exp.DataType.Type.USERDEFINED, kind="varbyte")


_CHANGES: dict[type, Callable[[exp.Expression], exp.Expression]] = {
    **AGGREGATES,
    exp.TsOrDsDiff: _whole(moments.datediff, "this", "expression", "unit"),
    exp.DateDiff: _whole(moments.datediff, "this", "expression", "unit"),
    exp.TsOrDsAdd: _whole(moments.dateadd, "this", "expression", "unit", "return_type"),
    exp.DateAdd: _whole(moments.dateadd, "this", "expression", "unit", "return_type"),
    exp.CurrentTimestamp: moments.now,
    exp.Extract: moments.extract,
    exp.TimestampTrunc: _whole(moments.date_trunc, "this", "unit", "input_type_preserved"),
    exp.DateTrunc: _whole(moments.date_trunc, "this", "unit", "input_type_preserved"),
    exp.ApproxDistinct: _whole(
        lambda n: exp.Count(this=exp.Distinct(expressions=[n.this])), "this"
    ),
    exp.FromBase: _whole(
        lambda n: call("pg_catalog.strtol", n.this, n.expression), "this", "expression"
    ),
    exp.MonthsBetween: _whole(moments.months_between, "this", "expression"),
    exp.LastDay: _whole(
        lambda n: call("redshift_local.last_day", moments.timestamp(n.this)), "this"
    ),
    exp.Coalesce: _coalesce,
    exp.Round: _whole(lambda n: call("ROUND", n.this, n.args.get("decimals")), "this", "decimals"),
    exp.SplitPart: lambda n: call(
        "redshift_local.split_part",
        n.this,
        n.args["delimiter"],
        exp.cast(n.args["part_index"], "int"),
    ),
    exp.Pad: _pad,
    exp.Left: _counted("expression"),
    exp.Right: _counted("expression"),
    exp.Substring: _counted("start", "length"),
    exp.Repeat: lambda n: _limited(_counted("times")(n)),
    exp.Replace: _limited,
    **dict.fromkeys(
        (exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE, exp.In, exp.Between), _comparison
    ),
    exp.Concat: _concat,
    exp.RegexpReplace: _regexp_replace,
    exp.RegexpExtract: _whole(
        _regexp_substr, "this", "expression", "position", "occurrence", "parameters"
    ),
    exp.Anonymous: _anonymous,
    exp.Date: _whole(lambda n: exp.cast(n.this, "date"), "this"),
    exp.Add: _added,
    exp.Cast: _cast,
    exp.TryCast: _try_cast,
    exp.Collate: _collation,
    exp.CurrentUserId: lambda _: call("redshift_local.current_user_id"),
    exp.Identifier: _temporary,
}
