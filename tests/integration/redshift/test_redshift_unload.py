"""UNLOAD on the local Redshift. Source: reference section 4.10, and the UNLOAD page."""

import gzip
import io
import json
import uuid
from contextlib import closing
from decimal import Decimal
from urllib.parse import unquote

import psycopg2
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from src.infrastructure.redshift_client import RedshiftClient
from src.infrastructure.storage.s3_storage import S3Storage
from src.infrastructure.warehouse.unloader import RedshiftUnloader
from tests.conformance import conforms
from tests.integration.conftest import BUCKET

ROLE = "IAM_ROLE 'arn:aws:iam::123456789012:role/r'"


class Unload:
    def __init__(self, connection, s3):
        self.cursor, self.s3 = connection.cursor(), s3
        self.prefix = f"unload/{uuid.uuid4().hex[:12]}/"
        self.run("CREATE TEMP TABLE t (id INT, name VARCHAR(60), p DECIMAL(8,2), ok BOOLEAN, "
                 "at TIMESTAMP, d DATE, x FLOAT8)")  # fmt: skip

    def run(self, statement):
        self.cursor.execute(statement)
        return self.cursor.fetchall() if self.cursor.description else None

    def __call__(self, options, query="SELECT * FROM t ORDER BY id"):
        quoted = query.replace("'", "''")
        self.run(f"UNLOAD ('{quoted}') TO 's3://{BUCKET}/{self.prefix}' {ROLE} {options}")

    def files(self):
        found = self.s3.list_objects_v2(Bucket=BUCKET, Prefix=self.prefix).get("Contents", [])
        return {
            item["Key"].removeprefix(self.prefix): self.s3.get_object(
                Bucket=BUCKET, Key=item["Key"])["Body"].read()
            for item in found
        }  # fmt: skip


@pytest.fixture
def unload(bucket, connection):
    unload = Unload(connection, bucket)
    unload.run("INSERT INTO t VALUES (1, 'a,\"b', 1.5, true, '2024-01-02 03:04:05', '2024-01-02', "
               "0.5), (2, '', NULL, false, NULL, NULL, NULL), (3, NULL, NULL, NULL, NULL, NULL, "
               "NULL)")  # fmt: skip
    return unload


ONE = "SELECT id, name FROM t WHERE id = 1"


@conforms("UNLOAD", "formats and options", "r_UNLOAD", cases="options")
@pytest.mark.parametrize(
    ("options", "query", "name", "content"),
    [
        ("PARALLEL OFF", ONE, "000", b'1|a,"b\n'),
        ("PARALLEL OFF DELIMITER ';'", ONE, "000", b'1;a,"b\n'),
        ("PARALLEL OFF ADDQUOTES", "SELECT id FROM t WHERE id = 1", "000", b'"1"\n'),
        ("PARALLEL OFF DELIMITER ',' ESCAPE", ONE, "000", b'1,a\\,\\"b\n'),
        ("CSV PARALLEL OFF", ONE, "000", b'1,"a,""b"\n'),
        ("CSV PARALLEL OFF HEADER", ONE, "000", b'id,name\n1,"a,""b"\n'),
        ("CSV PARALLEL OFF NULL AS 'nil'", "SELECT name, p FROM t WHERE id = 2", "000",
         b'"",nil\n'),
        ("FORMAT AS JSON PARALLEL OFF", "SELECT id, name, p, ok FROM t WHERE id = 1", "000",
         b'{"id":1,"name":"a,\\"b","p":1.50,"ok":true}\n'),
        ("CSV PARALLEL OFF EXTENSION 'csv'", "SELECT 1", "000.csv", b"1\n"),
        ("CSV PARALLEL OFF", "SELECT ok, at, d FROM t WHERE id = 1", "000",
         b"t,2024-01-02 03:04:05,2024-01-02\n"),
        ("CSV PARALLEL OFF", "SELECT id FROM t WHERE id = 99", "000", b""),
    ],
)  # fmt: skip
def test_what_is_written(unload, options, query, name, content):
    unload(options, query)
    assert unload.files() == {name: content}


