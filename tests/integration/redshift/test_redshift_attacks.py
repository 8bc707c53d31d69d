"""No client gets out of the warehouse: attacks, and random disguises of each, over the wire.

The law: the answer is an error (or harmless), no file is read, no program runs, the catalog stays
as it was, and the session lives.
"""

import random
import re
import socket
import struct
import threading
import time
from contextlib import closing, suppress

import psycopg
import psycopg2
import psycopg2.errors
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from src.local_cloud.local_cloud import LocalCloud
from src.local_cloud.redshift.front.server import Front
from src.local_cloud.servers import postgres_roles, postgres_server
from tests.conformance import conforms
from tests.integration.conftest import superuser_of

QUERIES = [  # each is one expression or query that must not run
    "SELECT pg_read_file('{secret}')",
    "SELECT pg_catalog.pg_read_file('{secret}', 0, 20)",
    "SELECT pg_read_binary_file('{secret}')",
    "SELECT pg_ls_dir('/')",
    "SELECT * FROM pg_ls_dir('/') AS x",
    "SELECT (pg_stat_file('{secret}')).size",
    "SELECT lo_import('{secret}')",
    "SELECT lo_export(1, '{program}')",
    "SELECT lo_from_bytea(0, 'x')",
    "SELECT dblink('x', 'SELECT 1')",
    "SELECT query_to_xml('SELECT 1', true, true, '')",
    "SELECT set_config('role', 'rdsdb', false)",
    "SELECT current_setting('data_directory')",
    "SELECT inet_server_port()",
    "SELECT set_config('port', '1', false)",
    "SELECT pg_reload_conf()",
    "SELECT pg_sleep(60)",
    "SELECT setval('redshift_local.query_ids', 1)",
    "SELECT redshift_local.fail('x', 'y', 'z')",
    "SELECT redshift_local.record(ROW(1, 2, 3)::redshift_local.sessions)",
    "SELECT * FROM redshift_local.load_errors",
    "SELECT * FROM pg_file_settings",
    "SELECT * FROM pg_catalog.pg_file_settings",
    "SELECT * FROM pg_stat_activity",
    "SELECT * FROM pg_hba_file_rules",
    "SELECT * FROM pg_authid",
    "SELECT rolpassword FROM pg_catalog.pg_authid",
    "SELECT * FROM pg_catalog.pg_shadow",
    "SELECT * FROM pg_largeobject",
    "WITH pg_settings AS (SELECT 1) SELECT * FROM pg_catalog.pg_authid, pg_settings",
    "SELECT ('port'::text).current_setting",
    "SELECT (0.01::float8).pg_sleep",
    "SELECT c.row_to_json FROM pg_catalog.pg_class c",
    "SELECT ('/etc/passwd'::text).pg_read_file FROM pg_catalog.pg_class",
]
# Where a backslash ends a string for one reader and not for another, code looks like text.
BACKSLASHED = [
    "SELECT '\\' , ' , {call} , ' AS x -- '\nFROM pg_catalog.pg_class LIMIT 1",
    "SELECT E'\\' , ' , {call} , E' AS x -- '\nFROM pg_catalog.pg_class LIMIT 1",
    "SELECT '\\\\' , {call} , ' AS x -- '\nFROM pg_catalog.pg_class LIMIT 1",
    "SELECT '\\''\\' , ' , {call} , ' AS x -- '\nFROM pg_catalog.pg_class LIMIT 1",
]
CALLS = ["pg_sleep(60)", "pg_terminate_backend(1)", "current_setting(chr(112)||chr(111))",
         "set_config(chr(120), chr(120), true)", "redshift_local.record(NULL)"]  # fmt: skip
