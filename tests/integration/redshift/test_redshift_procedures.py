"""Stored procedures. Source: AWS, "Creating stored procedures in Amazon Redshift"."""

import threading
from contextlib import closing

import psycopg
import psycopg2
import pytest
import redshift_connector
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conformance import conforms
from tests.integration.conftest import superuser_of

SOURCE = "c_stored-procedure-create"


@pytest.fixture
def session(cloud):
    with closing(cloud.connect_redshift()) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("DROP SCHEMA IF EXISTS procs CASCADE; CREATE SCHEMA procs; "
                           "SET search_path TO procs, public")  # fmt: skip
            yield Session(cursor)
            cursor.execute("DROP SCHEMA IF EXISTS procs CASCADE")


class Session:
    def __init__(self, cursor):
        self.cursor = cursor

    def __call__(self, statement):
        self.cursor.execute(statement)
        return self.cursor.fetchall() if self.cursor.description else None

    def create(self, body, arguments="", options=""):
        self(f"CREATE OR REPLACE PROCEDURE sp({arguments}) {options} AS $$ {body} $$ "
             "LANGUAGE plpgsql")  # fmt: skip


@conforms(
    "Stored procedures", "AWS's example: a loop that fills a table, an INOUT argument", SOURCE
)
def test_the_example_of_the_documentation(session):
    session.create(
        """
        DECLARE
          out_var alias for $3;
          loop_var int;
        BEGIN
          IF f1 is null OR f2 is null THEN
            RAISE EXCEPTION 'input cannot be null';
          END IF;
          DROP TABLE if exists my_etl;
          CREATE TEMP TABLE my_etl(a int, b varchar);
          FOR loop_var IN 1..f1 LOOP
            insert into my_etl values (loop_var, f2);
            f2 := f2 || '+' || f2;
          END LOOP;
          SELECT INTO out_var count(*) from my_etl;
        END;
        """,
        "f1 IN int, f2 INOUT varchar(256), out_var OUT varchar(256)",
    )
    assert session("CALL sp(2, '2019')") == [("2019+2019+2019+2019", "2")]
    assert session("SELECT * FROM my_etl ORDER BY a") == [(1, "2019"), (2, "2019+2019")]
    with pytest.raises(psycopg2.Error, match="input cannot be null"):
        session("CALL sp(NULL, 'x')")


PIECES = {
    "if": "IF n > 5 THEN r := 'big'; ELSIF n > 2 THEN r := 'some'; ELSE r := 'few'; END IF;",
    "while": "r := ''; WHILE n > 0 LOOP r := r || n; n := n - 1; EXIT WHEN n = 3; END LOOP;",
    "labels": "r := 'x'; <<a>> LOOP LOOP n := n + 1; EXIT a WHEN n > 9; CONTINUE a WHEN n % 2 = 0; "
              "r := r || n; END LOOP; END LOOP a;",
    "reverse": "r := ''; FOR i IN REVERSE n..1 BY 2 LOOP r := r || i || ','; END LOOP;",
    "case": "CASE WHEN n < 3 THEN r := 'low'; WHEN n < 6 THEN r := 'mid'; ELSE r := 'high'; "
            "END CASE;",
    "case of": "CASE n WHEN 1, 2 THEN r := 'a'; WHEN 3 THEN r := 'b'; ELSE r := 'c'; END CASE;",
    "record": "r := ''; FOR rec IN SELECT g AS k, g * n AS v FROM three ORDER BY g LOOP "
              "r := r || rec.k || '=' || rec.v || ';'; END LOOP;",
    "dynamic": "EXECUTE 'SELECT ' || n || ' + count(*) FROM three' INTO r;",
    "found": "SELECT INTO r g FROM three WHERE g = n; "
             "IF NOT FOUND THEN r := 'none'; END IF;",
    "scopes": "r := n; DECLARE n VARCHAR(9) := 'inner'; BEGIN r := r || n; END; r := r || n;",
    "return": "r := 'before'; IF n % 2 = 0 THEN RETURN; END IF; r := 'after';",
    "null": "NULL; IF n IS NULL THEN NULL; END IF; r := COALESCE(r, 'none');",
    "strings": "r := 'it''s; END LOOP; -- ' || n; /* r := 'comment'; */",
    "nested case": "r := CASE WHEN n > 4 THEN CASE n WHEN 5 THEN 'five' ELSE 'more' END "
                   "ELSE 'less' END;",
}  # fmt: skip


