"""Reads a procedure's body, PL/pgSQL as Redshift has it, into its nodes."""

from __future__ import annotations

from collections.abc import Callable

from src.local_cloud.redshift.procedures import nodes
from src.local_cloud.redshift.procedures.body_tokens import BodyTokens
from src.local_cloud.redshift.procedures.nodes import Node, Tokens
from src.sql import scanning
from src.sql.refusal import SYNTAX, Refusal
from src.sql.scanning import Statement, Token

_LEVELS = ("DEBUG", "LOG", "INFO", "NOTICE", "WARNING", "EXCEPTION")
_END = Token("mark", ";")


def read_body(text: str) -> nodes.Block:
    """Return the block that a body is; raises Refusal."""
    reader = _Reader(tuple(scanning.tokens(text)))
    block = reader.block(reader.label())
    if not reader.is_at_end:
        reader.fail()
    return block


def code(tokens: Tokens) -> str:
    """Return the text of some tokens."""
    return Statement(tokens).code


class _Reader(BodyTokens):
    """Reads a body front to back."""

    # -- blocks ----------------------------------------------------------------------------

    def label(self) -> str:
        if not self.take("<", "<"):
            return ""
        name = self.name()
        self.expect(">", ">")
        return name

    def block(self, label: str) -> nodes.Block:
        found: list[nodes.Declaration] = []
        while self.take("DECLARE"):
            while self.word() not in ("BEGIN", "DECLARE"):
                found.append(self._declaration())
        self.expect("BEGIN")
        body = self._body("EXCEPTION", "END")
        handler = None
        if self.take("EXCEPTION"):
            self.expect("WHEN")
            if code(self.until("THEN")).upper() != "OTHERS":
                raise Refusal("unrecognized exception condition; use OTHERS", SYNTAX)
            self.expect("THEN")
            handler = self._body("WHEN", "END")
        self.expect("END")
        self._end(label)
        return nodes.Block(label, tuple(found), body, handler)

    def _end(self, label: str) -> None:
        if self.word() not in (";", "") and self.name() != label:
            self.fail()
        if not self.take(";") and not self.is_at_end:
            self.fail()

    def _body(self, *ends: str) -> tuple[Node, ...]:
        found: list[Node] = []
        while self.word() not in ends:
            if self.is_at_end:
                self.fail()
            if not self.take("NULL", ";"):
                found.append(self._node())
        return tuple(found)

    def _declaration(self) -> nodes.Declaration:
        name = self.name()
        if self.take("ALIAS", "FOR"):
            return nodes.Declaration(name, "", alias=code(self.rest()).lower())
        is_constant = self.take("CONSTANT")
        if self.take("CURSOR"):
            parameters: tuple[str, ...] = ()
            if self.take("("):
                parameters = tuple(part[0].name for part in self.listed(")"))
                self.expect(")")
            if not self.take("FOR"):
                self.expect("IS")
            return nodes.Declaration(name, "cursor", query=self.rest(), parameters=parameters)
        kind = self.until("NOT", "DEFAULT", ":", "=", ";")
        not_null = self.take("NOT", "NULL")
        default: Tokens = ()
        if self.take("DEFAULT") or self.take(":", "=") or self.take("="):
            default = self.until(";")
        self.expect(";")
        if not kind:
            self.fail()
        return nodes.Declaration(name, code(kind), default, is_constant, not_null)

    # -- statements ------------------------------------------------------------------------

    def _node(self) -> Node:
        label = self.label()
        word = self.word()
        if word in ("DECLARE", "BEGIN"):
            return self.block(label)
        if word in ("LOOP", "WHILE", "FOR"):
            return self._loop(label)
        reader = _READERS.get(word)
        if reader is not None and not self._is_assignment():
            self._at += 1
            return reader(self)
        if self._is_assignment():
            target = self.target()
            self.take(":")
            self.expect("=")
            return nodes.Assign(target, self.rest())
        return self._sql(self.rest())

    def _is_assignment(self) -> bool:
        ahead = 3 if self.word(1) == "." else 1
        return self.word(ahead) == "=" or (self.word(ahead) == ":" and self.word(ahead + 1) == "=")

    def _if(self) -> Node:
        branches = [(self._condition(), self._body("ELSIF", "ELSEIF", "ELSE", "END"))]
        while self.take("ELSIF") or self.take("ELSEIF"):
            branches.append((self._condition(), self._body("ELSIF", "ELSEIF", "ELSE", "END")))
        otherwise = self._body("END") if self.take("ELSE") else None
        self.expect("END", "IF", ";")
        return nodes.If(tuple(branches), otherwise)

    def _condition(self) -> Tokens:
        found = self.until("THEN")
        self.expect("THEN")
        return found

    def _case(self) -> Node:
        subject = self.until("WHEN")
        branches = []
        while self.take("WHEN"):
            tests = self.listed("THEN")
            self.expect("THEN")
            if subject:
                tests = (_joined((*subject, Token("word", "IN", " "), Token("mark", "(", " ")),
                                 tests),)  # fmt: skip
            branches.append((tests[0], self._body("WHEN", "ELSE", "END")))
        otherwise = self._body("END") if self.take("ELSE") else None
        self.expect("END", "CASE", ";")
        return nodes.If(tuple(branches), otherwise, is_case=True)

    def _loop(self, label: str) -> Node:
        if self.take("FOR"):
            return self._for(label)
        condition = self.until("LOOP") if self.take("WHILE") else ()
        return nodes.Loop(label, condition, self._loop_body(label))

    def _loop_body(self, label: str) -> tuple[Node, ...]:
        self.expect("LOOP")
        body = self._body("END")
        self.expect("END", "LOOP")
        self._end(label)
        return body

    def _for(self, label: str) -> Node:
        targets = self.names()
        self.expect("IN")
        is_reverse = self.take("REVERSE")
        if self.take("EXECUTE"):
            text = self.until("LOOP")
            return nodes.Each(label, targets, text, True, self._loop_body(label))
        inside = self.until("LOOP")
        bounds = _range(inside)
        if bounds is None:
            return nodes.Each(label, targets, inside, False, self._loop_body(label))
        low, high, step = bounds
        body = self._loop_body(label)
        return nodes.Count(label, targets[0], low, high, step, is_reverse, body)

    def _leave(self) -> Node:
        word = self.last(1).word
        if word == "RETURN":
            self.expect(";")
            return nodes.Leave(word)
        label = self.name() if self.word() not in ("WHEN", ";") else ""
        condition = self.until(";") if self.take("WHEN") else ()
        self.expect(";")
        return nodes.Leave(word, label, condition)

    def _raise(self) -> Node:
        level = self.word()
        if level not in _LEVELS:
            raise self.fail()
        self._at += 1
        if self.is_at_end or self._tokens[self._at].kind != "string":
            self.fail()
        text = self._tokens[self._at].value
        self._at += 1
        values = self.listed(";") if self.take(",") else ()
        self.expect(";")
        return nodes.Raise(level, text, values)

    def _execute(self) -> Node:
        text = self.until("INTO", ";")
        into = self.names() if self.take("INTO") else ()
        self.expect(";")
        return nodes.Run(text, into, is_dynamic=True)

    def _open(self) -> Node:
        name = self.name()
        if self.take("FOR"):
            is_dynamic = self.take("EXECUTE")
            return nodes.OpenCursor(name, self.rest(), is_dynamic)
        values: tuple[Tokens, ...] = ()
        if self.take("("):
            values = self.listed(")")
            self.expect(")")
        self.expect(";")
        return nodes.OpenCursor(name, values=values)

    def _fetch(self) -> Node:
        name = self.name()
        into: tuple[str, ...] = ()
        if self.last(2).word == "FETCH":
            self.expect("INTO")
            into = self.names()
        self.expect(";")
        return nodes.FetchCursor(name, into)

    def _diagnostics(self) -> Node:
        self.expect("DIAGNOSTICS")
        target = self.name()
        self.take(":")
        self.expect("=", "ROW_COUNT", ";")
        return nodes.RowCount(target)

    def _end_transaction(self) -> Node:
        word = self.last(1).word
        self.expect(";")
        return nodes.EndTransaction(word)

    def _perform(self) -> Node:
        return nodes.Run((Token("word", "SELECT"), *self.rest()))

    def _sql(self, statement: Tokens) -> Node:
        """Return a statement, its INTO variables apart: those are no part of it for the server."""
        word = statement[0].word if statement else ""
        if word not in ("SELECT", "WITH"):
            return nodes.Run(statement)
        depth = 0
        for index, token in enumerate(statement):
            depth += {"(": 1, ")": -1}.get(token.word, 0)
            if token.word == "INTO" and depth == 0:
                inside = _Reader((*statement[index + 1 :], _END))
                into = inside.names()
                rest = inside.rest()
                return nodes.Run((*statement[:index], *rest), into)
        return nodes.Run(statement)