STATEMENTS = [
    "DELETE FROM pg_authid",
    "DELETE FROM pg_catalog.pg_class",
    "UPDATE pg_catalog.pg_proc SET prosrc = 'x'",
    "INSERT INTO pg_catalog.pg_authid SELECT * FROM pg_catalog.pg_authid",
    "TRUNCATE pg_catalog.pg_class",
    "TRUNCATE redshift_local.load_errors",
    "DROP SCHEMA redshift_local CASCADE",
    "DROP SCHEMA pg_catalog CASCADE",
    "DROP DATABASE postgres",
    "DROP DATABASE dev",
    "DROP FUNCTION pg_catalog.getdate()",
    "DROP VIEW pg_catalog.stl_load_errors",
    "DROP TABLE redshift_local.load_errors",
    "DROP ROLE rdsdb",
    "DROP OWNED BY rdsdb",
    "ALTER TABLE pg_catalog.pg_class ADD COLUMN x INT",
    "ALTER TABLE redshift_local.load_errors RENAME TO gone",
    "ALTER ROLE demo SUPERUSER",
    "ALTER USER demo PASSWORD 'x'",
    "ALTER SYSTEM SET port = 1",
    "ALTER DATABASE dev OWNER TO demo",
    "ALTER DATABASE dev SET search_path TO x",
    "CREATE OR REPLACE FUNCTION pg_catalog.getdate() RETURNS INT LANGUAGE sql AS 'SELECT 1'",
    "CREATE FUNCTION f() RETURNS INT AS $$SELECT 1$$ LANGUAGE sql",
    "CREATE OR REPLACE VIEW pg_catalog.stl_load_errors AS SELECT 1 AS a",
    "CREATE TABLE pg_catalog.x (a INT)",
    "CREATE TABLE redshift_local.x (a INT)",
    "CREATE ROLE x SUPERUSER",
    "CREATE USER x",
    "CREATE DATABASE x",
    "CREATE EXTENSION dblink",
    "CREATE LANGUAGE plpgsql",
    "CREATE EVENT TRIGGER x ON ddl_command_end EXECUTE FUNCTION f()",
    "CREATE RULE r AS ON SELECT TO x DO INSTEAD SELECT 1",
    "CREATE SERVER x FOREIGN DATA WRAPPER y",
    "COPY (SELECT 1) TO PROGRAM 'touch {program}'",
    "COPY pg_catalog.pg_class FROM PROGRAM 'touch {program}'",
    "COPY x FROM '{secret}'",
    "COPY x TO '{program}'",
    "COPY x FROM STDIN",
    "COPY (SELECT 1) TO STDOUT",
    "COPY pg_catalog.pg_authid FROM 's3://x/y' IAM_ROLE default CSV",
    "COPY redshift_local.load_errors FROM 's3://x/y' IAM_ROLE default CSV",
    "UNLOAD ('SELECT pg_read_file(''{secret}'')') TO 's3://x/y' IAM_ROLE default",
    "UNLOAD ('SELECT pg_read_file(\\'{secret}\\')') TO 's3://x/y' IAM_ROLE default",
    "UNLOAD ($$SELECT pg_read_file('{secret}')$$) TO 's3://x/y' IAM_ROLE default",
    "MERGE INTO pg_catalog.pg_authid USING x ON rolname = x.a WHEN MATCHED THEN DELETE",
    "MERGE INTO pg_authid USING x ON true REMOVE DUPLICATES",
    "SET ROLE rdsdb",
    "SET role TO rdsdb",
    "SET SESSION AUTHORIZATION rdsdb",
    "SET session_authorization TO rdsdb",
    "SET client_encoding TO 'LATIN1'",
    "SET client_encoding = SQL_ASCII",
    "SET NAMES 'LATIN1'",
    "SET allow_system_table_mods TO on",
    "SET standard_conforming_strings TO off",
    "SET redshift_local.x TO 1",
    "SHOW port",
    "SHOW data_directory",
    "SHOW unix_socket_directories",
    "RESET ROLE",
    "LOAD 'x'",
    "DO $$ BEGIN PERFORM pg_read_file('{secret}'); END $$",
    "LISTEN x",
    "NOTIFY x, 'y'",
    "CALL f()",
    "GRANT rdsdb TO demo",
    "GRANT ALL ON pg_catalog.pg_authid TO demo",
    "REVOKE ALL ON pg_catalog.pg_class FROM PUBLIC",
    "REASSIGN OWNED BY rdsdb TO demo",
    "SECURITY LABEL ON ROLE demo IS 'x'",
    "COMMENT ON DATABASE postgres IS 'x'",
    "VACUUM pg_catalog.pg_class",
    "ANALYZE redshift_local.load_errors",
    "LOCK TABLE pg_catalog.pg_class",
    "CLUSTER",
    "REINDEX DATABASE dev",
    "CHECKPOINT",
    "DISCARD ALL",
    "IMPORT FOREIGN SCHEMA x FROM SERVER y INTO z",
    "EXECUTE p(pg_read_file('{secret}'))",
    "COMMIT PREPARED 'x'",
    "PREPARE TRANSACTION 'x'",
    "VALUES (pg_read_file('{secret}'))",
    "TABLE pg_authid",
]
WRAPS = [
    "{}", "EXPLAIN {}", "PREPARE p AS {}", "DECLARE c CURSOR FOR {}", "({})",
    "WITH x AS ({}) SELECT * FROM x", "SELECT * FROM ({}) AS x", "CREATE VIEW attacks.v AS {}",
    "CREATE TEMP TABLE y AS {}", "SELECT 1 AS a UNION ALL {}", "EXPLAIN VERBOSE {}",
    "SELECT CASE WHEN EXISTS ({}) THEN 1 END", "INSERT INTO attacks.x {}",
    "UPDATE attacks.x SET a = ({})", "DELETE FROM attacks.x WHERE a IN ({})",
    "SELECT NVL(1, ({}))", "SELECT a FROM attacks.x WHERE a = ANY ({})",
]  # fmt: skip
COMMENTS = ["/* pg_catalog. */", "-- pg_catalog.x\n", "/* ' */", "/* \" */", "/* $$ */",
            "/*/* nested */*/", "-- it's\n", "/* pg_catalog.pg_class; */", "\n", "\t",
            "\x0c"]  # fmt: skip
