"""COPY on the local Redshift: right also about failure. Source: reference sections 4.1-4.9."""

import bz2
import gzip
import json
import re
from decimal import Decimal

import psycopg2
import pyarrow as pa
import pytest

from tests.conformance import conforms
from tests.integration.conftest import columns, parquet, superuser_of

GOOD = ("a", 1, Decimal("1.23"), "2024-01-02 03:04:05")
CSV_LINE = "a,1,1.239,2024-01-02 03:04:05\n"


@conforms(
    "COPY: what loads",
    "text, CSV, JSON; '' against NULL, decimals cut, VARCHAR in bytes, case of JSON keys",
    "copy-parameters-data-format, copy-parameters-data-conversion",
    cases="options",
)
@pytest.mark.parametrize(
    ("body", "options", "expected"),
    [
        (CSV_LINE, "CSV", [GOOD]),
        ("id,n,p,at\n" + CSV_LINE, "CSV IGNOREHEADER 1", [GOOD]),
        ("a|1|1.239|2024-01-02 03:04:05\n", "", [GOOD]),
        ("a;1;1.239;2024-01-02 03:04:05\n", "DELIMITER ';'", [GOOD]),
        ("a\t1\t1.239\t2024-01-02 03:04:05\n", r"DELIMITER '\t'", [GOOD]),
        (gzip.compress(CSV_LINE.encode(), mtime=0), "CSV GZIP", [GOOD]),
        (bz2.compress(CSV_LINE.encode()), "CSV BZIP2", [GOOD]),
        (pa.compress(CSV_LINE.encode(), codec="zstd", asbytes=True), "CSV ZSTD", [GOOD]),
        (",,,\n", "CSV", [("", None, None, None)]),
        ('"",,"",\n', "CSV", [("", None, None, None)]),
        ("x,  ,,\n", "CSV", [("x", None, None, None)]),
        ("x,\\N,\\N,\\N\n", "CSV", [("x", None, None, None)]),
        ("x,NA,1,\n", "CSV NULL AS 'NA'", [("x", None, Decimal("1.00"), None)]),
        ('"a,""b",1,,\n', "CSV", [('a,"b', 1, None, None)]),
        ('"a\nb",1,,\n', "CSV", [("a\nb", 1, None, None)]),
        ("abcdefgh,1,,\n", "CSV TRUNCATECOLUMNS", [("abcdef", 1, None, None)]),
        ("aaaaa\u20ac,1,,\n", "CSV TRUNCATECOLUMNS", [("aaaaa", 1, None, None)]),
        ("abc      ,1,,\n", "CSV", [("abc", 1, None, None)]),
        ("a,1,-1.999,\n", "CSV", [("a", 1, Decimal("-1.99"), None)]),
        ("\\.,1,,\na,2,,\n", "CSV", [("\\.", 1, None, None), ("a", 2, None, None)]),
        ("a,1,,2024-01-02T03:04:05Z\n", "CSV TIMEFORMAT 'auto'",
         [("a", 1, None, "2024-01-02 03:04:05")]),
        ("a,1,,2024-01-02T03:04:05+02:00\n", "CSV TIMEFORMAT 'auto'",
         [("a", 1, None, "2024-01-02 01:04:05")]),
        ("a,1,,2024-01-02\n", "CSV", [("a", 1, None, "2024-01-02 00:00:00")]),
        ('{"id":"a","n":1,"p":1.239,"at":"2024-01-02 03:04:05","zz":[1]}\n', "JSON 'auto'",
         [GOOD]),
        ('{"id":"a","N":1}\n', "FORMAT AS JSON 'auto'", [("a", None, None, None)]),
        ('{"ID":"a","N":1}\n', "JSON 'auto ignorecase'", [("a", 1, None, None)]),
        ('{"id":"a",\n"n":1}{"id":"b"}\n\n', "JSON 'auto'",
         [("a", 1, None, None), ("b", None, None, None)]),
        ('{"id":"\\u20ac\\n"}\n', "JSON 'auto'", [("\u20ac\n", None, None, None)]),
    ],
)  # fmt: skip
def test_what_loads(table, body, options, expected):
    table.put(body)
    table.copy(options)
    assert table.rows() == expected
    assert table.run("SELECT pg_last_copy_count()") == [(len(expected),)]
    assert f"{len(expected)} record(s) loaded successfully." in table.connection.notices[-1]


