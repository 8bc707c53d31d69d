"""Plain files load past the staging table: what that may change is the time it takes."""

import io
import json
import uuid
from decimal import Decimal

import psycopg2
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from src.local_cloud.redshift.copying import lines as line_blocks
from src.local_cloud.redshift.copying import row_stream, text_loading
from src.local_cloud.redshift.copying.fast import sieve
from tests.conformance import conforms
from tests.integration.conftest import BUCKET, Table, parquet

COLUMNS = {
    "i": "SMALLINT", "n": "INTEGER", "b": "BIGINT", "p": "DECIMAL(6,2)", "f": "FLOAT8", "r": "REAL",
    "o": "BOOLEAN", "d": "DATE", "at": "TIMESTAMP", "tz": "TIMESTAMPTZ", "v": "VARCHAR(6) NOT NULL",
    "w": "VARCHAR(40)", "c": "CHAR(4)",
}  # fmt: skip
ROLE = "IAM_ROLE 'arn:aws:iam::123456789012:role/r'"
NOON = "2024-01-02 12:30:45"
PLAIN = {"i": "1", "n": "-20", "b": "300", "p": "4.50", "f": "0.25", "r": "1.5", "o": "t",
         "d": "2024-01-02", "at": NOON, "tz": NOON, "v": "abc", "w": "some words",
         "c": "code"}  # fmt: skip
# Each is a value for somebody: for Redshift, PostgreSQL, Arrow or Python.
NUMBERS = [
    "", "5", "-5", "+5", " 5", "5 ", "0x1F", "0b1", "1_0", "5.0", "40000", "3000000000", "1e3",
    "1E3", "007", "-", "--1", ".", ".5", "5.", "1.239", "-1.239", "12345.67", "9999.999", "nan",
    "inf", "-inf", "1e400", "1e-320", "1e39", "1e-46", "-0", "0.1", "123456789012345678901",
]  # fmt: skip
MOMENTS = [
    "2024-02-30", "2024-1-2", "20240102", "0000-01-01", "0001-01-01", "10000-01-01", "infinity",
    "today", "epoch", "2024-01-02 BC", f"{NOON}.123456", f"{NOON}.1234567", f"{NOON}.",
    f"{NOON}+02", f"{NOON}-05", f"{NOON}Z", "2024-01-02T12:30:45", "2024-01-02T12:30:45Z",
    "2024-01-02 24:00:00", "2024-01-02 23:59:60", "2024-01-02 12:30", "2024-01-02 12", NOON,
    "01/02/2024", "02.01.2024", "2024-01-02  12:30:45", "2024-01-02 12:30:4", "-024-01-02",
    "1704198645", "2024-01-02-03:04:05",
]  # fmt: skip
WORDS = [
    "true", "TRUE", "yes", "on", "2", "f", "null", "NULL", "\\N", "\\.", "é", "€€€€", "a\x01b",
    "a\x02b", "a\x7fb", "  ", "abcdef ", "abcdefg", "abcdef     ", "\t", "x\\y", "\ufeff",
]  # fmt: skip
QUOTED = ['""', '"5"', '"a,b"', '"a""b"', 'a"b', ' "a"', '"a" ', '"', '"a\nb"', '"\r\n"', '""x']


@pytest.fixture(scope="module")
def loads(cloud, bucket):
    """Load a body twice, past the staging table where that may be and always through it."""
    connection = cloud.connect_redshift()
    cursor = connection.cursor()
    cursor.execute(
        f"CREATE TEMP TABLE plain ({', '.join(f'{name} {kind}' for name, kind in COLUMNS.items())})"
    )
    prefix = f"plain/{uuid.uuid4().hex[:12]}"

    connection.commit()

    def load(body, options, errors="MAXERROR 1000"):
        bucket.put_object(Bucket=BUCKET, Key=f"{prefix}/a", Body=body)
        try:
            return loaded(f"COPY plain FROM 's3://{BUCKET}/{prefix}/' {ROLE} {errors} {options}")
        finally:
            connection.rollback()

    def loaded(statement):
        try:
            cursor.execute(statement)
        except psycopg2.Error as error:
            connection.rollback()
            refusal = [str(error).splitlines()[0]]
        else:
            refusal = []
        # As text: Python has no year 10000.
        fields = ", ".join(f"CAST({name} AS VARCHAR)" for name in COLUMNS)
        cursor.execute(f"SELECT {fields} FROM plain ORDER BY {', '.join(COLUMNS)}")
        rows = [repr(row) for row in cursor.fetchall()]
        cursor.execute(
            "SELECT line_number, colname, type, col_length, position, raw_line, raw_field_value, "
            "err_code, err_reason FROM stl_load_errors WHERE query = pg_last_copy_id()"
        )
        errors = sorted(cursor.fetchall())
        cursor.execute(
            "SELECT line_number, field, colname, value, is_null FROM stl_loaderror_detail "
            "WHERE query = pg_last_copy_id()"
        )
        errors += sorted(cursor.fetchall())
        cursor.execute("SELECT lines_scanned FROM stl_load_commits WHERE query = pg_last_copy_id()")
        return rows, refusal + errors, cursor.fetchall()

    def both(body, options, errors="MAXERROR 1000"):
        mixed = load(body, options, errors)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(text_loading, "may_be_plain", lambda *_: False)
            staged = load(body, options, errors)
        return mixed, staged

    both.load = load
    yield both
    connection.close()


