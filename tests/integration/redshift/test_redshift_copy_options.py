"""The options of COPY beyond the pipeline's own. Source: reference sections 3.1 and 4.7-4.9."""

import io
import json
from decimal import Decimal

import psycopg2
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.conformance import conforms
from tests.integration.conftest import Table, parquet


def a(n=None, p=None, at=None, id="a"):
    return (id, n, None if p is None else Decimal(p), at)


NOON = "2024-01-02 12:30:45"

LOADS = [
    # rounding
    ("a,1,20.259,\n", "CSV", [a(1, "20.25")]),
    ("a,1,20.259,\n", "CSV ROUNDEC", [a(1, "20.26")]),
    ("a,1,-20.255,\n", "CSV ROUNDEC", [a(1, "-20.26")]),
    # ragged and blank lines
    ("a\n", "CSV FILLRECORD", [a()]),
    ("a,1\n", "CSV FILLRECORD", [a(1)]),
    ("a,1,,\n\nb,2,,\n", "CSV IGNOREBLANKLINES", [a(1), a(2, id="b")]),
    ("a|1||\n\n", "IGNOREBLANKLINES", [a(1)]),
    # quotes and escapes in delimited text
    ("'a|b'|1||\n", "REMOVEQUOTES", [a(1, id="a|b")]),
    ('"x"|"1"|"2.5"|\n', "REMOVEQUOTES", [a(1, "2.50", id="x")]),
    ("it's|1||\n", "REMOVEQUOTES", [a(1, id="it's")]),
    ("a\\|b|1||\n", "ESCAPE", [a(1, id="a|b")]),
    ("a\\\\b|1||\n", "ESCAPE", [a(1, id="a\\b")]),
    ("a\\\nb|1||\n", "ESCAPE", [a(1, id="a\nb")]),
    ("a|\\N|\\N|\n", "ESCAPE", [a()]),
    ("a\\b|1||\n", "", [a(1, id="a\\b")]),
    ('"a"|1||\n', "", [a(1, id='"a"')]),
    ("a\x011\x01\x01\n", r"DELIMITER '\001'", [a(1)]),
    ("a~|~1~|~~|~\n", "DELIMITER '~|~' ESCAPE", [a(1)]),
    ("a~|~1~|~~|~\n", "DELIMITER '~|~'", [a(1)]),
    ("\x02a|1||\nb\x02|2||\n", "", [a(1, id="\x02a"), a(2, id="b\x02")]),
    ("\x00|1||\nb|2||\n", r"NULL AS '\000' MAXERROR 2", [a(2, id="b")]),
    # columns of fixed width
    ("abc   7  1.5   2024-01-02 12:30:45\n", "FIXEDWIDTH 'id:6,n:3,p:6,at:19'",
     [a(7, "1.50", NOON, id="abc")]),
    ("abc   7\n", "FIXEDWIDTH AS '0:6,1:3,2:6,3:19' FILLRECORD", [a(7, id="abc")]),
    # bytes that are no text
    (b"a\xff\xfe,1,,\n", "CSV ACCEPTINVCHARS", [a(1, id="a??")]),
    (b"a\xff,1,,\n", "CSV ACCEPTINVCHARS AS '^'", [a(1, id="a^")]),
    ("é,1,,\n".encode("iso-8859-1"), "CSV ENCODING ISO88591", [a(1, id="é")]),
    ("€,1,,\n".encode("utf-16"), "CSV ENCODING UTF16", [a(1, id="€")]),
    ("€,1,,\n".encode("utf-16-le"), "CSV ENCODING AS UTF16LE", [a(1, id="€")]),
    # dates and times
    ("a,1,,1704198645\n", "CSV TIMEFORMAT 'epochsecs'", [a(1, at=NOON)]),
    ("a,1,,1704198645500\n", "CSV TIMEFORMAT 'epochmillisecs'", [a(1, at=NOON + ".5")]),
    ("a,1,,01/02/2024 12:30:45\n", "CSV TIMEFORMAT 'auto'", [a(1, at=NOON)]),
    ("a,1,,02.01.2024 12:30:45\n", "CSV TIMEFORMAT 'auto'", [a(1, at=NOON)]),
    ("a,1,,20240102 123045\n", "CSV TIMEFORMAT 'auto'", [a(1, at=NOON)]),
    ("a,1,,Jan 2 2024 12:30:45\n", "CSV TIMEFORMAT 'auto'", [a(1, at=NOON)]),
    ("a,1,,2024-01-02T12:30:45.5Z\n", "CSV TIMEFORMAT 'auto'", [a(1, at=NOON + ".5")]),
    ("a,1,,02/01/2024 12:30\n", "CSV TIMEFORMAT 'DD/MM/YYYY HH:MI'",
     [a(1, at="2024-01-02 12:30:00")]),
    ("a,1,,02-Jan-24 12.30.45 PM\n", "CSV TIMEFORMAT 'DD-MON-YY HH12.MI.SS AM'", [a(1, at=NOON)]),
    ("a,1,,2024-01-02 14:30:45+02\n", "CSV TIMEFORMAT 'YYYY-MM-DD HH:MI:SSOF'", [a(1, at=NOON)]),
    ("a,1,,never\nb,2,,2024-01-02 12:30:45\n", "CSV ACCEPTANYDATE", [a(1), a(2, at=NOON, id="b")]),
    # everything may go wrong
    ("a,1,,\nb,x,,\n,,\n", "CSV IGNOREALLERRORS", [a(1)]),
]  # fmt: skip


