"""COPY of JSON: documents by key, or by the paths of a jsonpaths file."""

from __future__ import annotations

from typing import IO, Any

import psycopg2

from src.local_cloud.redshift.copying.copy_command import CopyCommand
from src.local_cloud.redshift.copying.copy_failures import is_about_data
from src.local_cloud.redshift.copying.encodings import shown
from src.local_cloud.redshift.copying.field_rules import BadRow, CopyResult, TargetColumn
from src.local_cloud.redshift.copying.lines import NotPlainError, ends_alike, read_blocks, require
from src.local_cloud.redshift.copying.row_stream import copy_made
from src.local_cloud.redshift.copying.staged.documents import lower_keys, read_documents
from src.local_cloud.redshift.copying.staged.jsonpaths import NO_ARRAY, read_paths
from src.local_cloud.redshift.copying.staged.records import RAW_BYTES, as_copy_lines
from src.local_cloud.redshift.copying.staged.stage_tables import LINES, STAGE, parts
from src.sql.cursors import Cursor

NO_OBJECT = "Invalid input line."


class JsonStage:
    """Stages JSON: one object a line through PostgreSQL, anything else through Python.

    With a jsonpaths file a document may be an array as well.
    """

    raw_line = f'(SELECT l.doc FROM {LINES} l WHERE l.doc_no = redshift_copy_stage."DOC_NO")'

    def __init__(
        self, cursor: Cursor, command: CopyCommand, columns: list[TargetColumn], s3: Any,
        result: CopyResult,
    ) -> None:  # fmt: skip
        self._cursor = cursor
        self._command = command
        self._names = [c.quoted for c in columns]
        self._columns = columns
        self._fold = command.json == "auto ignorecase"
        self._paths = read_paths(command, len(columns), s3)
        self._result = result
        self._is_document = "doc IS JSON OBJECT"
        if self._paths is not None:
            self._is_document = "(doc IS JSON OBJECT OR doc IS JSON ARRAY)"
        cursor.execute_postgres(
            f"CREATE TEMP TABLE {LINES} "
            "(doc_no bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, line bigint, doc text)"
        )

    def drop(self) -> None:
        """Remove the table of documents."""
        self._cursor.execute_postgres(f"DROP TABLE {LINES}")

    def add(self, number: int, opened: Any) -> None:
        """Stage one file; records that are no JSON objects are refused."""
        cursor = self._cursor
        cursor.execute_postgres(f"SELECT coalesce(max(doc_no), 0) FROM {LINES}")
        before = int(cursor.fetchone()[0])
        cursor.execute_postgres("SAVEPOINT redshift_copy")
        if not self._line_by_line(opened(), before) or self._fold:
            cursor.execute_postgres("ROLLBACK TO SAVEPOINT redshift_copy")
            self._document_by_document(number, opened())
        cursor.execute_postgres("RELEASE SAVEPOINT redshift_copy")
        cursor.execute_postgres(
            f"SELECT coalesce(min(doc_no), 1) - 1 FROM {LINES} WHERE doc_no > {before}"
        )
        base = int(cursor.fetchone()[0])  # numbers lost to a rollback are passed over
        self._refuse_unreachable(number, before, base)
        names = ", ".join(self._names)
        cursor.execute_postgres(
            f'INSERT INTO {STAGE} ("FILE_NO", "LINE", "DOC_NO", {names}) '
            f"SELECT {number}, coalesce(l.line, l.doc_no - {base}), l.doc_no, {self._record()} "
            f"WHERE l.doc IS NOT NULL AND l.doc_no > {before}"
        )

    def _line_by_line(self, stream: IO[bytes], before: int) -> bool:
        """Take every line for a document; returns whether they all are."""
        cursor = self._cursor
        try:
            copy_made(
                cursor,
                f"COPY {LINES} (doc) FROM STDIN "
                "(FORMAT csv, DELIMITER E'\\x01', QUOTE E'\\x02', ESCAPE E'\\x02')",
                read_blocks(stream, b""),
                _readable,
            )
            cursor.execute_postgres(
                # What PostgreSQL calls JSON, though no text can hold it: NUL, half a character.
                f"SELECT bool_and({self._is_document} AND doc !~* '\\\\u(0000|d[89a-f])') "
                f"FROM {LINES} WHERE doc IS NOT NULL AND doc_no > {before}"
            )
        except NotPlainError:
            return False
        except psycopg2.Error as error:
            if not is_about_data(error):
                raise
            return False
        return bool(cursor.fetchone()[0] is not False)

    def _record(self) -> str:
        """Return the SQL of a document's fields, and of where they come from."""
        are_json = [c.type == "super" for c in self._columns]
        if self._command.json == "noshred":
            return f"l.doc FROM {LINES} l"
        if self._paths is None:
            kinds = zip(self._names, are_json, strict=True)
            fields = ", ".join(f"{n} {'json' if is_json else 'text'}" for n, is_json in kinds)
            record = ", ".join(f"r.{n}::text" for n in self._names)
            return f"{record} FROM {LINES} l, json_to_record(l.doc::json) AS r({fields})"
        pairs = zip(self._paths, are_json, strict=True)
        found = ", ".join(f"(l.doc::json {'#>' if j else '#>>'} {p.sql})::text" for p, j in pairs)
        return f"{found} FROM {LINES} l"

    def _refuse_unreachable(self, number: int, before: int, base: int) -> None:
        """Refuse documents in which a path's array is too short, or no array."""
        for path in self._paths or ():
            for parent, index in path.arrays:
                at = f"l.doc::json #> {parent}"
                test = (
                    f"CASE WHEN json_typeof({at}) = 'array' "
                    f"THEN json_array_length({at}) <= {index} ELSE true END"
                )
                self._cursor.execute_postgres(
                    f"DELETE FROM {LINES} l WHERE l.doc IS NOT NULL AND l.doc_no > {before} "
                    f"AND {test} RETURNING coalesce(l.line, l.doc_no - {base}), "
                    f"left(l.doc, {RAW_BYTES})"
                )
                for line, doc in self._cursor.fetchall():
                    self._result.refuse(
                        BadRow(number, line, "", "", "", 0, doc, "", 1216, NO_ARRAY)
                    )

    def _document_by_document(self, number: int, stream: IO[bytes]) -> None:
        for part in parts(read_documents(stream), lambda document: len(document.raw)):
            good = []
            for document in part:
                content = document.content
                if content is None or (self._paths is None and isinstance(content, list)):
                    raw = shown(document.raw[:RAW_BYTES])
                    self._result.refuse(
                        BadRow(number, document.line, "", "", "", 0, raw, "", 1216, NO_OBJECT)
                    )
                    continue
                is_folded = self._fold and isinstance(content, dict)
                good.append(
                    [document.line, lower_keys(document.raw) if is_folded else document.raw]
                )
            self._cursor.copy_expert(
                f"COPY {LINES} (line, doc) FROM STDIN (FORMAT csv)", as_copy_lines(good)
            )


def _readable(body: bytes) -> bytes:
    """Return a block in which no byte means something to PostgreSQL's parser but line ends."""
    require(not any(byte in body for byte in (b"\0", b"\x01", b"\x02")) and ends_alike(body))
    return body
