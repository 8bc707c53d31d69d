"""Materialized views, ALTER TABLE APPEND and keys that refuse NULL."""

from contextlib import closing

import psycopg2
import pytest

from tests.conformance import conforms


@pytest.fixture
def run(cloud):
    with closing(psycopg2.connect(**cloud.front_address())) as connection:
        connection.autocommit = True
        cursor = connection.cursor()

        def execute(statement):
            cursor.execute(statement)
            return cursor.fetchall() if cursor.description else cursor.statusmessage

        execute("DROP SCHEMA IF EXISTS defined CASCADE")
        execute("CREATE SCHEMA defined")
        execute("CREATE TABLE defined.t (a INT, b VARCHAR(5))")
        execute("INSERT INTO defined.t VALUES (1, 'x'), (2, 'y')")
        yield execute
        execute("DROP SCHEMA IF EXISTS defined CASCADE")


@conforms(
    "Tables", "materialized views: CREATE, REFRESH, DROP", "materialized-view-create-sql-command",
    partly="each REFRESH computes all, is_stale is always t, AUTO REFRESH is of streaming views",
)  # fmt: skip
@pytest.mark.parametrize(
    "attributes, automatic",
    [("", "f"), ("BACKUP NO DISTSTYLE EVEN", "f"), ("AUTO REFRESH YES", "t"),
     ("BACKUP YES DISTKEY(n) SORTKEY(n) AUTO REFRESH NO", "f")],
)  # fmt: skip
def test_a_materialized_view_changes_when_it_is_refreshed(run, attributes, automatic):
    query = "SELECT COUNT(*) AS n, NVL(MAX(b), 'none') AS last FROM defined.t"
    made = run(f"CREATE MATERIALIZED VIEW defined.mv {attributes} AS {query}")
    assert made == "CREATE MATERIALIZED VIEW"
    run("INSERT INTO defined.t VALUES (3, 'z')")
    assert run("SELECT * FROM defined.mv") == [(2, "y")]
    run("REFRESH MATERIALIZED VIEW defined.mv")
    assert run("SELECT * FROM defined.mv") == [(3, "z")]
    known = "SELECT TRIM(name), state, autorefresh FROM {} WHERE {} = 'defined'"
    for view, schema in (("svv_mv_info", "schema_name"), ("stv_mv_info", "schema")):
        assert run(known.format(view, schema)) == [("mv", 0, automatic)]
    done = "SELECT TRIM(mv_name), endtime >= starttime FROM svl_mv_refresh_status WHERE schema_name"
    assert run(f"{done} = 'defined'") == [("mv", True)]
    timed = "SELECT duration >= 0 FROM sys_mv_refresh_history WHERE schema_name = 'defined'"
    assert run(timed) == [(True,)]
    run("DROP MATERIALIZED VIEW defined.mv")
    assert run(known.format("svv_mv_info", "schema_name")) == []


@conforms("Tables", "REFRESH MATERIALIZED VIEW ... CASCADE, in one transaction",
          "materialized-view-refresh-sql-command; AWS's news of 2025-07-15")  # fmt: skip
def test_a_cascading_refresh_begins_with_the_lowest_view(run):
    counts = "SELECT (SELECT COUNT(*) FROM defined.u), (SELECT COUNT(*) FROM defined.v), " \
             "(SELECT COUNT(*) FROM defined.w)"  # fmt: skip
    run("CREATE MATERIALIZED VIEW defined.u AS SELECT a, b FROM defined.t")
    run("CREATE VIEW defined.plain AS SELECT * FROM defined.u")
    run("CREATE MATERIALIZED VIEW defined.v AS SELECT 1 / (a - 9) AS a FROM defined.plain")
    run("CREATE MATERIALIZED VIEW defined.w AS SELECT v.a FROM defined.v, defined.u")
    run("INSERT INTO defined.t VALUES (3, 'z')")
    run("REFRESH MATERIALIZED VIEW defined.v")
    assert run(counts) == [(2, 2, 4)]  # what it reads is as old as before
    run("REFRESH MATERIALIZED VIEW defined.v CASCADE")
    assert run(counts) == [(3, 3, 4)]
    run("REFRESH MATERIALIZED VIEW defined.w CASCADE")
    assert run(counts) == [(3, 3, 9)]
    run("INSERT INTO defined.t VALUES (9, 'bad')")
    with pytest.raises(psycopg2.Error, match="division by zero"):
        run("REFRESH MATERIALIZED VIEW defined.w CASCADE")
    assert run(counts) == [(3, 3, 9)]  # not even the lowest one has changed
    assert run("SELECT COUNT(*) FROM sys_mv_refresh_history WHERE mv_name = 'u' "
               "AND schema_name = 'defined'") == [(2,)]  # fmt: skip


