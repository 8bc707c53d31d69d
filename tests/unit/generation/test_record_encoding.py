"""Encoded records read back as they were, whatever the text."""

import gzip
import io
import json
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from src.services.encoding import arrow_columns, json_rows, record_encoding
from src.services.encoding.record_encoding import encode_csv, encode_json_lines, part_writer

ANY_TEXT = st.none() | st.text(st.characters(exclude_categories=["Cs"]))


@given(st.lists(st.tuples(ANY_TEXT, st.none() | st.integers(-(2**63), 2**63 - 1))))
def test_json_lines_read_back_equal(rows):
    table = pa.Table.from_pylist(
        [{"t": t, "n": n} for t, n in rows], schema=pa.schema([("t", "string"), ("n", "int64")])
    )
    lines = b"".join(encode_json_lines(table)).decode().split("\n")[:-1]
    assert [json.loads(line) for line in lines] == table.to_pylist()


def test_decimals_keep_their_cents():
    table = pa.table({"p": pa.array([Decimal("12.30"), None], pa.decimal128(10, 2))})
    assert b"".join(encode_json_lines(table)) == b'{"p":12.30}\n{"p":null}\n'
    assert b"".join(encode_csv(table)) == b'"p"\n12.30\n\n'


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
    assert b"".join(encode_json_lines(table.slice(1, 1))) == b'{"a":"two"}\n'


def test_no_rows_no_bytes():
    assert bytes(record_encoding.encode_json_lines(pa.table({"a": pa.array([], "string")}))) == b""


TEXTS = st.none() | st.sampled_from(["", "a", "2025-02-30 20:00:00", "é", "VIP ", "x" * 70]) | (
    st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
)  # fmt: skip
NUMBERS = st.none() | st.integers(-(2**63), 2**63 - 1) | st.integers(-20_000, 20_000)
CENTS = st.none() | st.integers(-(10**7), 10**7) | st.integers(-(10**30), 10**30)


@settings(max_examples=300)
@given(st.lists(st.tuples(NUMBERS, CENTS, TEXTS, TEXTS), max_size=40), st.integers(0, 5))
def test_rows_made_as_a_matrix_are_those_that_are_joined(rows, start):
    schema = pa.schema(
        [("n", pa.int64()), ("p", pa.decimal128(38, 2)), ("t", pa.string()), ("u", pa.string())]
    )
    columns = list(zip(*rows, strict=True)) or [[], [], [], []]
    cents = [None if c is None else Decimal(c).scaleb(-2) for c in columns[1]]
    table = pa.table([list(columns[0]), cents, *map(list, columns[2:])], schema=schema)
    encoded = table.set_column(2, "t", table.column(2).dictionary_encode())
    for piece in (table, table.slice(start), encoded, encoded.slice(start)):
        made = json_rows.encode_rows(piece)
        assert made is None or b"".join(made) == bytes(record_encoding.join_json_lines(piece))


@pytest.mark.parametrize("rows", [1, 9, 300, 20_000])
def test_ordinary_rows_are_made_as_a_matrix(rows):
    table = pa.table(
        {
            "n": pa.array([None if i % 7 == 3 else i * 10 ** (i % 9) for i in range(rows)]),
            "p": pa.array(
                [None if i % 5 == 1 else Decimal((-1) ** i * i).scaleb(-2) for i in range(rows)],
                pa.decimal128(14, 2),
            ),
            "t": pa.array(["2025-01-01 10:00:00" if i % 50 else "31/12/2024" for i in range(rows)]),
            "c": pa.array(
                [(None, "vip", "standard", " É ")[i % 4] for i in range(rows)], pa.string()
            ),
        }
    )
    table = table.append_column("d", table.column("c").dictionary_encode())
    pieces = json_rows.encode_rows(table)
    assert pieces is not None
    made = b"".join(pieces)
    assert made == bytes(record_encoding.join_json_lines(table))
    first = json.loads(made.split(b"\n")[0])
    assert first == {"n": 0, "p": 0, "t": "31/12/2024", "c": None, "d": None}


def test_categories_are_strings_in_every_file():
    table = pa.table({"c": arrow_columns.categories([1, -1, 0, 2], ["web", "é", "web"])})
    expected = ["é", None, "web", "web"]
    assert arrow_columns.plain(table).column("c").to_pylist() == expected
    lines = b"".join(encode_json_lines(table)).splitlines()
    assert [json.loads(line)["c"] for line in lines] == expected
    assert b"".join(encode_csv(table)).decode() == '"c"\n"é"\n\n"web"\n"web"\n'
    writer = part_writer("parquet", table.schema)
    writer.write(table)
    read = pq.read_table(io.BytesIO(writer.finish()))
    assert read.schema.field("c").type == pa.string()
    assert read.column("c").to_pylist() == expected
