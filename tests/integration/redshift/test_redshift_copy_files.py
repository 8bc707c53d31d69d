"""COPY survives any file: load errors or a named error, the session lives, memory is bounded."""

import bz2
import gzip
import io
import json
import re
import subprocess
import sys
import textwrap
import zlib
from decimal import Decimal

import psycopg2
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from src.local_cloud.redshift.copying import text_loading
from src.local_cloud.redshift.copying.copy_command import CopyCommand
from src.local_cloud.redshift.copying.lines import LONGEST
from tests.conformance import conforms
from tests.integration.conftest import Table, parquet

ROLE = "IAM_ROLE 'arn:aws:iam::123456789012:role/r'"
QUOTES = (1214, "Invalid quote formatting for CSV")


class Texts(Table):
    """A table of a number and two texts, loaded in three ways."""

    def __init__(self, s3, connection):
        super().__init__(s3, connection)
        self.run(f"CREATE TABLE {self.name}_w (n INTEGER, v VARCHAR(65535), w VARCHAR(20))")
        connection.commit()

    def load(self, body, options, name="body"):
        """Return (rows, errors), and check that neither notices nor PostgreSQL's words show."""
        url = self.put(body, name)
        del self.connection.notices[:]
        try:
            self.run(f"COPY {self.name}_w FROM '{url}' {ROLE} {options}")
            rows = self.run(f"SELECT n, v, w FROM {self.name}_w ORDER BY n, v, w")
        except psycopg2.errors.InternalError_ as error:
            assert error.pgcode == "XX000" and "COPY_" not in str(error), error
            rows = error.diag.message_primary
        assert not [n for n in self.connection.notices if not n.startswith("INFO")]
        self.connection.rollback()
        errors = self.run(
            "SELECT line_number, TRIM(colname), err_code, RTRIM(err_reason), RTRIM(raw_line) "
            "FROM stl_load_errors WHERE query = pg_last_copy_id() ORDER BY line_number"
        )
        self.connection.rollback()
        return rows, errors

    def three_ways(self, body, options):
        """Load past the staging table, through it, and record by record: all must agree."""
        found = [self.load(body, options)]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(text_loading, "may_be_plain", lambda *_: False)
            found.append(self.load(body, options))
            patch.setattr(CopyCommand, "needs_records", property(lambda _: True))
            found.append(self.load(body, options))
        assert found[0] == found[1] == found[2]
        return found[0]


@pytest.fixture(scope="module")
def texts(cloud, bucket):
    connection = cloud.connect_redshift()
    yield Texts(bucket, connection)
    connection.close()


MANY = "MAXERROR 100000"
LONG = "x" * 60_000


@conforms(
    "COPY: what fails",
    "1214: quotes that are neither around a field nor doubled; the next record is the next line",
    "copy-parameters-data-format; classmethod, openillumi, vlkan (public reports)",
)
@pytest.mark.parametrize(
    ("body", "rows", "errors"),
    [
        ('1,"Ana,a\n2,Bob,b\n3,"x",c\n', [(2, "Bob", "b"), (3, "x", "c")],
         [(1, "v", *QUOTES, '1,"Ana,a')]),
        ('3,chi,"for deployment """@related activities",250\n', [],
         [(1, "w", *QUOTES, '3,chi,"for deployment """@related activities",250')]),
        ('1,aaa "bbb" ccc,x\n2,b,c\n', [(2, "b", "c")], [(1, "v", *QUOTES, '1,aaa "bbb" ccc,x')]),
        ('1,"a"b,x\n', [], [(1, "v", *QUOTES, '1,"a"b,x')]),
        ('1,a,"x', [], [(1, "w", *QUOTES, '1,a,"x')]),
        ('1,"a\nb","c\nd"\n2,e,"f\n', [(1, "a\nb", "c\nd")], [(4, "w", *QUOTES, '2,e,"f')]),
        ('1, "a" ,"b" \n', [(1, "a", "b")], []),
        ('1,"","""x"""\n', [(1, "", '"x"')], []),
        ('x,"a\nb",c\n2,d,e\n', [(2, "d", "e")],
         [(1, "n", 1207, "Invalid digit, Value 'x', Pos 0, Type: Integer", 'x,"a\nb",c')]),
        (f'1,"{LONG}""{LONG}",c\n', [],
         [(1, "v", 1204, "String length exceeds DDL length", f'1,"{LONG}'[:1024])]),
    ],
)  # fmt: skip
def test_quotes(texts, body, rows, errors):
    assert texts.three_ways(body, f"CSV {MANY}") == (rows, errors)
    found, again = texts.load(body, "CSV")
    assert (found == rows) == (not errors) and again == errors