@pytest.mark.parametrize(
    "statement",
    ["CREATE MATERIALIZED VIEW defined.mv AS SELECT pg_read_file('/etc/passwd')",
     "CREATE MATERIALIZED VIEW redshift_local.mv AS SELECT 1",
     "CREATE MATERIALIZED VIEW defined.mv AS DELETE FROM defined.t",
     "CREATE MATERIALIZED VIEW defined.mv AUTO REFRESH SOMETIMES AS SELECT 1",
     "CREATE MATERIALIZED VIEW defined.mv", "REFRESH MATERIALIZED VIEW defined.t",
     "REFRESH MATERIALIZED VIEW pg_catalog.pg_class"],
)  # fmt: skip
def test_what_is_no_materialized_view_is_refused(run, statement):
    with pytest.raises(psycopg2.Error) as caught:
        run(statement)
    assert "internal error" not in str(caught.value)


def test_the_schema_of_the_emulation_is_not_listed(run):
    listed = run("SELECT n.nspname FROM pg_catalog.pg_namespace n WHERE nspname !~ '^pg_'")
    assert ("defined",) in listed
    assert ("redshift_local",) not in listed + run("SELECT nspname FROM pg_namespace")


@conforms("Tables", "ALTER TABLE APPEND", "r_ALTER_TABLE_APPEND", cases="option")
@pytest.mark.parametrize(
    "columns, option, found",
    [("a INT, b VARCHAR(5)", "", [(1, "x"), (2, "y"), (9, "q")]),
     ("b VARCHAR(5)", "IGNOREEXTRA", [("q",), ("x",), ("y",)]),
     ("a INT, b VARCHAR(5), c INT", "FILLTARGET",
      [(1, "x", None), (2, "y", None), (9, "q", None)])],
)  # fmt: skip
def test_append_moves_the_rows(run, columns, option, found):
    run(f"CREATE TABLE defined.target ({columns})")
    kept = "(b) VALUES ('q')" if columns.startswith("b") else "(a, b) VALUES (9, 'q')"
    run(f"INSERT INTO defined.target {kept}")
    if option:
        with pytest.raises(psycopg2.Error, match=option):
            run("ALTER TABLE defined.target APPEND FROM defined.t")
    assert run(f"ALTER TABLE defined.target APPEND FROM defined.t {option}") == "ALTER TABLE"
    assert run("SELECT * FROM defined.target ORDER BY 1") == found
    assert run("SELECT COUNT(*) FROM defined.t") == [(0,)]


@conforms("Tables", "a primary key's columns are NOT NULL", "r_CREATE_TABLE_NEW")
@pytest.mark.parametrize("columns", ["a INT PRIMARY KEY", "a INT, PRIMARY KEY (a)"])
def test_a_primary_key_refuses_null_and_no_double(run, columns):
    run(f"CREATE TABLE defined.k ({columns})")
    run("INSERT INTO defined.k VALUES (1), (1)")
    with pytest.raises(psycopg2.errors.NotNullViolation):
        run("INSERT INTO defined.k VALUES (NULL)")