IN_FRONT = ["SELECT 'pg_catalog.'; ", "SELECT $$ pg_catalog. $$; ", "SELECT E'\\''; ",
            "SELECT 1 AS \"pg_catalog.x\"; ", "/* pg_catalog. */ ", ";;", "SELECT '\\\\'; ",
            "SELECT $t$'$t$; ", "SELECT 'a' -- pg_catalog.\n; "]  # fmt: skip
# A statement in these is text: the answer is harmless.
AS_TEXT = ["SELECT 'pg_catalog.\\'; {} --'", "SELECT $$pg_catalog.; {} $$", "-- pg_catalog. {}",
           "SELECT E'pg_catalog.\\'; {} --'", "/* pg_catalog.x {} */ SELECT 1"]  # fmt: skip


@pytest.fixture(scope="module")
def place(cloud, tmp_path_factory):
    """Return what a disguise needs: a file with a secret, and one that no program must make."""
    folder = tmp_path_factory.mktemp("attacks")
    folder.chmod(0o777)
    secret = folder / "secret"
    secret.write_text("the canary sings")
    secret.chmod(0o644)
    with closing(psycopg2.connect(**cloud.front_address())) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("CREATE SCHEMA attacks; CREATE TABLE attacks.x (a INT)")
    return {"secret": str(secret), "program": str(folder / "ran"), "folder": folder}


@pytest.fixture(scope="module")
def superuser(cloud):
    with superuser_of(cloud) as connection, connection.cursor() as cursor:
        yield cursor


def fingerprint(cursor):
    cursor.execute(
        "SELECT (SELECT json_agg(a ORDER BY oid)::text FROM pg_authid a), "
        # A row's xmin is the transaction that wrote it: another one after every change.
        "(SELECT md5(string_agg(oid || ':' || xmin, ',' ORDER BY oid)) FROM pg_proc), "
        "(SELECT json_agg((datname, datdba, datacl) ORDER BY oid)::text FROM pg_database), "
        "(SELECT json_agg((relname, relowner, relacl) ORDER BY oid)::text FROM pg_class WHERE "
        " relnamespace IN ('redshift_local'::regnamespace, 'pg_catalog'::regnamespace) "
        " AND relkind IN ('r', 'v', 'S')), "
        "(SELECT json_agg((nspname, nspowner, nspacl) ORDER BY oid)::text FROM pg_namespace "
        " WHERE nspname !~ '^pg_(toast_)?temp'), (SELECT count(*) FROM pg_largeobject_metadata)"
    )
    return cursor.fetchone()


def answer(connection, statement):
    """Return the rows, or the error; the session must live."""
    with connection.cursor() as cursor:
        try:
            cursor.execute(statement)
            found = cursor.fetchall() if cursor.description else []
        except psycopg2.Error as error:
            assert not connection.closed, (statement, error)
            assert "internal error" not in str(error), statement
            found = error
        connection.rollback()
        cursor.execute("SELECT 1")
        assert cursor.fetchone() == (1,), statement
        connection.rollback()
    return found


@pytest.fixture
def connection(cloud, place):
    with closing(psycopg2.connect(**cloud.front_address())) as connection:
        yield connection


def check_harmless(found, place, statement):
    assert "canary" not in str(found), statement
    assert not (place["folder"] / "ran").exists(), statement


@conforms(
    "Any client",
    "a client is no superuser: files, programs, roles, the system's own relations and the server's "
    "settings are out of reach",
    "r_Privileges; this project",
    refused=True,
)
@pytest.mark.parametrize("statement", [*QUERIES, *STATEMENTS])
def test_an_attack_is_refused(connection, superuser, place, statement):
    before = fingerprint(superuser)
    found = answer(connection, statement.format(**place))
    assert isinstance(found, psycopg2.Error), found
    check_harmless(found, place, statement)
    assert fingerprint(superuser) == before