@conforms(
    "UNLOAD",
    "Parquet: sums and quotients of numbers",
    "r_UNLOAD, r_numeric_computations",
    cases="query",
    partly="their scale is what their values need, precision 38",
)
@pytest.mark.parametrize(
    ("query", "values"),
    [
        ("SELECT SUM(CAST(id AS BIGINT)) FROM t", [Decimal(6)]),
        ("SELECT SUM(p) FROM t", [Decimal("1.50")]),
        ("SELECT AVG(p) / 4 FROM t", [Decimal("0.375")]),
        ("SELECT p * NULL FROM t WHERE id = 1", [None]),
    ],
)
def test_numbers_without_a_declared_scale(unload, query, values):
    unload("FORMAT AS PARQUET PARALLEL OFF", query)
    (body,) = unload.files().values()
    table = pq.read_table(io.BytesIO(body))
    assert table.column(0).to_pylist() == values and table.schema.types[0].precision == 38


@conforms("UNLOAD", "PARALLEL ON: a file per slice and part", "r_UNLOAD", partly="two slices")
def test_parallel_files_have_slices_and_parts(unload):
    unload("CSV GZIP")
    files = unload.files()
    assert sorted(files) == ["0000_part_00.gz", "0001_part_00.gz"]
    lines = b"".join(map(gzip.decompress, files.values())).splitlines()
    assert len(lines) == 3


@conforms("UNLOAD", "MAXFILESIZE", "r_UNLOAD")
def test_large_results_are_cut_into_parts(unload):
    unload.run("CREATE TEMP TABLE big AS SELECT a.id, 'x' AS v FROM t a, t b, t c, t d, t e")
    unload("CSV PARALLEL OFF MAXFILESIZE 1 MB",
           "SELECT a.id, REPEAT('y', 5000) FROM big a, t b")  # fmt: skip
    assert sorted(unload.files()) == ["000", "001", "002", "003"]


@conforms("UNLOAD", "Parquet keeps types", "r_UNLOAD")
def test_parquet_keeps_types(unload):
    unload("FORMAT PARQUET PARALLEL OFF")
    table = pq.read_table(io.BytesIO(unload.files()["000.parquet"]))
    assert table.schema.types == [
        pa.int32(), pa.string(), pa.decimal128(8, 2), pa.bool_(), pa.timestamp("us"),
        pa.date32(), pa.float64(),
    ]  # fmt: skip
    assert table.column("p").to_pylist() == [Decimal("1.50"), None, None]
    assert table.column("name").to_pylist() == ['a,"b', "", None]


@conforms("UNLOAD", "MANIFEST VERBOSE, which COPY takes", "r_UNLOAD")
def test_the_manifest_is_one_that_copy_takes(unload):
    unload("FORMAT PARQUET MANIFEST VERBOSE")
    manifest = json.loads(unload.files()["manifest"])
    assert sum(entry["meta"]["record_count"] for entry in manifest["entries"]) == 3
    unload.run("CREATE TEMP TABLE again (LIKE t)")
    unload.run(f"COPY again FROM 's3://{BUCKET}/{unload.prefix}manifest' {ROLE} "
               "FORMAT PARQUET MANIFEST")  # fmt: skip
    assert unload.run("SELECT * FROM again ORDER BY id") == unload.run(
        "SELECT * FROM t ORDER BY id"
    )


@conforms(
    "UNLOAD",
    "existing files are not overwritten by default",
    "r_UNLOAD",
    partly="the text is not documented",
)
def test_what_is_there_is_not_overwritten_unasked(unload):
    unload("CSV")
    before = unload.files()
    with pytest.raises(psycopg2.errors.InternalError_, match="destination on S3 is not empty"):
        unload("CSV")
    unload.cursor.connection.rollback()
    assert unload.files() == before


@conforms("UNLOAD", "ALLOWOVERWRITE, CLEANPATH", "r_UNLOAD")
@pytest.mark.parametrize(("option", "left"), [("ALLOWOVERWRITE", 3), ("CLEANPATH", 1)])
def test_overwriting_and_cleaning(unload, option, left):
    unload("CSV")
    unload(f"CSV PARALLEL OFF {option}", "SELECT 7")
    files = unload.files()
    assert len(files) == left and files["000"] == b"7\n"


