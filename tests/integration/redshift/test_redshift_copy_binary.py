"""COPY of ORC and Avro: the same rows as the formats that stand beside them."""

import datetime as dt
import io
from decimal import Decimal

import fastavro
import psycopg2
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import orc

from tests.conformance import conforms
from tests.integration.conftest import Table, columns

SCHEMA = fastavro.parse_schema({
    "type": "record", "name": "sale", "fields": [
        {"name": "id", "type": "string"},
        {"name": "n", "type": ["null", "int"]},
        {"name": "p", "type": ["null", {"type": "bytes", "logicalType": "decimal",
                                        "precision": 6, "scale": 2}]},
        {"name": "at", "type": ["null", {"type": "long", "logicalType": "timestamp-micros"}]},
        {"name": "extra", "type": {"type": "array", "items": "int"}},
    ],
})  # fmt: skip
MOMENTS = st.datetimes(dt.datetime(1970, 1, 1), dt.datetime(2099, 1, 1))
ROWS = st.lists(
    st.tuples(
        st.text(st.characters(codec="ascii", exclude_characters="\x00"), max_size=6),
        st.none() | st.integers(-(2**31), 2**31 - 1),
        st.none() | st.decimals(-9999, 9999, places=2),
        st.none() | MOMENTS.map(lambda at: at.replace(microsecond=at.microsecond // 1000 * 1000)),
    ),
    min_size=1, max_size=12,
)  # fmt: skip


def as_orc(**changes):
    sink = io.BytesIO()
    orc.write_table(pa.table(columns(**changes)), sink)
    return sink.getvalue()


def as_avro(rows, codec="null"):
    sink = io.BytesIO()
    named = [dict(zip(("id", "n", "p", "at"), row, strict=True), extra=[1]) for row in rows]
    for record in named:
        record["at"] = record["at"] and record["at"].replace(tzinfo=dt.UTC)
    fastavro.writer(sink, SCHEMA, named, codec=codec)
    return sink.getvalue()


def loaded(table):
    return sorted(table.run(f"SELECT id, n, p, at FROM {table.name}"), key=repr)


@conforms("COPY: what loads", "ORC by position, Avro by name", "copy-parameters-data-format")
@settings(max_examples=8)
@given(rows=ROWS)
def test_orc_and_avro_load_what_they_hold(bucket, cloud, rows):
    connection = cloud.connect_redshift()
    try:
        table = Table(bucket, connection)
        ids, numbers, prices, moments = (list(values) for values in zip(*rows, strict=True))
        table.put(as_orc(id=ids, n=pa.array(numbers, pa.int32()),
                         p=pa.array(prices, pa.decimal128(6, 2)),
                         at=pa.array(moments, pa.timestamp("us"))), "orc")  # fmt: skip
        table.copy("FORMAT AS ORC", f"{table.folder}orc")
        assert loaded(table) == sorted(rows, key=repr)
        table.run(f"DELETE FROM {table.name}")
        table.put(as_avro(rows, "deflate"), "avro")
        table.copy("FORMAT AS AVRO 'auto'", f"{table.folder}avro")
        assert loaded(table) == sorted(rows, key=repr)
    finally:
        connection.close()


def test_avro_by_paths(table):
    paths = table.put('{"jsonpaths": ["$.id", "$.extra[0]", "$.p", "$.at"]}', "paths")
    table.put(as_avro([("a", 7, Decimal("1.20"), None)]), "rows")
    table.copy(f"AVRO '{paths}'", f"{table.folder}rows")
    assert table.rows() == [("a", 1, Decimal("1.20"), None)]


@pytest.mark.parametrize(
    ("options", "body", "words"),
    [
        ("FORMAT ORC", b"no file", "is not an ORC file"),
        ("FORMAT ORC", as_orc()[:-20], "is not an ORC file"),
        ("FORMAT ORC", as_orc(n=["x", "y"]), "incompatible ORC schema"),
        ("FORMAT ORC MAXERROR 5", as_orc(), "MAXERROR is not supported with ORC"),
        ("AVRO 'auto'", b"no file", "Invalid AVRO file found"),
        ("AVRO 'auto'", as_avro([("a", 1, None, None)] * 500)[:-30], "Invalid AVRO file found"),
    ],
)
def test_a_broken_file_is_named_and_the_session_lives(table, options, body, words):
    table.put(body)
    with pytest.raises(psycopg2.Error, match=words):
        table.copy(options)
    table.connection.rollback()
    assert table.rows() == []