def differing(fragments):
    """Rows of plain fields, a few of which are something else."""
    odd = st.dictionaries(st.sampled_from(list(COLUMNS)), fragments, max_size=2)
    return st.lists(odd.map(lambda changes: {**PLAIN, **changes}), min_size=1, max_size=4)


FRAGMENTS = st.sampled_from(NUMBERS + MOMENTS + WORDS) | st.text(max_size=8).filter(
    lambda text: "\0" not in text and text.isprintable()
)
OPTIONS = [
    "CSV", "CSV EMPTYASNULL", "CSV NULL AS ''", "CSV NULL AS 'null'", "CSV TIMEFORMAT 'auto'",
    "CSV DATEFORMAT 'auto' TIMEFORMAT 'auto'", "CSV TRUNCATECOLUMNS", "CSV ROUNDEC", "CSV GZIP",
    "CSV ACCEPTANYDATE", "CSV IGNOREHEADER 1", "CSV QUOTE AS ''''", "DELIMITER ','",
    "DELIMITER ',' EMPTYASNULL",
]  # fmt: skip
SETTINGS = {"max_examples": 100}


@conforms(
    "COPY: what loads",
    "delimited files load alike past the staging table and through it (random files)",
    "this project",
)
@given(
    differing(FRAGMENTS | st.sampled_from(QUOTED)),
    st.sampled_from([option for option in OPTIONS if "GZIP" not in option]),
    st.sampled_from(["\n", "\n", "\r\n", "\r"]),
    st.booleans(),
)
@example([{**PLAIN, "n": "0x1F"}], "CSV", "\n", True)  # PostgreSQL and Arrow would take it
@example([{**PLAIN, "v": '"a\nb"'}, {**PLAIN, "w": 'x"'}], "CSV", "\n", True)
@settings(**SETTINGS)
def test_delimited_files_load_alike_by_both_ways(loads, rows, options, ends, is_ended):
    lines = [",".join(row.values()) for row in rows]
    body = ends.join(lines) + (ends if is_ended else "")
    mixed, staged = loads(body.encode(), options)
    assert mixed == staged


# Whole records that no fields of other records could be.
BROKEN = [
    b"", b",", b"a,b", b",".join([b"1"] * 14), b"\xff" * 3, b"1,\xe2\x82,3", b"a\0b", b"\\.",
    b'"', b'""', b'a"b"c', b'"a"b', b"\x02", "é".encode(), b"\r",
]  # fmt: skip


@conforms(
    "COPY: what fails",
    "bad records among plain ones: the same rows, errors and refusals by both ways (random files)",
    "this project",
)
@given(
    st.lists(
        differing(FRAGMENTS | st.sampled_from(QUOTED)).map(
            lambda rows: ",".join(rows[0].values()).encode()
        )
        | st.sampled_from(BROKEN + [",".join(PLAIN.values()).encode()] * 10),
        min_size=3, max_size=20,
    ),
    st.sampled_from([option for option in OPTIONS if "GZIP" not in option]),
    st.sampled_from(["MAXERROR 1000", "MAXERROR 2", ""]),
    st.sampled_from([b"\n", b"\n", b"\r\n"]),
    st.sampled_from([100, 400, 1 << 20]),
)  # fmt: skip
@settings(**SETTINGS)
def test_bad_records_among_plain_ones_load_alike(loads, records, options, errors, ends, size):
    body = ends.join([",".join(PLAIN.values()).encode(), *records])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(line_blocks, "BLOCK_BYTES", size)
        patch.setattr(sieve, "_MOST_LEFT", 1.0)
        mixed, staged = loads(body, options, errors)
    assert mixed == staged


