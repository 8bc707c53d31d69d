"""COPY of JSON: documents by key, or by the paths of a jsonpaths file."""

from __future__ import annotations

import csv
import io
import json
from typing import IO, Any

import psycopg2

from src.local_cloud.redshift.copy_command import CopyCommand
from src.local_cloud.redshift.copy_direct import copy_stream
from src.local_cloud.redshift.copy_documents import read_documents
from src.local_cloud.redshift.copy_paths import NO_ARRAY, read_paths, sql_text
from src.local_cloud.redshift.copy_stage import LINES, STAGE, parts
from src.local_cloud.redshift.copy_values import BadRow, TargetColumn


class JsonStage:
    """Stages JSON: one object a line through PostgreSQL, anything else through Python."""

    raw_line = f"(SELECT l.doc FROM {LINES} l WHERE l.doc_no = redshift_copy_stage.doc_no)"

    def __init__(
        self, cursor: Any, command: CopyCommand, columns: list[TargetColumn], s3: Any
    ) -> None:
        self._cursor = cursor
        self._command = command
        self._names = [c.name for c in columns]
        self._fold = command.json == "auto ignorecase"
        self._paths = read_paths(command, len(columns), s3, cursor.plain)
        self.replaced: list[tuple[int, int, str]] = []
        cursor.plain(
            f"DROP TABLE IF EXISTS {LINES}; CREATE TEMP TABLE redshift_copy_lines "
            "(doc_no bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, line bigint, doc text)"
        )

    def add(self, number: int, opened: Any) -> list[BadRow]:
        """Stage one file; returns the records that are no JSON objects."""
        cursor = self._cursor
        cursor.plain(f"SELECT coalesce(max(doc_no), 0) FROM {LINES}")
        before = int(cursor.fetchone()[0])
        cursor.plain("SAVEPOINT redshift_copy")
        try:
            # Neither byte can stand in JSON text, so every line arrives as it is.
            copy_stream(
                cursor,
                f"COPY {LINES} (doc) FROM STDIN "
                "(FORMAT csv, DELIMITER E'\\x01', QUOTE E'\\x02', ESCAPE E'\\x02')",
                opened(),
            )
            cursor.plain(
                # What PostgreSQL calls JSON, though no text can hold it: NUL, half a character.
                "SELECT bool_and(doc IS JSON OBJECT AND doc !~* '\\\\u(0000|d[89a-f])') "
                f"FROM {LINES} WHERE doc IS NOT NULL AND doc_no > {before}"
            )
            plain_lines = cursor.fetchone()[0] is not False
        except psycopg2.DataError:
            plain_lines = False
        refused: list[BadRow] = []
        if not plain_lines or self._fold:
            cursor.plain("ROLLBACK TO SAVEPOINT redshift_copy")
            refused = self._document_by_document(number, opened())
        cursor.plain(f"SELECT coalesce(min(doc_no), 1) - 1 FROM {LINES} WHERE doc_no > {before}")
        base = int(cursor.fetchone()[0])  # numbers lost to a rollback are passed over
        refused += self._unreachable(number, before, base)
        names = ", ".join(f'"{n}"' for n in self._names)
        cursor.plain(
            f"INSERT INTO {STAGE} (file_no, line, doc_no, {names}) "
            f"SELECT {number}, coalesce(l.line, l.doc_no - {base}), l.doc_no, {self._record()} "
            f"WHERE l.doc IS NOT NULL AND l.doc_no > {before}"
        )
        return refused

    def _record(self) -> str:
        """Return the SQL of a document's fields, and of where they come from."""
        null_text = sql_text(self._command.null_as)
        if self._paths is None:
            fields = ", ".join(f'"{n}" text' for n in self._names)
            record = ", ".join(f'NULLIF(r."{n}", {null_text})' for n in self._names)
            return f"{record} FROM {LINES} l, json_to_record(l.doc::json) AS r({fields})"
        found = ", ".join(f"NULLIF(l.doc::json #>> {p.sql}, {null_text})" for p in self._paths)
        return f"{found} FROM {LINES} l"

    def _unreachable(self, number: int, before: int, base: int) -> list[BadRow]:
        """Refuse documents in which a path's array is too short, or no array."""
        refused: list[BadRow] = []
        for path in self._paths or ():
            for parent, index in path.arrays:
                at = f"l.doc::json #> {parent}"
                test = (
                    f"CASE WHEN json_typeof({at}) = 'array' "
                    f"THEN json_array_length({at}) <= {index} ELSE true END"
                )
                self._cursor.plain(
                    f"DELETE FROM {LINES} l WHERE l.doc IS NOT NULL AND l.doc_no > {before} "
                    f"AND {test} RETURNING coalesce(l.line, l.doc_no - {base}), l.doc"
                )
                refused += [
                    BadRow(number, line, "", "", "", 0, doc, "", 1216, NO_ARRAY)
                    for line, doc in self._cursor.fetchall()
                ]
        return refused

    def _document_by_document(self, number: int, stream: IO[bytes]) -> list[BadRow]:
        refused: list[BadRow] = []
        for part in parts(read_documents(stream)):
            buffer = io.StringIO()
            writer = csv.writer(buffer, lineterminator="\n")
            for line, document, raw in part:
                if document is None:
                    clean = raw.encode(errors="replace").decode().replace("\x00", ".")
                    refused.append(
                        BadRow(number, line, "", "", "", 0, clean, "", 1216, "Invalid input line.")
                    )
                    continue
                folded = {k.lower() if self._fold else k: v for k, v in document.items()}
                writer.writerow([line, json.dumps(folded)])
            buffer.seek(0)
            self._cursor.copy_expert(f"COPY {LINES} (line, doc) FROM STDIN (FORMAT csv)", buffer)
        return refused
