"""Pieces of syntax trees that several rewriting modules make."""

from __future__ import annotations

from sqlglot import exp


def call(name: str, *arguments: exp.Expr | None) -> exp.Expression:
    """Return the call of a function; None among the arguments is none."""
    return exp.Anonymous(this=name, expressions=[a for a in arguments if a is not None])
