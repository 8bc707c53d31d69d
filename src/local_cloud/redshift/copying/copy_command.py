"""The COPY statement: its grammar, and which options may stand together."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from src.local_cloud.redshift.copying.date_formats import EPOCHS, is_known_format
from src.local_cloud.redshift.copying.options import OptionTokens, character
from src.sql.quoting import qualified
from src.sql.reading import whole_number
from src.sql.refusal import SYNTAX, Refusal
from src.sql.scanning import Statement

_LONGEST_FIELD = 4 << 20  # bytes: a row has no more
CopyFormat = Literal["text", "csv", "json", "parquet", "orc"]
COLUMNAR = ("parquet", "orc")

_NOT_EMULATED = frozenset(
    ["SHAPEFILE", "LZOP", "ENCRYPTED", "MASTER_SYMMETRIC_KEY", "SSH",
     "READRATIO"]
)  # fmt: skip
_ENCODINGS = {
    "UTF8": "utf-8", "UTF16": "utf-16", "UTF16LE": "utf-16-le", "UTF16BE": "utf-16-be",
    "ISO88591": "iso-8859-1",
}  # fmt: skip
# Which options must not stand beside a format, by the COPY reference.
_CLASHES = {
    "json": frozenset(
        [
            "CSV",
            "DELIMITER",
            "ESCAPE",
            "FILLRECORD",
            "FIXEDWIDTH",
            "IGNOREBLANKLINES",
            "NULL",
            "REMOVEQUOTES",
        ]
    ),
    "csv": frozenset(["FIXEDWIDTH", "REMOVEQUOTES", "ESCAPE"]),
    "text": frozenset[str](),
}
_WITH_COLUMNAR = frozenset(
    ["PARQUET", "ORC", "IAM_ROLE", "CREDENTIALS", "STATUPDATE", "MANIFEST", "ACCESS_KEY_ID",
     "SECRET_ACCESS_KEY", "SESSION_TOKEN", "ACCEPTINVCHARS", "FILLRECORD", "EXPLICIT_IDS",
     "SERIALIZETOJSON"]
)  # fmt: skip
_FLAGS = {
    "GZIP": ("compression", "gzip"),
    "BZIP2": ("compression", "bzip2"),
    "ZSTD": ("compression", "zstd"),
    "MANIFEST": ("manifest", True),
    "EMPTYASNULL": ("empty_as_null", True),
    "BLANKSASNULL": ("blanks_as_null", True),
    "TRUNCATECOLUMNS": ("truncate_columns", True),
    "TRIMBLANKS": ("trim_blanks", True),
    "IGNOREALLERRORS": ("ignore_all_errors", True),
    "IGNOREBLANKLINES": ("ignore_blank_lines", True),
    "FILLRECORD": ("fill_record", True),
    "ESCAPE": ("escape", True),
    "REMOVEQUOTES": ("remove_quotes", True),
    "ROUNDEC": ("round_decimals", True),
    "ACCEPTANYDATE": ("accept_any_date", True),
    "EXPLICIT_IDS": ("explicit_ids", True),
    "NOLOAD": ("no_load", True),
    "SERIALIZETOJSON": ("serialize_to_json", True),
}


@dataclass
class CopyCommand:
    """What one COPY requests. `given` holds the option words as they stood."""

    table: str  # as PostgreSQL takes it: "schema"."table"
    shown: str  # as messages show it
    columns: list[str] = field(default_factory=list)
    source: str = ""
    format: CopyFormat = "text"
    json: str = "auto"
    is_avro: bool = False  # its records are read as JSON
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
    ignore_all_errors: bool = False
    ignore_blank_lines: bool = False
    fill_record: bool = False
    escape: bool = False
    remove_quotes: bool = False
    round_decimals: bool = False
    accept_any_date: bool = False
    explicit_ids: bool = False
    no_load: bool = False
    serialize_to_json: bool = False
    widths: tuple[int, ...] = ()  # FIXEDWIDTH, in characters
    replacement: str | None = None  # ACCEPTINVCHARS
    encoding: str = "utf-8"
    updates_statistics: bool = False
    given: set[str] = field(default_factory=set)

    @property
    def errors_allowed(self) -> float:
        """Return how many bad rows end the load: 0 and 1 both mean the first."""
        return float("inf") if self.ignore_all_errors else max(self.max_error, 1)

    @property
    def bucket_and_key(self) -> tuple[str, str]:
        """Return the parts of s3://bucket/key."""
        bucket, _, key = self.source.removeprefix("s3://").partition("/")
        return bucket, key

    @property
    def needs_records(self) -> bool:
        """Tell whether an option requires what PostgreSQL's parser cannot do."""
        return bool(
            self.escape or self.remove_quotes or self.fill_record or self.null_as == "\0"
            or self.ignore_blank_lines or self.replacement or self.widths
            or len(self.delimiter.encode()) > 1
            or (self.format == "csv" and len(self.quote.encode()) > 1)
        )  # fmt: skip