@conforms("Any client", "a backslash hides no code from the rules", "this project", refused=True)
@pytest.mark.parametrize("query", BACKSLASHED)
@pytest.mark.parametrize("call", CALLS)
def test_a_backslash_hides_nothing(connection, superuser, place, query, call):
    before, start = fingerprint(superuser), time.monotonic()
    found = answer(connection, query.format(call=call))
    # Harmless where all of it is text, refused where it is not.
    assert isinstance(found, psycopg2.Error) or call.split("(")[0] in str(found), found
    assert time.monotonic() - start < 30
    assert fingerprint(superuser) == before


def test_a_backslash_hides_no_new_table(connection):
    text = "SELECT '\\' , ' AS a INTO attacks.y FROM pg_catalog.pg_class WHERE '1' <> ' -- '"
    answer(connection, text)
    assert isinstance(answer(connection, "SELECT * FROM attacks.y"), psycopg2.Error)


def test_a_common_table_of_a_users_name_hides_no_user_table(connection):
    """A user's rows are never read by what only the catalog's queries may use."""
    answer(connection, "CREATE TABLE attacks.nt AS SELECT 1 AS n")
    answer(connection, "SET search_path TO attacks")
    for query in (
        "WITH nt AS (SELECT n FROM nt) SELECT pg_catalog.array_agg(n) FROM nt LIMIT 1",
        "WITH a AS (SELECT n FROM nt), nt AS (SELECT 1) SELECT pg_catalog.array_agg(n) FROM a",
        'WITH "NT" AS (SELECT 1 AS n) SELECT pg_catalog.array_agg(n) FROM nt',
        "SELECT pg_catalog.array_agg(n) FROM nt, (WITH nt AS (SELECT 1) SELECT 2 FROM nt) x",
    ):
        assert isinstance(answer(connection, query), psycopg2.Error), query
    good = "WITH nt AS (SELECT 1 AS n) SELECT pg_catalog.array_agg(n) FROM nt"
    assert answer(connection, good) == [([1],)]


def disguised(statement, chance):
    """Write a statement another way: comments and case anywhere, quoted function names."""
    words = re.findall(r"'(?:[^']|'')*'|\$\$.*?\$\$|\w+|\s+|.", statement, re.DOTALL)
    made = []
    for at, word in enumerate(words):
        after = words[at + 1] if at + 1 < len(words) else ""
        if word.isspace():
            made.append(" " + chance.choice(["", chance.choice(COMMENTS)]) + " ")
        elif (
            word.isidentifier()
            and after == "("
            and word.startswith("pg_")
            and chance.random() < 0.3
        ):
            made.append(f'"{word}" ')
        elif word.isidentifier():
            made.append("".join(chance.choice([c.upper(), c.lower()]) for c in word))
        else:
            made.append(word)
            if word in "(),." and chance.random() < 0.2:
                made.append(chance.choice(COMMENTS))
    return "".join(made)


@settings(max_examples=150, deadline=None,
          suppress_health_check=[HealthCheck.function_scoped_fixture])  # fmt: skip
@given(
    query=st.sampled_from(QUERIES), wrap=st.sampled_from(WRAPS),
    front=st.sampled_from(["", *IN_FRONT]), seed=st.integers(0, 2**32),
)  # fmt: skip
def test_a_query_is_refused_in_every_disguise(connection, place, query, wrap, front, seed):
    chance = random.Random(seed)
    statement = front + disguised(wrap.replace("{}", query.format(**place)), chance)
    found = answer(connection, statement)
    assert isinstance(found, psycopg2.Error), (statement, found)
    check_harmless(found, place, statement)


@settings(max_examples=150, deadline=None,
          suppress_health_check=[HealthCheck.function_scoped_fixture])  # fmt: skip
@given(
    attack=st.sampled_from(STATEMENTS), front=st.sampled_from(["", *IN_FRONT]),
    seed=st.integers(0, 2**32),
)  # fmt: skip
def test_a_statement_is_refused_in_every_disguise(connection, place, attack, front, seed):
    statement = front + disguised(attack.format(**place), random.Random(seed))
    found = answer(connection, statement)
    assert isinstance(found, psycopg2.Error), (statement, found)
    check_harmless(found, place, statement)


@pytest.mark.parametrize("around", AS_TEXT)
@pytest.mark.parametrize("statement", [QUERIES[0], "COPY (SELECT 1) TO PROGRAM 'touch {program}'"])
def test_a_statement_inside_of_a_text_is_text(connection, place, around, statement):
    text = around.replace("{}", statement.format(**place).replace("'", '"'))
    check_harmless(str(answer(connection, text)).replace(place["secret"], ""), place, text)


