"""Which columns a query's columns come from, and which only decide its rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from sqlglot import exp, parse_one
from sqlglot.optimizer.qualify import qualify
from sqlglot.optimizer.scope import Scope, build_scope

Sources = frozenset[str]  # "relation.column" of a relation that the query reads
Schema = Mapping[str, Iterable[str]]  # the columns of each relation
_DECIDING = (exp.Where, exp.Join, exp.Group, exp.Having, exp.Window, exp.Order)


@dataclass(frozen=True)
class QueryLineage:
    """The sources of each output column, and of the joins, filters and groups around them."""

    direct: Mapping[str, Sources]
    indirect: Sources


def lineage_of(sql: str, schema: Schema, dialect: str) -> QueryLineage:
    """Return where a query's columns come from; `schema` has every relation that it reads."""
    tree = qualify(
        parse_one(sql, read=dialect),
        dialect=dialect,
        schema=_nested(schema),
        quote_identifiers=False,
        validate_qualify_columns=False,
    )
    root = build_scope(tree)
    if root is None or not isinstance(tree, exp.Query):
        raise ValueError(f"this is no query: {sql[:80]}")
    reader = _Reader()
    direct = {name: reader.output(root, name) for name in tree.named_selects if name != "*"}
    deciding: set[str] = set()
    for scope in root.traverse():
        for clause in scope.find_all(*_DECIDING):
            parts: list[exp.Expr | None] = [clause]
            if isinstance(clause, exp.Window):
                parts = [*clause.args.get("partition_by", []), clause.args.get("order")]
            for part in parts:
                deciding |= reader.read(scope, part) if part is not None else frozenset()
    return QueryLineage(direct, frozenset(deciding))


def composed(sources: Sources, made_of: Mapping[str, Sources]) -> Sources:
    """Return the sources of sources: those of views that were made before."""
    found: set[str] = set()
    for source in sources:
        found |= made_of.get(source, frozenset([source]))
    return frozenset(found)


@dataclass
class _Reader:
    """Resolves columns through the scopes of one query; each output column once."""

    known: dict[tuple[int, str], Sources] = field(default_factory=dict)

    def output(self, scope: Scope, name: str) -> Sources:
        key = (id(scope), name)
        if key not in self.known:
            self.known[key] = frozenset()  # a recursive query refers to itself
            self.known[key] = self._output(scope, name)
        return self.known[key]

    def _output(self, scope: Scope, name: str) -> Sources:
        query = scope.expression
        if not isinstance(query, exp.Query):
            return frozenset()
        if scope.set_operation_scopes:
            position = query.named_selects.index(name)
            found: set[str] = set()
            for part in scope.set_operation_scopes:
                if isinstance(part.expression, exp.Query):
                    found |= self.output(part, part.expression.named_selects[position])
            return frozenset(found)
        for select in query.selects:
            if select.alias_or_name == name:
                return self.read(scope, select)
        return frozenset()

    def read(self, scope: Scope, expression: exp.Expr) -> Sources:
        """Return the base columns that an expression of a scope reads, its subqueries' too."""
        found: set[str] = set()
        subqueries = {id(one.expression): one for one in scope.subquery_scopes}
        for node in _values(expression):
            if isinstance(node, exp.Query):
                below = subqueries.get(id(node))
                for name in node.named_selects if below is not None else ():
                    found |= self.output(below, name) if below is not None else frozenset()
                continue
            if not isinstance(node, exp.Column):
                continue
            source = scope.sources.get(node.table)
            if isinstance(source, Scope):
                found |= self.output(source, node.name)
            elif isinstance(source, exp.Table):
                found.add(f"{_relation(source)}.{node.name}")
        return frozenset(found)


def _values(expression: exp.Expr) -> Iterator[exp.Expr]:
    """Yield the columns and queries whose values are read, not what parts or orders a window."""
    if isinstance(expression, (exp.Column, exp.Select, exp.SetOperation)):
        yield expression
    elif isinstance(expression, exp.Window):
        yield from _values(expression.this)
    else:
        for child in expression.iter_expressions():
            yield from _values(child)


def _relation(table: exp.Table) -> str:
    return ".".join(part for part in (table.db, table.name) if part)


def _nested(schema: Schema) -> dict[str, object]:
    """Return the schema as qualify wants it: below the database, where relations name one."""
    nested: dict[str, object] = {}
    for relation, columns in schema.items():
        database, _, name = relation.rpartition(".")
        typed: dict[str, object] = dict.fromkeys(columns, "TEXT")
        below = nested.setdefault(database, {}) if database else nested
        if isinstance(below, dict):
            below[name] = typed
    return nested