def _joined(head: Tokens, parts: tuple[Tokens, ...]) -> Tokens:
    """Return head, parts between commas, and the closing bracket."""
    found = [*head]
    for index, part in enumerate(parts):
        found += [Token("mark", ",")] if index else []
        found += part
    return (*found, Token("mark", ")"))


def _range(tokens: Tokens) -> tuple[Tokens, Tokens, Tokens] | None:
    """Return the bounds and the step of `low..high BY step`; None for a query."""
    split: list[Token] = []
    for token in tokens:  # the scanner reads 1..9 as the numbers 1. and .9
        if token.kind == "number" and token.text.endswith("."):
            split += [Token("number", token.text[:-1], token.gap), Token("mark", ".")]
        elif token.kind == "number" and token.text.startswith(".") and split:
            split += [Token("mark", "."), Token("number", token.text[1:])]
        else:
            split.append(token)
    words = [token.word for token in split]
    at = next((i for i in range(len(words) - 1) if words[i] == words[i + 1] == "."), None)
    if at is None or words[0] in ("SELECT", "WITH"):
        return None
    end = words.index("BY") if "BY" in words else len(words)
    return tuple(split[:at]), tuple(split[at + 2 : end]), tuple(split[end + 1 :])


_READERS: dict[str, Callable[[_Reader], Node]] = {
    "IF": _Reader._if,
    "CASE": _Reader._case,
    "EXIT": _Reader._leave,
    "CONTINUE": _Reader._leave,
    "RETURN": _Reader._leave,
    "RAISE": _Reader._raise,
    "EXECUTE": _Reader._execute,
    "OPEN": _Reader._open,
    "FETCH": _Reader._fetch,
    "CLOSE": _Reader._fetch,
    "GET": _Reader._diagnostics,
    "PERFORM": _Reader._perform,
    "COMMIT": _Reader._end_transaction,
    "ROLLBACK": _Reader._end_transaction,
}