@conforms(
    "COPY: what loads",
    "conversions",
    "copy-parameters-data-conversion, r_DATEFORMAT_and_TIMEFORMAT_strings, automatic-recognition",
    cases="options",
    partly="TIMEFORMAT 'auto' reads what PostgreSQL reads, less words and epochs",
)
@pytest.mark.parametrize(("body", "options", "expected"), LOADS, ids=lambda v: str(v)[:40])
def test_what_loads(table, body, options, expected):
    table.put(body)
    table.copy(options)
    assert table.rows() == expected


@conforms("COPY: what fails", "codes 1202 to 1211: values and formats", "r_Load_Error_Reference")
@pytest.mark.parametrize(
    ("body", "options", "column", "code"),
    [
        ("a,1,,\n\nb,2,,\n", "CSV", "", 1211),
        ("a,1\n", "CSV", "", 1203),
        ("abc   7\n", "FIXEDWIDTH 'id:6,n:3,p:6,at:19'", "", 1203),
        ("a,1,,1,1\n", "CSV FILLRECORD", "", 1202),
        ("a,1,,1704198645\n", "CSV TIMEFORMAT 'auto'", "at", 1206),
        ("a,1,,today\n", "CSV TIMEFORMAT 'auto'", "at", 1206),
        *(
            (f"a,1,,{text}\n", "CSV", "at", 1206)
            for text in (
                "20xx-01-02 12:30:45",
                "2024-Ja-02 12:30:45",
                "02-01-2024 12:30:45",
                "2024-01-02 12:30:PM",
                "2024-01-BC 12:30:45",
                "2024- 1-02 12:30:45",
                "2024-01-02 12: 0:45",
                "2024/01/02 12:30:45",
                "infinityyy 12:30:45",
            )
        ),
        ("a,--1,,\n", "CSV", "n", 1207),
        ("a,+,,\n", "CSV", "n", 1207),
        ("a,1-,,\n", "CSV", "n", 1207),
        ("a,99999999999,,\n", "CSV", "n", 1204),
        ("a,1,1.2.3,\n", "CSV", "p", 1209),
        ("a,1,.,\n", "CSV", "p", 1209),
        ("a,1,99999,\n", "CSV", "p", 1204),
        ("a,1,1e9,\n", "CSV", "p", 1204),
        ("a,1,,2024-13-02 12:30\n", "CSV TIMEFORMAT 'YYYY-MM-DD HH:MI'", "at", 1206),
        ("a,1,,31/02/2024\n", "CSV TIMEFORMAT 'DD/MM/YYYY'", "at", 1206),
        ("a,1,9999.999,\n", "CSV ROUNDEC", "p", 1204),
        ("a,1,,x\n", "CSV TIMEFORMAT 'epochsecs'", "at", 1206),
        ("x" * 7 + ",1,,\n", "CSV ACCEPTINVCHARS", "id", 1204),
        ("\\N,1,,\n", "CSV ACCEPTANYDATE", "id", 1213),
    ],
    ids=lambda v: str(v)[:40],
)
def test_what_is_refused(table, body, options, column, code):
    table.put(body)
    with pytest.raises(psycopg2.errors.InternalError_, match="failed"):
        table.copy(options)
    table.connection.rollback()
    ((_, found_column, _, _, found_code, _),) = table.errors()
    assert (found_column, found_code) == (column, code)


