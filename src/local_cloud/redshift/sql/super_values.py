"""SUPER values: navigation, unnesting and functions of their own.

`a.b.c` is attribute c of column b of a relation a, unless no relation in sight has the name a: then
a is the column. `FROM t, t.items AS i AT n` reads the elements of an array, `UNPIVOT t.o AS v AT k`
the attributes of an object.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import cast

from sqlglot import exp

from src.local_cloud.redshift.sql.building import call
from src.sql.refusal import Refusal

# Functions of SUPER and VARBYTE values that the server has in the schema of this layer.
FUNCTIONS = frozenset(
    [
        "array", "array_concat", "array_contains", "array_distinct", "array_flatten",
        "array_position", "array_sort", "can_json_parse", "from_hex",
        "from_varbyte", "get_array_length", "getbit", "is_array", "is_bigint", "is_boolean",
        "is_char", "is_decimal", "is_float", "is_integer", "is_object", "is_scalar", "is_smallint",
        "is_utf8", "is_varchar", "json_parse", "json_serialize", "json_serialize_to_varbyte",
        "json_size", "json_typeof", "object", "split_to_array", "subarray", "to_varbyte",
    ]
)  # fmt: skip
ATTRIBUTE_TEXT = "redshift_local.attribute_text"
_FEWEST = 3  # attributes for which it is worth it
_LONGEST = 63  # bytes of a name that PostgreSQL's rows can have
_ROWS, _ROW = "redshift_items_", "redshift_item_"  # names that no client uses
# What the place of a value among the others could depend on.
_OTHERS = ("group", "having", "distinct", "order", "windows", "qualify", "locks", "with_")
_IS_OWN = "is_own"  # marks what this module made: no client wrote it


def is_own(node: exp.Expr) -> bool:
    """Tell whether a node was made here."""
    return bool(node.meta.get(_IS_OWN))


def is_function(node: exp.Expr) -> bool:
    """Tell whether a call is one of a function for these values."""
    is_plain = isinstance(node, exp.Anonymous) and not isinstance(node.parent, exp.Dot)
    return is_plain and str(node.this).lower() in FUNCTIONS


def resolve(tree: exp.Expression) -> exp.Expression:
    """Return a tree in which navigation and unnesting are calls of functions."""
    for select in list(tree.find_all(exp.Select)):
        _read_items(select)
    for node in reversed(list(tree.bfs())):
        changed = _navigated(node)
        if changed is node:
            continue
        if node is tree:
            tree = cast(exp.Expression, changed)
        else:
            node.replace(changed)
    for select in tree.find_all(exp.Select):
        for projection in select.expressions:
            name = _name(projection.this if isinstance(projection, exp.Cast) else projection)
            if name:
                projection.replace(exp.alias_(projection.copy(), name, quoted=True))
    return tree


def _name(node: exp.Expression) -> str:
    """Return the name that a path gives to its column: the one of its last part."""
    if not is_own(node):
        return str(node.name) if isinstance(node, exp.Column) and node.meta.get("path") else ""
    value, last = node.expressions
    return str(last.name) if "attribute" in node.name else _name(value)


# -- FROM ------------------------------------------------------------------------------------------


def _read_items(select: exp.Select) -> None:
    """Replace the paths among the relations of a SELECT, from left to right."""
    source = select.args.get("from_")
    joins = select.args.get("joins") or []
    outer = _visible(select.parent)
    for holder in ([source] if source is not None else []) + joins:
        found = _unnested(holder.this, outer)
        if found is not None:
            holder.set("this", found)
            if isinstance(holder, exp.Join) and not (holder.args.get("on") or holder.side):
                holder.set("kind", "CROSS")
        outer = {**outer, **_named(holder.this)}


def _unnested(item: exp.Expression, names: dict[str, bool]) -> exp.Expression | None:
    """Return the call that a path in FROM stands for, or None for another relation."""
    is_object = isinstance(item, exp.Pivot) and item.args.get("unpivot")
    path, place = (item.this if is_object else item), None
    if isinstance(path, exp.AtIndex):
        path, place = path.this, path.expression
    if isinstance(path, exp.Unnest):
        alias = path.args["alias"].columns[0]
        path = path.expressions[0]
    elif isinstance(path, exp.Alias):
        path, alias = path.this, path.args["alias"]
    elif isinstance(path, exp.Table) and isinstance(path.this, (exp.Identifier, exp.Dot)):
        parts = path.parts
        if len(parts) < (1 if is_object else 2) or str(parts[0].name).lower() not in names:
            return None
        given = path.args.get("alias")
        alias, path = (given.this if given else parts[-1].copy()), _path(parts)
    else:
        return None
    function = "attributes" if is_object else ("elements_at" if place is not None else "elements")
    columns = [alias.copy(), *([exp.to_identifier(place.name)] if place is not None else [])]
    made = _own(f"redshift_local.{function}", path)
    named = exp.TableAlias(this=alias.copy(), columns=columns)
    return exp.Table(this=made, alias=named)


def _path(parts: Sequence[exp.Expr]) -> exp.Expression:
    found: exp.Expression = exp.Column(this=parts[0].copy())
    if len(parts) > 1:
        found = exp.Column(this=parts[1].copy(), table=parts[0].copy())
    for part in parts[2:]:
        found = exp.Dot(this=found, expression=part.copy())
    return found


def _named(item: exp.Expression) -> dict[str, bool]:
    """Return the names that an item of FROM brings, and whether each is a SUPER value's."""
    if isinstance(item, exp.Table):
        is_value = isinstance(item.this, exp.Anonymous) and is_own(item.this)
        return {item.alias_or_name.lower(): is_value}
    if isinstance(item, exp.Subquery) and item.alias:
        return {item.alias.lower(): False}
    if isinstance(item, exp.Paren | exp.Subquery):
        return {table.alias_or_name.lower(): False for table in item.find_all(exp.Table)}
    return {}


