"""Clauses that PostgreSQL has and Redshift has not, which a type of node does not tell alone."""

from __future__ import annotations

from sqlglot import exp

from src.local_cloud.redshift.sql.building import call
from src.sql.refusal import NOT_EMULATED, SYNTAX, Refusal

_LEADER_ONLY = (
    "Specified types or functions (one per INFO message) not supported on Redshift tables."
)
_OF_FRAMES = (exp.Sum, exp.Avg, exp.Count, exp.Max, exp.Min, exp.Stddev, exp.StddevPop,
              exp.StddevSamp, exp.Variance, exp.VariancePop)  # fmt: skip
_WITHOUT_FRAME = "Aggregate window functions with an ORDER BY clause require a frame clause"
_SYSTEM_COLUMNS = frozenset(["xmin", "xmax", "cmin", "cmax", "ctid", "tableoid"])


def check_clause(node: exp.Expr) -> None:
    """Refuse a clause of a query or a change that Redshift does not have."""
    name = _clause(node)
    if name:
        raise Refusal.fails_on_redshift(name)
    if isinstance(node, exp.Window) and isinstance(node.this, _OF_FRAMES):
        _check_frame(node)
    if isinstance(node, exp.Select) and not node.expressions:
        raise Refusal("syntax error: a SELECT list cannot be empty", SYNTAX)


def _check_frame(node: exp.Expr) -> None:
    if node.args.get("order") is not None and node.args.get("spec") is None:
        raise Refusal(_WITHOUT_FRAME, SYNTAX)


def _clause(node: exp.Expr) -> str:
    given = node.args
    if isinstance(node, exp.WindowSpec):
        return _frame(node)
    if isinstance(node, exp.Column) and node.name.lower() in _SYSTEM_COLUMNS:
        return f"system column {node.name.lower()}"
    if isinstance(node, (exp.Intersect, exp.Except)) and given.get("distinct") is False:
        return f"{type(node).__name__.upper()} ALL"
    if isinstance(node, exp.Select) and given.get("windows"):
        return "WINDOW"
    if isinstance(node, exp.Between) and given.get("symmetric") is not None:
        return "BETWEEN SYMMETRIC"
    if isinstance(node, exp.Table) and given.get("only"):
        return "ONLY"
    if isinstance(node, exp.TruncateTable):
        return "TRUNCATE of several tables" if len(node.expressions) > 1 else _truncation(node)
    return ""


def _frame(node: exp.Expression) -> str:
    kind = str(node.args.get("kind") or "").upper()
    if kind == "GROUPS" or (kind == "RANGE" and any(
        str(node.args.get(side)).upper() not in ("UNBOUNDED", "CURRENT ROW", "NONE")
        for side in ("start", "end")
    )):  # fmt: skip
        return f"{kind} frame of a window"
    return "EXCLUDE of a window" if node.args.get("exclude") else ""


def _truncation(node: exp.Expression) -> str:
    options = (node.args.get("option"), node.args.get("identity"))
    return next((f"TRUNCATE ... {word}" for word in options if word), "")


def without_leader_functions(tree: exp.Expression) -> None:
    """Refuse what the leader node alone runs, in a query of a user's tables.

    LN takes no decimals there: the server finds out which type its argument has.
    """
    for node in list(tree.find_all(exp.Ln, exp.Anonymous, exp.CurrentSchema)):
        if isinstance(node, exp.CurrentSchema):
            select = node.find_ancestor(exp.Select)
            if select is not None and select.args.get("from_") is not None:
                detail = 'Function "current_schema()" not supported.'
                raise Refusal(_LEADER_ONLY, NOT_EMULATED, detail)
        elif isinstance(node, exp.Ln) or node.name.upper() == "DLOG1":
            argument = node.this if isinstance(node, exp.Ln) else node.expressions[0]
            if argument.find(exp.Column) is not None:
                node.replace(call("redshift_local.ln_of_column", argument.copy()))