@conforms(
    "COPY: what loads",
    "DATEFORMAT for DATE, whose time is dropped",
    "r_DATEFORMAT_and_TIMEFORMAT_strings",
)
def test_a_date_column_takes_its_own_format_and_no_time(bucket, connection):
    table = Table(bucket, connection)
    table.run(f"CREATE TABLE {table.name}_d (d DATE)")
    url = table.put("02/01/2024\n")
    table.run(f"COPY {table.name}_d FROM '{url}' IAM_ROLE default CSV DATEFORMAT 'DD/MM/YYYY'")
    url = table.put("2024-01-02 23:59:59\n")
    table.run(f"COPY {table.name}_d FROM '{url}' IAM_ROLE default CSV")
    assert table.run(f"SELECT CAST(d AS VARCHAR) FROM {table.name}_d") == [("2024-01-02",)] * 2


# -- JSON paths ------------------------------------------------------------------------------

DOCUMENT = {"k": {"id": "a"}, "n": [{"v": 7}], "p q": 1.5, "o": {"x": [1, "é"]}}


def copy_paths(table, document, paths, options="", names="(id, n)"):
    url = table.put(json.dumps(document, ensure_ascii=False), "data/d")
    where = table.put(json.dumps(paths), "paths.json")
    table.copy(f"JSON '{where}' {options}", source=url, columns=names)


@conforms(
    "COPY: what loads",
    "jsonpaths in dot and bracket notation",
    "copy-usage_notes-copy-from-json",
    cases="paths",
)
@pytest.mark.parametrize(
    ("paths", "names", "expected"),
    [
        (["$.k.id", "$.n[0].v"], "(id, n)", a(7)),
        (["$['k']['id']", "$['n'][0]['v']"], "(id, n)", a(7)),
        (["$['p q']", "$.k.id"], "(p, id)", a(p="1.50")),
        (["$.k.id", "$.none.such"], "(id, n)", a()),
    ],
)
def test_paths_choose_what_fills_each_column(table, paths, names, expected):
    copy_paths(table, DOCUMENT, {"jsonpaths": paths}, names=names)
    assert table.rows() == [expected]


@conforms(
    "COPY: what loads", "an object or array loads as its text", "copy-usage_notes-copy-from-json"
)
def test_a_nested_value_is_loaded_as_its_text(bucket, connection):
    table = Table(bucket, connection)
    table.run(f"CREATE TABLE {table.name}_j (j VARCHAR(100))")
    url, where = table.put(json.dumps(DOCUMENT), "d"), table.put('{"jsonpaths": ["$.o"]}', "p")
    table.run(f"COPY {table.name}_j FROM '{url}' IAM_ROLE default JSON '{where}'")
    ((text,),) = table.run(f"SELECT j FROM {table.name}_j")
    assert json.loads(text) == DOCUMENT["o"]


@conforms(
    "COPY: what loads",
    "a file whose key is not jsonpaths means 'auto'",
    "copy-usage_notes-copy-from-json",
)
def test_a_file_without_jsonpaths_means_auto(table):
    copy_paths(table, {"id": "a", "n": 3}, {"paths": ["$.x", "$.y"]})
    assert table.rows() == [a(3)]


@conforms(
    "COPY: what fails",
    "bad JSONPaths, whatever MAXERROR",
    "copy-usage_notes-copy-from-json",
    cases="words",
)
@pytest.mark.parametrize(
    ("paths", "words"),
    [
        (["$.k.id"], "JSONPath size: 1, Number of columns in table or column list: 2"),
        (["$.k['id']", "$.n"], "Invalid JSONPath format. Supported notations"),
        (["k.id", "$.n"], "Invalid JSONPath format. Supported notations"),
    ],
)
def test_bad_paths_are_refused_before_the_load(table, paths, words):
    with pytest.raises(psycopg2.errors.InternalError_) as caught:
        copy_paths(table, DOCUMENT, {"jsonpaths": paths}, options="MAXERROR 100")
    assert words in str(caught.value)


@conforms("COPY: what fails", "an index outside of its array", "copy-usage_notes-copy-from-json")
def test_an_index_outside_of_its_array_is_an_error_of_the_row(table):
    with pytest.raises(psycopg2.errors.InternalError_):
        copy_paths(table, DOCUMENT, {"jsonpaths": ["$.k.id", "$.n[5].v"]})
    table.connection.rollback()
    assert table.errors()[0][-1] == ("Invalid JSONPath format: Not an array or index out of range.")


