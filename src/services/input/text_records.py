"""Opens the user's text files: gzipped or not, UTF-8 or refused with what they hold instead."""

from __future__ import annotations

import codecs
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from src.errors import InputDataError
from src.services.input.input_errors import quoted, refused
from src.services.input.unzipping import Unzipped

MAX_LINE_BYTES = 4_000_000  # Redshift's own limit for one JSON object or row
_PEEKED = 512
_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF32_LE, "UTF-32"),
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
)
_OTHER_CONTENT = (
    (b"PK\x03\x04", "a zip archive or a workbook", "unpack it, or save its sheet as CSV: {file}"),
    (b"BZh", "bzip2 data", "bzip2 -dc {file} > plain copy, under a name without .bz2"),
    (b"\xfd7zXZ\x00", "xz data", "xz -dc {file} > plain copy, under a name without .xz"),
    (b"\x28\xb5\x2f\xfd", "zstd data", "zstd -dc {file} > plain copy, under a name without .zst"),
    (b"PAR1", "Parquet", "give it a name that ends in .parquet: {file}"),
    (b"\xd0\xcf\x11\xe0", "a workbook", "save its sheet as CSV: {file}"),
)


@contextmanager
def open_text(path: Path) -> Iterator[IO[str]]:
    """Open a file as UTF-8 text; raises InputDataError where it cannot be read as such."""
    try:
        with _opened(path) as raw:
            _check_content(path, bytes(raw.peek(_PEEKED)[:_PEEKED]))
            # utf-8-sig: a byte order mark is no part of the first column's name.
            yield io.TextIOWrapper(raw, encoding="utf-8-sig", newline="")
    except UnicodeDecodeError as error:
        raise _not_utf8(path) from error
    except (OSError, EOFError, zlib.error) as error:
        raise refused(
            path,
            "cannot be read to its end",
            str(error),
            f"gzip -t {quoted(path)}; copy the file again if it is truncated"
            if _is_packed(path)
            else f"ls -l {quoted(path)}; copy the file again",
        ) from error


def _is_packed(path: Path) -> bool:
    return path.name.lower().endswith(".gz")


def _opened(path: Path) -> Any:
    if not _is_packed(path):
        return path.open("rb")
    with path.open("rb") as file:
        magic = file.read(2)
    if magic != b"\x1f\x8b":
        plain = path.with_name(path.name[:-3])
        raise refused(
            path,
            "cannot be read to its end",
            "its name ends in .gz, and its content is not gzip",
            f"mv {quoted(path)} {quoted(plain)}",
        )
    return Unzipped(path)


def _check_content(path: Path, start: bytes) -> None:
    """Refuse by its first bytes what is no UTF-8 text, with how to convert it."""
    if start.startswith(b"\x1f\x8b"):
        if _is_packed(path):
            message, hint = "is gzipped twice", f"gunzip {quoted(path)}"
        else:
            packed = path.with_name(path.name + ".gz")
            message = "holds gzip data, and its name does not end in .gz"
            hint = f"mv {quoted(path)} {quoted(packed)}"
        raise refused(path, message, "its first bytes are 1f 8b", hint)
    for magic, kind, hint in _OTHER_CONTENT:
        if start.startswith(magic):
            cause = f"its first bytes are {magic[:4].hex(' ')}"
            raise refused(path, f"holds {kind}, not text", cause, hint.format(file=quoted(path)))
    encoding = _wide_encoding(start)
    if encoding:
        raise refused(
            path,
            f"is {encoding} text, not UTF-8",
            f"its first bytes are {start[:4].hex(' ')}",
            _convert(path, encoding),
        )


def _wide_encoding(start: bytes) -> str:
    """Return UTF-16 or UTF-32 where the first bytes show it, by a mark or by where zeros are."""
    marked = next((name for mark, name in _BYTE_ORDER_MARKS if start.startswith(mark)), "")
    if marked:
        return marked
    size = len(start) // 4 * 4
    if size < 8:
        return ""
    shares = [start[place:size:4].count(0) / (size // 4) for place in range(4)]
    zeros = "".join("0" if share > 0.7 else "x" for share in shares)  # of each four bytes
    kinds = {"x000": "UTF-32LE", "000x": "UTF-32BE", "x0x0": "UTF-16LE", "0x0x": "UTF-16BE"}
    return kinds.get(zeros, "")


def _convert(path: Path, encoding: str) -> str:
    """Return the command that writes a file as UTF-8 and then puts it in the old one's place."""
    file, new = quoted(path), quoted(path.with_name("_" + path.name))  # _: never read as data
    if _is_packed(path):
        convert = f"gzip -dc {file} | iconv -f {encoding} -t UTF-8 | gzip > {new}"
    else:
        convert = f"iconv -f {encoding} -t UTF-8 {file} > {new}"
    return f"{convert} && mv {new} {file}"


def _not_utf8(path: Path) -> InputDataError:
    found = _first_bad_byte(path)
    if found is None:  # it has changed since
        return refused(path, "is not UTF-8 text", "a byte sequence that UTF-8 does not have")
    line, offset, before, byte = found
    after = f", after {before!r}" if before else ""
    return refused(
        path,
        "is not UTF-8 text",
        f"byte 0x{byte:02x} at offset {offset:,}{after}",
        "save it as UTF-8 where it was made, or, with the encoding it was written in for "
        f"ENCODING: {_convert(path, 'ENCODING')}",
        line=line,
    )


def _first_bad_byte(path: Path) -> tuple[int, int, str, int] | None:
    """Return where UTF-8 ends: line, offset in the text, the characters before it, the byte."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    line, offset = 1, 0
    with _opened(path) as raw:
        while True:
            chunk = raw.read1(1 << 20)
            pending = decoder.getstate()[0]
            try:
                decoder.decode(chunk, final=not chunk)
            except UnicodeDecodeError as error:
                data = pending + chunk
                before = data[max(0, error.start - 20) : error.start].decode("utf-8", "ignore")
                line += data.count(b"\n", 0, error.start)
                last = before.splitlines()[-1] if before.splitlines() else ""
                return line, offset - len(pending) + error.start, last, data[error.start]
            if not chunk:
                return None
            line += chunk.count(b"\n")
            offset += len(chunk)


def sample_of(path: Path, lines: int = 20) -> list[str]:
    """Return a file's first lines, for saying what is wrong with it."""
    with open_text(path) as stream:
        return [line for line in (stream.readline(10_000) for _ in range(lines)) if line]