def test_nothing_was_changed_by_all_of_this(superuser, place):
    superuser.execute("SELECT rolsuper, rolcreaterole, rolcreatedb FROM pg_roles "
                      "WHERE rolname = 'demo'")  # fmt: skip
    assert superuser.fetchone() == (False, False, False)
    superuser.execute("SELECT count(*) FROM pg_auth_members WHERE member = 'demo'::regrole")
    assert superuser.fetchone() == (0,)
    superuser.execute("SELECT count(*) FROM pg_largeobject_metadata")
    assert superuser.fetchone() == (0,)
    assert sorted(path.name for path in place["folder"].iterdir()) == ["secret"]


@pytest.mark.parametrize("statement", [*QUERIES, *STATEMENTS])
def test_the_extended_protocol_refuses_it_too(cloud, place, statement):
    with psycopg.connect(**cloud.front_address()) as connection:
        with pytest.raises(psycopg.Error):
            connection.execute(statement.format(**place).encode(), prepare=True)
        connection.rollback()
        assert connection.execute("SELECT %s::INT", (1,), prepare=True).fetchone() == (1,)
    assert not (place["folder"] / "ran").exists()


@pytest.mark.parametrize(
    "statement",
    ["SELECT pg_read_file('{secret}')", "SELECT * FROM redshift_local.load_errors",
     "DELETE FROM pg_catalog.pg_class", "SELECT lo_from_bytea(0, 'x')",
     "SELECT * FROM pg_file_settings", "CREATE TABLE redshift_local.x (a INT)",
     "DROP FUNCTION pg_catalog.getdate()", "COPY (SELECT 1) TO PROGRAM 'true'",
     "CREATE ROLE x", "ALTER ROLE demo SUPERUSER", "SELECT inet_server_port()",
     "CREATE DATABASE x", "SET ROLE rdsdb", "SELECT pg_sleep(0)", "SELECT current_setting('port')",
     "SELECT pg_terminate_backend(1)", "SELECT set_config('client_encoding', 'LATIN1', false)",
     "SELECT query_to_xml('SELECT 1', true, true, '')", "SELECT * FROM pg_stat_activity",
     "SELECT pg_advisory_lock(1)", "SELECT ('port'::text).current_setting"],
)  # fmt: skip
def test_postgresql_itself_refuses_the_role(cloud, place, statement):
    """The law holds without the translation: the role has no such right."""
    with closing(psycopg2.connect(**cloud.redshift_address())) as connection:
        connection.autocommit = True
        cursor = connection.cursor()
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            cursor.execute(statement.format(**place))


def test_every_relation_of_the_system_answers_or_is_closed(cloud, superuser):
    """What the role must not call is called by no view that a client may read."""
    superuser.execute(
        "SELECT relname FROM pg_class WHERE relnamespace = 'pg_catalog'::regnamespace "
        "AND relkind IN ('r', 'v')"
    )
    found = [name for (name,) in superuser.fetchall()]
    with closing(psycopg2.connect(**cloud.front_address())) as connection:
        answers = {
            name: answer(connection, f"SELECT * FROM pg_catalog.{name} LIMIT 2") for name in found
        }
    closed = {name: str(a) for name, a in answers.items() if isinstance(a, psycopg2.Error)}
    assert not {n: e for n, e in closed.items() if "permission denied for function" in e}
    own = {n for n in found if n.startswith(("stl_", "stv_", "svl_", "svv_", "svcs_", "sys_"))}
    assert len(own) > 10 and not own & set(closed)


# -- texts, encodings, sizes -----------------------------------------------------------------


@conforms("Any client", "every encoding but UTF-8 is refused", "r_SET; this project", refused=True)
def test_every_other_encoding_is_refused(cloud):
    with closing(psycopg2.connect(**cloud.front_address())) as connection:
        with pytest.raises(psycopg2.errors.FeatureNotSupported, match="client_encoding"):
            connection.set_client_encoding("LATIN1")
        connection.rollback()
        connection.set_client_encoding("UTF8")
        with connection.cursor() as cursor:
            cursor.execute("SELECT 'Beyonc\u00e9'")
            assert cursor.fetchone() == ("Beyonc\u00e9",)
    for change in ({"client_encoding": "LATIN1"}, {"options": "-c client_encoding=LATIN1"}):
        with pytest.raises(psycopg2.OperationalError, match="client_encoding"):
            psycopg2.connect(**cloud.front_address(), **change).close()
    direct = cloud.connect_redshift()
    with closing(direct), pytest.raises(psycopg2.NotSupportedError):
        direct.set_client_encoding("LATIN1")


