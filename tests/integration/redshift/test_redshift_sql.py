"""Statements on the local Redshift: what works, what fails as there, what is refused by name."""

import re
import threading
from contextlib import closing

import psycopg2
import pytest

from tests.conformance import conforms
from tests.conftest import ROOT
from tests.integration.conftest import BUCKET


@pytest.fixture
def connection(cloud):
    connection = cloud.connect_redshift()
    yield connection
    connection.close()


@pytest.fixture
def run(connection):
    cursor = connection.cursor()

    def execute(statement, arguments=None):
        cursor.execute(statement, arguments)
        return cursor.fetchall() if cursor.description else cursor.rowcount

    execute("CREATE SCHEMA IF NOT EXISTS sqltest")
    execute("DROP TABLE IF EXISTS sqltest.t")
    execute("CREATE TABLE sqltest.t (id INTEGER, name VARCHAR(5), at TIMESTAMP)")
    execute("INSERT INTO sqltest.t VALUES (1, 'a', '2024-01-31'), (2, NULL, '2024-03-01')")
    connection.commit()
    return execute


@conforms("Queries and changes", "queries", "r_SELECT_synopsis, c_SQL_functions")
@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("SELECT NVL(name, 'none') FROM sqltest.t ORDER BY id", [("a",), ("none",)]),
        ("SELECT COUNT(*), SUM(id), MAX(name) FROM sqltest.t", [(2, 3, "a")]),
        ("SELECT DATEDIFF(day, MIN(at), MAX(at)) FROM sqltest.t", [(30,)]),
        ("SELECT CAST(DATEADD(month, 1, at) AS VARCHAR) FROM sqltest.t WHERE id = 1",
         [("2024-02-29 00:00:00",)]),
        ("SELECT EXTRACT(YEAR FROM at) FROM sqltest.t WHERE id = 1", [(2024,)]),
        ("SELECT LEN(name), UPPER(name), TRIM(' x ') FROM sqltest.t WHERE id = 1",
         [(1, "A", "x")]),
        ('SELECT "ID" FROM SQLTEST."T" ORDER BY 1', [(1,), (2,)]),
        ("SELECT id, ROW_NUMBER() OVER (ORDER BY id DESC) FROM sqltest.t ORDER BY 1",
         [(1, 2), (2, 1)]),
        ("WITH x AS (SELECT id FROM sqltest.t) SELECT id::VARCHAR || '!' FROM x ORDER BY 1",
         [("1!",), ("2!",)]),
        ("SELECT COALESCE(NULLIF(name, 'a'), 'b'), GREATEST(1, 2) FROM sqltest.t WHERE id = 1",
         [("b", 2)]),
        ("SELECT GETDATE() > '2020-01-01'", [(True,)]),
        ("SELECT 1; SELECT 2", [(2,)]),
        ("SELECT 'a;b'", [("a;b",)]),
    ],
)  # fmt: skip
def test_queries(run, query, expected):
    assert run(query) == expected


@conforms("Any client", "psycopg2's arguments arrive as they are", "this project")
@pytest.mark.parametrize("value", ["a\\", "\\'", "'", "\\n", "%", "\r\n", "\U0001f600"])
def test_an_argument_arrives_as_it_is(run, value):
    assert run("SELECT %s, %s", (value, "b")) == [(value, "b")]
    assert run("SELECT %(x)s", {"x": value}) == [(value,)]


@conforms(
    "Queries and changes",
    "INSERT, UPDATE, DELETE USING, temporary tables, CREATE TABLE AS",
    "r_INSERT_30, r_UPDATE, r_DELETE",
)
def test_changes(run, connection):
    assert run("UPDATE sqltest.t SET name = 'z' WHERE id = %s", (1,)) == 1
    run("CREATE TEMP TABLE stage (LIKE sqltest.t)")
    run("INSERT INTO stage (id, name) VALUES (1, 'new'), (3, 'three')")
    assert run("DELETE FROM sqltest.t USING stage WHERE sqltest.t.id = stage.id") == 1
    assert run("INSERT INTO sqltest.t SELECT * FROM stage") == 2
    assert run("SELECT id, name FROM sqltest.t ORDER BY id") == [
        (1, "new"),
        (2, None),
        (3, "three"),
    ]
    run("CREATE TEMP TABLE made AS SELECT id FROM sqltest.t")
    assert run("SELECT COUNT(*) FROM made") == [(3,)]
    run("ANALYZE sqltest.t")
    connection.rollback()
    assert run("SELECT COUNT(*) FROM sqltest.t") == [(2,)]


