"""CALL over the wire: its columns beforehand, its parameters, and the row at the end."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from src.local_cloud.redshift.front import messages
from src.local_cloud.redshift.front.messages import Channel, Message
from src.local_cloud.redshift.sql import parsing
from src.local_cloud.redshift.statements.definitions.procedures import described
from src.sql import scanning
from src.sql.cursors import Cursor
from src.sql.quoting import identifier, redshift_literal
from src.sql.refusal import Refusal
from src.sql.scanning import Statement


@dataclass
class Prepared:
    """A statement of the extended protocol that PostgreSQL does not run itself."""

    statement: Statement
    run: Callable[[Statement, Cursor], None]
    types: bytes = b""  # of its parameters, as the client gives them
    bind: bytes | None = None  # their values and the formats of the result


_TEXT = struct.pack("!H", 0)  # all columns in PostgreSQL's text format


def outline(statement: Statement, cursor: Cursor) -> str:
    """Return a query with the columns and parameters of a CALL; nothing where it has neither."""
    outputs, inputs = described(statement, cursor)
    if not outputs and not any(token.kind == "parameter" for token in statement.tokens):
        return ""
    columns = ", ".join(f"CAST(NULL AS {kind}) AS {identifier(name)}" for name, kind in outputs)
    given = ", ".join(f"CAST({v} AS {kind}) AS g{n}" for n, (v, kind) in enumerate(inputs))
    source = f" FROM (SELECT {given}) AS given" if given else ""
    if columns:
        return parsing.translate(f"SELECT {columns}{source}")
    return "SELECT " + parsing.translate(f"SELECT 1{source}").removeprefix("SELECT 1")


def with_values(
    statement: Statement, given: tuple[bytes, bytes], cursor: Cursor, server: Channel
) -> Statement:
    """Return a CALL with the client's values; the server reads them in whatever format they are.

    `given` is what followed the text in the client's Parse, and the names in its Bind.
    """
    if not any(token.kind == "parameter" for token in statement.tokens):
        return statement
    _, inputs = described(statement, cursor)
    texts = ", ".join(f"CAST(CAST({v} AS {kind}) AS VARCHAR(65535))" for v, kind in inputs)
    types, bind = given
    values = bind[: _end_of_values(bind)]
    server.send(
        Message(b"P", messages.text("") + messages.text(parsing.translate(f"SELECT {texts}"))
                + types),
        Message(b"B", messages.text("") * 2 + values + _TEXT),
        Message(b"E", messages.text("") + struct.pack("!I", 0)),
        Message(b"S"),
    )  # fmt: skip
    found: list[str] = []
    while (answer := server.read()).kind != b"Z":
        if answer.kind == b"D":
            found = _literals(answer.body)
        if answer.kind == b"E":
            raise Refusal("a value of CALL does not fit its argument's type", "22P02")
    words = [token.text for token in statement.tokens]
    head = Statement(statement.tokens[: words.index("(") + 1])
    inside = ", ".join(found)
    return scanning.read(f"{head.code} {inside})")


def rows(query: str, bind: bytes | None, server: Channel) -> Iterator[Message]:
    """Run the query of a CALL's output arguments; yields its rows, and what goes before them."""
    if bind is None:
        server.send(Message(b"Q", messages.text(query)))
    else:
        end = _end_of_values(bind)
        server.send(
            Message(b"P", messages.text("") + messages.text(query) + struct.pack("!H", 0)),
            Message(b"B", messages.text("") * 2 + struct.pack("!HH", 0, 0) + bind[end:]),
            Message(b"E", messages.text("") + struct.pack("!I", 0)),
            Message(b"S"),
        )
    while (answer := server.read()).kind != b"Z":
        if answer.kind in b"TDE":
            yield answer


def _end_of_values(bind: bytes) -> int:
    """Return where the parameters of a Bind message end, and its result formats begin."""
    at = 2 + 2 * int(struct.unpack_from("!H", bind, 0)[0])
    (count,) = struct.unpack_from("!H", bind, at)
    at += 2
    for _ in range(count):
        (length,) = struct.unpack_from("!i", bind, at)
        at += 4 + max(length, 0)
    return at


def _literals(row: bytes) -> list[str]:
    """Return a DataRow's texts as literals of SQL."""
    (count,) = struct.unpack_from("!H", row, 0)
    at, found = 2, []
    for _ in range(count):
        (length,) = struct.unpack_from("!i", row, at)
        at += 4
        if length < 0:
            found.append("NULL")
        else:
            found.append(redshift_literal(row[at : at + length].decode()))
            at += length
    return found


def is_call(statement: Statement) -> bool:
    """Tell whether a statement is a CALL."""
    return statement.leading_word == "CALL"
