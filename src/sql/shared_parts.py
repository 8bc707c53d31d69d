"""Queries that begin with the same named part: WITH name AS (...) SELECT ..."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from src.sql import scanning


def with_shared_parts(queries: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """Return the parts that more than one query has, by name, and the queries without those.

    A part stands in full in each query, so that each can be run alone.
    """
    found = [_first_part(query) for query in queries]
    uses = Counter(part for part, _ in found if part)
    shared = {part[0]: part[1] for part, count in uses.items() if part and count > 1}
    rests = [
        rest if part and shared.get(part[0]) == part[1] else query
        for query, (part, rest) in zip(queries, found, strict=True)
    ]
    return shared, rests


def _first_part(query: str) -> tuple[tuple[str, str] | None, str]:
    """Return the name and the text of a query's only part, and what comes behind it."""
    statement = scanning.read(query)
    words = statement.words()
    if words[0] != "WITH" or words[2:4] != ["AS", "("]:
        return None, query
    depth, end = 1, 4
    while depth:
        depth += {"(": 1, ")": -1}.get(words[end], 0)
        end += 1
    if words[end] == ",":  # more than one part: they may refer to each other
        return None, query
    part = statement.tokens[1].name, statement.since(4, end - 1).code
    return part, statement.since(end).code