@conforms("Stored procedures", "the control structures give what PL/pgSQL gives", SOURCE,
          cases="piece")  # fmt: skip
@pytest.mark.parametrize("piece", PIECES, ids=PIECES)
def test_control_structures(session, cloud, piece):
    """PostgreSQL's own PL/pgSQL runs the same body."""
    session("CREATE TABLE three (g INT); INSERT INTO three VALUES (1), (2), (3)")
    body = f"DECLARE rec RECORD; BEGIN {PIECES[piece]} END;"
    session.create(body, "n INOUT INT, r INOUT VARCHAR(200)")
    with superuser_of(cloud) as postgres, postgres.cursor() as cursor:
        cursor.execute("SET search_path TO procs; CREATE PROCEDURE pg_temp.own(INOUT n int, "
                       f"INOUT r varchar) LANGUAGE plpgsql AS $body$ {body} $body$")  # fmt: skip
        for number in (1, 2, 3, 5, 8):
            cursor.execute(f"CALL pg_temp.own({number}, NULL)")
            assert session(f"CALL sp({number}, NULL)") == [cursor.fetchone()], number
        cursor.execute("DROP PROCEDURE pg_temp.own")


@settings(max_examples=15, deadline=None)
@given(values=st.lists(st.integers(-99, 99) | st.none(), min_size=1, max_size=6))
def test_loops_agree_with_queries(cloud, values):
    with closing(cloud.connect_redshift()) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TEMP TABLE v (n INT)")
        cursor.executemany("INSERT INTO v VALUES (%s)", [(value,) for value in values])
        cursor.execute(
            "CREATE PROCEDURE total(s OUT BIGINT, c OUT INT) AS $$ DECLARE x RECORD; BEGIN s := 0; "
            "c := 0; FOR x IN SELECT n FROM v LOOP c := c + 1; CONTINUE WHEN x.n IS NULL; "
            "s := s + x.n; END LOOP; END; $$ LANGUAGE plpgsql"
        )
        cursor.execute("CALL total()")
        assert cursor.fetchone() == (sum(v for v in values if v is not None), len(values))
        connection.rollback()


@conforms("Stored procedures", "one transaction; COMMIT, ROLLBACK and TRUNCATE end it", SOURCE)
def test_transactions(session):
    session("CREATE TABLE t (n INT)")
    session.create("BEGIN INSERT INTO t VALUES (n); SELECT 1 / (n - 1); END;", "n INT")
    with pytest.raises(psycopg2.Error, match="division by zero"):
        session("CALL sp(1)")
    assert session("SELECT count(*) FROM t") == [(0,)]
    session("CALL sp(2)")
    session.create("BEGIN INSERT INTO t VALUES (3); COMMIT; INSERT INTO t VALUES (4); ROLLBACK; "
                   "INSERT INTO t VALUES (5); END;")  # fmt: skip
    session("CALL sp()")
    assert session("SELECT n FROM t ORDER BY n") == [(2,), (3,), (5,)]
    session.create("BEGIN TRUNCATE t; INSERT INTO t VALUES (6); SELECT 1 / 0; END;")
    with pytest.raises(psycopg2.Error, match="division by zero"):
        session("CALL sp()")
    assert session("SELECT n FROM t") == []
    session.create("BEGIN COMMIT; END;")
    session("BEGIN")
    with pytest.raises(psycopg2.Error, match="invalid transaction termination"):
        session("CALL sp()")
    session("ROLLBACK")


