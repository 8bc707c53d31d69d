"""Which objects a COPY reads, and their bytes: prefixes, manifests, compression."""

from __future__ import annotations

import bz2
import codecs
import gzip
import io
import json
import shutil
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import IO, Any

from botocore.exceptions import BotoCoreError, ClientError

from src.local_cloud.redshift.copying.binary.avro import AvroLines
from src.local_cloud.redshift.copying.copy_command import COLUMNAR, CopyCommand
from src.local_cloud.redshift.copying.copy_failures import LoadError
from src.local_cloud.redshift.refusals import detail_block
from src.sql.refusal import INTERNAL, Refusal

BROKEN_ARCHIVE = (OSError, EOFError, zlib.error)
_CHUNK = 1 << 18
_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


@dataclass(frozen=True)
class SourceFile:
    """One object to load."""

    bucket: str
    key: str
    size: int

    @property
    def uri(self) -> str:
        """Return the object's s3:// address."""
        return f"s3://{self.bucket}/{self.key}"


def source_files(command: CopyCommand, s3: Any) -> list[SourceFile]:
    """Return the objects in the order they are loaded; pre-load errors have code 8001."""
    bucket, key = command.bucket_and_key
    if command.manifest:
        return _manifest_files(command, s3)
    found: list[SourceFile] = []
    try:
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=key):
            found += [SourceFile(bucket, o["Key"], o["Size"]) for o in page.get("Contents", ())]
    except (ClientError, BotoCoreError) as error:
        raise s3_error(error, f"s3://{bucket}/{key}") from error
    if not found:
        raise _pre_load_error(f"The specified S3 prefix '{key}' does not exist")
    return found


def _manifest_files(command: CopyCommand, s3: Any) -> list[SourceFile]:
    bucket, key = command.bucket_and_key
    try:
        body = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    except (ClientError, BotoCoreError) as error:
        text = f"Problem reading manifest file - {_service_text(error)}"
        raise _pre_load_error(text, context=f"S3 key being read : {command.source}") from error
    try:
        entries = json.loads(body)["entries"]
        addresses = [(e["url"], bool(e.get("mandatory")), e.get("meta") or {}) for e in entries]
        if not all(isinstance(u, str) and isinstance(meta, dict) for u, _, meta in addresses):
            raise ValueError
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise _pre_load_error("The manifest file is not a valid JSON manifest") from error
    found = []
    for url, mandatory, meta in addresses:
        entry_bucket, _, entry_key = url.removeprefix("s3://").partition("/")
        if not url.startswith("s3://") or not entry_key:
            raise _pre_load_error(f"Manifest entry '{url}' must be a full S3 path")
        if command.format in COLUMNAR and "content_length" not in meta:
            raise _pre_load_error("File entry does not have 'meta' key.", 15003)
        try:
            head = s3.head_object(Bucket=entry_bucket, Key=entry_key)
        except (ClientError, BotoCoreError) as error:
            if _is_missing(error):
                if mandatory:
                    text = "Mandatory url is not present in manifest file"
                    raise _pre_load_error(text, context=url) from error
                continue
            raise s3_error(error, url) from error
        size = head["ContentLength"]
        if meta.get("content_length", size) != size:
            raise _pre_load_error(f"content_length of {url} is not its size", 15003)
        found.append(SourceFile(entry_bucket, entry_key, size))
    if not found:
        raise _pre_load_error("The specified S3 objects of the manifest do not exist")
    return found


def open_object(file: SourceFile, command: CopyCommand, s3: Any, *, until: ExitStack) -> IO[bytes]:
    """Open an object's content as a stream: decompressed, and in UTF-8 whatever it was.

    Its connection is closed with `until`, also where a load ends in the middle of it.
    """
    body = read_object(file.uri, s3)
    until.callback(body.close)
    stream = _decompressed(body, command.compression)
    if command.is_avro:
        return io.BufferedReader(AvroLines(stream, _being_read(file.uri)), _CHUNK)
    if command.encoding == "utf-8":
        return stream
    if command.encoding == "utf-16" and stream.peek(2)[:2] not in _MARKS:
        text = f"Load into table '{command.shown}' failed: the file has no byte order mark"
        raise LoadError(text, context=_being_read(file.uri))
    return io.BufferedReader(_Recoded(stream, command.encoding), _CHUNK)


class _Recoded(io.RawIOBase):
    """A stream of text in some encoding, read as UTF-8."""

    def __init__(self, stream: IO[bytes], encoding: str) -> None:
        self._text = io.TextIOWrapper(stream, encoding=encoding, errors="replace", newline="")
        self._left = b""

    def readable(self) -> bool:
        """Tell that this can be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill the buffer, as io.RawIOBase requires."""
        self._left = self._left or self._text.read(_CHUNK).encode()
        count = min(len(buffer), len(self._left))
        buffer[:count], self._left = self._left[:count], self._left[count:]
        return count


def read_object(address: str, s3: Any) -> Any:
    """Return the body of an object; raises LoadError where S3 refuses."""
    bucket, _, key = address.removeprefix("s3://").partition("/")
    try:
        return s3.get_object(Bucket=bucket, Key=key)["Body"]
    except (ClientError, BotoCoreError) as error:
        raise LoadError(_service_text(error), context=_being_read(address)) from error


def _decompressed(body: Any, compression: str | None) -> io.BufferedReader:
    if compression == "gzip":
        return io.BufferedReader(gzip.GzipFile(fileobj=body), _CHUNK)
    if compression == "bzip2":
        return io.BufferedReader(bz2.BZ2File(body), _CHUNK)
    if compression == "zstd":
        import pyarrow as pa

        return io.BufferedReader(pa.CompressedInputStream(pa.PythonFile(body, "r"), "zstd"), _CHUNK)
    return io.BufferedReader(body, _CHUNK)


@contextmanager
def open_seekable(file: SourceFile, command: CopyCommand, s3: Any) -> Iterator[IO[bytes]]:
    """Open an object's content as a file on disk, for formats that are read out of order."""
    with tempfile.TemporaryFile() as spooled:
        with ExitStack() as until:
            shutil.copyfileobj(open_object(file, command, s3, until=until), spooled, _CHUNK)
        spooled.seek(0)
        yield spooled


def _pre_load_error(text: str, code: int = 8001, context: str = "") -> Refusal:
    return Refusal(text, INTERNAL, detail_block(text, code, context))


def s3_error(error: Exception, address: str) -> Refusal:
    """Return COPY's error when S3 refuses."""
    return _pre_load_error(_service_text(error), context=_being_read(address))


def _being_read(address: str) -> str:
    return f"S3 key being read : {address}"


@contextmanager
def decompression(file: SourceFile, command: CopyCommand) -> Iterator[None]:
    """Turn what a broken archive raises into the error of COPY."""
    try:
        yield
    except BROKEN_ARCHIVE as error:
        text = f"failed to inflate with {command.compression}: {error}"
        raise LoadError(text, 9001, _being_read(file.uri)) from error


def _service_text(error: Exception) -> str:
    response = getattr(error, "response", None) or {}
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    code = response.get("Error", {}).get("Code", type(error).__name__)
    message = "The specified key does not exist." if _is_missing(error) else str(error)
    return f"S3ServiceException:{message},Status {status},Error {code},Rid local,CanRetry 1"


def _is_missing(error: Exception) -> bool:
    response = getattr(error, "response", None) or {}
    return response.get("Error", {}).get("Code", "") in ("404", "NoSuchKey", "NoSuchBucket")
