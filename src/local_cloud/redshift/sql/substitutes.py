"""Views of this layer in the place of system relations that lack Redshift's columns.

The place of a name is the syntax tree's; nothing is looked for in the text.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate
from typing import Any

from sqlglot import exp

from src.local_cloud.redshift.sql.relations import is_common, relations
from src.sql.scanning import Statement

_OWN = "redshift_local"
_VIEWS = {
    "pg_catalog": frozenset(
        ["pg_attrdef", "pg_attribute", "pg_class", "pg_constraint", "pg_group", "pg_namespace",
         "pg_proc", "pg_settings", "pg_views"]
    ),
    "information_schema": frozenset(
        ["columns", "constraint_column_usage", "key_column_usage", "referential_constraints",
         "table_constraints", "views"]
    ),
}  # fmt: skip
_PREFIXED = ("pg_", "svv_external_")
_AFTER_TERM = frozenset(["AND", "OR", "UNION", "GROUP", "ORDER", "LIMIT", ")"])
_FUNCTIONS = frozenset(["pg_get_constraintdef", "pg_get_viewdef"])


def in_tree(tree: exp.Expression) -> exp.Expression:
    """Let a tree's names stand for this layer's views and functions."""
    for node in _named(tree):
        node.set("db", exp.to_identifier(_OWN))
    for call in tree.find_all(exp.Anonymous):
        name = str(call.this).lower()
        if name in _FUNCTIONS:
            around = call.parent
            if isinstance(around, exp.Dot):
                around.set("this", exp.to_identifier(_OWN))
            else:
                call.set("this", f"{_OWN}.{name}")
    return tree


def in_words(statement: Statement, tree: exp.Expression) -> str:
    """Return the statement for PostgreSQL; `tree` is its outline's."""
    tokens = statement.tokens
    starts = accumulate((len(_outlined(token)) for token in tokens), initial=0)
    pairs = enumerate(zip(starts, tokens, strict=False))
    places = {start + len(token.gap): at for at, (start, token) in pairs}
    texts = [token.postgres for token in tokens]
    for node in _named(tree):
        schema = node.args.get("db")
        at = places[(schema or node.this).meta["start"]]
        texts[at] = _OWN if schema else f"{_OWN}.{texts[at]}"
    for column, meant in _lateral_aliases(tree):
        texts[places[column.this.meta["start"]]] = meant
    for at, (token, after) in enumerate(zip(tokens, tokens[1:], strict=False)):
        if after.text == "(" and token.kind == "word" and token.name in _FUNCTIONS:
            if at > 1 and tokens[at - 1].text == "." and tokens[at - 2].name == "pg_catalog":
                texts[at - 2] = _OWN
            else:
                texts[at] = f"{_OWN}.{token.name}"
        if token.kind == "number" and tokens[at - 1].word == "WHERE" and after.word in _AFTER_TERM:
            texts[at] = f"({token.text} <> 0)"  # a number is a condition on Redshift
    return "".join(t.gap + text for t, text in zip(tokens, texts, strict=True)).strip()


def _outlined(token: Any) -> str:
    return str(token.gap + ("''" if token.kind == "string" else token.text))


def _named(tree: exp.Expression) -> Iterator[Any]:
    """Yield the relations to replace, and the columns that name one with its schema."""
    for table in relations(tree):
        schema = table.db.lower() or "pg_catalog"
        if table.name.lower() in _VIEWS.get(schema, ()) and not is_common(table):
            yield table
    for column in tree.find_all(exp.Column):
        schema = str(column.db).lower()
        if schema and column.table.lower() in _VIEWS.get(schema, ()):
            yield column


def _lateral_aliases(tree: exp.Expression) -> Iterator[tuple[Any, str]]:
    """Yield columns of a WHERE that are an alias of the same SELECT, and what that stands for.

    Only over the relations whose columns all have names that no alias is likely to take.
    """
    for select in tree.find_all(exp.Select):
        where = select.args.get("where")
        tables = [table for table in relations(select) if table.parent_select is select]
        if where is None or not all(t.name.lower().startswith(_PREFIXED) for t in tables):
            continue
        aliases = {
            item.alias.lower(): item.this.sql("postgres")
            for item in select.expressions
            if isinstance(item, exp.Alias) and isinstance(item.this, exp.Column)
            and item.this.name.lower() != item.alias.lower()
        }  # fmt: skip
        for column in where.find_all(exp.Column):
            name = column.name.lower()
            if not column.table and name in aliases and column.parent_select is select:
                yield column, aliases[name]
