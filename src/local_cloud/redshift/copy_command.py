"""The COPY statement: its grammar, and which options may stand together."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Literal, NoReturn

from src.local_cloud.redshift.failures import SYNTAX, fail, not_emulated

CopyFormat = Literal["text", "csv", "json", "parquet"]

_TOKEN = re.compile(
    r"""\s*(?:--[^\n]*\n|/\*.*?\*/)*\s*
    (?:(?P<string>'(?:[^']|'')*') | (?P<quoted>"(?:[^"]|"")*") | (?P<word>[\w$#]+)
     | (?P<mark>[().,=-]))""",
    re.VERBOSE | re.DOTALL,
)
_NOT_EMULATED = frozenset(
    [
        "AVRO",
        "ORC",
        "SHAPEFILE",
        "FIXEDWIDTH",
        "LZOP",
        "ENCRYPTED",
        "MASTER_SYMMETRIC_KEY",
        "SSH",
        "READRATIO",
        "ACCEPTINVCHARS",
        "ENCODING",
        "ESCAPE",
        "EXPLICIT_IDS",
        "FILLRECORD",
        "IGNOREALLERRORS",
        "NOLOAD",
        "REMOVEQUOTES",
        "ROUNDEC",
        "SERIALIZETOJSON",
        "COMPROWS",
        "IGNOREBLANKLINES",
        "ACCEPTANYDATE",
    ]
)
_FLAGS = {
    "GZIP": ("compression", "gzip"),
    "BZIP2": ("compression", "bzip2"),
    "ZSTD": ("compression", "zstd"),
    "MANIFEST": ("manifest", True),
    "EMPTYASNULL": ("empty_as_null", True),
    "BLANKSASNULL": ("blanks_as_null", True),
    "TRUNCATECOLUMNS": ("truncate_columns", True),
    "TRIMBLANKS": ("trim_blanks", True),
}


@dataclass
class CopyCommand:
    """What one COPY asks for. `given` holds the option words as they stood."""

    table: str  # as PostgreSQL takes it: "schema"."table"
    shown: str  # as messages show it
    columns: list[str] = field(default_factory=list)
    source: str = ""
    format: CopyFormat = "text"
    json: str = "auto"
    delimiter: str = ""
    quote: str = '"'
    compression: str | None = None
    manifest: bool = False
    ignore_header: int = 0
    max_error: int = 0
    null_as: str = "\\N"
    date_format: str = ""
    time_format: str = ""
    empty_as_null: bool = False
    blanks_as_null: bool = False
    truncate_columns: bool = False
    trim_blanks: bool = False
    given: set[str] = field(default_factory=set)

    @property
    def bucket_and_key(self) -> tuple[str, str]:
        """Return the parts of s3://bucket/key."""
        bucket, _, key = self.source.removeprefix("s3://").partition("/")
        return bucket, key


def parse_copy(statement: str, execute: Any) -> CopyCommand:
    """Parse a COPY statement; errors are raised through the server."""
    return _Parser(statement, execute).parse()