def parse_copy(statement: Statement | str) -> CopyCommand:
    """Parse a COPY statement; raises Refusal."""
    return _Parser(statement).parse()


class _Parser(OptionTokens):
    def parse(self) -> CopyCommand:
        """Read the statement front to back."""
        self.next()  # COPY
        parts = [self.identifier()]
        while self.take("."):
            parts.append(self.identifier())
        command = CopyCommand(table=qualified(*parts), shown=parts[-1])
        if self.take("("):
            command.columns.append(self.identifier())
            while self.take(","):
                command.columns.append(self.identifier())
            self.expect(")")
        self.expect("FROM")
        command.source = self.string()
        if not command.source.startswith("s3://"):
            raise Refusal.not_emulated(f"COPY FROM '{command.source.split(':')[0]}:…'")
        while not self.is_at_end:
            self._option(command)
        self._check(command)
        if command.format == "csv":
            command.delimiter = command.delimiter or ","
        else:
            command.delimiter = command.delimiter or "|"
        return command

    def _option(self, command: CopyCommand) -> None:
        word = self.next().upper()
        command.given.add(word)
        if word in _FLAGS:
            name, value = _FLAGS[word]
            setattr(command, name, value)
        elif word in _NOT_EMULATED:
            raise Refusal.not_emulated(f"COPY option {word}")
        else:
            self.option(word, command)

    # -- options with arguments, by their word -------------------------------------------

    def _option_csv(self, command: CopyCommand) -> None:
        command.format = "csv"
        if self.take("QUOTE"):
            self.take("AS")
            command.quote = character(self.string())

    def _option_json(self, command: CopyCommand) -> None:
        command.format = "json"
        self.take("AS")
        if self.peek_kind() == "string":
            command.json = self.string()

    def _option_avro(self, command: CopyCommand) -> None:
        self._option_json(command)
        command.is_avro = True

    def _option_parquet(self, command: CopyCommand) -> None:
        command.format = "parquet"

    def _option_orc(self, command: CopyCommand) -> None:
        command.format = "orc"

    def _option_delimiter(self, command: CopyCommand) -> None:
        self.take("AS")
        command.delimiter = character(self.string())
        if not command.delimiter.isascii():
            raise Refusal("DELIMITER must be an ASCII character", SYNTAX)

    def _option_ignoreheader(self, command: CopyCommand) -> None:
        self.take("AS")
        command.ignore_header = self.number(0, 2**31 - 1, "IGNOREHEADER")

    def _option_maxerror(self, command: CopyCommand) -> None:
        self.take("AS")
        command.max_error = self.number(0, 100_000, "MAXERROR")

    def _option_null(self, command: CopyCommand) -> None:
        self.take("AS")
        command.null_as = character(self.string())

    def _option_dateformat(self, command: CopyCommand) -> None:
        self.take("AS")
        command.date_format = self.string()

    def _option_timeformat(self, command: CopyCommand) -> None:
        self.take("AS")
        command.time_format = self.string()

    def _option_acceptinvchars(self, command: CopyCommand) -> None:
        self.take("AS")
        command.replacement = self.string() if self.peek_kind() == "string" else "?"
        if len(command.replacement) != 1 or not command.replacement.isascii():
            raise Refusal("ACCEPTINVCHARS must be one ASCII character", SYNTAX)

    def _option_fixedwidth(self, command: CopyCommand) -> None:
        self.take("AS")
        parts = [part.rpartition(":") for part in self.string().split(",")]
        widths = [whole_number(width.strip()) for _, _, width in parts]
        if not all(width and width <= _LONGEST_FIELD for width in widths):
            raise Refusal("FIXEDWIDTH must be 'label:width, ...'", SYNTAX)
        command.widths = tuple(width for width in widths if width)

    def _option_encoding(self, command: CopyCommand) -> None:
        self.take("AS")
        word = self.next().upper()
        if word not in _ENCODINGS:
            raise Refusal(f"invalid ENCODING {word}", SYNTAX)
        command.encoding = _ENCODINGS[word]

    def _option_comprows(self, command: CopyCommand) -> None:
        self.number(1_000, 2_147_483_647, "COMPROWS")

    def _option_statupdate(self, command: CopyCommand) -> None:
        command.updates_statistics = not self.take_any("OFF", "FALSE")
        self.take_any("ON", "TRUE")

    def _option_compupdate(self, command: CopyCommand) -> None:
        self.take_any("ON", "OFF", "TRUE", "FALSE", "PRESET")

    def _check(self, command: CopyCommand) -> None:
        """Refuse options that Redshift does not let stand together."""
        given = command.given
        if command.format in COLUMNAR:
            clash = given - _WITH_COLUMNAR - ({"MAXERROR"} if command.max_error == 0 else set())
        else:
            clash = given & _CLASHES[command.format]
        if clash:
            kind = command.format.upper()
            raise Refusal(f"{sorted(clash)[0]} is not supported with {kind}", SYNTAX)
        if command.widths and given & {"DELIMITER", "ESCAPE", "REMOVEQUOTES"}:
            raise Refusal("DELIMITER is not supported with FIXEDWIDTH", SYNTAX)
        if command.ignore_all_errors and "MAXERROR" in given:
            raise Refusal("MAXERROR is not supported with IGNOREALLERRORS", SYNTAX)
        if command.serialize_to_json and command.format not in COLUMNAR:
            raise Refusal("SERIALIZETOJSON is for columnar formats only", SYNTAX)
        self._check_marks(command)
        for word, chosen in (("DATEFORMAT", command.date_format),
                             ("TIMEFORMAT", command.time_format)):  # fmt: skip
            if not is_known_format(chosen) or (word == "DATEFORMAT" and chosen in EPOCHS):
                raise Refusal(f"invalid {word} '{chosen}'", SYNTAX)

    def _check_marks(self, command: CopyCommand) -> None:
        """Refuse marks that cannot be distinguished from each other, or from the end of a line."""
        quote, delimiter = command.quote, command.delimiter
        if len(quote) != 1 or not quote.isascii() or quote in "\r\n\0":
            raise Refusal("QUOTE must be one ASCII character", SYNTAX)
        if "DELIMITER" in command.given and (not delimiter or set(delimiter) & set("\r\n\0")):
            raise Refusal("DELIMITER must be a character that ends no line", SYNTAX)
        if command.format == "csv" and quote in (delimiter or ","):
            raise Refusal("DELIMITER and QUOTE must not be the same", SYNTAX)
        if set(command.null_as) & set("\r\n"):
            raise Refusal("NULL AS must not contain the end of a line", SYNTAX)