@conforms("Stored procedures", "a handler runs after the rollback; atomic ones raise anew", SOURCE)
def test_exceptions(session):
    session("CREATE TABLE t (w VARCHAR(99))")
    body = ("BEGIN INSERT INTO t VALUES ('lost'); SELECT 1 / 0; EXCEPTION WHEN OTHERS THEN "
            "INSERT INTO t VALUES (SQLERRM); END;")  # fmt: skip
    session.create(body)
    with pytest.raises(psycopg2.Error, match="division by zero"):
        session("CALL sp()")
    session.create(body, options="NONATOMIC")
    session("CALL sp()")
    assert session("SELECT w FROM t ORDER BY w") in (
        [("division by zero",), ("lost",)], [("lost",), ("division by zero",)],
    )  # fmt: skip


@conforms("Stored procedures", "Redshift's own statements, cursors and nested calls", SOURCE)
def test_statements_of_redshift(session):
    session.create(
        "DECLARE c CURSOR (top INT) FOR SELECT n FROM t WHERE n <= top ORDER BY n; v t.n%TYPE; "
        "row t%ROWTYPE; k INT; BEGIN "
        "CREATE TABLE t (n INT, m VARCHAR(9)) DISTKEY (n) SORTKEY (n); "
        "INSERT INTO t SELECT 1, 'a' UNION ALL SELECT 2, 'b'; GET DIAGNOSTICS k := ROW_COUNT; "
        "END;", "k INOUT INT",
    )  # fmt: skip
    with pytest.raises(psycopg2.Error, match="does not exist"):
        session("CALL sp(1)")  # the table of %TYPE comes later
    session("CREATE TABLE t (n INT, m VARCHAR(9)) DISTKEY (n)")
    session.create(
        "DECLARE c CURSOR (top INT) FOR SELECT n FROM t WHERE n <= top ORDER BY n; v t.n%TYPE; "
        "r t%ROWTYPE; k INT; s INT := 0; BEGIN "
        "INSERT INTO t SELECT 1, 'a' UNION ALL SELECT 2, 'b' UNION ALL SELECT 3, 'c'; "
        "GET DIAGNOSTICS k := ROW_COUNT; OPEN c(2); LOOP FETCH c INTO v; EXIT WHEN NOT FOUND; "
        "s := s + v; END LOOP; CLOSE c; SELECT * INTO r FROM t WHERE n = 3; "
        "result := k || '/' || s || '/' || r.m; END;", "result OUT VARCHAR(20)",
    )  # fmt: skip
    assert session("CALL sp()") == [("3/3/c",)]
    session("CREATE PROCEDURE outer_one(x INOUT VARCHAR(20)) AS $$ DECLARE y VARCHAR(20); BEGIN "
            "CALL sp2(y, 4); x := x || y; END; $$ LANGUAGE plpgsql")  # fmt: skip
    session("CREATE PROCEDURE sp2(a INOUT VARCHAR(20), b INT) AS $$ BEGIN a := 'in' || b; END; $$ "
            "LANGUAGE plpgsql")  # fmt: skip
    assert session("CALL outer_one('x')") == [("xin4",)]
    session("DROP PROCEDURE sp2(a INOUT VARCHAR(20), b INT)")
    with pytest.raises(psycopg2.Error, match="procedure sp2 with 2 arguments does not exist"):
        session("CALL outer_one('x')")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("BEGIN IF TRUE THEN END;", "syntax error at or near"),
        ("BEGIN LOOP EXIT; END;", "syntax error"),
        ("SELECT 1;", "syntax error"),
        ("BEGIN EXCEPTION WHEN division_by_zero THEN NULL; END;", "unrecognized exception"),
    ],
)
def test_what_create_refuses(session, body, words):
    with pytest.raises(psycopg2.Error, match=words):
        session.create(body)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("DECLARE c CONSTANT INT := 1; BEGIN c := 2; END;", "declared CONSTANT"),
        ("BEGIN nowhere := 2; END;", "is not a known variable"),
        ("BEGIN EXIT; END;", "outside a loop"),
        ("BEGIN EXECUTE 'SELECT pg_read_file(''/etc/passwd'')'; END;", "pg_read_file"),
        ("BEGIN EXECUTE 'SELECT 1; SELECT 2'; END;", "one statement"),
        ("BEGIN CALL sp(); END;", "nested calls limit of 16"),
        ("DECLARE x INT NOT NULL := 1; BEGIN x := NULL; END;", "declared NOT NULL"),
    ],
)
def test_what_call_refuses(session, body, words):
    session.create(body)
    with pytest.raises(psycopg2.Error, match=words):
        session("CALL sp()")
    assert session("SELECT 1") == [(1,)]


