"""Spark SQL in DuckDB's words, by sqlglot; what was translated once is kept in a file.

To translate takes longer than to run the job on a small data set. The file is only as good as
the code that wrote it: another version of sqlglot or of this module begins a new one.
"""

from __future__ import annotations

import atexit
import hashlib
import importlib.util
import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any


class Translator:
    """Translates queries; `file`, where there is one, keeps those of the last job."""

    def __init__(self, file: Path | None = None) -> None:
        self._file = file
        self._made_by = _version()
        self._known = _read(file, self._made_by) if file else {}
        self._used: dict[str, str] = {}
        self._is_new = False

    def __call__(self, query: str) -> str:
        """Return the query as DuckDB takes it."""
        found = self._used.get(query) or self._known.get(query)
        if found is None:
            found = translated(query)
            if self._file is not None and not self._is_new:
                self._is_new = bool(atexit.register(self.save))
        self._used[query] = found
        return found

    def save(self) -> None:
        """Keep what this job used; a folder that cannot be written costs time only."""
        if self._file is None:
            return
        new = self._file.with_suffix(f".{os.getpid()}")
        with suppress(OSError):
            self._file.parent.mkdir(parents=True, exist_ok=True)
            new.write_text(json.dumps({"made_by": self._made_by, "queries": self._used}))
            new.replace(self._file)


def _version() -> str:
    found = importlib.util.find_spec("sqlglot")  # its import takes as long as all else here
    sqlglot = Path(found.origin).with_name("_version.py") if found and found.origin else None
    texts = [Path(__file__).read_bytes(), sqlglot.read_bytes() if sqlglot else b""]
    return hashlib.sha256(b"\0".join(texts)).hexdigest()


def _read(file: Path, made_by: str) -> dict[str, str]:
    try:
        kept = json.loads(file.read_text())
        return dict(kept["queries"]) if kept["made_by"] == made_by else {}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def translated(query: str) -> str:
    """Translate one query."""
    import sqlglot

    tree = sqlglot.parse_one(query, read="spark").transform(_for_duckdb)
    return str(tree.sql("duckdb"))


def _for_duckdb(node: Any) -> Any:
    """Replace what sqlglot leaves to DuckDB and DuckDB lacks, or has in a slower form."""
    from sqlglot import exp

    if isinstance(node, exp.GT) and isinstance(node.this, exp.RegexpCount):
        found = node.this  # REGEXP_COUNT(...) > 0: counting is not needed
        return exp.func("REGEXP_MATCHES", found.this.transform(_for_duckdb), found.expression)
    if isinstance(node, exp.Anonymous) and node.name.upper() == "OCTET_LENGTH":
        return exp.func("STRLEN", *node.expressions)
    if isinstance(node, exp.Anonymous) and node.name.upper() == "BTRIM":
        return _trimmed(node)
    if isinstance(node, exp.DPipe) and not isinstance(node.parent, exp.DPipe):
        pieces = [_never_null(piece) for piece in node.flatten()]
        if all(pieces):  # one function of all pieces is several times faster; its NULL is ''
            return exp.Concat(expressions=pieces, coalesce=True, safe=True)
    if isinstance(node, exp.Cast) and node.to.is_type("timestamptz"):
        # The session's zone is UTC. The cast to a time with a zone asks a calendar every time.
        cast = exp.TryCast(this=node.this, to=exp.DataType.build("timestamp"))
        return exp.func("MAKE_TIMESTAMPTZ", exp.func("EPOCH_US", cast))
    return node


def _trimmed(node: Any) -> Any:
    """Return BTRIM as a case: DuckDB's TRIM of characters is slow, and hardly any text needs it."""
    import sqlglot
    from sqlglot import exp

    text = node.expressions[0].sql("duckdb")
    trimmed = exp.func("TRIM", *node.expressions).sql("duckdb")
    bare = f"UNICODE({text}) BETWEEN 33 AND 126 AND RIGHT({text}, 1) BETWEEN '!' AND '~'"
    return sqlglot.parse_one(f"CASE WHEN {bare} THEN {text} ELSE {trimmed} END", read="duckdb")


def _never_null(piece: Any) -> Any:
    """Return a piece of a joined text that is never NULL, as DuckDB's CONCAT takes it."""
    from sqlglot import exp

    piece = piece.unnest()
    if isinstance(piece, exp.Coalesce) and [e.sql() for e in piece.expressions] == ["''"]:
        return piece.this
    return piece if isinstance(piece, exp.Literal) else None