def _visible(node: exp.Expr | None) -> dict[str, bool]:
    """Return the names of the relations in sight of a place, the nearest first."""
    found: dict[str, bool] = {}
    while node is not None:
        given = node.args
        if isinstance(node, (exp.Select, exp.Update, exp.Delete, exp.Merge)):
            source = given.get("from_")
            held = [source.this] if source is not None else []
            held += [join.this for join in given.get("joins") or []]
            using = given.get("using")
            held += using if isinstance(using, list) else [using]
            held += [node.this] if not isinstance(node, exp.Select) else []
            for item in held:
                found = {**_named(item), **found}
        node = node.parent
    return found


# -- expressions -----------------------------------------------------------------------------------


def _navigated(node: exp.Expr) -> exp.Expr:
    if isinstance(node, exp.Column) and node.table and not isinstance(node.this, exp.Star):
        return _column(node)
    if isinstance(node, exp.Dot):
        is_name = isinstance(node.expression, exp.Identifier)
        is_value = not isinstance(node.this, (exp.Identifier, exp.Var))
        if is_name and is_value and not isinstance(node.parent, (exp.DataType, exp.Table)):
            return _attribute(node.this, node.expression)
    return _element(node) if isinstance(node, exp.Bracket) else node


def _column(node: exp.Column) -> exp.Expression:
    """Return what a name of several parts means; one that no relation explains stays."""
    names = _visible(node)
    parts = node.parts
    first = parts[0].name.lower()
    if first in names:
        if names[first]:  # an element's name is its relation's and its column's
            return _attributes(exp.Column(this=parts[0].copy(), table=parts[0].copy()), parts[1:])
        base = exp.Column(this=parts[1].copy(), table=parts[0].copy())
        return _attributes(base, parts[2:]) if len(parts) > 2 else node
    if not names or (len(parts) > 2 and parts[-2].name.lower() in names):
        return node
    if len(parts) > 3 and parts[1].name.lower() in names:
        base = exp.Column(this=parts[2].copy(), table=parts[1].copy(), db=parts[0].copy())
        return _attributes(base, parts[3:])
    return _attributes(exp.Column(this=parts[0].copy()), parts[1:])