def test_a_value_is_never_read_as_code(session):
    session.create("BEGIN EXECUTE 'SELECT ' || quote_literal(x) INTO x; END;", "x INOUT VARCHAR")
    for text in ("a' || 'b", "\\'; DROP SCHEMA procs; --", "$$", "--", "x"):
        session.cursor.execute("CALL sp(%s)", (text,))
        assert session.cursor.fetchall() == [(text,)]


def test_clients_over_the_wire(session, cloud):
    """psycopg's extended protocol and redshift_connector get rows, parameters, notices, cancel."""
    session.create("BEGIN RAISE INFO 'n is %', n; n := n + 1; w := w || '!'; END;",
                   "n INOUT INT, w INOUT VARCHAR(20)")  # fmt: skip
    wire = cloud.front_address()
    with psycopg.connect(**wire, autocommit=True) as connection:
        found = connection.execute("CALL procs.sp(%s, %s)", (1, "a")).fetchall()
        assert found == [(2, "a!")]
        assert connection.execute("CALL procs.sp(1, 'b')").fetchall() == [(2, "b!")]
        session.create("BEGIN LOOP NULL; END LOOP; END;")
        done = threading.Event()

        def cancel():  # a cancel that comes before the statement is lost, as PostgreSQL's
            while not done.wait(0.1):
                connection.cancel_safe()  # `cancel` holds the lock that the front here needs

        canceller = threading.Thread(target=cancel)
        canceller.start()
        try:
            with pytest.raises(psycopg.errors.QueryCanceled):
                connection.execute("CALL procs.sp()")
        finally:
            done.set()
            canceller.join()
        assert connection.execute("SELECT 1").fetchall() == [(1,)]
    with closing(redshift_connector.connect(
        host=wire["host"], port=wire["port"], database=wire["dbname"], user=wire["user"],
        password=wire["password"], ssl=False,
    )) as connection, connection.cursor() as cursor:  # fmt: skip
        session.create("BEGIN n := n + 1; END;", "n INOUT INT, w INOUT VARCHAR(20)")
        cursor.execute("CALL procs.sp(%s, %s)", (41, "x"))
        assert [tuple(row) for row in cursor.fetchall()] == [(42, "x")]