@conforms(
    "COPY: what fails",
    "CHAR: 1215 for a character of several bytes, 1204 for a value too long",
    "r_Load_Error_Reference; Amazon's forums",
    cases="format",
)
@pytest.mark.parametrize("format", ["CSV", "JSON 'auto'", ""])
@pytest.mark.parametrize(
    ("value", "code", "reason"),
    [
        ("aé", 1215,
         "Multibyte character not supported for CHAR (Hint: Try using VARCHAR). "
         "Invalid char: c3 a9"),
        ("abcd", 1204, "Char length exceeds DDL length"),
    ],
)  # fmt: skip
def test_char_that_does_not_load(table, format, value, code, reason):
    name = f"{table.name}_char"
    table.run(f"CREATE TABLE {name} (c CHAR(3))")
    good, bad = (json.dumps({"c": v}) if "JSON" in format else v for v in ("ab", value))
    table.put(f"{good}\n{bad}\n{good}    \n")
    target, table.name = table.name, name
    table.copy(f"{format} MAXERROR 2")
    table.name = target
    assert table.run(f"SELECT c FROM {name}") == [("ab ",), ("ab ",)]
    assert table.run(
        "SELECT line_number, type, col_length, err_code, err_reason FROM stl_load_errors "
        "WHERE query = pg_last_copy_id()"
    ) == [(2, "char      ", "3         ", code, reason.ljust(100)[:100])]


@conforms(
    "COPY: what fails",
    "XX000 with the DETAIL block; line, column, value, code, reason in stl_load_errors",
    "r_Load_Error_Reference, r_STL_LOAD_ERRORS",
    partly="`position` is 0 but for wrong digits; the texts of 1202, 1203, 1211 are undocumented",
)
@pytest.mark.parametrize(
    ("body", "options", "error"),
    [
        ("a,1,,\n\u20ac\u20ac\u20ac,2,,\n", "CSV",
         (2, "id", "varchar", "\u20ac\u20ac\u20ac", 1204, "String length exceeds DDL length")),
        ("a,1x,,\n", "CSV",
         (1, "n", "int4", "1x", 1207, "Invalid digit, Value 'x', Pos 1, Type: Integer")),
        ("a,1.0,,\n", "CSV",
         (1, "n", "int4", "1.0", 1207, "Invalid digit, Value '.', Pos 1, Type: Integer")),
        ("a,3000000000,,\n", "CSV",
         (1, "n", "int4", "3000000000", 1204, "Overflow, Value '3000000000', Type: Integer")),
        ("a,1,N/A,\n", "CSV",
         (1, "p", "numeric", "N/A", 1207, "Invalid digit, Value 'N', Pos 0, Type: Decimal")),
        ("a,1,12345.6,\n", "CSV",
         (1, "p", "numeric", "12345.6", 1204, "Overflow, Value '12345.6', Type: Decimal")),
        ("a,1,,2024-02-30 00:00:00\n", "CSV",
         (1, "at", "timestamp", "2024-02-30 00:00:00", 1206,
          "Invalid timestamp format or value [YYYY-MM-DD HH24:MI:SS]")),
        ("a,1,,Jan 2 2024\n", "CSV",
         (1, "at", "timestamp", "Jan 2 2024", 1206,
          "Invalid timestamp format or value [YYYY-MM-DD HH24:MI:SS]")),
        ("a,1,,2024-01-02T03:04:05Z\n", "CSV",
         (1, "at", "timestamp", "2024-01-02T03:04:05Z", 1206,
          "Invalid timestamp format or value [YYYY-MM-DD HH24:MI:SS]")),
        ("\\N,1,,\n", "CSV", (1, "id", "varchar", "", 1213, "Missing data for not-null field")),
        (",1,,\n", "CSV EMPTYASNULL",
         (1, "id", "varchar", "", 1213, "Missing data for not-null field")),
        ("a,1,,\nb,2\n", "CSV", (2, "", "", "", 1203, "Delimiter not found")),
        ("a,1,,,9\n", "CSV", (1, "", "", "", 1202, "Extra column(s) found")),
        (b"a,1,,\n\xff,1,,\n", "CSV",
         (2, "id", "varchar", "?", 1220, "String contains invalid or unsupported UTF-8 codepoints. "
          "Bad UTF-8 hex sequence: ff (error 3)")),
        ('{"n":1}\n', "JSON 'auto'",
         (1, "id", "varchar", "", 1213, "Missing data for not-null field")),
        ('{"id":"a"}\n{"id":\n', "JSON 'auto'", (2, "", "", "", 1216, "Invalid input line.")),
        ('[{"id":"a"}]\n', "JSON 'auto'", (1, "", "", "", 1216, "Invalid input line.")),
    ],
)  # fmt: skip
def test_what_is_refused_and_how_it_is_logged(table, body, options, error):
    table.put(body)
    table.run(f"INSERT INTO {table.name} (id) VALUES ('before')")
    table.connection.commit()
    with pytest.raises(psycopg2.errors.InternalError_) as caught:
        table.copy(options)
    assert caught.value.pgcode == "XX000"
    name = table.name.split(".")[1]
    assert caught.value.diag.message_primary == (
        f"Load into table '{name}' failed.  Check 'stl_load_errors' system table for details."
    )
    assert "code:" in caught.value.diag.message_detail
    table.connection.rollback()
    assert table.errors() == [error]  # the user's ROLLBACK does not undo the log
    wrong_digit = re.search(r"Pos (\d+)", error[-1])
    assert table.run("SELECT position FROM stl_load_errors WHERE query = pg_last_copy_id()") == [
        (int(wrong_digit[1]) if wrong_digit else 0,)
    ]
    assert [row[0] for row in table.rows()] == ["before"]
    assert table.run("SELECT pg_last_copy_count()") == [(0,)]