class _Parser:
    def __init__(self, statement: str, execute: Any) -> None:
        self._execute = execute
        self._tokens: list[tuple[str, str]] = []
        position, end = 0, len(statement.rstrip().rstrip(";"))
        while position < end:
            match = _TOKEN.match(statement, position)
            if match is None:
                self._syntax(statement[position : position + 20])
            kind = match.lastgroup or ""
            self._tokens.append((kind, match[kind]))
            position = match.end()
        self._at = 0

    def parse(self) -> CopyCommand:
        """Read the statement front to back."""
        self._next()  # COPY
        parts = [self._identifier()]
        while self._take("."):
            parts.append(self._identifier())
        command = CopyCommand(table=".".join(f'"{p}"' for p in parts), shown=parts[-1])
        if self._take("("):
            command.columns.append(self._identifier())
            while self._take(","):
                command.columns.append(self._identifier())
            self._expect(")")
        self._expect("FROM")
        command.source = self._string()
        if not command.source.startswith("s3://"):
            not_emulated(self._execute, f"COPY FROM '{command.source.split(':')[0]}:…'")
        while self._at < len(self._tokens):
            self._option(command)
        self._check(command)
        if command.format == "csv":
            command.delimiter = command.delimiter or ","
        else:
            command.delimiter = command.delimiter or "|"
        return command

    def _option(self, command: CopyCommand) -> None:
        word = self._next().upper()
        command.given.add(word)
        if word in _FLAGS:
            name, value = _FLAGS[word]
            setattr(command, name, value)
        elif word in _NOT_EMULATED:
            not_emulated(self._execute, f"COPY option {word}")
        else:
            handler = getattr(self, f"_option_{word.lower()}", None)
            if handler is None:
                self._syntax(word)
            handler(command)

    # -- options with arguments, by their word -------------------------------------------

    def _option_with(self, command: CopyCommand) -> None:
        command.given.discard("WITH")

    def _option_format(self, command: CopyCommand) -> None:
        command.given.discard("FORMAT")
        self._take("AS")

    def _option_csv(self, command: CopyCommand) -> None:
        command.format = "csv"
        if self._take("QUOTE"):
            self._take("AS")
            command.quote = self._string()

    def _option_json(self, command: CopyCommand) -> None:
        command.format = "json"
        self._take("AS")
        if self._peek_kind() == "string":
            command.json = self._string()
        if command.json not in ("auto", "auto ignorecase"):
            not_emulated(self._execute, "COPY JSON with a jsonpaths file")

    def _option_parquet(self, command: CopyCommand) -> None:
        command.format = "parquet"

    def _option_delimiter(self, command: CopyCommand) -> None:
        self._take("AS")
        command.delimiter = self._string().replace("\\t", "\t")

    def _option_ignoreheader(self, command: CopyCommand) -> None:
        self._take("AS")
        command.ignore_header = self._number(0, 2**31 - 1, "IGNOREHEADER")

    def _option_maxerror(self, command: CopyCommand) -> None:
        self._take("AS")
        command.max_error = self._number(0, 100_000, "MAXERROR")

    def _option_null(self, command: CopyCommand) -> None:
        self._take("AS")
        command.null_as = self._string()

    def _option_dateformat(self, command: CopyCommand) -> None:
        command.date_format = self._time_option("DATEFORMAT")

    def _option_timeformat(self, command: CopyCommand) -> None:
        command.time_format = self._time_option("TIMEFORMAT")

    def _time_option(self, word: str) -> str:
        self._take("AS")
        value = self._string()
        if value != "auto":
            not_emulated(self._execute, f"COPY {word} '{value}'")
        return value

    def _option_statupdate(self, command: CopyCommand) -> None:
        self._take_any("ON", "OFF", "TRUE", "FALSE")

    def _option_compupdate(self, command: CopyCommand) -> None:
        self._take_any("ON", "OFF", "TRUE", "FALSE", "PRESET")

    def _option_region(self, command: CopyCommand) -> None:
        self._take("AS")
        self._string()

    # Credentials are read and forgotten: the local S3 has its own.
    def _option_iam_role(self, command: CopyCommand) -> None:
        if not self._take_any("DEFAULT"):
            self._string()

    def _option_credentials(self, command: CopyCommand) -> None:
        self._take("AS")
        self._string()

    _option_access_key_id = _option_credentials
    _option_secret_access_key = _option_credentials
    _option_session_token = _option_credentials

    def _check(self, command: CopyCommand) -> None:
        """Refuse options that Redshift does not let stand together."""
        given = command.given
        if command.format == "json":
            clash = given & {"CSV", "DELIMITER", "NULL"}
        elif command.format == "parquet":
            allowed = {"PARQUET", "IAM_ROLE", "CREDENTIALS", "STATUPDATE", "MANIFEST",
                       "ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SESSION_TOKEN"}  # fmt: skip
            clash = given - allowed
        else:
            clash = set()
        if clash:
            kind = command.format.upper()
            fail(self._execute, f"{sorted(clash)[0]} is not supported with {kind}", SYNTAX)

    # -- tokens --------------------------------------------------------------------------

    def _next(self) -> str:
        if self._at >= len(self._tokens):
            self._syntax("end of statement")
        self._at += 1
        return self._tokens[self._at - 1][1]

    def _peek_kind(self) -> str:
        return self._tokens[self._at][0] if self._at < len(self._tokens) else ""

    def _take(self, text: str) -> bool:
        if self._at < len(self._tokens) and self._tokens[self._at][1].upper() == text:
            self._at += 1
            return True
        return False

    def _take_any(self, *texts: str) -> bool:
        return any(self._take(text) for text in texts)

    def _expect(self, text: str) -> None:
        if not self._take(text):
            found = self._tokens[self._at][1] if self._at < len(self._tokens) else "end"
            self._syntax(found)

    def _identifier(self) -> str:
        kind, text = self._peek_kind(), self._next()
        if kind == "quoted":
            return text[1:-1].replace('""', '"').lower()
        if kind != "word":
            self._syntax(text)
        return text.lower()

    def _string(self) -> str:
        kind, text = self._peek_kind(), self._next()
        if kind != "string":
            self._syntax(text)
        return text[1:-1].replace("''", "'")

    def _number(self, low: int, high: int, word: str) -> int:
        text = self._next()
        if not text.isdigit() or not low <= int(text) <= high:
            fail(self._execute, f"{word} value must be between {low} and {high}", SYNTAX)
        return int(text)

    def _syntax(self, near: str) -> NoReturn:
        fail(self._execute, f'syntax error at or near "{near}"', SYNTAX)
