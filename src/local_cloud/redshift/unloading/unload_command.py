"""The UNLOAD statement: its grammar, and which options may stand together."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from src.local_cloud.redshift.copying.options import OptionTokens, character
from src.local_cloud.redshift.sql import parsing
from src.sql.refusal import INTERNAL, SYNTAX, Refusal
from src.sql.scanning import Statement

UnloadFormat = Literal["text", "csv", "json", "parquet"]
_COMPRESSIONS = {"GZIP": "gzip", "BZIP2": "bzip2", "ZSTD": "zstd"}
_NOT_EMULATED = frozenset(["FIXEDWIDTH", "KMS_KEY_ID", "MASTER_SYMMETRIC_KEY", "AVRO"])


@dataclass
class UnloadCommand:
    """What one UNLOAD requests."""

    query: str = ""
    destination: str = ""
    format: UnloadFormat = "text"
    delimiter: str = ""
    compression: str | None = None
    null_as: str = ""
    header: bool = False
    add_quotes: bool = False
    escape: bool = False
    parallel: bool = True
    manifest: bool = False
    allow_overwrite: bool = False
    clean_path: bool = False
    max_file_bytes: int = 6_200_000_000
    extension: str | None = None
    partition_by: tuple[str, ...] = ()
    includes_partitions: bool = False
    given: set[str] = field(default_factory=set)

    @property
    def bucket_and_key(self) -> tuple[str, str]:
        """Return the parts of s3://bucket/prefix."""
        bucket, _, key = self.destination.removeprefix("s3://").partition("/")
        # AWS's rule: partition folders are below the prefix, never behind its last name.
        return bucket, key + "/" if self.partition_by and key[-1:] not in ("", "/") else key


def parse_unload(statement: Statement | str) -> UnloadCommand:
    """Parse an UNLOAD statement; raises Refusal."""
    return _Parser(statement).parse()


class _Parser(OptionTokens):
    def parse(self) -> UnloadCommand:
        """Read the statement front to back."""
        self.next()  # UNLOAD
        self.expect("(")
        command = UnloadCommand(query=self.string())
        self.expect(")")
        self.expect("TO")
        command.destination = self.string()
        if not command.destination.startswith("s3://"):
            self.syntax(command.destination)
        while not self.is_at_end:
            self._option(command)
        self._check(command)
        command.delimiter = command.delimiter or ("," if command.format == "csv" else "|")
        return command

    def _option(self, command: UnloadCommand) -> None:
        word = self.next().upper()
        command.given.add(word)
        if word in _COMPRESSIONS:
            command.compression = _COMPRESSIONS[word]
        elif word in _NOT_EMULATED:
            raise Refusal.not_emulated(f"UNLOAD option {word}")
        else:
            self.option(word, command)

    def _option_csv(self, command: UnloadCommand) -> None:
        command.format = "csv"

    def _option_json(self, command: UnloadCommand) -> None:
        command.format = "json"

    def _option_parquet(self, command: UnloadCommand) -> None:
        command.format = "parquet"

    def _option_text(self, command: UnloadCommand) -> None:
        command.format = "text"

    def _option_delimiter(self, command: UnloadCommand) -> None:
        self.take("AS")
        command.delimiter = character(self.string())

    def _option_null(self, command: UnloadCommand) -> None:
        self.take("AS")
        command.null_as = self.string()

    def _option_header(self, command: UnloadCommand) -> None:
        command.header = True

    def _option_addquotes(self, command: UnloadCommand) -> None:
        command.add_quotes = True

    def _option_escape(self, command: UnloadCommand) -> None:
        command.escape = True

    def _option_allowoverwrite(self, command: UnloadCommand) -> None:
        command.allow_overwrite = True

    def _option_cleanpath(self, command: UnloadCommand) -> None:
        command.clean_path = True

    def _option_encrypted(self, command: UnloadCommand) -> None:
        """S3 encrypts and decrypts on its own side: a client sees no difference."""
        self.take("AUTO")

    def _option_manifest(self, command: UnloadCommand) -> None:
        command.manifest = True
        self.take("VERBOSE")

    def _option_parallel(self, command: UnloadCommand) -> None:
        command.parallel = not self.take_any("OFF", "FALSE")
        self.take_any("ON", "TRUE")

    def _option_maxfilesize(self, command: UnloadCommand) -> None:
        self.take("AS")
        size = self.number(1, 6_200, "MAXFILESIZE")
        unit = 1_000_000_000 if self.take("GB") else 1_000_000
        self.take("MB")
        command.max_file_bytes = size * unit

    def _option_extension(self, command: UnloadCommand) -> None:
        command.extension = self.string()

    def _option_partition(self, command: UnloadCommand) -> None:
        self.expect("BY")
        self.expect("(")
        names = [self.identifier()]
        while self.take(","):
            names.append(self.identifier())
        self.expect(")")
        if len(set(names)) < len(names):
            raise Refusal("a column is named twice in PARTITION BY", SYNTAX)
        command.partition_by = tuple(names)
        command.includes_partitions = self.take("INCLUDE")

    def _option_rowgroupsize(self, command: UnloadCommand) -> None:
        self.number(32, 128, "ROWGROUPSIZE")
        self.take_any("MB", "GB")

    def _check(self, command: UnloadCommand) -> None:
        clashes = {
            "csv": {"ESCAPE", "ADDQUOTES"},
            "parquet": {
                "DELIMITER",
                "ADDQUOTES",
                "ESCAPE",
                "NULL",
                "HEADER",
                "GZIP",
                "BZIP2",
                "ZSTD",
            },
            "json": {"DELIMITER", "HEADER", "ADDQUOTES", "ESCAPE", "NULL"},
        }.get(command.format, set()) & command.given
        if clashes:
            kind = command.format.upper()
            raise Refusal(f"{sorted(clashes)[0]} is not supported with {kind}", SYNTAX)
        if command.clean_path and command.allow_overwrite:
            raise Refusal("CLEANPATH is not supported with ALLOWOVERWRITE", SYNTAX)
        if parsing.has_outer_limit(command.query):
            raise Refusal("Limit clause is not supported", INTERNAL)