@pytest.mark.parametrize(
    "options",
    ["-c role=rdsdb", "-c session_authorization=rdsdb", "-c allow_system_table_mods=on",
     "--session_preload_libraries=x", "-d 5", "-c", "-c search_path=a;SELECT"],
)  # fmt: skip
def test_options_of_the_start_are_settings_like_others(cloud, options):
    with pytest.raises(psycopg2.OperationalError):
        psycopg2.connect(**cloud.front_address(), options=options).close()


def test_options_of_the_start_are_set(cloud):
    address = cloud.front_address()
    options = "-c search_path=attacks,public -c statement_timeout=1234 -c query_group=a\\ b"
    found = []
    with closing(psycopg2.connect(**address, options=options)) as connection:
        cursor = connection.cursor()
        for name in ("search_path", "statement_timeout", "query_group", "datestyle"):
            cursor.execute(f"SHOW {name}")
            found += cursor.fetchone()
    assert found == ["attacks, public", "1234ms", "a b", "ISO, MDY"]


@settings(max_examples=20, deadline=None,
          suppress_health_check=[HealthCheck.function_scoped_fixture])  # fmt: skip
@given(
    before=st.sampled_from(["(", "NOT ", "- ", "ABS(", "CASE WHEN TRUE THEN ", "1 + ",
                            "CAST(", "NVL(1, ", "(SELECT "]),
    depth=st.integers(1, 10_000),
)  # fmt: skip
@example(before="(", depth=50)
@example(before="(", depth=10_000)
def test_any_depth_leaves_the_session_alive(connection, before, depth):
    after = {"(": ")", "ABS(": ")", "CASE WHEN TRUE THEN ": " END", "CAST(": " AS INT)",
             "NVL(1, ": ")", "(SELECT ": ")"}.get(before, "")  # fmt: skip
    answer(connection, f"SELECT {before * depth}1{after * depth}")


@conforms(
    "Any client", "a statement of more than 16 MB is refused", "c_redshift-sql; psycopg2#1091"
)
def test_a_statement_that_is_too_large(connection):
    found = answer(connection, "SELECT '" + "x" * (16 << 20) + "'")
    size = (16 << 20) + len("SELECT ''") + 1
    assert f"Statement is too large. Statement Size: {size} bytes." in str(found)


@pytest.mark.parametrize(
    "statement",
    ["CREATE TABLE attacks.l (a VARCHAR(65536))", "CREATE TABLE attacks.l (a CHAR(4097))",
     "CREATE TABLE attacks.l (a NUMERIC(39, 2))", "SELECT 'a'::VARCHAR(65536)",
     f"CREATE TABLE attacks.{'n' * 64} (a INT)", f"SELECT 1 AS {'n' * 128}",
     f'SELECT 1 AS "{"n" * 64}"'],
)  # fmt: skip
def test_limits_are_kept(connection, statement):
    assert isinstance(answer(connection, statement), psycopg2.Error)


# -- messages ------------------------------------------------------------------------------


class Wire:
    """A client that writes messages itself."""

    def __init__(self, address, **parameters):
        self.socket = socket.create_connection((address["host"], address["port"]), timeout=20)
        fields = {"user": address["user"], "database": address["dbname"], **parameters}
        body = b"".join(f"{k}\0{v}\0".encode() for k, v in fields.items()) + b"\0"
        self.socket.sendall(struct.pack("!II", len(body) + 8, 3 << 16) + body)
        assert self.read()[0] == b"R"
        self.send(b"p", address["password"].encode() + b"\0")
        self.key = next(body for kind, body in self.until_ready() if kind == b"K")

    def send(self, kind, body=b""):
        self.socket.sendall(kind + struct.pack("!I", len(body) + 4) + body)

    def _exactly(self, count):
        found = b""
        while len(found) < count:
            part = self.socket.recv(count - len(found))
            if not part:
                raise EOFError
            found += part
        return found

    def read(self):
        head = self._exactly(5)
        return head[:1], self._exactly(struct.unpack("!I", head[1:])[0] - 4)

    def until_ready(self):
        found = [self.read()]
        while found[-1][0] != b"Z":
            found.append(self.read())
        return found

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()


def kinds(answers):
    return b"".join(kind for kind, _ in answers)