@conforms(
    "Queries and changes",
    "the portability guard, and what is not emulated",
    "c_unsupported-postgresql-features, c_unsupported-postgresql-datatypes",
    cases="statement",
    refused=True,
)
@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("SELECT STRING_AGG(name, ',') FROM sqltest.t", "works on PostgreSQL, fails on Redshift"),
        ("SELECT ARRAY_AGG(id) FROM sqltest.t", "works on PostgreSQL, fails on Redshift"),
        (
            "SELECT g, a FROM GENERATE_SERIES(1, 3) AS g, sqltest.t",
            "works on PostgreSQL, fails on Redshift",
        ),
        ("SELECT DISTINCT ON (id) id FROM sqltest.t", "DISTINCT ON works on PostgreSQL"),
        ("CREATE TABLE sqltest.u (id SERIAL)", 'Column "u.id" has unsupported type "serial"'),
        ("CREATE TABLE sqltest.u (x GEOMETRY)", "type GEOMETRY is not emulated"),
        ("CREATE TABLE sqltest.u (id INT, x JSON)", 'Column "u.x" has unsupported type "json"'),
        ("CREATE TABLE sqltest.u (id INT CHECK (id > 0))", "CHECK works on PostgreSQL"),
        ("CREATE INDEX i ON sqltest.t (id)", "INDEX"),
        ("INSERT INTO sqltest.t (id) VALUES (9) RETURNING id", "RETURNING works on PostgreSQL"),
        ("INSERT INTO sqltest.t (id) VALUES (9) ON CONFLICT DO NOTHING", "ON CONFLICT"),
        ("ROLLBACK TO SAVEPOINT x", "SAVEPOINT works on PostgreSQL"),
        ("SELECT PG_SLEEP(1)", "works on PostgreSQL, fails on Redshift"),
        ("SELECT LOWER_ATTRIBUTE_NAMES(JSON_PARSE('{}'))", "is not emulated"),
        ("GRANT ALTER ON sqltest.t TO PUBLIC", "is not emulated"),
    ],
)
def test_what_is_refused_by_name(run, connection, statement, words):
    with pytest.raises(psycopg2.Error, match=words) as caught:
        run(statement)
    assert caught.value.pgcode == "0A000"
    connection.rollback()
    assert run("SELECT COUNT(*) FROM sqltest.t") == [(2,)]


@conforms(
    "Tables",
    "VARCHAR(n) holds n bytes",
    "r_Character_types; pipelinewise-target-redshift#59",
    partly="blanks beyond the length are cut by characters; the text is the one of a constant",
)
@pytest.mark.parametrize("value", ["abcdef", "\u20ac\u20ac"], ids=["characters", "bytes"])
def test_a_value_too_long_in_bytes_is_redshifts_error(run, connection, value):
    with pytest.raises(psycopg2.Error, match="(?i)value too long for"):
        run("INSERT INTO sqltest.t (id, name) VALUES (3, %s)", (value,))
    connection.rollback()
    run("INSERT INTO sqltest.t (id, name) VALUES (3, NULL)")