@pytest.mark.parametrize("lines", [20_000, 60_000])
def test_one_stray_quote_costs_one_row(texts, lines):
    body = "".join(f"{n},name {n},{n % 7}\n" for n in range(1, lines + 1))
    body = body.replace("\n6,name 6", '\n6,"name 6', 1)
    rows, errors = texts.load(body, f"CSV {MANY}")
    assert len(rows) == lines - 1
    assert errors == [(6, "v", *QUOTES, '6,"name 6,6')]


@pytest.mark.parametrize("options", ["CSV", "JSON 'auto'"])
def test_a_load_that_failed_reads_no_further(texts, options):
    bad, good = b'1,"a"\n', b"2,b,c\n"
    if "JSON" in options:
        bad, good = b'{"n":\x01\n', b'{"n": 2}\n'
    body = bad * 1_500 + good
    rows, errors = texts.load(body, f"{options} MAXERROR 1501")
    assert len(rows) == 1 and len(errors) == 1_000  # more are counted, and not kept
    cut_off = gzip.compress(body + good * 1_000_000)[:-4]
    rows, errors = texts.load(cut_off, f"{options} GZIP MAXERROR 1200")
    assert "failed.  Check 'stl_load_errors'" in rows and len(errors) == 1_000


@conforms(
    "COPY: what fails",
    "1216: NUL ends a record, and so does a row of more than 4 MB",
    "tutorial-loading-data; laughingmeme.org, pipelinewise#405, spark-redshift#345, snowplow#259",
    partly="the text for rows that are too long is the one for NUL",
)
@pytest.mark.parametrize("options", ["CSV", "DELIMITER ','", "CSV ACCEPTINVCHARS"])
def test_what_ends_a_record_where_no_line_ends(texts, options):
    body = f"15,NUL next,\0,a\n2,b,c\n{'z' * (LONGEST + 5)}\n4,d,e\n"
    rows, errors = texts.load(body, f"{options} {MANY}")
    assert rows == [(2, "b", "c"), (4, "d", "e")]
    unexpected = "Missing newline: Unexpected character"
    assert errors == [
        (1, "", 1216, f"{unexpected} 0x2c found at location 11", "15,NUL next,"),
        (3, "", 1216, f"{unexpected} 0x7a found at location {LONGEST - 1}", "z" * 1024),
    ]


@pytest.mark.parametrize("options", ["CSV", "DELIMITER ','", "JSON 'auto'"])
def test_a_row_of_four_megabytes_is_read_and_a_longer_one_is_not(texts, options):
    for size, code in ((LONGEST, 1204), (LONGEST + 1, 1216)):
        head, tail = ('{"v":"', '"}') if "JSON" in options else ("1,", ",c")
        body = head + "x" * (size - len(head + tail)) + tail
        good = '{"n": 2, "v": "b", "w": "c"}' if "JSON" in options else "2,b,c"
        rows, errors = texts.load(f"{body}\n{good}\n", f"{options} {MANY}")
        assert rows == [(2, "b", "c")]
        assert [error[:3] for error in errors] == [(1, "v" if code == 1204 else "", code)]


@conforms(
    "COPY: what fails",
    "1220 with the bytes and AWS's number; 1215 for CHAR",
    "multi-byte-character-load-errors",
    cases="body",
)
@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        (b"\xe9", "e9 (error 2)"), (b"caf\xe9s", "e9 (error 4)"), (b"\xa4", "a4 (error 3)"),
        (b"\xff", "ff (error 3)"), (b"\xf8\x88\x80\x80\x80", "f8 88 80 80 80 (error 1)"),
        (b"\xed\xa0\x80", "ed a0 80 (error 5)"), (b"\xf4\x90\x80\x80", "f4 90 80 80 (error 8)"),
        (b"\xc0\xaf", "c0 af (error 9)"), (b"\xe2\x82", "e2 82 (error 2)"),
    ],
)  # fmt: skip
def test_bytes_that_are_no_text(texts, body, wrong):
    reason = (
        f"String contains invalid or unsupported UTF-8 codepoints. Bad UTF-8 hex sequence: {wrong}"
    )
    for options in ("CSV", "DELIMITER ','"):
        rows, errors = texts.three_ways(b"1," + body + b",c\n2,d,e\n", f"{options} {MANY}")
        assert rows == [(2, "d", "e")]
        assert [error[:4] for error in errors] == [(1, "v", 1220, reason[:100].rstrip())]
    replaced, _ = texts.load(b"1," + body + b",c\n", "CSV ACCEPTINVCHARS '^'")
    assert re.sub("[caf s]", "", replaced[0][1]) == "^" * len(re.sub(b"[cafs]", b"", body))


