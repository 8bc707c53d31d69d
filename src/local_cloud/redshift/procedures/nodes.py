"""What a procedure's body consists of. An expression or a query is its tokens."""

from __future__ import annotations

from dataclasses import dataclass

from src.sql.scanning import Token

Tokens = tuple[Token, ...]


@dataclass(frozen=True)
class Declaration:
    """A variable: `type` as it is written, `alias` for ALIAS FOR, `query` for a cursor's."""

    name: str
    type: str
    default: Tokens = ()
    is_constant: bool = False
    not_null: bool = False
    alias: str = ""
    query: Tokens = ()
    parameters: tuple[str, ...] = ()


@dataclass(frozen=True)
class Block:
    """DECLARE ... BEGIN ... EXCEPTION WHEN OTHERS THEN ... END."""

    label: str
    declarations: tuple[Declaration, ...]
    body: tuple[Node, ...]
    handler: tuple[Node, ...] | None


@dataclass(frozen=True)
class Assign:
    """name := expression."""

    target: str
    value: Tokens


@dataclass(frozen=True)
class If:
    """IF ... ELSIF ... ELSE, and CASE: the first branch whose condition is true."""

    branches: tuple[tuple[Tokens, tuple[Node, ...]], ...]
    otherwise: tuple[Node, ...] | None
    is_case: bool = False


@dataclass(frozen=True)
class Loop:
    """LOOP and WHILE: without a condition it ends by EXIT."""

    label: str
    condition: Tokens
    body: tuple[Node, ...]


@dataclass(frozen=True)
class Count:
    """FOR i IN [REVERSE] low..high [BY step] LOOP."""

    label: str
    variable: str
    low: Tokens
    high: Tokens
    step: Tokens
    is_reverse: bool
    body: tuple[Node, ...]


@dataclass(frozen=True)
class Each:
    """FOR row IN query | EXECUTE text LOOP."""

    label: str
    targets: tuple[str, ...]
    query: Tokens
    is_dynamic: bool
    body: tuple[Node, ...]


@dataclass(frozen=True)
class Leave:
    """EXIT or CONTINUE, maybe of a loop with a label, maybe on a condition; and RETURN."""

    word: str
    label: str = ""
    condition: Tokens = ()


@dataclass(frozen=True)
class Raise:
    """RAISE level 'text with % marks', values."""

    level: str
    text: str
    values: tuple[Tokens, ...]


@dataclass(frozen=True)
class Run:
    """A SQL statement, with the variables that its row goes into."""

    statement: Tokens
    into: tuple[str, ...] = ()
    is_dynamic: bool = False


@dataclass(frozen=True)
class OpenCursor:
    """OPEN name [(values)] | FOR query | FOR EXECUTE text."""

    name: str
    query: Tokens = ()
    is_dynamic: bool = False
    values: tuple[Tokens, ...] = ()


@dataclass(frozen=True)
class FetchCursor:
    """FETCH name INTO variables, and CLOSE name, which has none."""

    name: str
    into: tuple[str, ...] = ()


@dataclass(frozen=True)
class RowCount:
    """GET DIAGNOSTICS name := ROW_COUNT."""

    target: str


@dataclass(frozen=True)
class EndTransaction:
    """COMMIT or ROLLBACK."""

    word: str


Node = (
    Block | Assign | If | Loop | Count | Each | Leave | Raise | Run | OpenCursor | FetchCursor
    | RowCount | EndTransaction
)  # fmt: skip