@conforms(
    "Tables",
    "NUMERIC and DECIMAL alone are NUMERIC(18,0): columns, casts, CREATE TABLE AS, ADD COLUMN",
    "r_Numeric_types201",
)
def test_numeric_alone_has_no_decimals(run):
    run("SET search_path TO sqltest; DROP TABLE IF EXISTS whole; DROP TABLE IF EXISTS cast_whole")
    run("CREATE TABLE whole (a NUMERIC, b DECIMAL)")
    run("ALTER TABLE whole ADD COLUMN c NUMERIC")
    run("INSERT INTO whole VALUES (1.567, 2.5, 3.5)")
    run("CREATE TABLE cast_whole AS SELECT '1.567'::NUMERIC AS a, CAST(1.567 AS DECIMAL) AS b")
    assert run("SELECT a, b, c FROM whole") == [(2, 3, 4)]
    shown = run("SELECT DISTINCT type FROM pg_table_def WHERE tablename IN ('whole', 'cast_whole')")
    assert shown == [("numeric(18,0)",)]


@conforms(
    "Tables",
    "CHAR is padded with blanks that compare as nothing",
    "r_Character_types",
    cases="declared",
    partly="the error of a value too long is PostgreSQL's",
)
@pytest.mark.parametrize(
    ("declared", "length"), [("CHAR", 1), ("CHAR(3)", 3), ("NCHAR(3)", 3), ("BPCHAR", 256)]
)
def test_char_is_padded(run, declared, length):
    run("SET search_path TO sqltest; DROP TABLE IF EXISTS padded")
    run(f"CREATE TABLE padded (c {declared})")
    run("INSERT INTO padded VALUES ('a')")
    assert run("SELECT c, LEN(c), c = 'a' FROM padded") == [("a" + " " * (length - 1), 1, True)]
    shown = run("SELECT type FROM pg_table_def WHERE tablename = 'padded'")
    assert shown == [(f"character({length})",)]
    with pytest.raises(psycopg2.Error, match="too long"):
        run(f"INSERT INTO padded VALUES ('{'x' * (length + 1)}')")


@conforms(
    "Tables",
    "CHAR takes characters of one byte",
    "r_Character_types",
    partly="the text is as clients have reported it, its DETAIL this project's",
)
def test_char_refuses_characters_of_several_bytes(run):
    run("CREATE TEMP TABLE single (c CHAR(3))")
    with pytest.raises(psycopg2.errors.InternalError_, match="invalid ASCII character") as caught:
        run("INSERT INTO single VALUES ('é')")
    assert caught.value.pgcode == "XX000"


@conforms("Tables", "a column that is added has its limit too", "r_ALTER_TABLE", cases="declared")
@pytest.mark.parametrize("declared", ["VARCHAR(2)", "CHAR(2)"])
def test_an_added_column_has_its_limit(run, connection, declared):
    run(f"ALTER TABLE sqltest.t ADD COLUMN extra {declared} DEFAULT 'a'")
    for value in ("abc", "éé"):
        with pytest.raises(psycopg2.Error, match="too long|ASCII"):
            run("INSERT INTO sqltest.t (extra) VALUES (%s)", (value,))
        connection.rollback()
        run(f"ALTER TABLE sqltest.t ADD COLUMN extra {declared} DEFAULT 'a'")
    run("INSERT INTO sqltest.t (extra) VALUES ('ab')")


@conforms("Tables", "CREATE TABLE LIKE keeps the limit", "r_CREATE_TABLE_NEW")
def test_temp_tables_made_like_keep_the_limit_in_bytes(run):
    run("CREATE TEMP TABLE stage (LIKE sqltest.t)")
    with pytest.raises(psycopg2.Error, match="(?i)value too long"):
        run("INSERT INTO stage (name) VALUES ('abcdef')")


@conforms("Sessions and transactions", "a transaction that BEGIN opened", "r_BEGIN, r_COPY")
def test_copy_and_truncate_keep_to_a_transaction_of_the_clients_own(run, connection, bucket):
    connection.autocommit = True
    bucket.put_object(Bucket=BUCKET, Key="own/a", Body=b"7\n")
    copy = f"COPY sqltest.t (id) FROM 's3://{BUCKET}/own/a' IAM_ROLE default CSV"
    for statement in ("BEGIN", copy, "ROLLBACK"):
        run(statement)
    assert run("SELECT COUNT(*) FROM sqltest.t WHERE id = 7") == [(0,)]
    for statement in ("BEGIN", copy, "TRUNCATE sqltest.k2", "ROLLBACK"):
        run("CREATE TABLE IF NOT EXISTS sqltest.k2 (id INT)")
        run(statement)
    assert run("SELECT COUNT(*) FROM sqltest.t WHERE id = 7") == [(1,)]