@conforms(
    "Functions", "CREATE FUNCTION ... LANGUAGE sql, DROP FUNCTION", "r_CREATE_FUNCTION",
    partly="Python functions are refused by name",
)  # fmt: skip
@pytest.mark.parametrize(
    "types, returned, body, call, found",
    [("int, int", "int", "SELECT $1 + $2", "f_mine(1, 2)", 3),
     ("float, float", "float", "SELECT CASE WHEN $1 > $2 THEN $1 ELSE $2 END",
      "defined.f_mine(1.5, 2.5)", 2.5),
     ("varchar(20)", "varchar(20)", "SELECT NVL(UPPER($1), 'none')", "F_MINE('ab')", "AB"),
     ("timestamp", "bigint", "SELECT DATEDIFF(day, $1, '2024-01-03'::timestamp)",
      "f_mine('2024-01-01'::timestamp)", 2)],
)  # fmt: skip
def test_a_function_of_sql(run, types, returned, body, call, found):
    run("SET search_path TO defined")
    made = (
        f"FUNCTION defined.f_mine({types}) RETURNS {returned} STABLE AS $$ {body} $$ LANGUAGE sql"
    )
    assert run(f"CREATE {made}") == "CREATE FUNCTION"
    run(f"CREATE OR REPLACE {made}")
    assert run(f"SELECT {call}, COUNT(*) FROM t") == [(found, 2)]
    run(f"DROP FUNCTION defined.f_mine({types})")
    with pytest.raises(psycopg2.errors.UndefinedFunction):
        run(f"SELECT {call}")


HEAD = "CREATE FUNCTION defined.f_bad(int) RETURNS int STABLE AS"


@pytest.mark.parametrize(
    "statement",
    [f"{HEAD} $$ SELECT pg_read_file('/etc/passwd') $$ LANGUAGE sql",
     f"{HEAD} $$ SELECT current_setting('data_directory') $$ LANGUAGE sql",
     f"{HEAD} $$ SELECT a FROM defined.t $$ LANGUAGE sql",
     f"{HEAD} $$ SELECT (SELECT rolpassword FROM pg_authid) $$ LANGUAGE sql",
     f"{HEAD} $$ DELETE FROM defined.t $$ LANGUAGE sql",
     f"{HEAD} $$ SELECT 1; DROP TABLE defined.t $$ LANGUAGE sql",
     f"{HEAD} $$ SELECT '\\'' ; DROP TABLE defined.t; --' $$ LANGUAGE sql",
     f"{HEAD} $$ SELECT 1 $$ LANGUAGE sql SECURITY DEFINER",
     f"{HEAD} $$ SELECT 1 $$ LANGUAGE plpgsql", f"{HEAD} $$ return 1 $$ LANGUAGE plpythonu",
     f"{HEAD} 'lib' LANGUAGE c",
     f"{HEAD} $$ SELECT redshift_local.is_administrator() $$ LANGUAGE sql",
     "CREATE FUNCTION lower(varchar) RETURNS varchar STABLE AS $$ SELECT $1 $$ LANGUAGE sql",
     "CREATE FUNCTION pg_read_file(varchar) RETURNS int STABLE AS $$ SELECT 1 $$ LANGUAGE sql",
     "CREATE FUNCTION pg_catalog.f(int) RETURNS int STABLE AS $$ SELECT 1 $$ LANGUAGE sql",
     "CREATE FUNCTION defined.f(pg_authid) RETURNS int STABLE AS $$ SELECT 1 $$ LANGUAGE sql",
     "CREATE FUNCTION defined.f(int) RETURNS trigger STABLE AS $$ SELECT 1 $$ LANGUAGE sql",
     "CREATE FUNCTION defined.f(int) RETURNS int LANGUAGE c STABLE AS $$ SELECT 1 $$ LANGUAGE sql",
     "CREATE FUNCTION defined.f(int) RETURNS int COST 1 STABLE AS $$ SELECT 1 $$ LANGUAGE sql",
     "DROP FUNCTION redshift_local.is_administrator()", "DROP FUNCTION pg_catalog.pi()"],
)  # fmt: skip
def test_a_function_gets_nowhere(run, statement):
    with pytest.raises(psycopg2.Error) as caught:
        run(statement)
    assert "internal error" not in str(caught.value)
    assert run("SELECT COUNT(*) FROM defined.t") == [(2,)]