@conforms(
    "System views",
    "stl_unload_log, sys_unload_history, pg_last_unload_id(), pg_last_unload_count()",
    "r_STL_UNLOAD_LOG, SYS_UNLOAD_HISTORY",
)
def test_it_is_logged(unload):
    unload("CSV PARALLEL OFF")
    assert (
        "UNLOAD completed, 3 record(s) unloaded successfully."
        in (unload.cursor.connection.notices[-1])
    )
    assert unload.run("SELECT pg_last_unload_count()") == [(3,)]
    ((path, lines),) = unload.run(
        "SELECT TRIM(path), line_count FROM stl_unload_log WHERE query = pg_last_unload_id()"
    )
    assert path.endswith("000") and lines == 3
    assert unload.run(
        "SELECT unloaded_rows, unloaded_files_count FROM sys_unload_history "
        "WHERE query_id = pg_last_unload_id()"
    ) == [(3, 1)]


@conforms("UNLOAD", "what is refused", "r_UNLOAD", cases="options", refused=True)
@pytest.mark.parametrize(
    ("options", "query", "words"),
    [
        ("CSV", "SELECT id FROM t LIMIT 1", "Limit clause is not supported"),
        ("CSV ESCAPE", ONE, "ESCAPE is not supported with CSV"),
        ("FORMAT PARQUET GZIP", ONE, "GZIP is not supported with PARQUET"),
        ("CLEANPATH ALLOWOVERWRITE", ONE, "CLEANPATH is not supported with ALLOWOVERWRITE"),
        ("PARTITION BY (nowhere)", ONE, 'column "nowhere" of PARTITION BY is not in the query'),
        ("PARTITION BY (id, id)", ONE, "named twice"),
        ("PARTITION BY (id, name)", ONE, "add INCLUDE"),
        ("CSV NONSENSE", ONE, "syntax error"),
        ("CSV", "SELECT STRING_AGG(name, ',') FROM t", "fails on Redshift"),
        ("CSV", "SELECT nope FROM t", "does not exist"),
    ],
)
def test_what_is_refused(unload, options, query, words):
    with pytest.raises(psycopg2.Error, match=words):
        unload(options, query)
    unload.cursor.connection.rollback()
    assert unload.files() == {}


def test_large_extracts_of_the_product_work_on_it(cloud, bucket):
    with closing(RedshiftClient(cloud.connect_redshift)) as client:
        extract_and_compare(
            client, RedshiftUnloader(client, S3Storage(bucket, BUCKET), iam_role="")
        )
    assert not bucket.list_objects_v2(Bucket=BUCKET, Prefix="unload/some").get("Contents")


def extract_and_compare(client, unloader):
    client.execute("CREATE TEMP TABLE extract (id INT, name VARCHAR(5))")
    assert list(unloader.dataframe("SELECT id, name FROM extract", "empty").columns) == [
        "id", "name"
    ]  # fmt: skip
    client.execute("INSERT INTO extract VALUES (1, 'a'), (2, NULL), (3, 'c')")
    frame = unloader.dataframe("SELECT id, name FROM extract WHERE name <> 'it''s'", "some")
    assert sorted(frame["id"]) == [1, 3]


NULL = "nil@"
TEXT = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cs"], exclude_characters="\x00")
    | st.sampled_from("\"'\\|,\n\r\t \x01\x02N."),
    max_size=12,
).filter(lambda text: text != NULL)
ROWS = st.lists(
    st.tuples(
        st.integers(-(2**31), 2**31 - 1), st.none() | TEXT,
        st.none() | st.decimals(-9999, 9999, places=2), st.none() | st.booleans(),
        st.none() | st.datetimes().map(lambda d: d.replace(microsecond=0)),
        st.none() | st.dates(), st.none() | st.floats(allow_nan=False, allow_infinity=False),
    ),
    max_size=8,
)  # fmt: skip
FORMATS = {
    f"CSV NULL AS '{NULL}'": f"CSV NULL AS '{NULL}'",
    f"CSV GZIP PARALLEL OFF NULL AS '{NULL}'": f"CSV GZIP NULL AS '{NULL}'",
    f"DELIMITER '|' ADDQUOTES ESCAPE NULL AS '{NULL}'":
    f"DELIMITER '|' REMOVEQUOTES ESCAPE NULL AS '{NULL}'",
    f"DELIMITER ',' ESCAPE NULL AS '{NULL}'": f"DELIMITER ',' ESCAPE NULL AS '{NULL}'",
    "FORMAT JSON": "JSON 'auto'", "FORMAT PARQUET": "FORMAT PARQUET",
}  # fmt: skip