@pytest.mark.parametrize("options", ["CSV", "DELIMITER ','", "CSV EMPTYASNULL IGNOREHEADER 2"])
def test_only_the_bad_records_are_staged(loads, monkeypatch, options):
    staged = []
    monkeypatch.setattr(
        text_loading._TextStage, "add_left_over", lambda _, number, left: staged.append(left)
    )
    lines = [",".join({**PLAIN, "n": str(n)}.values()) for n in range(400)]
    for at in range(7, 400, 50):
        lines[at] = lines[at].replace(f",{at},", ",x,", 1)
    lines[100], lines[200] = "too,few", lines[200] + "\xff"
    body = "\n".join(lines).encode("latin-1")
    rows, _, _ = loads.load(body, options)
    numbers = [8, 58, 101, 108, 158, 201, 208, 258, 308, 358]
    assert len(rows) == 400 - len(numbers) - (2 if "HEADER" in options else 0)
    assert staged[0].lines == numbers
    assert staged[0].body.splitlines() == [body.splitlines()[number - 1] for number in numbers]


VALUES = (
    FRAGMENTS.map(json.dumps)
    | st.sampled_from(
        [number for number in NUMBERS if number]
        + ["null", "true", "false", "[1, 2]", '{"a": 1.0}', '"\\u00e9"', '"\\u0000"', '"\\ud800"']
        + ["NaN", "Infinity", "01", '"a\nb"', '"\\\\N"', '"a\\/b"', "1.50", "-0.0", "{}"]
    )
)  # fmt: skip


@conforms(
    "COPY: what loads",
    "JSON files load alike past the staging table and through it (random files)",
    "this project",
)
@given(
    st.lists(
        st.dictionaries(st.sampled_from([*COLUMNS, "V", "other"]), VALUES, max_size=2),
        min_size=1, max_size=4,
    ),
    st.sampled_from(["JSON 'auto'", "JSON 'auto' EMPTYASNULL", "JSON 'auto' TIMEFORMAT 'auto'"]),
    st.sampled_from(["\n", "\n", " ", "", "\r\n", ",\n", "\nnull\n", "null"]),
)  # fmt: skip
@example([{}, {}], "JSON 'auto' IGNOREHEADER 1", "\n")  # JSON has no header
@example([{"V": "NaN"}], "JSON 'auto'", "\n")  # which Arrow forgives
@example([{"V": "[1, -Infinity]"}], "JSON 'auto'", "\n")
@settings(**SETTINGS)
def test_json_files_load_alike_by_both_ways(loads, rows, options, between):
    plain = {
        name: value if name in "inbpfr" else json.dumps(value) for name, value in PLAIN.items()
    }
    plain["o"] = "true"
    documents = [
        "{" + ", ".join(f'"{name}": {value}' for name, value in {**plain, **row}.items()) + "}"
        for row in rows
    ]
    mixed, staged = loads(between.join(documents).encode("utf-8", "surrogatepass"), options)
    assert mixed == staged


@pytest.mark.parametrize(
    ("body", "options"),
    [
        (",".join(PLAIN.values()) + "\n", "CSV"),
        (",".join(PLAIN.values()) + "\r\n", "CSV"),
        (",".join(f'"{value}"' for value in PLAIN.values()) + "\n", "CSV"),
        ("|".join(PLAIN.values()), ""),
        (",,,,,,,,,,a,,\n", "CSV EMPTYASNULL"),
        ("head\n" + ",".join(PLAIN.values()), "CSV IGNOREHEADER 1"),
        (json.dumps({"v": 17, "w": "x"}) + json.dumps({"v": -3}), "JSON 'auto'"),
        (json.dumps({"v": "x", "n": 5, "p": 1.25, "at": NOON, "o": True}), "JSON 'auto'"),
    ],
)
def test_plain_files_need_no_staging(loads, monkeypatch, body, options):
    monkeypatch.setattr(text_loading, "_new_stage", lambda *_: pytest.fail("staged"))
    rows, errors, scanned = loads.load(body.encode(), options)
    expected = 2 if "17" in body else 1
    assert (len(rows), errors, scanned) == (expected, [], [(expected,)])


