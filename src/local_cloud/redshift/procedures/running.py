"""Runs a procedure: each of its statements as a client's own, on the caller's cursor."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import psycopg2

from src.local_cloud.redshift.procedures import nodes
from src.local_cloud.redshift.procedures.nodes import Node, Tokens
from src.local_cloud.redshift.procedures.variables import RECORD, Scope, Value, Variable, record_of
from src.sql import scanning
from src.sql.cursors import Cursor
from src.sql.quoting import identifier
from src.sql.refusal import Refusal
from src.sql.scanning import Statement

_QUERIES = ("SELECT", "WITH", "(", "SHOW")
_CANCELLED = "57014"


class _LeavingError(Exception):
    """EXIT, CONTINUE or RETURN, raised up to its loop."""

    def __init__(self, word: str, label: str) -> None:
        super().__init__(word)
        self.word, self.label = word, label


class Run:
    """One call of a procedure.

    `call` runs a CALL inside of it, once with values and once as it is written, and returns the
    output arguments: how each is written, and its value.
    An atomic procedure is one transaction; it is this object's where `owns` is true.
    """

    def __init__(
        self, cursor: Cursor, scope: Scope, *, is_atomic: bool, owns: bool,
        call: Callable[[Statement, Statement], Sequence[tuple[str, Value]]],
    ) -> None:  # fmt: skip
        self._cursor = cursor
        self._connection = cursor.connection
        self._scope = scope
        self._is_atomic = is_atomic
        self._owns = owns
        self._call = call
        self._row_count = 0
        scope.held["found"] = Variable("boolean", False)

    def run(self, body: nodes.Block) -> None:
        """Run the body; raises psycopg2.Error, and Refusal for what is wrong with the body."""
        try:
            self._block(body)
        except _LeavingError as leaving:
            if leaving.word != "RETURN":
                raise Refusal(f"{leaving.word} cannot be used outside a loop", "42601") from None

    def _all(self, body: tuple[Node, ...]) -> None:
        for node in body:
            _RUNNERS[type(node)](self, node)

    def _block(self, block: nodes.Block) -> None:
        self._scope = Scope(self._scope)
        try:
            for declaration in block.declarations:
                self._declare(declaration)
            if block.handler is None:
                self._all(block.body)
            else:
                self._guarded(block.body, block.handler)
        finally:
            self._scope = self._scope.outer or self._scope

    def _guarded(self, body: tuple[Node, ...], handler: tuple[Node, ...]) -> None:
        """Run a body; an atomic procedure rolls back, runs its handler, and raises the error."""
        try:
            self._all(body)
        except psycopg2.Error as error:
            if error.pgcode == _CANCELLED or self._connection.closed:
                raise
            if self._is_atomic:
                self._connection.restart_transaction("ROLLBACK")
            text = (error.diag.message_primary or str(error)).strip()
            self._scope.held["sqlerrm"] = Variable("VARCHAR(65535)", text)
            self._scope.held["sqlstate"] = Variable("VARCHAR(5)", error.pgcode)
            self._all(handler)
            if self._is_atomic:
                raise

    # -- variables -------------------------------------------------------------------------

    def _declare(self, declaration: nodes.Declaration) -> None:
        held = self._scope.held
        if declaration.alias:
            held[declaration.name] = self._scope.need(declaration.alias)
            return
        kind = declaration.type
        if declaration.query:
            source = (declaration.query, declaration.parameters)
            held[declaration.name] = Variable("VARCHAR(63)", declaration.name, cursor=source)
            return
        words = kind.upper().replace(" ", "")
        if words in ("RECORD", "REFCURSOR"):
            kind = RECORD if words == "RECORD" else "VARCHAR(63)"
        elif words.endswith("%ROWTYPE"):
            self._cursor.execute(f"SELECT * FROM {kind.rpartition('%')[0]} LIMIT 0")
            row = record_of(self._cursor.description, None)
            held[declaration.name] = Variable(RECORD, fields=row)
            return
        elif words.endswith("%TYPE"):
            kind = self._type_of(kind.rpartition("%")[0].strip())
        variable = Variable(kind, not_null=declaration.not_null)
        held[declaration.name] = variable
        if declaration.default:
            self._assign(declaration.name, self._evaluated(declaration.default, kind))
        elif declaration.not_null:
            raise Refusal(f'variable "{declaration.name}" is NOT NULL and has no default', "22004")
        variable.is_constant = declaration.is_constant

    def _type_of(self, reference: str) -> str:
        """Return the type of a variable, or of a table's column."""
        found = self._scope.find(reference.lower())
        if found is not None:
            return found.type
        relation, _, column = reference.rpartition(".")
        self._cursor.execute_postgres(
            "SELECT format_type(atttypid, atttypmod) FROM pg_attribute "
            "WHERE attrelid = to_regclass(%s) AND attname = %s", (relation, column.lower()),
        )  # fmt: skip
        row = self._cursor.fetchone()
        if row is None:
            raise Refusal(f'column "{reference}" of %TYPE does not exist', "42703")
        return str(row[0])

    def _assign(self, target: str, value: Value) -> None:
        name, _, member = target.partition(".")
        variable = self._scope.need(name)
        if variable.is_constant:
            raise Refusal(f'"{name}" is declared CONSTANT', "22005")
        if value is None and variable.not_null:
            raise Refusal(f'variable "{name}" is declared NOT NULL', "22004")
        if member:
            variable.fields = {**(variable.fields or {}), member: value}
        else:
            variable.value = value

    def _evaluated(self, tokens: Tokens, kind: str = "") -> Value:
        text = self._scope.bound(tokens)
        text = f"CAST(({text}) AS {kind})" if kind and kind != RECORD else text
        self._cursor.execute(f"SELECT {text} AS value")
        return self._cursor.fetchone()[0]

    def _is_true(self, condition: Tokens) -> bool:
        return self._evaluated(condition) is True

    def _keep(self, into: tuple[str, ...], row: Sequence[Value] | None) -> None:
        """Put a row into variables, or into one record; no row is NULLs."""
        if len(into) == 1 and self._scope.need(into[0].partition(".")[0]).type == RECORD:
            self._scope.need(into[0]).fields = record_of(self._cursor.description, row)
            return
        for index, name in enumerate(into):
            kind = self._scope.need(name.partition(".")[0]).type
            value = row[index] if row is not None and index < len(row) else None
            if value is not None and kind not in (RECORD, ""):
                value = self._converted(value, kind)
            self._assign(name, value)

    def _converted(self, value: Value, kind: str) -> Value:
        self._cursor.execute(f"SELECT CAST({Variable('', value).literal} AS {kind}) AS value")
        return self._cursor.fetchone()[0]

    # -- statements ------------------------------------------------------------------------

    def _set(self, node: nodes.Assign) -> None:
        name, _, member = node.target.partition(".")
        kind = "" if member else self._scope.need(name).type
        self._assign(node.target, self._evaluated(node.value, kind))

    def _if(self, node: nodes.If) -> None:
        for condition, body in node.branches:
            if self._is_true(condition):
                self._all(body)
                return
        if node.otherwise is not None:
            self._all(node.otherwise)
        elif node.is_case:
            raise Refusal("case not found", "20000")

    def _once(self, label: str, body: tuple[Node, ...]) -> bool:
        """Run a loop's body; tells whether the loop continues."""
        self._connection.check_cancelled(self._cursor)
        try:
            self._all(body)
        except _LeavingError as leaving:
            if leaving.word == "RETURN" or leaving.label not in ("", label):
                raise
            return leaving.word == "CONTINUE"
        return True

    def _loop(self, node: nodes.Loop) -> None:
        while (not node.condition or self._is_true(node.condition)) and self._once(
            node.label, node.body
        ):
            pass

    def _count(self, node: nodes.Count) -> None:
        low, high = self._evaluated(node.low, "BIGINT"), self._evaluated(node.high, "BIGINT")
        step = self._evaluated(node.step, "BIGINT") if node.step else 1
        if low is None or high is None or step is None or step < 1:
            raise Refusal("the bounds of a FOR loop cannot be NULL, nor its step below 1", "22004")
        step = -step if node.is_reverse else step
        self._scope = Scope(self._scope)
        try:
            for number in range(low, high + (1 if step > 0 else -1), step):
                self._scope.held[node.variable] = Variable("BIGINT", number)
                if not self._once(node.label, node.body):
                    break
        finally:
            self._scope = self._scope.outer or self._scope

    def _each(self, node: nodes.Each) -> None:
        text = self._evaluated(node.query) if node.is_dynamic else self._scope.bound(node.query)
        self._cursor.execute(text)
        columns, rows = self._cursor.description, self._cursor.fetchall()
        for row in rows:
            if len(node.targets) == 1 and self._scope.need(node.targets[0]).type == RECORD:
                self._scope.need(node.targets[0]).fields = record_of(columns, row)
            else:
                self._keep(node.targets, row)
            if not self._once(node.label, node.body):
                break
        self._scope.need("found").value = bool(rows)

    def _leave(self, node: nodes.Leave) -> None:
        if not node.condition or self._is_true(node.condition):
            raise _LeavingError(node.word, node.label)

    def _raise(self, node: nodes.Raise) -> None:
        text, values = node.text.replace("%%", "\0"), list(node.values)
        for value in values:
            found = self._evaluated(value)
            text = text.replace("%", "<NULL>" if found is None else str(found), 1)
        text = text.replace("\0", "%")
        if node.level == "EXCEPTION":
            self._cursor.execute_postgres("SELECT redshift_local.fail(%s, 'P0001', '')", (text,))
        if node.level in ("INFO", "NOTICE", "WARNING"):
            self._cursor.execute_postgres("SELECT redshift_local.note(%s, %s)", (node.level, text))

    def _run(self, node: nodes.Run) -> None:
        if node.is_dynamic:
            text = self._evaluated(node.statement, "VARCHAR(65535)")
            if text is None:
                raise Refusal("cannot EXECUTE a null querystring", "22004")
            found = scanning.read(text)
        else:
            found = Statement(node.statement)
            text = self._scope.bound(node.statement)
        if found.leading_word == "CALL":
            self._nested(scanning.read(text), found)
            return
        if found.leading_word in ("COMMIT", "ROLLBACK", "BEGIN", "START", "END", "ABORT"):
            raise Refusal(f"{found.leading_word} cannot be run with EXECUTE", "2D000")
        self._cursor.execute(text)
        self._row_count = max(self._cursor.rowcount, 0)
        if found.leading_word in _QUERIES:
            row = self._cursor.fetchone()
            self._scope.need("found").value = row is not None
            self._keep(node.into, row)
        else:
            self._scope.need("found").value = self._row_count > 0
        if found.leading_word == "TRUNCATE" and self._owns and self._is_atomic:
            self._connection.restart_transaction("")

    def _nested(self, statement: Statement, original: Statement) -> None:
        """Call another procedure; its output arguments go into the variables they came from."""
        for name, value in self._call(statement, original):
            if self._scope.find(name) is not None:
                self._assign(name, value)

    def _open(self, node: nodes.OpenCursor) -> None:
        variable = self._scope.need(node.name)
        scope = self._scope
        query = node.query
        if variable.cursor is not None:
            query, parameters = variable.cursor
            scope = Scope(self._scope)
            for name, value in zip(parameters, node.values, strict=True):
                scope.held[name] = Variable("", self._evaluated(value))
        text = self._evaluated(query) if node.is_dynamic else scope.bound(query)
        variable.value = variable.value or f"redshift_cursor_{node.name}"
        self._cursor.execute(f"DECLARE {identifier(variable.value)} CURSOR FOR {text}")

    def _fetch(self, node: nodes.FetchCursor) -> None:
        if (name := self._scope.need(node.name).value) is None:
            raise Refusal(f'cursor variable "{node.name}" is NULL', "22004")
        if not node.into:
            self._cursor.execute(f"CLOSE {identifier(name)}")
            return
        self._cursor.execute(f"FETCH NEXT FROM {identifier(name)}")
        row = self._cursor.fetchone()
        self._scope.need("found").value = row is not None
        self._keep(node.into, row)

    def _diagnostics(self, node: nodes.RowCount) -> None:
        self._assign(node.target, self._row_count)

    def _end_transaction(self, node: nodes.EndTransaction) -> None:
        if not self._owns:
            raise Refusal("invalid transaction termination", "2D000")
        if self._is_atomic:
            self._connection.restart_transaction(node.word)


_RUNNERS: dict[type, Callable[[Run, Any], None]] = {
    nodes.Block: Run._block,
    nodes.Assign: Run._set,
    nodes.If: Run._if,
    nodes.Loop: Run._loop,
    nodes.Count: Run._count,
    nodes.Each: Run._each,
    nodes.Leave: Run._leave,
    nodes.Raise: Run._raise,
    nodes.Run: Run._run,
    nodes.OpenCursor: Run._open,
    nodes.FetchCursor: Run._fetch,
    nodes.RowCount: Run._diagnostics,
    nodes.EndTransaction: Run._end_transaction,
}