@conforms(
    "COPY: what fails",
    "fewer errors than MAXERROR: good rows load, INFO reports how many did not",
    "copy-parameters-data-load",
)
def test_below_maxerror_the_good_rows_load(table):
    table.put("a,1,,\nb,x,,\nc,3,,\n")
    table.copy("CSV MAXERROR 2")
    assert [row[0] for row in table.rows()] == ["a", "c"]
    assert "1 record(s) could not be loaded." in table.connection.notices[-1]
    assert len(table.errors()) == 1
    with pytest.raises(psycopg2.errors.InternalError_):
        table.copy("CSV MAXERROR 1")


@conforms("COPY: what loads", "all files or none, inside the caller's transaction", "r_COPY")
def test_a_copy_is_atomic_over_its_files_and_inside_the_transaction(table):
    table.put("a,1,,\n", "1")
    table.put("b,x,,\n", "2")
    with pytest.raises(psycopg2.errors.InternalError_):
        table.copy("CSV")
    table.connection.rollback()
    assert table.rows() == []
    table.put("b,2,,\n", "2")
    table.copy("CSV")
    assert len(table.rows()) == 2
    table.connection.rollback()
    assert table.rows() == []


@conforms("COPY: what loads", "in autocommit a COPY is a transaction of its own", "r_COPY")
def test_in_autocommit_a_copy_is_its_own_transaction(table):
    table.connection.autocommit = True
    table.put("a,1,,\nb,x,,\n")
    with pytest.raises(psycopg2.errors.InternalError_):
        table.copy("CSV")
    assert table.rows() == []
    table.copy("CSV MAXERROR 5")
    assert len(table.rows()) == 1


@conforms("COPY: what loads", "IGNOREHEADER in every file", "copy-parameters-data-conversion")
def test_the_header_is_skipped_in_every_file(table):
    table.put("h\na,1,,\n", "1")
    table.put("h\nb,2,,\n", "2")
    table.copy("CSV IGNOREHEADER 1")
    assert [row[0] for row in table.rows()] == ["a", "b"]


@conforms("COPY: what loads", "keys are not enforced", "t_Defining_constraints")
def test_keys_are_recorded_but_not_enforced(cloud, table):
    table.put("a,1,,\na,2,,\n")
    table.copy("CSV")
    assert len(table.rows()) == 2
    table.connection.commit()
    with superuser_of(cloud) as superuser, superuser.cursor() as cursor:
        cursor.execute(
            "SELECT contype::text FROM redshift_local.pg_constraint "
            "WHERE conrelid = to_regclass(%s) AND contype = 'p'",
            (table.name,),
        )
        assert cursor.fetchall() == [("p",)]


@conforms(
    "COPY: what fails",
    "missing table, column, prefix (8001), NOT NULL column not listed (42601): before the load",
    "r_COPY; apisonator#196, connectors#918, awswrangler#2871",
)
def test_missing_table_column_and_prefix(table):
    with pytest.raises(psycopg2.errors.InternalError_, match="Cannot COPY into nonexistent table"):
        table.run("COPY public.nope FROM 's3://copy-tests/x' IAM_ROLE default CSV")
    table.connection.rollback()
    with pytest.raises(psycopg2.Error, match="does not exist") as caught:
        table.copy("CSV", columns="(id, nope)")
    table.connection.rollback()
    table.put("x")
    with pytest.raises(psycopg2.errors.SyntaxError, match="must be included in column list"):
        table.copy("CSV", columns="(n)")
    table.connection.rollback()
    with pytest.raises(psycopg2.errors.InternalError_) as caught:
        table.copy("CSV", source="s3://copy-tests/empty/prefix")
    assert "The specified S3 prefix 'empty/prefix' does not exist" in str(caught.value)
    assert "code:      8001" in caught.value.diag.message_detail