def _attributes(base: exp.Expression, names: Sequence[exp.Expr]) -> exp.Expression:
    for name in names:
        base = _attribute(base, name)
    return base


def _attribute(value: exp.Expr, name: exp.Expr) -> exp.Expression:
    if name.args.get("quoted"):
        function, text = "redshift_local.quoted_attribute", name.name
    else:
        function, text = "redshift_local.attribute", name.name.lower()
    return _own(function, value, exp.Literal.string(text))


def _element(node: exp.Bracket) -> exp.Expression:
    places = node.expressions
    node.this.meta["path"] = True
    if len(places) != 1 or isinstance(places[0], exp.Slice):
        raise Refusal.fails_on_redshift("a slice of an array")
    return _own("redshift_local.element", node.this, places[0])


def _own(name: str, *arguments: exp.Expr) -> exp.Expression:
    made = call(name, *(argument.copy() for argument in arguments))
    made.meta[_IS_OWN] = True
    return made


# -- many attributes at once


def gather(tree: exp.Expression) -> None:
    """Read many attributes of one value together, in a tree whose functions are PostgreSQL's.

    Each would read the text of the value anew. In what fills a table, a join with one row of all
    of them takes their place.
    """
    if not isinstance(tree, exp.Insert):
        return
    for number, select in enumerate(list(tree.find_all(exp.Select))):
        if _may_gather(select):
            for base, calls in _of_one_value(select):
                _join_row(
                    select, base, calls, f"{_ROWS}{number}_{len(select.args.get('joins') or [])}"
                )


def _may_gather(select: exp.Select) -> bool:
    has_others = any(select.args.get(name) for name in _OTHERS)
    stars = any(isinstance(item, exp.Star) for item in select.expressions)
    return select.args.get("from_") is not None and not (has_others or stars)


def _of_one_value(select: exp.Select) -> Iterator[tuple[exp.Column, list[exp.Expression]]]:
    """Yield the columns of the SELECT's own relations of which it reads many attributes."""
    sources = [select.args["from_"].this, *(join.this for join in select.args.get("joins") or [])]
    own = {source.alias_or_name.lower() for source in sources} | (
        {""} if len(sources) == 1 else set()
    )
    found: dict[str, list[exp.Expression]] = defaultdict(list)
    for item in select.expressions:
        for node in item.find_all(exp.Anonymous):
            if node.name == ATTRIBUTE_TEXT and node.find_ancestor(exp.Select) is select:
                base = node.expressions[0]
                if isinstance(base, exp.Column) and base.table.lower() in own:
                    found[base.sql()].append(node)
    for calls in found.values():
        names = {node.expressions[1].name for node in calls}
        if len(names) >= _FEWEST and all(0 < len(n.encode()) <= _LONGEST for n in names):
            yield calls[0].expressions[0], calls


def _join_row(
    select: exp.Select, base: exp.Column, calls: list[exp.Expression], alias: str
) -> None:
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
        exp.alias_(exp.column(name, quoted=True, table=alias), f"{_ROW}{n}")
        for n, name in enumerate(names)
    ]
    item = exp.Lateral(
        this=exp.Subquery(this=exp.select(*columns).from_(made)),
        alias=exp.TableAlias(this=exp.to_identifier(alias)),
    )
    select.append("joins", exp.Join(this=item, kind="CROSS"))
    for node in calls:
        text = exp.column(f"{_ROW}{names.index(node.expressions[1].name)}", table=alias)
        first = call("LEFT", text.copy(), exp.Literal.number(1))
        is_doubtful = exp.In(this=first, expressions=[exp.Literal.string(m) for m in "{["])
        chosen = exp.Case(ifs=[exp.If(this=is_doubtful, true=node.copy())], default=text)
        node.replace(chosen)