@conforms(
    "COPY: what loads",
    "code points that are no characters; ACCEPTINVCHARS replaces them byte for byte",
    "multi-byte-character-load-errors",
)
def test_code_points_that_are_no_characters(texts):
    body = "1,a\ufdd0b\uffff\U0010ffff,c\n"
    assert texts.three_ways(body, "CSV")[0] == [(1, "a\ufdd0b\uffff\U0010ffff", "c")]
    assert texts.load(body, "CSV ACCEPTINVCHARS")[0] == [(1, "a???b???????", "c")]


# -- archives ----------------------------------------------------------------------------------

GOOD = b"1,a,b\n" * 100


@conforms(
    "COPY: what fails", "9001: an archive that is none, or cut off", "snowplow#1265", cases="option"
)
@pytest.mark.parametrize(
    ("option", "packed"),
    [
        ("GZIP", gzip.compress(GOOD, mtime=0)), ("BZIP2", bz2.compress(GOOD)),
        ("ZSTD", pa.compress(GOOD, codec="zstd", asbytes=True)),
    ],
    ids=["GZIP", "BZIP2", "ZSTD"],
)  # fmt: skip
def test_broken_archives(texts, option, packed):
    for body in (GOOD, packed[:-9], packed[:30] + b"\x00\xff" + packed[32:], packed[:5], b"\x1f"):
        rows, errors = texts.load(body, f"CSV {option} {MANY}")
        assert errors == []
        assert str(rows).startswith(f"failed to inflate with {option.lower()}: "), rows
    assert len(texts.load(packed, f"CSV {option}")[0]) == 100


