"""Encoded records read back as they were, whatever the text."""

import gzip
import json
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from src.services import record_encoding
from src.services.record_encoding import encode_csv, encode_json_lines, part_writer

ANY_TEXT = st.none() | st.text(st.characters(exclude_categories=["Cs"]))


@settings(deadline=None)
@given(st.lists(st.tuples(ANY_TEXT, st.none() | st.integers(-(2**63), 2**63 - 1))))
def test_json_lines_read_back_equal(rows):
    table = pa.Table.from_pylist(
        [{"t": t, "n": n} for t, n in rows], schema=pa.schema([("t", "string"), ("n", "int64")])
    )
    lines = bytes(encode_json_lines(table)).decode().split("\n")[:-1]
    assert [json.loads(line) for line in lines] == table.to_pylist()


def test_decimals_keep_their_cents():
    table = pa.table({"p": pa.array([Decimal("12.30"), None], pa.decimal128(10, 2))})
    assert bytes(encode_json_lines(table)) == b'{"p":12.30}\n{"p":null}\n'
    assert encode_csv(table) == b'"p"\n12.30\n\n'


@pytest.mark.parametrize("has_isal", [True, False])
def test_a_part_of_several_blocks_is_one_gzip_file_with_one_header(monkeypatch, has_isal):
    if not has_isal:
        monkeypatch.setitem(__import__("sys").modules, "isal", None)
    block = pa.table({"a": [1, 2]})
    writer = part_writer("csv", block.schema)
    writer.write(block)
    writer.write(block)
    body = writer.finish()
    assert gzip.decompress(body) == b'"a"\n1\n2\n1\n2\n'
    assert body[4:8] == b"\0\0\0\0"  # no time in the header
    assert len(writer.content_sha256()) == 64


def test_the_digest_does_not_depend_on_the_compressor(monkeypatch):
    block = pa.table({"a": ["x"] * 1000})
    digests = set()
    for has_isal in (True, False):
        if not has_isal:
            monkeypatch.setitem(__import__("sys").modules, "isal", None)
        writer = part_writer("json", block.schema)
        writer.write(block)
        writer.finish()
        digests.add(writer.content_sha256())
    assert len(digests) == 1


def test_slices_encode_only_themselves():
    table = pa.table({"a": ["one", "two", "three"]})
    assert bytes(encode_json_lines(table.slice(1, 1))) == b'{"a":"two"}\n'


def test_no_rows_no_bytes():
    assert bytes(record_encoding.encode_json_lines(pa.table({"a": pa.array([], "string")}))) == b""