@conforms("COPY: what loads", "a column list gives the order", "r_COPY")
def test_a_column_list_gives_the_order(table):
    table.put("7,a\n")
    table.copy("CSV", columns='("N", id)')
    assert table.rows() == [("a", 7, None, None)]


# -- manifests -------------------------------------------------------------------------------


def manifest(table, entries):
    return table.put(json.dumps({"entries": entries}), "the.manifest")


@conforms(
    "COPY: sources and options",
    "MANIFEST loads exactly its files",
    "loading-data-files-using-manifest",
)
def test_a_manifest_loads_exactly_its_files(table):
    url = table.put("a,1,,\n", "1")
    table.put("b,2,,\n", "2")
    table.copy("CSV MANIFEST", manifest(table, [{"url": url, "mandatory": True}]))
    assert [row[0] for row in table.rows()] == ["a"]


@conforms(
    "COPY: sources and options",
    "a bad manifest is refused before the load",
    "loading-data-files-using-manifest",
    cases="words",
    partly="the text when every entry is missing is not documented",
)
@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ([{"url": "s3://copy-tests/none", "mandatory": True}], "Mandatory url is not present"),
        ([{"url": "s3://copy-tests/none"}], "do not exist"),
        ([{"url": "no-path"}], "must be a full S3 path"),
        ("junk", "not a valid JSON manifest"),
    ],
)
def test_a_bad_manifest_is_refused_before_the_load(table, entries, words):
    with pytest.raises(psycopg2.errors.InternalError_, match=words):
        table.copy("CSV MANIFEST", manifest(table, entries))


@conforms("COPY: sources and options", "a missing manifest", "spark-redshift#136")
def test_a_missing_manifest(table):
    with pytest.raises(psycopg2.errors.InternalError_, match="Problem reading manifest file"):
        table.copy("CSV MANIFEST", "s3://copy-tests/none.manifest")


# -- Parquet ---------------------------------------------------------------------------------


@conforms(
    "COPY: what loads",
    "Parquet by position; '' and NULL apart",
    "copy-usage_notes-copy-from-columnar",
)
def test_parquet_loads_by_position_and_keeps_empty_and_null_apart(table):
    table.put(parquet(**columns()))
    table.copy("FORMAT AS PARQUET")
    assert table.rows() == [
        ("", None, None, None), ("a", 1, Decimal("1.20"), "2024-01-02 03:04:05")
    ]  # fmt: skip


@conforms(
    "COPY: what fails",
    "Parquet that does not fit: Spectrum Scan Error",
    "rudder-server#3178, awswrangler#280",
    cases="words",
)
@pytest.mark.parametrize(
    ("body", "words"),
    [
        (parquet(id=["a"]), "Unmatched number of columns between table and file"),
        (parquet(**columns(n=["x", "y"])), "incompatible Parquet schema for column 'n'"),
        (parquet(**columns(id=["abcdefg", ""])), "Table: 6, Data: 7"),
        (parquet(**columns(id=["a", None])), "NULL value in NOT NULL column 'id'"),
        (parquet(**columns(n=pa.array([2**40, 1]))), "Value out of range for column 'n'"),
        (b"not parquet", "is not a Parquet file"),
    ],
)
def test_parquet_that_does_not_fit(table, body, words):
    table.put(body)
    with pytest.raises(psycopg2.errors.InternalError_, match="Spectrum Scan Error") as caught:
        table.copy("FORMAT AS PARQUET")
    assert words in caught.value.diag.message_detail
    table.connection.rollback()
    assert table.rows() == []


@conforms(
    "COPY: sources and options",
    "a Parquet manifest needs content_length (15003)",
    "aws-lambda-redshift-loader#221",
)
def test_a_parquet_manifest_needs_the_length(table):
    url = table.put(parquet(**columns()), "x.parquet")
    with pytest.raises(psycopg2.errors.InternalError_, match="does not have 'meta' key"):
        table.copy("FORMAT AS PARQUET MANIFEST", manifest(table, [{"url": url}]))
    table.connection.rollback()
    with pytest.raises(psycopg2.errors.InternalError_, match="content_length"):
        entry = {"url": url, "meta": {"content_length": 1}}
        table.copy("FORMAT AS PARQUET MANIFEST", manifest(table, [entry]))