@conforms("Sessions and transactions", "TRUNCATE commits", "r_TRUNCATE")
def test_truncate_commits(run, connection):
    run("INSERT INTO sqltest.t (id) VALUES (3)")
    run("TRUNCATE sqltest.t")
    connection.rollback()
    assert run("SELECT COUNT(*) FROM sqltest.t") == [(0,)]


@conforms(
    "Tables",
    "PRIMARY KEY, UNIQUE, FOREIGN KEY are recorded, NOT NULL is enforced",
    "t_Defining_constraints",
)
def test_keys_and_attributes_are_accepted_and_not_enforced(run):
    run("DROP TABLE IF EXISTS sqltest.k")
    run(
        "CREATE TABLE sqltest.k (id INT NOT NULL ENCODE az64, v INT UNIQUE, PRIMARY KEY (id), "
        "FOREIGN KEY (v) REFERENCES sqltest.t (id)) DISTSTYLE KEY DISTKEY (id) "
        "COMPOUND SORTKEY (id, v)"
    )
    run("INSERT INTO sqltest.k VALUES (1, 99), (1, 99)")
    assert run("SELECT COUNT(*) FROM sqltest.k") == [(2,)]
    with pytest.raises(psycopg2.Error, match="null value"):
        run("INSERT INTO sqltest.k VALUES (NULL, 1)")


# Those of the streaming layer are pieces of one step, which its own tests run.
PRODUCT = sorted(
    path for path in (ROOT / "src/sql").rglob("*.sql") if "streaming" not in path.parts
)
MOMENTS = ("newest_sale", "as_of", "starts_at", "on_sale_at")
SIZES = ("capacity", "base_price")  # their logarithms are taken
ARGUMENTS = {
    "run_id": "'x'", **dict.fromkeys(MOMENTS, "'2024-01-01'"), **dict.fromkeys(SIZES, "1"),
}  # fmt: skip
# The others are numbers.


@conforms(
    "Queries and changes", "every statement of the SQL files runs", "this project", cases="path"
)  # fmt: skip
@pytest.mark.parametrize(
    "path", [path.relative_to(ROOT / "src/sql").as_posix() for path in PRODUCT]
)
def test_the_products_own_statements_run(run, path):
    run("CREATE SCHEMA IF NOT EXISTS concert_dw")
    for schema in PRODUCT:
        if schema.parent.name == "schema":
            run(schema.read_text())
    text = (ROOT / "src/sql" / path).read_text()
    run(re.sub(r"(?<!:):(\w+)", lambda m: ARGUMENTS.get(m[1], "0"), text))


@conforms("Queries and changes", "syntax errors have SQLSTATE 42601", "this project")
def test_a_syntax_error_has_its_code(run):
    with pytest.raises(psycopg2.errors.SyntaxError):
        run("SELECT FROM WHERE")


@conforms(
    "Sessions and transactions",
    "connections see each other after commit",
    "c_serial_isolation",
)
def test_two_connections_see_each_other_only_after_commit(cloud, run, connection):
    run("INSERT INTO sqltest.t (id) VALUES (3)")
    with closing(cloud.connect_redshift()) as other, other.cursor() as cursor:
        cursor.execute("SELECT COUNT(*) FROM sqltest.t")
        assert cursor.fetchone() == (2,)
        other.commit()
        connection.commit()
        cursor.execute("SELECT COUNT(*) FROM sqltest.t")
        assert cursor.fetchone() == (3,)


def test_closing_leaves_no_thread_or_connection(cloud):
    before = set(threading.enumerate())  # some of which may be ending
    cloud.connect_redshift().close()
    assert set(threading.enumerate()) <= before
