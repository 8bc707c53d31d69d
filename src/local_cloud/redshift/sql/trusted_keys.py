"""What Redshift's planner makes of declared keys, which it trusts and does not enforce.

`SET trust_declared_keys TO on`, a setting of this warehouse alone, has a session do the same: a
query that a planner may answer from a key's declaration is answered so, whatever the rows are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from sqlglot import exp

from src.sql.cursors import Row
from src.sql.refusal import Refusal
from src.sql.scanning import Statement

SETTING = "trust_declared_keys"
KEYS = "SELECT * FROM redshift_local.trusted_keys()"
Table = tuple[str, str]


@dataclass(frozen=True)
class Keys:
    """The keys of one column: which are unique, and which refer to which."""

    unique: frozenset[tuple[Table, str]]
    foreign: frozenset[tuple[tuple[Table, str], tuple[Table, str]]]


_keys_of: ContextVar[Callable[[], Keys] | None] = ContextVar("keys_of", default=None)


@contextmanager
def trusting(keys_of: Callable[[], Keys] | None) -> Iterator[None]:
    """Translate as a session that trusts the keys that `keys_of` returns; None trusts none."""
    token = _keys_of.set(keys_of)
    try:
        yield
    finally:
        _keys_of.reset(token)


def is_trusting() -> bool:
    """Tell whether keys are trusted: a translation then depends on what is declared today."""
    return _keys_of.get() is not None


def keys_from(rows: list[Row]) -> Keys:
    """Return the keys of what KEYS finds."""
    unique = {((row[0], row[1]), row[3]) for row in rows if row[2] in ("p", "u")}
    foreign = {
        (((row[0], row[1]), row[3]), ((row[4], row[5]), row[6])) for row in rows if row[2] == "f"
    }
    return Keys(frozenset(unique), frozenset(foreign))


def is_setting(statement: Statement) -> bool:
    """Tell whether a statement is SET trust_declared_keys TO on | off."""
    return statement.words()[:2] == ["SET", SETTING.upper()]


def setting(statement: Statement) -> bool:
    """Return what SET trust_declared_keys sets."""
    words = statement.words()
    if len(words) != 4 or words[2] not in ("TO", "=") or words[3] not in ("ON", "OFF"):
        raise Refusal.not_emulated(f"SET {SETTING} to anything but on and off")
    return words[3] == "ON"


def answered(tree: exp.Expression) -> exp.Expression:
    """Return a query's tree as a planner that trusts the keys answers it."""
    keys_of = _keys_of.get()
    if keys_of is None:
        return tree
    keys = keys_of()
    for select in tree.find_all(exp.Select):
        _trust(select, keys)
    return tree


def _trust(select: exp.Expression, keys: Keys) -> None:
    source, joins = select.args.get("from_"), select.args.get("joins") or []
    if source is None or not isinstance(source.this, exp.Table):
        return
    read = [source.this, *(join.this for join in joins)]
    tables = {t.alias_or_name.lower(): _named(t) for t in read if isinstance(t, exp.Table)}
    if not joins:
        table = _named(source.this)
        distinct = select.args.get("distinct")
        found = [e for e in select.expressions if isinstance(e, exp.Column)]
        if distinct and any((table, column.name.lower()) in keys.unique for column in found):
            select.set("distinct", None)
        for count in select.find_all(exp.Count):
            _count_all(count, table, keys)
    for join in joins:
        if join.side == "LEFT":
            _find_every_parent(select, join, tables, keys)


def _count_all(count: exp.Expression, table: Table, keys: Keys) -> None:
    """COUNT(DISTINCT key) is COUNT(key)."""
    inside = count.this
    if not isinstance(inside, exp.Distinct) or len(inside.expressions) != 1:
        return
    (column,) = inside.expressions
    if isinstance(column, exp.Column) and (table, column.name.lower()) in keys.unique:
        count.set("this", column)


def _find_every_parent(
    select: exp.Expression, join: exp.Expression, tables: dict[str, Table], keys: Keys
) -> None:
    """A reference finds its row: what is the parent's key is the child's column."""
    for equal in join.args["on"].find_all(exp.EQ) if join.args.get("on") else ():
        pair = (equal.this, equal.expression)
        if not all(isinstance(side, exp.Column) for side in pair):
            continue
        for child, parent in (pair, pair[::-1]):
            ends = tuple((tables.get(c.table.lower(), ("", "")), c.name.lower())
                         for c in (child, parent))  # fmt: skip
            where = select.args.get("where")
            if ends in keys.foreign and where is not None:
                for column in where.find_all(exp.Column):
                    if column == parent:
                        column.replace(child.copy())


def _named(table: exp.Table) -> Table:
    return (table.db or "public").lower(), table.name.lower()