# -- what is refused -------------------------------------------------------------------------


@conforms(
    "COPY: sources and options",
    "illegal combinations and values, and options that are not emulated",
    "copy-parameters-data-format, r_COPY",
    cases="options",
    refused=True,
)
@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        ("FIXEDWIDTH 'a'", "42601", "FIXEDWIDTH must be 'label:width, ...'"),
        ("FIXEDWIDTH 'a:1' DELIMITER ','", "42601", "not supported with FIXEDWIDTH"),
        ("CSV FIXEDWIDTH 'a:1'", "42601", "FIXEDWIDTH is not supported with CSV"),
        ("ENCRYPTED", "0A000", "COPY option ENCRYPTED is not emulated"),
        ("CSV TIMEFORMAT 'sometimes'", "42601", "invalid TIMEFORMAT 'sometimes'"),
        ("CSV DATEFORMAT 'epochsecs'", "42601", "invalid DATEFORMAT 'epochsecs'"),
        ("CSV ESCAPE", "42601", "ESCAPE is not supported with CSV"),
        ("CSV REMOVEQUOTES", "42601", "REMOVEQUOTES is not supported with CSV"),
        ("JSON 'auto' FILLRECORD", "42601", "FILLRECORD is not supported with JSON"),
        ("JSON 'auto' NULL AS 'x'", "42601", "NULL is not supported with JSON"),
        ("CSV IGNOREALLERRORS MAXERROR 5", "42601", "not supported with IGNOREALLERRORS"),
        ("CSV SERIALIZETOJSON", "42601", "for columnar formats only"),
        ("CSV ENCODING EBCDIC", "42601", "invalid ENCODING EBCDIC"),
        ("CSV ACCEPTINVCHARS '??'", "42601", "one ASCII character"),
        ("CSV COMPROWS 5", "42601", "COMPROWS value must be between"),
        ("FORMAT AS PARQUET ACCEPTANYDATE", "42601", "ACCEPTANYDATE is not supported"),
        ("JSON 'auto' DELIMITER ','", "42601", "DELIMITER is not supported with JSON"),
        ("FORMAT AS PARQUET MAXERROR 5", "42601", "MAXERROR is not supported with PARQUET"),
        ("FORMAT AS PARQUET REGION 'us-east-1'", "42601", "REGION is not supported with PARQUET"),
        ("CSV MAXERROR 100001", "42601", "MAXERROR value must be between"),
        ("CSV NONSENSE", "42601", 'syntax error at or near "NONSENSE"'),
        ("CSV IGNOREHEADER x", "42601", "IGNOREHEADER value"),
    ],
)
def test_an_option_that_is_not_known_is_named(table, options, code, words):
    table.put(CSV_LINE)
    with pytest.raises(psycopg2.Error) as caught:
        table.copy(options)
    assert caught.value.pgcode == code and words in str(caught.value)


@conforms(
    "COPY: sources and options",
    "every form of credentials is accepted and forgotten",
    "copy-parameters-authorization",
    cases="authorisation",
)
@pytest.mark.parametrize(
    "authorisation",
    [
        "IAM_ROLE default",
        "IAM_ROLE 'arn:aws:iam::123456789012:role/a,arn:aws:iam::123456789012:role/b'",
        "CREDENTIALS 'aws_iam_role=arn:aws:iam::123456789012:role/a'",
        "CREDENTIALS AS 'aws_access_key_id=AKIA;aws_secret_access_key=SECRET;token=T'",
        "ACCESS_KEY_ID 'AKIA' SECRET_ACCESS_KEY 'SECRET' SESSION_TOKEN 'T'",
    ],
)
def test_every_form_of_credentials_is_accepted(table, authorisation):
    url = table.put(CSV_LINE)
    table.run(f"-- a comment\ncopy {table.name} from %s {authorisation} CSV", (url,))
    assert table.rows() == [GOOD]


@conforms(
    "System views", "sys_load_history, stl_load_commits", "SYS_LOAD_HISTORY, r_STL_LOAD_COMMITS"
)
def test_history_and_files_are_logged(table):
    url = table.put(CSV_LINE, "one.csv")
    table.copy("CSV")
    history = table.run(
        "SELECT status, loaded_rows, source_file_count, file_format FROM sys_load_history "
        "WHERE query_id = pg_last_copy_id()"
    )
    assert history == [("completed", 1, 1, "CSV")]
    files = table.run(
        "SELECT TRIM(filename), lines_scanned FROM stl_load_commits WHERE query = pg_last_copy_id()"
    )
    assert files == [(url, 1)]