def test_a_function_call_message_is_refused(cloud, superuser, place):
    superuser.execute("SELECT 'pg_read_file(text)'::regprocedure::oid::int8")
    (oid,) = superuser.fetchone()
    path = place["secret"].encode()
    body = struct.pack("!IHHHI", oid, 1, 0, 1, len(path)) + path + struct.pack("!H", 0)
    with Wire(cloud.front_address()) as wire:
        wire.send(b"F", body)
        answers = wire.until_ready()
        assert kinds(answers) == b"EZ" and b"canary" not in answers[0][1]
        wire.send(b"Q", b"SELECT 1\0")
        assert kinds(wire.until_ready()) == b"TDCZ"


@pytest.mark.parametrize("kind", [b"p", b"y", b"\0", b"\xff"])
def test_an_unknown_message_is_answered_and_ends_the_session(cloud, kind):
    with Wire(cloud.front_address()) as wire:
        wire.send(kind, b"x")
        found, body = wire.read()
        assert found == b"E" and b"invalid frontend message type" in body
        with pytest.raises(EOFError):
            wire.read()


@pytest.mark.parametrize(
    ("kind", "body"),
    [(b"Q", b"SELECT '\xff'\0"), (b"P", b"\0SELECT '\xe9'\0\0\0"), (b"B", b"\xff\0\0\0\0\0\0\0\0"),
     (b"E", b"\xff\0\0\0\0\0")],
)  # fmt: skip
def test_text_that_is_not_utf8_is_an_error(cloud, kind, body):
    with Wire(cloud.front_address()) as wire:
        wire.send(kind, body)
        if kind != b"Q":
            wire.send(b"S")
        answers = wire.until_ready()
        assert kinds(answers) == b"EZ" and b"22021" in answers[0][1]
        wire.send(b"Q", b"SELECT 1\0")
        assert kinds(wire.until_ready()) == b"TDCZ"


def test_copy_messages_out_of_place_are_passed_over(cloud):
    with Wire(cloud.front_address()) as wire:
        for kind in (b"d", b"c", b"f"):
            wire.send(kind, b"x\0")
        wire.send(b"Q", b"SELECT 1\0")
        assert kinds(wire.until_ready()) == b"TDCZ"


@conforms("Any client", "cancelling wants the session's own key", "PostgreSQL: protocol")
def test_a_wrong_key_cancels_nothing(cloud):
    address = cloud.front_address()

    def cancel(key):
        with socket.create_connection((address["host"], address["port"]), timeout=120) as raw:
            raw.sendall(struct.pack("!II", len(key) + 8, 80877102) + key)
            with suppress(OSError):
                raw.recv(1)

    rows = " CROSS JOIN ".join(f"(SELECT 1 AS x{i} UNION ALL SELECT 2) AS t{i}" for i in range(40))
    with Wire(address) as wire:
        assert len(wire.key) == 8 and wire.key[4:] != b"\0\0\0\0"
        wire.send(b"Q", f"SELECT COUNT(*) FROM {rows}\0".encode())
        wrong = bytes(byte ^ 0xFF for byte in wire.key[4:])
        for key in (wire.key[:4] + wrong, wire.key[:4] + b"\0\0\0\0", wire.key[:4], b""):
            cancel(key)
        wire.socket.settimeout(0.5)
        with pytest.raises(TimeoutError):
            wire.read()
        wire.socket.settimeout(120)
        cancel(wire.key)
        assert b"57014" in dict(wire.until_ready())[b"E"]


@pytest.fixture
def hasty_front(cloud):
    front = Front(cloud.redshift_address(), lambda: None, authentication_s=0.3)
    front.start()
    yield {**cloud.front_address(), "port": front.port}
    front.stop()


def test_authentication_has_a_time_limit(hasty_front):
    with socket.create_connection((hasty_front["host"], hasty_front["port"]), timeout=20) as raw:
        ended = threading.Event()

        def drip():  # a byte at a time, so that no single wait is long
            with suppress(OSError):
                for byte in struct.pack("!II", 9_000, 3 << 16) + b"x" * 8_000:
                    if ended.wait(0.02):
                        return
                    raw.sendall(bytes([byte]))

        thread = threading.Thread(target=drip)
        thread.start()
        started = time.monotonic()
        try:
            found = raw.recv(4096)
        finally:
            ended.set()
            thread.join()
    assert b"timeout" in found and time.monotonic() - started < 15
    with Wire(hasty_front) as wire:  # a session that has begun is not limited
        wire.socket.settimeout(1)
        with pytest.raises(TimeoutError):
            wire.read()
        wire.send(b"Q", b"SELECT 1\0")
        assert kinds(wire.until_ready()) == b"TDCZ"