# -- Parquet ---------------------------------------------------------------------------------


@conforms("COPY: what loads", "FILLRECORD of Parquet", "copy-usage_notes-copy-from-columnar")
def test_parquet_with_fewer_columns_is_filled(table):
    table.put(parquet(id=["a"], n=pa.array([1], pa.int32())))
    table.copy("FORMAT AS PARQUET FILLRECORD")
    assert table.rows() == [a(1)]


@conforms("COPY: what loads", "SERIALIZETOJSON", "copy-parameters-data-format")
def test_nested_parquet_becomes_json_text(bucket, connection):
    table = Table(bucket, connection)
    table.run(f"CREATE TABLE {table.name}_j (j VARCHAR(100))")
    sink = io.BytesIO()
    pq.write_table(pa.table({"j": [{"x": [1, 2]}, None]}), sink)
    url = table.put(sink.getvalue())
    copy = f"COPY {table.name}_j FROM '{url}' IAM_ROLE default FORMAT PARQUET"
    with pytest.raises(psycopg2.errors.InternalError_, match="Spectrum"):
        table.run(copy)
    connection.rollback()
    table.run(f"CREATE TABLE {table.name}_j (j VARCHAR(100))")
    table.run(f"{copy} SERIALIZETOJSON")
    assert table.run(f"SELECT j FROM {table.name}_j ORDER BY j") == [('{"x":[1,2]}',), (None,)]


# -- NOLOAD, views, statistics ---------------------------------------------------------------


@conforms(
    "COPY: sources and options",
    "NOLOAD",
    "copy-parameters-data-load",
    partly="the message is this project's",
)
@pytest.mark.parametrize("options", ["CSV NOLOAD", "CSV NOLOAD MAXERROR 2"])
def test_noload_looks_and_loads_nothing(table, options):
    table.put("a,1,,\nb,2,,\n")
    table.copy(options)
    assert table.rows() == [] and table.run("SELECT pg_last_copy_count()") == [(0,)]
    assert "2 record(s) validated." in table.connection.notices[-1]


@conforms("COPY: sources and options", "NOLOAD finds the errors", "copy-parameters-data-load")
def test_noload_finds_the_errors(table):
    table.put("a,x,,\n")
    with pytest.raises(psycopg2.errors.InternalError_):
        table.copy("CSV NOLOAD")
    table.connection.rollback()
    assert table.errors()[0][1] == "n"


@conforms(
    "System views", "stl_loaderror_detail: every field up to the bad one", "r_STL_LOADERROR_DETAIL"
)
def test_every_field_up_to_the_bad_one_is_in_the_detail(table):
    table.put("a,1,x,\n")
    with pytest.raises(psycopg2.errors.InternalError_):
        table.copy("CSV")
    table.connection.rollback()
    found = table.run(
        "SELECT field, TRIM(colname), TRIM(value), is_null FROM stl_loaderror_detail "
        "WHERE query = pg_last_copy_id() ORDER BY field"
    )
    assert found == [(0, "id", "a", 0), (1, "n", "1", 0), (2, "p", "x", 0)]


@conforms("System views", "stl_replacements", "r_STL_REPLACEMENTS")
def test_replacements_are_logged(table):
    url = table.put(b"ok,1,,\na\xff,1,,\n")
    table.copy("CSV ACCEPTINVCHARS")
    found = table.run(
        "SELECT TRIM(filename), line_number FROM stl_replacements WHERE query = pg_last_copy_id()"
    )
    assert found == [(url, 2)]


@conforms("System views", "sys_load_detail", "SYS_LOAD_DETAIL")
def test_files_are_in_sys_load_detail(table):
    url = table.put("a,1,,\n")
    table.copy("CSV")
    found = table.run(
        "SELECT TRIM(file_name), lines_scanned, bytes_scanned FROM sys_load_detail "
        "WHERE query_id = pg_last_copy_id()"
    )
    assert found == [(url, 1, 6)]


@conforms("COPY: sources and options", "STATUPDATE ON analyses", "copy-parameters-data-load")
def test_statupdate_analyses(table):
    table.put("a,1,,\n")
    table.copy("CSV STATUPDATE ON")
    table.cursor.execute_postgres(
        "SELECT reltuples FROM pg_class WHERE oid = to_regclass(%s)", (table.name,)
    )
    assert table.cursor.fetchall() == [(1.0,)]
