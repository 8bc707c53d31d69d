"""Many attributes of one SUPER value, read at once.

`SELECT t.v.a::varchar, t.v.b::varchar, ... FROM t` would read the text of v once for each of them.
In what fills a table, a join with one row of all of them takes their place.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from sqlglot import exp

from src.local_cloud.redshift.sql.building import call

TEXT = "redshift_local.attribute_text"
_FEWEST = 3  # attributes for which it is worth it
_LONGEST = 63  # bytes of a name that PostgreSQL's rows can have
_ITEMS, _ITEM = "redshift_items_", "redshift_item_"  # names that no client uses
# What the place of a value among the others could depend on.
_OTHERS = ("group", "having", "distinct", "order", "windows", "qualify", "locks", "with_")


def gather(tree: exp.Expression) -> None:
    """Read the attributes together in a tree whose functions are PostgreSQL's already."""
    if not isinstance(tree, exp.Insert):
        return
    for number, select in enumerate(list(tree.find_all(exp.Select))):
        if _is_plain(select):
            for base, calls in _of_one_value(select):
                _join(
                    select, base, calls, f"{_ITEMS}{number}_{len(select.args.get('joins') or [])}"
                )


def _is_plain(select: exp.Select) -> bool:
    has_others = any(select.args.get(name) for name in _OTHERS)
    stars = any(isinstance(item, exp.Star) for item in select.expressions)
    return select.args.get("from_") is not None and not (has_others or stars)


def _of_one_value(select: exp.Select) -> Iterator[tuple[exp.Column, list[Any]]]:
    """Yield the columns of the SELECT's own relations of which it reads many attributes."""
    sources = [select.args["from_"].this, *(join.this for join in select.args.get("joins") or [])]
    own = {source.alias_or_name.lower() for source in sources} | (
        {""} if len(sources) == 1 else set()
    )
    found: dict[str, list[Any]] = defaultdict(list)
    for item in select.expressions:
        for node in item.find_all(exp.Anonymous):
            if node.name == TEXT and node.find_ancestor(exp.Select) is select:
                base = node.expressions[0]
                if isinstance(base, exp.Column) and base.table.lower() in own:
                    found[base.sql()].append(node)
    for calls in found.values():
        names = {node.expressions[1].name for node in calls}
        if len(names) >= _FEWEST and all(0 < len(n.encode()) <= _LONGEST for n in names):
            yield calls[0].expressions[0], calls


def _join(select: exp.Select, base: exp.Column, calls: list[Any], alias: str) -> None:
    """Join the row of the attributes; the texts of arrays and objects are none, as ever.

    A text that begins like one is looked at again by the function that stood there.
    """
    names = sorted({node.expressions[1].name for node in calls})
    is_object = exp.EQ(
        this=call("JSON_TYPEOF", base.copy()), expression=exp.Literal.string("object")
    )
    value = exp.Case(ifs=[exp.If(this=is_object, true=exp.cast(base.copy(), "json"))])
    row = exp.TableAlias(
        this=exp.to_identifier(alias),
        columns=[
            exp.ColumnDef(
                this=exp.to_identifier(name, quoted=True), kind=exp.DataType.build("text")
            )
            for name in names
        ],
    )
    made = exp.Table(this=call("JSON_TO_RECORD", value), alias=row)
    columns = [
        exp.alias_(exp.column(name, quoted=True, table=alias), f"{_ITEM}{n}")
        for n, name in enumerate(names)
    ]
    item = exp.Lateral(
        this=exp.Subquery(this=exp.select(*columns).from_(made)),
        alias=exp.TableAlias(this=exp.to_identifier(alias)),
    )
    select.append("joins", exp.Join(this=item, kind="CROSS"))
    for node in calls:
        text = exp.column(f"{_ITEM}{names.index(node.expressions[1].name)}", table=alias)
        first = call("LEFT", text.copy(), exp.Literal.number(1))
        is_doubtful = exp.In(this=first, expressions=[exp.Literal.string(m) for m in "{["])
        chosen = exp.Case(ifs=[exp.If(this=is_doubtful, true=node.copy())], default=text)
        node.replace(chosen)