_CHILD = """
import json, resource, sys
from src.local_cloud.redshift import connection
import boto3
s3_config, address, table, url, options = json.loads(sys.argv[1])
link = connection.connect(s3=boto3.client("s3", **s3_config), **address)
cursor = link.cursor()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    cursor.execute(f"COPY {table} FROM '{url}' IAM_ROLE default {options}")
except Exception as error:
    print(type(error).__name__, str(error).splitlines()[0])
link.rollback()
cursor.execute("SELECT 1")
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


def zeros(megabytes, start=b"", middle=b"0" * (1 << 20)):
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    parts = [packer.compress(start), *(packer.compress(middle) for _ in range(megabytes))]
    return b"".join([*parts, packer.flush()])


@pytest.mark.parametrize(
    ("options", "start", "middle"),
    [
        ("CSV", b"1,", b"0" * (1 << 20)),
        ("CSV", b'1,"', b"0" * (1 << 20)),
        ("CSV", b'1,"', (b"0" * 1023 + b"\n") * 1024),
        ("DELIMITER ','", b"1,", b"0" * (1 << 20)),
        ("DELIMITER ',' ESCAPE", b"1,", (b"0" * 1023 + b"\\\n") * 1024),
        ("CSV IGNOREHEADER 1", b"1,", b"0" * (1 << 20)),
        ("CSV", b"1,", b"," * (1 << 20)),
        ("JSON 'auto'", b'{"v":"', b"0" * (1 << 20)),
        ("JSON 'auto'", b"", b"[" * (1 << 20)),
        ("JSON 'auto'", b"", b"[\n" * (1 << 19)),
    ],
)
def test_a_small_archive_takes_no_large_memory(texts, cloud, options, start, middle):
    body = zeros(2 if b"[\n" in middle else 120, start, middle)
    assert len(body) < 1 << 20
    url = texts.put(body, "bomb.gz")
    client = cloud.s3_client()
    credentials = client._request_signer._credentials
    s3 = {
        "endpoint_url": client.meta.endpoint_url, "region_name": client.meta.region_name,
        "aws_access_key_id": credentials.access_key,
        "aws_secret_access_key": credentials.secret_key,
    }  # fmt: skip
    address = texts.connection.address
    given = json.dumps([s3, address, f"{texts.name}_w", url, f"{options} GZIP"])
    found = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(_CHILD), given],
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    *complaint, grown = found.stdout.splitlines() or [found.stderr]
    assert int(grown) < 100, found  # megabytes, libraries included
    assert "IGNOREHEADER" in options or complaint[0].startswith("InternalError_ Load into table")


# -- Parquet -----------------------------------------------------------------------------------


def typed(**columns):
    return parquet(**{"n": pa.array([1], pa.int32()), "v": ["a"], "w": ["b"], **columns})


@conforms(
    "COPY: what loads",
    "Parquet: what Arrow makes of a type is none of Redshift's (pandas' categories, large strings)",
    "this project",
)
@pytest.mark.parametrize(
    "column",
    [
        pa.array(["x"]).dictionary_encode(), pa.array(["x"], pa.large_string()),
        pa.array(["x"], pa.string_view()),
        pa.array(["x"], pa.large_string()).dictionary_encode(),
    ],
    ids=lambda values: str(values.type),
)  # fmt: skip
def test_parquet_texts_of_any_type(texts, column):
    assert texts.load(typed(v=column), "PARQUET")[0] == [(1, "x", "b")]


def test_pandas_categories_load(texts):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(
        {"n": pandas.Series([1, 2, 1], dtype="int32").astype("category"),
         "v": pandas.Categorical(["x", None, "y"]), "w": ["1", "2", "3"]}
    )  # fmt: skip
    sink = io.BytesIO()
    frame.to_parquet(sink)
    rows, _ = texts.load(sink.getvalue(), "PARQUET")
    assert rows == [(1, "x", "1"), (1, "y", "3"), (2, None, "2")]


@conforms(
    "COPY: what fails",
    "Parquet: decimals of another scale or length, values out of range, texts that are none",
    "ParquetSharp#252, copy-usage_notes-copy-from-columnar",
)
def test_parquet_values_that_do_not_fit(bucket, connection):
    table = Table(bucket, connection)
    table.run(f"CREATE TABLE {table.name}_d (p DECIMAL(18,2), at TIMESTAMP, d DATE, v VARCHAR(9))")
    connection.commit()
    good = {
        "p": pa.array([Decimal("1.23")], pa.decimal128(18, 2)),
        "at": pa.array([1], pa.timestamp("us")), "d": pa.array([1], pa.date32()), "v": ["a"],
    }  # fmt: skip
    bad_text = pa.array([b"caf\xe9"], pa.binary()).view(pa.string())
    for changed, words in (
        ({"p": pa.array([Decimal("1.239")], pa.decimal128(18, 3))}, "incompatible Parquet schema"),
        ({"p": pa.array([Decimal("1.23")], pa.decimal128(29, 2))}, "Expecting: 8 len in file: 13"),
        ({"at": pa.array([2**62], pa.timestamp("us"))}, "Value out of range for column 'at'"),
        ({"at": pa.array([-(2**60)], pa.timestamp("us"))}, "Value out of range for column 'at'"),
        ({"at": pa.array([2**52], pa.timestamp("ms"))}, "Value out of range for column 'at'"),
        ({"d": pa.array([2**31 - 1], pa.date32())}, "Value out of range for column 'd'"),
        ({"v": bad_text}, "Bad UTF-8 hex sequence: e9 (error 2)"),
        ({"v": ["a\0b"]}, "Bad UTF-8 hex sequence: 00"),
        ({"v": pa.array([None])}, "incompatible Parquet schema"),
    ):
        url = table.put(parquet(**{**good, **changed}))
        with pytest.raises(psycopg2.errors.InternalError_, match="Spectrum Scan Error") as caught:
            table.run(f"COPY {table.name}_d FROM '{url}' {ROLE} PARQUET")
        assert words in caught.value.diag.message_detail, changed
        connection.rollback()
    url = table.put(parquet(**{**good, "v": bad_text}))
    table.run(f"COPY {table.name}_d FROM '{url}' {ROLE} PARQUET ACCEPTINVCHARS")
    assert table.run(f"SELECT p, v FROM {table.name}_d") == [(Decimal("1.23"), "caf?")]


def test_a_text_that_a_dictionary_holds_once_takes_no_large_memory(texts):
    many = pa.array(["x" * 65_535] * 2_000).dictionary_encode()
    count = len(many)
    body = typed(n=pa.array(range(count), pa.int32()), v=many, w=["b"] * count)
    assert len(body) < 1 << 20
    before = pa.total_allocated_bytes()
    pa.default_memory_pool().release_unused()
    assert len(texts.load(body, "PARQUET")[0]) == count
    assert pa.default_memory_pool().max_memory() - before < 200 << 20


# -- types and options ---------------------------------------------------------------------------


@conforms("COPY: what loads", "NUMERIC without precision is NUMERIC(18,0)", "r_Numeric_types201")
def test_numeric_without_precision(bucket, connection):
    table = Table(bucket, connection)
    table.run(f"CREATE TABLE {table.name}_n (a NUMERIC, b DECIMAL)")
    url = table.put("1.567,-2.9\n999999999999999999,1\n9999999999999999999,1\n")
    table.run(f"COPY {table.name}_n FROM '{url}' {ROLE} CSV MAXERROR 2")
    assert table.run(f"SELECT a, b FROM {table.name}_n ORDER BY a") == [
        (1, -2), (999_999_999_999_999_999, 1)
    ]  # fmt: skip
    assert table.errors()[0][1:] == (
        "a", "numeric", "9999999999999999999", 1204,
        "Overflow, Value '9999999999999999999', Type: Decimal",
    )  # fmt: skip


@conforms(
    "COPY: what loads",
    "TIMEFORMAT 'auto': the formats of AWS's table, month first where two orders are possible",
    "automatic-recognition; estuary connectors (no finer fractions than microseconds)",
)
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2019-02-11T05:09:12.195Z", "2019-02-11 05:09:12.195"),
        ("J2451187", "1999-01-08 00:00:00"),
        ("Jan-08-95 BC", "0095-01-08 00:00:00 BC"),
        ("19960108 040809", "1996-01-08 04:08:09"),
        ("960108 040809", "1996-01-08 04:08:09"),
        ("1996.008", "1996-01-08 00:00:00"),
        ("17 Dec 07:37:16 1997 PST", "1997-12-17 15:37:16"),
        ("12/17/1997 07:37:16.00 PST", "1997-12-17 15:37:16"),
        ("1997-12-17 07:37:16-08", "1997-12-17 15:37:16"),
        ("17.12.1997 07:37:16.00 PST", "1997-12-17 15:37:16"),
        ("10-MAR-25", "2025-03-10 00:00:00"),
        ("2024-01-02 12:30:45.1234567", None),
        ("1704198645", None),
        ("0000-01-01", None),
    ],
)
def test_automatic_recognition(table, text, expected):
    for style in ("ISO, MDY", "ISO, YMD"):
        table.cursor.execute_postgres(f"SET datestyle TO '{style}'")
        table.connection.commit()
        table.put(f"a,1,,{text}\n")
        table.copy("CSV TIMEFORMAT 'auto' MAXERROR 2")
        found = table.run(f"SELECT TO_CHAR(at, 'YYYY') || ' ' || at FROM {table.name}")
        assert [row[0].partition(" ")[2] for row in found] == ([expected] if expected else [])
        table.cursor.execute_postgres("SHOW datestyle")
        assert table.cursor.fetchone()[0] == style
        table.connection.rollback()


@conforms("COPY: what fails", "a year before Christ needs 'auto'", "automatic-recognition")
@pytest.mark.parametrize("text", ["0001-01-01 BC", "0001-01-01 00:00:00 BC", "-0001-01-01"])
def test_a_year_before_christ(table, text):
    table.put(f"a,1,,{text}\n")
    table.copy("CSV MAXERROR 2")
    assert table.rows() == [] and table.errors()[0][4] == 1206


@conforms("COPY: what fails", "TIMESTAMPTZ names its own format", "r_DATEFORMAT_and_TIMEFORMAT")
def test_the_format_of_a_timestamp_with_time_zone(bucket, connection):
    table = Table(bucket, connection)
    table.run(f"CREATE TABLE {table.name}_z (at TIMESTAMPTZ)")
    url = table.put("soon\n")
    table.run(f"COPY {table.name}_z FROM '{url}' {ROLE} CSV MAXERROR 2")
    assert table.errors()[0][-1] == ("Invalid timestamp format or value [YYYY-MM-DD HH24:MI:SSOF]")


@conforms(
    "COPY: what fails", "REMOVEQUOTES without an end quote: 1214", "copy-parameters-data-conversion"
)
def test_quotes_that_are_removed(texts):
    body = "1|'a|b'|\"c\"\n2|' 'Black' '|x'\n3|'Blue|y\n"
    rows, errors = texts.load(body, f"REMOVEQUOTES {MANY}")
    assert rows == [(1, "a|b", "c"), (2, " 'Black' ", "x'")]
    assert errors == [(3, "v", 1214, "Delimited value missing end quote", "3|'Blue|y")]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("CSV QUOTE ''", "QUOTE must be"), ("CSV QUOTE 'ab'", "QUOTE must be"),
        ("CSV QUOTE ','", "must not be the same"), ("CSV DELIMITER '\"'", "must not be the same"),
        ("DELIMITER ''", "DELIMITER must be"), (r"DELIMITER '\n'", "DELIMITER must be"),
        (r"CSV NULL AS '\n'", "NULL AS must not"),
    ],
)  # fmt: skip
def test_marks_that_are_not_distinct(table, options, words):
    table.put("a,1,,\n")
    with pytest.raises(psycopg2.errors.SyntaxError, match=words):
        table.copy(options)


def test_a_view_is_no_target(table):
    table.run(f"CREATE VIEW {table.name}_view AS SELECT id FROM {table.name}")
    url = table.put("a\n")
    with pytest.raises(psycopg2.Error, match="cannot copy to view"):
        table.run(f"COPY {table.name}_view FROM '{url}' {ROLE} CSV")


@pytest.mark.parametrize("body", ["[" * 100_000, '{"a":' * 50_000, '{"v":' + "[" * 3_000, "{" * 9])
def test_deep_documents(texts, body):
    rows, errors = texts.load(f'{{"n":1}}\n{body}\n{{"n":2}}\n', f"JSON 'auto' {MANY}")
    assert rows == [(1, None, None), (2, None, None)]
    assert [error[:4] for error in errors] == [(2, "", 1216, "Invalid input line.")]


# -- laws ----------------------------------------------------------------------------------------

PIECES = st.lists(
    st.sampled_from(
        [b'"', b'""', b",", b",", b"\n", b"\n", b"\r\n", b"\r", b" ", b"a", b"1", b"12", b"x y",
         "é€".encode(), b"\xe9", b"\0", b"\\N", b"\\.", b"\x01", b"\x02", b"\\", b"|", b"'",
         b"\xef\xb7\x90", b"1,a,b\n", b'2,"c, d",e\n', b"\n3,f,g", b"{", b"}"]
    )
    | st.binary(max_size=4),
    max_size=30,
).map(b"".join)  # fmt: skip
BOUNDED = {
    "deadline": None,
    "max_examples": 60,
    "suppress_health_check": [HealthCheck.function_scoped_fixture],
}


def simple_records(body):
    """Count CSV records: a character at a time; one with wrong quotes is its first line."""
    lines = re.findall(rb"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+$", body)
    at = count = 0
    while at < len(lines):
        at += _lines_of_a_record([line.decode(errors="surrogateescape") for line in lines[at:]])
        count += 1
    return count


def _lines_of_a_record(lines):
    state = "start"  # of a field: start, plain, quoted, closing (behind a quote), closed
    for number, line in enumerate(lines, 1):
        for character in line:
            is_end = character in ",\r\n"
            if state == "quoted":
                state = "closing" if character == '"' else "quoted"
            elif state == "closing" and character == '"':
                state = "quoted"
            elif is_end:
                state = "start"
            elif character == '"':
                if state != "start":
                    return 1
                state = "quoted"
            elif character in " \t":
                state = "closed" if state == "closing" else state
            elif state in ("closing", "closed"):
                return 1
            else:
                state = "plain"
        if state != "quoted":
            return number
    return 1


@conforms("COPY: what fails", "every record of random bytes is a row or an error", "this project")
@given(PIECES, st.sampled_from(["CSV", "CSV NULL AS 'a'", "CSV EMPTYASNULL"]))
@example(b'1,"Ana,a\n2,Bob,b\n3,"x",c\n', "CSV")
@example(b' "a" \r\r\n"\r"', "CSV")
@settings(**BOUNDED)
def test_every_csv_record_is_a_row_or_an_error(texts, body, options):
    rows, errors = texts.three_ways(body, f"{options} {MANY}")
    assert isinstance(rows, list), rows
    assert len(rows) + len(errors) == simple_records(body)


@conforms("COPY: what fails", "every line of random bytes is a row or an error", "this project")
@given(PIECES, st.sampled_from(["DELIMITER ','", "DELIMITER ',' NULL AS 'a'"]))
@settings(**BOUNDED)
def test_every_line_is_a_row_or_an_error(texts, body, options):
    rows, errors = texts.three_ways(body, f"{options} {MANY}")
    assert isinstance(rows, list), rows
    assert len(rows) + len(errors) == len(re.findall(rb"[^\n]*\n|[^\n]+$", body))


@given(
    PIECES,
    st.sampled_from(
        ["CSV ACCEPTINVCHARS", "ESCAPE", "REMOVEQUOTES ESCAPE", "CSV FILLRECORD", "CSV GZIP",
         "JSON 'auto'", "JSON 'auto ignorecase'", "CSV ENCODING UTF16", "BZIP2", "ZSTD",
         "FIXEDWIDTH 'n:2,v:3,w:4'", "CSV NULL AS '\\\\0'", "PARQUET", "CSV IGNOREHEADER 2",
         "CSV IGNOREBLANKLINES TRIMBLANKS BLANKSASNULL", "JSON 'auto' GZIP"]
    ),
)  # fmt: skip
@settings(**BOUNDED)
def test_no_bytes_end_a_session(texts, body, options):
    errors = "" if options == "PARQUET" else MANY
    rows, _ = texts.load(body, f"{options} {errors}")
    if isinstance(rows, str):
        assert rows.startswith(("Spectrum Scan Error", "failed to inflate")), rows


def _sample():
    sink = io.BytesIO()
    pq.write_table(
        pa.table({"n": pa.array(range(50), pa.int32()), "v": ["words"] * 50, "w": ["é"] * 50}), sink
    )
    rows = b"".join(b'{"n": %d, "v": "a \\u00e9", "w": null}\n' % n for n in range(50))
    return {
        "PARQUET": sink.getvalue(), f"JSON 'auto' {MANY}": rows,
        f"JSON 'auto' GZIP {MANY}": gzip.compress(rows),
    }  # fmt: skip


SAMPLES = _sample()


@given(
    st.sampled_from(list(SAMPLES)),
    st.lists(st.tuples(st.floats(0, 1), st.binary(max_size=3), st.integers(0, 3)), max_size=3),
    st.floats(0.3, 1.5),
)
@settings(**BOUNDED)
def test_no_changed_file_ends_a_session(texts, options, changes, kept):
    body = SAMPLES[options]
    for place, inserted, removed in changes:
        at = int(place * len(body))
        body = body[:at] + inserted + body[at + removed :]
    body = body[: int(kept * len(body))]
    rows, _ = texts.load(body, options)
    if isinstance(rows, str):
        assert rows.startswith(("Spectrum Scan Error", "failed to inflate")), rows


# -- names ---------------------------------------------------------------------------------------

NAMES = ["line", "raw", "file_no", "doc_no", "doc", "f0", "select", 'we"ird', "per%cent", "%s",
         "x\"\" from program 'id' --", "b'c", "é" * 29, "n" * 58, "n" * 63, "$1", "a.b", "a b",
         "x\" text);commit;create table pwned(a int);--"]  # fmt: skip
FORMS = {"CSV": 'good,1\n"too long",2\n', "DELIMITER ','": "good,1\ntoo long,2\n",
         "JSON 's3://copy-tests/names.json'": '["good", 1]\n["too long", 2]\n'}  # fmt: skip


@conforms(
    "COPY: what loads",
    "names of any characters, also those of its own tables",
    "r_names; this project",
)
@given(
    st.lists(
        st.sampled_from(NAMES)
        | st.text(st.characters(codec="utf-8", exclude_characters="\0#"), min_size=1, max_size=12),
        min_size=5, max_size=5, unique_by=str.lower,
    ).filter(lambda names: all(name == name.lower() for name in names)),
    st.sampled_from(list(FORMS)),
    st.booleans(),
)  # fmt: skip
@example(["line", "raw", "file_no", "doc_no", "f0"], "CSV", False)
@example(["x\"\" from program 'id' --", 'we"ird', "n" * 60, "n" * 61, "n" * 62], "CSV", True)
@settings(**BOUNDED)
def test_names_are_names(bucket, connection, names, form, is_renamed):
    """A load finds its table and columns, their limits too, whatever the names say."""
    table, text, number, other, new = ('"' + name.replace('"', '""') + '"' for name in names)
    with connection.cursor() as cursor:
        paths = json.dumps({"jsonpaths": ["$[0]", "$[1]"]})
        bucket.put_object(Bucket="copy-tests", Key="names.json", Body=paths)
        bucket.put_object(Bucket="copy-tests", Key="names/a", Body=FORMS[form])

        def run(statement):
            cursor.execute(statement.replace("%", "%%"), ())

        run(f"CREATE TEMP TABLE {table} ({text} VARCHAR(5), {number} INTEGER)")
        if is_renamed:
            run(f"ALTER TABLE {table} RENAME COLUMN {text} TO {new}")
            run(f"ALTER TABLE {table} ADD COLUMN {text} VARCHAR(9)")
            run(f"ALTER TABLE {table} DROP COLUMN {text}")
            run(f"ALTER TABLE {table} ADD COLUMN {other} VARCHAR(9)")
        columns = f"({new if is_renamed else text}, {number})"
        run(f"COPY {table} {columns} FROM 's3://copy-tests/names/a' {ROLE} {form} MAXERROR 9")
        run(f"SELECT {new if is_renamed else text}, {number} FROM {table}")
        assert cursor.fetchall() == [("good", 1)]
        run("SELECT err_code FROM stl_load_errors WHERE query = pg_last_copy_id()")
        assert cursor.fetchall() == [(1204,)]
    connection.rollback()


def test_a_clients_tables_are_not_taken_for_those_of_copy(texts):
    texts.run("CREATE TEMP TABLE redshift_copy_stage (a INT)")
    texts.run("CREATE TEMP TABLE redshift_copy_lines (a INT)")
    document = '{"n": 1, "v": "a", "w": "b"}\n[]\n'
    for body, options in (("1,a,b\nx,a,b\n", "CSV"), (document, "JSON 'auto'")):
        rows, errors = texts.load(body, f"{options} MAXERROR 5")
        assert (rows, len(errors)) == ([(1, "a", "b")], 1)


@pytest.mark.parametrize(
    "content",
    ['{"entries": [{"url": 5}]}', '{"entries": [{"url": null}]}', '{"entries": [{}]}',
     '{"entries": [{"url": "s3://copy-tests/a", "meta": 5}]}', '{"entries": 5}', "[]", "null", "x",
     '{"entries": ["s3://copy-tests/a"]}', '{"entries": [null]}', "[" * 100_000, "\xff",
     '{"entries": [{"url": "s3://"}]}', '{"entries": {"url": "s3://copy-tests/a"}}'],
)  # fmt: skip
@pytest.mark.parametrize("form", ["CSV", "PARQUET"])
def test_a_manifest_of_any_content_is_read_or_refused(texts, content, form):
    rows, _ = texts.load(content.encode("latin-1"), f"{form} MANIFEST", "manifest")
    assert "manifest" in rows.lower() or "meta" in rows, rows


def test_utf16_without_a_byte_order_mark_says_so(texts):
    rows, _ = texts.load("1,a,b\n".encode("utf-16-le"), "CSV ENCODING UTF16")
    assert rows.endswith("_w' failed: the file has no byte order mark")


def test_documents_that_are_arrays_load_by_their_paths(texts):
    url = texts.put(json.dumps({"jsonpaths": ["$[0]", "$[1]", "$[2]['x']"]}), "paths/p")
    body = '[1, "Sports", {"x": "a"}]\n[2,\n null, {"x": "b"}]\n[3]\n{"a": 1}\n'
    rows, errors = texts.load(body, f"JSON '{url}' MAXERROR 9")
    assert rows == [(1, "Sports", "a"), (2, None, "b")]
    assert [error[2] for error in errors] == [1216, 1216]