@pytest.mark.parametrize("length", [10_005, 1 << 20, (1 << 30) + 1, 0xFFFFFFFF])
def test_before_authentication_messages_are_small(cloud, length):
    address = cloud.front_address()
    with socket.create_connection((address["host"], address["port"]), timeout=20) as raw:
        raw.sendall(struct.pack("!II", length, 3 << 16))
        assert raw.recv(10) == b""
    with socket.create_connection((address["host"], address["port"]), timeout=20) as raw:
        body = b"user\0demo\0\0"
        raw.sendall(struct.pack("!II", len(body) + 8, 3 << 16) + body)
        assert raw.recv(9)[:1] == b"R"
        raw.sendall(b"p" + struct.pack("!I", length))
        assert raw.recv(10) == b""


def test_inner_ports_do_not_show(cloud):
    inner = str(cloud.redshift_address()["port"])
    with pytest.raises(psycopg2.OperationalError) as caught:
        psycopg2.connect(**{**cloud.front_address(), "dbname": "nope"}).close()
    assert inner not in str(caught.value)
    for database in ("postgres", "template1"):
        with pytest.raises(psycopg2.OperationalError) as caught:
            psycopg2.connect(**{**cloud.front_address(), "dbname": database}).close()
        assert inner not in str(caught.value)


# -- an earlier version's folder -----------------------------------------------------------


def test_the_folder_of_an_earlier_version_is_taken_over(tmp_path, monkeypatch):
    """There the clients' role was the superuser, and owned everything."""

    def only_database(client, superuser):
        with closing(psycopg2.connect(**{**superuser, "dbname": "postgres"})) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute("CREATE DATABASE dev")

    folder = tmp_path / ".demo"
    with monkeypatch.context() as earlier, LocalCloudOfOld(folder, earlier, only_database) as old:
        connection = old.connect_redshift()
        with closing(connection):
            connection.cursor().execute(
                "CREATE SCHEMA concert_dw; CREATE TABLE concert_dw.t (id INT IDENTITY(1, 1), "
                "v VARCHAR(3)); CREATE VIEW concert_dw.v AS SELECT v FROM concert_dw.t; "
                "CREATE TABLE public.u (a INT); INSERT INTO concert_dw.t (v) VALUES ('a')"
            )
            connection.commit()
    for _ in range(2):
        with LocalCloud(folder) as cloud:
            address = cloud._servers._postgres.superuser_address()
            with closing(psycopg2.connect(**cloud.front_address())) as connection:
                cursor = connection.cursor()
                cursor.execute("SELECT v FROM concert_dw.v")
                assert cursor.fetchall() == [("a",)]
                cursor.execute("INSERT INTO concert_dw.t (v) VALUES ('b')")
                cursor.execute("ALTER TABLE concert_dw.t ADD COLUMN n INT")
                cursor.execute("DROP VIEW concert_dw.v; DROP TABLE public.u")
                connection.rollback()
                cursor.execute("SELECT pg_last_copy_count()")
            with closing(psycopg2.connect(**address)) as connection:
                cursor = connection.cursor()
                cursor.execute("SELECT rolname FROM pg_roles WHERE rolsuper")
                assert cursor.fetchall() == [("rdsdb",)]


def test_no_function_of_a_clients_runs_as_the_superuser(tmp_path):
    """What the next start calls by a bare name is the system's own, whatever a client made."""
    folder = tmp_path / ".demo"
    with (
        LocalCloud(folder) as cloud,
        closing(psycopg2.connect(**cloud.redshift_address())) as connection,
        connection,
        connection.cursor() as cursor,
    ):
        for types in ("text, name, name", "text, name, text"):
            cursor.execute(
                f"CREATE FUNCTION public.format({types}) RETURNS text LANGUAGE plpgsql AS "
                "$$BEGIN ALTER ROLE demo SUPERUSER; RETURN 'public.t'; END$$"
            )
        cursor.execute("CREATE TABLE public.t AS SELECT generate_series(1, 6000)")
        cursor.execute("DELETE FROM public.t")
    with LocalCloud(folder) as cloud, superuser_of(cloud) as superuser:
        cursor = superuser.cursor()
        cursor.execute("SELECT rolname FROM pg_roles WHERE rolsuper")
        assert cursor.fetchall() == [("rdsdb",)]


class LocalCloudOfOld(LocalCloud):
    """A cloud whose clients are the superuser, as it was."""

    def __init__(self, folder, monkeypatch, ensure):
        super().__init__(folder)
        monkeypatch.setattr(postgres_server, "SUPERUSER", "demo")
        monkeypatch.setattr(postgres_roles, "ensure", ensure)
        monkeypatch.setattr(
            postgres_roles, "superuser_password",
            lambda _: self._credentials.password,
        )  # fmt: skip