@pytest.fixture
def low_user(cloud, session):
    password = "Secret-123x"
    session("DROP USER IF EXISTS procs_low")
    session(
        f"CREATE USER procs_low PASSWORD '{password}'; GRANT USAGE ON SCHEMA procs TO procs_low"
    )
    session("CREATE TABLE procs.hidden (n INT); INSERT INTO procs.hidden VALUES (42)")
    session("CREATE PROCEDURE procs.reader(n INOUT INT) AS $$ BEGIN SELECT INTO n MAX(h.n) FROM "
            "procs.hidden h; END $$ LANGUAGE plpgsql SECURITY DEFINER")  # fmt: skip
    address = {**cloud.front_address(), "user": "procs_low", "password": password}
    with closing(psycopg2.connect(**address)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            yield Session(cursor)
    session("DROP SCHEMA procs CASCADE; DROP USER procs_low")


@conforms("Stored procedures", "SECURITY DEFINER runs with the owner's rights, and only there",
          "stored-procedure-security-and-privileges")  # fmt: skip
def test_a_definers_rights_end_with_its_procedure(session, low_user):
    assert low_user("CALL procs.reader(0)") == [(42,)]
    low_user("BEGIN")
    assert low_user("CALL procs.reader(0)") == [(42,)]
    assert low_user("SELECT current_user") == [("procs_low",)]
    with pytest.raises(psycopg2.Error, match="permission denied"):
        low_user("SELECT * FROM procs.hidden")
    low_user("ROLLBACK")
    session("CREATE PROCEDURE procs.failing() AS $$ BEGIN RAISE EXCEPTION 'no'; END $$ "
            "LANGUAGE plpgsql SECURITY DEFINER")  # fmt: skip
    with pytest.raises(psycopg2.Error, match="no"):
        low_user("CALL procs.failing()")
    with pytest.raises(psycopg2.Error, match="permission denied"):
        low_user("SELECT * FROM procs.hidden")
    assert session("SELECT COUNT(*) FROM procs.hidden") == [(1,)]  # the administrator's rights


def test_a_definer_ends_no_transaction(session, low_user):
    session("CREATE PROCEDURE procs.ending() AS $$ BEGIN COMMIT; END $$ LANGUAGE plpgsql "
            "SECURITY DEFINER")  # fmt: skip
    with pytest.raises(psycopg2.Error, match="invalid transaction termination"):
        low_user("CALL procs.ending()")


@conforms("Stored procedures", "ALTER PROCEDURE ... RENAME TO, OWNER TO; SHOW PROCEDURE; SET",
          "r_ALTER_PROCEDURE, r_SHOW_PROCEDURE, r_CREATE_PROCEDURE")  # fmt: skip
def test_procedures_are_altered_and_shown(session):
    session("CREATE PROCEDURE procs.first(a IN INT, b INOUT INT) LANGUAGE plpgsql AS "
            "$$ BEGIN b := a + b; END $$ SET search_path TO procs")  # fmt: skip
    session("ALTER PROCEDURE procs.first(INT, INT) RENAME TO second")
    assert session("CALL procs.second(1, 2)") == [(3,)]
    (shown,) = session("SHOW PROCEDURE procs.second(INT, INT)")[0]
    assert shown.startswith("CREATE OR REPLACE PROCEDURE procs.second(a integer, INOUT b integer)")
    assert "BEGIN b := a + b; END" in shown
    assert [row[2] for row in session("SHOW PROCEDURES FROM SCHEMA dev.procs")] == ["second"]
    session("DROP USER IF EXISTS procs_owner; CREATE USER procs_owner PASSWORD 'Secret-123x'; "
            "GRANT ALL ON SCHEMA procs TO procs_owner")  # fmt: skip
    session("ALTER PROCEDURE procs.second(INT, INT) OWNER TO procs_owner")
    session("DROP SCHEMA procs CASCADE; DROP USER procs_owner")


@pytest.mark.parametrize(
    "body", ["NULL;", "IF true THEN NULL; END IF;", "EXECUTE 'SELECT 7';",
             "PERFORM 7;", "x := 1;"],
)  # fmt: skip
def test_a_call_without_output_arguments_answers_no_rows(session, cloud, body):
    """What the procedure read last is not the client's, and is not run once more for it."""
    session.create(f"DECLARE x INT; BEGIN {body} END;")
    assert session("CALL sp()") is None
    with psycopg.connect(**cloud.front_address(), autocommit=True) as connection:
        assert connection.execute("CALL procs.sp()").description is None
        simple = psycopg.ClientCursor(connection).execute("CALL procs.sp()")
        assert simple.description is None and simple.statusmessage == "CALL"