@pytest.mark.parametrize("size", [16, 100, 1 << 20])
def test_blocks_of_any_size_load_alike(loads, monkeypatch, size):
    monkeypatch.setattr(line_blocks, "BLOCK_BYTES", size)
    rows = [{**PLAIN, "n": str(n), "w": f'"line {n}\nand ""more"", quoted"'} for n in range(50)]
    mixed, staged = loads("".join(",".join(r.values()) + "\n" for r in rows).encode(), "CSV")
    assert mixed == staged
    assert len(mixed[0]) == 50


TYPED = {
    "i": (st.integers(-(2**15), 2**15 - 1), pa.int64()),
    "n": (st.integers(-(2**31), 2**31 - 1), pa.int32()),
    "b": (st.integers(-(2**63), 2**63 - 1), pa.int64()),
    "p": (st.decimals(-9999, 9999, places=2), pa.decimal128(6, 2)),
    "f": (st.floats(allow_subnormal=False), pa.float64()),
    "r": (st.floats(width=32, allow_subnormal=False), pa.float32()),
    "o": (st.booleans(), pa.bool_()),
    "d": (st.dates(), pa.date32()),
    "at": (st.datetimes(), pa.timestamp("us")),
    "tz": (st.datetimes(), pa.timestamp("us", tz="UTC")),
    "v": (st.text('aé€👍 ,"\\', max_size=1), pa.string()),
    "w": (st.sampled_from(["", "é", "€", "a" * 40]), pa.large_string()),
    "c": (st.text('ab ,"', max_size=4), pa.string()),
}
ROW = st.tuples(
    *(values if name == "v" else st.none() | values for name, (values, _) in TYPED.items())
)


@conforms("COPY: what loads", "random Parquet rows arrive as they were", "this project")
@given(st.lists(ROW, min_size=1, max_size=5))
@settings(**SETTINGS)
def test_parquet_loads_alike_in_binary_and_as_text(loads, rows):
    columns = {
        name: pa.array([row[at] for row in rows], kind)
        for at, (name, (_, kind)) in enumerate(TYPED.items())
    }
    sink = io.BytesIO()
    pq.write_table(pa.table(columns), sink)
    binary = loads.load(sink.getvalue(), "PARQUET", errors="")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(row_stream, "can_be_binary", lambda *_: False)
        text = loads.load(sink.getvalue(), "PARQUET", errors="")
    assert binary == text
    assert len(binary[0]) == len(rows)


@pytest.mark.parametrize("scale", [0, 2, 4, 5, 12])
@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_decimals_and_moments_of_any_scale(bucket, connection, scale, unit):
    table = Table(bucket, connection)
    table.run(f"CREATE TABLE {table.name}_p (p DECIMAL(18, {scale}), at TIMESTAMP)")
    connection.commit()
    decimals = [Decimal(n).scaleb(-scale) for n in (0, 1, -1, 10_000, 99_999, 123_456_789_012)]
    moments = pa.array([0, 1, -1, 999_999_999, -1_000_000_001, 7], pa.timestamp(unit))
    url = table.put(parquet(p=pa.array(decimals, pa.decimal128(18, scale)), at=moments))

    def loaded():
        table.run(f"COPY {table.name}_p FROM '{url}' {ROLE} PARQUET")
        found = table.run(f"SELECT p, CAST(at AS VARCHAR) FROM {table.name}_p ORDER BY p")
        connection.rollback()
        return found

    binary = loaded()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(row_stream, "can_be_binary", lambda *_: False)
        assert loaded() == binary
    assert [row[0] for row in binary] == sorted(decimals)


def test_a_bad_row_behind_plain_blocks_leaves_nothing_twice(loads, monkeypatch):
    monkeypatch.setattr(line_blocks, "BLOCK_BYTES", 256)
    lines = [",".join({**PLAIN, "n": str(n)}.values()) for n in range(200)]
    lines[150] = lines[150].replace("150", "x", 1)
    mixed, staged = loads("\n".join(lines).encode(), "CSV")
    assert mixed == staged
    assert len(mixed[0]) == 199
    assert mixed[1][0][0] == 151