@conforms(
    "UNLOAD", "what UNLOAD writes COPY reads (random tables)", "r_UNLOAD, r_COPY", cases="written"
)
@pytest.mark.parametrize("written", FORMATS)
@settings(max_examples=15)
@given(rows=ROWS)
def test_what_unload_writes_copy_reads(bucket, connection, written, rows):
    unload = Unload(connection, bucket)
    try:
        for row in rows:
            unload.cursor.execute("INSERT INTO t VALUES (%s, %s, %s, %s, %s, %s, %s)", row)
        unload(written, "SELECT * FROM t")
        if rows:
            unload.run("CREATE TEMP TABLE again (LIKE t)")
            unload.run(
                f"COPY again FROM 's3://{BUCKET}/{unload.prefix}' {ROLE} {FORMATS[written]} "
                + ("" if "PARQUET" in written else "TIMEFORMAT 'auto' DATEFORMAT 'auto'")
            )
            key = str
            assert sorted(unload.run("SELECT * FROM again"), key=key) == sorted(
                unload.run("SELECT * FROM t"), key=key
            )
    finally:
        connection.rollback()


LONG = "REPEAT('x', 65535)"


@conforms("UNLOAD", "the longest values, and rows of several", "this project", cases="written")
@pytest.mark.parametrize("written", ["CSV", "FORMAT JSON", "FORMAT PARQUET", "ESCAPE"])
def test_long_values_are_unloaded(unload, written):
    unload(f"{written} PARALLEL OFF", f"SELECT {LONG} AS v, {LONG} AS w, {LONG} AS x")
    (body,) = unload.files().values()
    if "PARQUET" in written:
        body = pq.read_table(io.BytesIO(body)).column("v")[0].as_py().encode()
    assert b"x" * 65_535 in body


@conforms("UNLOAD", "PARTITION BY: folders column=value; INCLUDE keeps the columns", "r_UNLOAD")
@pytest.mark.parametrize("form", ["CSV HEADER", "JSON", "FORMAT PARQUET"])
@pytest.mark.parametrize("include", ["", " INCLUDE"])
def test_partitions(unload, form, include):
    unload(f"{form} PARTITION BY (ok, id){include} PARALLEL OFF", "SELECT id, name, ok FROM t")
    suffix = ".parquet" if "PARQUET" in form else ""
    files = unload.files()
    assert set(files) == {
        f"ok={ok}/id={number}/000{suffix}"
        for ok, number in (("t", 1), ("f", 2), ("__HIVE_DEFAULT_PARTITION__", 3))
    }
    for name, body in files.items():
        expected = ["id", "name", "ok"] if include else ["name"]
        if suffix:
            names = pq.read_table(io.BytesIO(body)).column_names
        elif form == "JSON":
            names = list(json.loads(body))
        else:
            names = body.decode().splitlines()[0].split(",")
        assert names == expected, name


@settings(max_examples=6)
@given(rows=st.lists(st.tuples(st.text(st.characters(codec="ascii", exclude_characters="\x00"),
                                       max_size=6), st.integers(0, 99)), max_size=12))  # fmt: skip
def test_partitions_hold_each_row_once(bucket, cloud, rows):
    with closing(cloud.connect_redshift()) as connection:
        unload = Unload(connection, bucket)
        unload.run("CREATE TEMP TABLE cut (k VARCHAR(20), n INT)")
        for row in rows:
            unload.cursor.execute("INSERT INTO cut VALUES (%s, %s)", row)
        unload("JSON PARTITION BY (k) INCLUDE", "SELECT k, n FROM cut")
        found = []
        for name, body in unload.files().items():
            folder = unquote(name.split("/")[0].removeprefix("k="))
            for line in body.decode().splitlines():
                row = json.loads(line)
                assert folder == (row["k"] or "__HIVE_DEFAULT_PARTITION__")
                found.append((row["k"], row["n"]))
    assert sorted(found) == sorted(rows)
