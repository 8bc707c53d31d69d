"""The local Redshift over the wire: any client gets the answers our own connection gets."""

import asyncio
import contextlib
import os
import socket
import struct
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import asyncpg
import psycopg
import psycopg2
import pytest
import redshift_connector
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conformance import conforms
from tests.integration.conftest import BUCKET, superuser_of
from tests.waiting import PATIENCE_S, wait_until

ROLE = "IAM_ROLE default"


@pytest.fixture
def address(cloud):
    return cloud.front_address()


@pytest.fixture
def client(address):
    connection = psycopg.connect(**address, autocommit=True)
    connection.execute("DROP TABLE IF EXISTS public.front")
    connection.execute(
        "CREATE TABLE public.front (id INT IDENTITY(1,1), n INT, v VARCHAR(3)) DISTSTYLE ALL"
    )
    with contextlib.closing(connection):
        yield connection


def put(s3, body, key="front/a"):
    s3.put_object(Bucket=BUCKET, Key=key, Body=body)
    return f"s3://{BUCKET}/{key}"


# -- each driver ---------------------------------------------------------------------------


QUERY = "SELECT NVL(NULL, 'x'), DATEDIFF(month, '2024-01-31', '2024-02-01'), 1.50::DECIMAL(5,2)"
ANSWER = ("x", 1, Decimal("1.50"))


def with_psycopg(address):
    with psycopg.connect(**address) as connection:
        return connection.execute(QUERY).fetchone()


def with_psycopg_prepared_and_binary(address):
    with psycopg.connect(**address) as connection, connection.cursor(binary=True) as cursor:
        for _ in range(3):
            found = cursor.execute(QUERY, prepare=True).fetchone()
        return found


def with_psycopg2(address):
    connection = psycopg2.connect(**address)
    try:
        with connection.cursor() as cursor:
            cursor.execute(QUERY)
            return cursor.fetchone()
    finally:
        connection.close()


def with_asyncpg(address):
    async def ask():
        names = {"dbname": "database"}
        connection = await asyncpg.connect(**{names.get(k, k): v for k, v in address.items()},
                                           ssl=False)  # fmt: skip
        try:
            return tuple(await connection.fetchrow(QUERY))
        finally:
            await connection.close()

    return asyncio.run(ask())


def with_redshift_connector(address):
    names = {"dbname": "database"}
    connection = redshift_connector.connect(**{names.get(k, k): v for k, v in address.items()},
                                            ssl=False)  # fmt: skip
    try:
        cursor = connection.cursor()
        cursor.execute(QUERY)
        return tuple(cursor.fetchone())
    finally:
        connection.close()


@conforms("Any client", "psycopg, psycopg2, asyncpg and AWS's redshift_connector", "this project")
@pytest.mark.parametrize(
    "ask",
    [with_psycopg, with_psycopg_prepared_and_binary, with_psycopg2, with_asyncpg,
     with_redshift_connector],
)  # fmt: skip
def test_a_driver_gets_redshifts_answers(address, ask):
    assert ask(address) == ANSWER


@conforms("Any client", "psql", "this project")
def test_psql_gets_them_too(cloud):
    lines = cloud.write_client_files()
    done = subprocess.run(
        [lines["psql_path"], "service=concert_demo", "-At", "-c", QUERY, "-c", "\\dn"],
        env={"PGSERVICEFILE": str(cloud.folder / "pg_service.conf"), "PATH": "/usr/bin:/bin"},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.splitlines()[0] == "x|1|1.50"


# -- parameters, transactions, errors ------------------------------------------------------


@conforms(
    "Any client",
    "parameters, simple and extended protocol, text and binary",
    "PostgreSQL: protocol",
)
def test_parameters_of_every_kind(client):
    client.execute("INSERT INTO public.front (n,v) VALUES (%s,%s)", (7, "a$1"[:3]))
    found = client.execute(
        "SELECT n, v, '$1' FROM public.front WHERE n=%s AND v=%s", (7, "a$1")
    ).fetchall()
    assert found == [(7, "a$1", "$1")]


@conforms("Any client", "COPY runs in the client's transaction", "r_COPY")
def test_the_transaction_is_the_clients(client, bucket):
    url = put(bucket, b"1,a\n2,b\n")
    with pytest.raises(ZeroDivisionError), client.transaction():
        client.execute(f"COPY public.front FROM '{url}' {ROLE} CSV")
        assert client.execute("SELECT COUNT(*) FROM public.front").fetchone() == (2,)
        raise ZeroDivisionError
    assert client.execute("SELECT COUNT(*) FROM public.front").fetchone() == (0,)
    client.execute(f"COPY public.front FROM '{url}' {ROLE} CSV")
    assert client.execute("SELECT n, v FROM public.front ORDER BY n").fetchall() == [
        (1, "a"), (2, "b")
    ]  # fmt: skip


@conforms("Any client", "TRUNCATE commits, over the wire too", "r_TRUNCATE")
def test_truncate_commits(client):
    client.execute("INSERT INTO public.front (n) VALUES (1)")
    with pytest.raises(ZeroDivisionError), client.transaction():
        client.execute("TRUNCATE public.front")
        raise ZeroDivisionError
    assert client.execute("SELECT COUNT(*) FROM public.front").fetchone() == (0,)


@conforms("Any client", "a failed COPY has Redshift's error text", "r_Load_Error_Reference")
def test_a_failed_copy_says_what_redshift_says(client, bucket):
    notices = []
    client.add_notice_handler(lambda notice: notices.append(notice.message_primary))
    url = put(bucket, b"1,a\nx,b\n3,toolong\n")
    with pytest.raises(psycopg.errors.InternalError_, match="Load into table 'front' failed") as e:
        client.execute(f"COPY public.front FROM '{url}' {ROLE} CSV")
    assert e.value.sqlstate == "XX000" and "code:      8001" in e.value.diag.message_detail
    found = client.execute(
        "SELECT line_number, TRIM(colname), err_code FROM stl_load_errors "
        "WHERE query = pg_last_copy_id() ORDER BY 1"
    ).fetchall()
    assert found == [(2, "n", 1207), (3, "v", 1204)]
    client.execute(f"COPY public.front FROM '{url}' {ROLE} CSV MAXERROR 5")
    assert "2 record(s) could not be loaded." in notices[-1]


@conforms("Any client", "after an error only ROLLBACK helps", "PostgreSQL: protocol")
def test_after_an_error_in_a_transaction_only_rollback_helps(client):
    client.execute("BEGIN")
    with pytest.raises(psycopg.errors.FeatureNotSupported):
        client.execute("SELECT STRING_AGG(v, ',') FROM public.front")
    with pytest.raises(psycopg.errors.InFailedSqlTransaction):
        client.execute("SELECT 1")
    client.execute("ROLLBACK")
    assert client.execute("SELECT 1").fetchone() == (1,)


def test_a_pipeline_of_statements(client, bucket):
    url = put(bucket, b"5,p\n")
    with client.pipeline():
        client.execute("INSERT INTO public.front (n) VALUES (%s)", (1,))
        client.execute(f"COPY public.front FROM '{url}' {ROLE} CSV")
        counted = client.execute("SELECT COUNT(*), MAX(n) FROM public.front")
    assert counted.fetchone() == (2, 5)


@conforms("Any client", "pipelines of any length", "PostgreSQL: protocol")
def test_a_pipeline_of_any_length(client):
    with client.pipeline(), client.cursor() as cursor:
        for number in range(1500):
            cursor.execute("INSERT INTO public.front (n, v) VALUES (%s, 'x')", (number,))
            cursor.execute("SELECT REPEAT('wide', 2000)")
    assert client.execute("SELECT COUNT(*) FROM public.front").fetchone() == (1500,)


@conforms(
    "Any client",
    "a script is one implicit transaction, unless it opens or ends one; TRUNCATE commits",
    "PostgreSQL: protocol; r_TRUNCATE",
    cases="script",
)
@pytest.mark.parametrize(
    ("script", "left"),
    [
        ("INSERT INTO s VALUES (1); SELECT UNNEST(ARRAY[1]); INSERT INTO s VALUES (2)", []),
        ("INSERT INTO s VALUES (1); SELECT 1/0; INSERT INTO s VALUES (2)", []),
        ("INSERT INTO s VALUES (1); COPY s FROM 's3://none/x' IAM_ROLE default", []),
        ("INSERT INTO s VALUES (1); TRUNCATE s; INSERT INTO s VALUES (2); SELECT 1/0", []),
        ("INSERT INTO s VALUES (1); TRUNCATE u; INSERT INTO s VALUES (2); SELECT 1/0", [(1,)]),
        ("BEGIN; INSERT INTO s VALUES (1); COMMIT; SELECT 1/0", [(1,)]),
    ],
)
def test_a_script_is_one_transaction(address, script, left):
    with psycopg2_connection(address) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TEMP TABLE s (id INT); CREATE TEMP TABLE u (id INT)")
        with pytest.raises(psycopg2.Error):
            cursor.execute(script)
        cursor.execute("SELECT id FROM s")
        assert cursor.fetchall() == left
        cursor.execute("INSERT INTO s VALUES (3); INSERT INTO s VALUES (4)")
        cursor.execute("SELECT COUNT(*) FROM s")
        assert cursor.fetchall() == [(len(left) + 2,)]


@conforms("Any client", "UNLOAD and MERGE over the wire", "r_UNLOAD, r_MERGE")
def test_unload_and_merge_over_the_wire(client, bucket):
    client.execute("INSERT INTO public.front (n, v) VALUES (1, 'a')")
    where = f"s3://{BUCKET}/front-unload-{time.time_ns()}/"
    client.execute(f"UNLOAD ('SELECT n, v FROM public.front') TO '{where}' {ROLE} CSV PARALLEL OFF")
    key = where.removeprefix(f"s3://{BUCKET}/") + "000"
    assert bucket.get_object(Bucket=BUCKET, Key=key)["Body"].read() == b"1,a\n"
    client.execute("CREATE TEMP TABLE m (n INT, v VARCHAR(3))")
    client.execute("INSERT INTO m VALUES (1, 'b'), (2, 'c')")
    done = client.execute(
        "MERGE INTO public.front USING m ON front.n = m.n WHEN MATCHED THEN UPDATE SET v = m.v "
        "WHEN NOT MATCHED THEN INSERT (n, v) VALUES (m.n, m.v)"
    )
    assert done.statusmessage == "MERGE 2"
    assert client.execute("SELECT n, v FROM public.front ORDER BY n").fetchall() == [
        (1, "b"), (2, "c")
    ]  # fmt: skip


# -- the connection itself -----------------------------------------------------------------


@pytest.mark.parametrize("change", [{"password": "wrong"}, {"user": "somebody"}])
def test_strangers_are_refused(address, change):
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(**{**address, **change})


def test_an_unknown_database_is_refused(address):
    with pytest.raises(psycopg.OperationalError, match='"nope" does not exist'):
        psycopg.connect(**{**address, "dbname": "nope"})


def test_it_listens_on_loopback_only(cloud):
    assert cloud.front_address()["host"] == "127.0.0.1"
    outside = socket.gethostbyname(socket.gethostname())
    if not outside.startswith("127."):
        with pytest.raises(OSError):
            socket.create_connection((outside, cloud.front_address()["port"]), timeout=2).close()


@conforms("Any client", "cancelling", "PostgreSQL: protocol")
def test_a_running_statement_can_be_cancelled(cloud, client):
    rows = " CROSS JOIN ".join(f"(SELECT 1 AS x{i} UNION ALL SELECT 2) AS t{i}" for i in range(30))
    pid = client.execute("SELECT pg_backend_pid()").fetchone()[0]

    def runs():
        with superuser_of(cloud) as own, own.cursor() as cursor:
            cursor.execute(
                "SELECT 1 FROM pg_stat_activity WHERE pid = %s AND state = 'active' "
                "AND query LIKE '%%CROSS JOIN%%'", (pid,)
            )  # fmt: skip
            return cursor.fetchone()

    def cancel():
        wait_until(runs, "the statement runs")
        client.cancel_safe()

    with ThreadPoolExecutor(1) as beside:
        cancelling = beside.submit(cancel)
        with pytest.raises(psycopg.errors.QueryCanceled):
            client.execute(f"SELECT COUNT(*) FROM {rows}")
        cancelling.result()
    assert client.execute("SELECT 1").fetchone() == (1,)


def test_clients_do_not_disturb_each_other(address):
    def work(number):
        with psycopg.connect(**address) as connection:
            connection.execute("CREATE TEMP TABLE mine (n INT)")
            for _ in range(20):
                connection.execute("INSERT INTO mine VALUES (%s)", (number,))
            return connection.execute("SELECT SUM(n) FROM mine").fetchone()[0]

    with ThreadPoolExecutor(6) as clients:
        assert list(clients.map(work, range(6))) == [20 * number for number in range(6)]


def test_a_client_that_vanishes_leaves_nothing_behind(cloud, address):
    with contextlib.ExitStack() as opened:
        clients = [
            opened.enter_context(contextlib.closing(psycopg.connect(**address))) for _ in range(5)
        ]
        own = {one.execute("SELECT pg_backend_pid()").fetchone()[0] for one in clients}
        watcher = opened.enter_context(superuser_of(cloud))

        def left():
            """Of this test's own backends: the server is shared, and others come and go."""
            with watcher.cursor() as cursor:
                cursor.execute("SELECT pid FROM pg_stat_activity")
                return own & {pid for (pid,) in cursor.fetchall()}

        assert len(own) == 5 and left() == own
        for one in clients:
            with socket.socket(fileno=os.dup(one.fileno())) as raw:
                raw.shutdown(socket.SHUT_RDWR)
        wait_until(lambda: not left(), "the backends of the clients that vanished end")


# -- whatever comes -------------------------------------------------------------------------


TEXT = """
SELECT FROM WHERE COPY UNLOAD MERGE INTO USING ON WHEN MATCHED THEN DELETE UPDATE SET CREATE
TABLE TEMP DISTKEY SORTKEY AUTO ( ) , ; ' " $1 $$ -- /* */ :: * = 1 NULL public.front n v
's3://x/y' IAM_ROLE default CSV JSON 'auto' PARQUET MANIFEST MAXERROR VACUUM SHOW RESET LIMIT
TRUNCATE BEGIN COMMIT ROLLBACK IDENTITY(1,1) #t E'\\\\' \\ % \x01 \U0001f600 ALTER ADD QUALIFY
"""
WORDS = st.sampled_from(TEXT.split())


@conforms(
    "Any client", "random statements never hang, crash the server or lose data", "this project"
)
@settings(max_examples=150)
@given(words=st.lists(WORDS, max_size=12), separator=st.sampled_from([" ", "", "\n"]))
def test_no_statement_hangs_or_crashes_the_server_or_loses_data(address, words, separator):
    statement = separator.join(words)
    if any(word in words for word in ("DELETE", "UPDATE", "TRUNCATE", "MERGE")):
        statement = "BEGIN; " + statement.replace("COMMIT", "")
    with psycopg2_connection(address) as connection, connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 60000")
        try:
            cursor.execute(statement.replace("%", "%%"))
        except psycopg2.Error as error:
            assert not isinstance(error, psycopg2.OperationalError), statement
            assert "internal error" not in str(error), statement


class psycopg2_connection:  # noqa: N801
    def __init__(self, address):
        self.connection = psycopg2.connect(**address)
        self.connection.autocommit = True

    def __enter__(self):
        return self.connection

    def __exit__(self, *_):
        self.connection.close()


@conforms("Any client", "random bytes never crash the server", "this project")
@settings(max_examples=60)
@given(junk=st.binary(max_size=200), is_started=st.booleans())
def test_no_bytes_crash_the_server(address, junk, is_started):
    with socket.create_connection((address["host"], address["port"]), timeout=PATIENCE_S) as raw:
        if is_started:
            body = b"\x00\x03\x00\x00user\x00demo\x00\x00"
            raw.sendall(struct.pack("!I", len(body) + 4) + body)
        raw.sendall(junk)
        raw.shutdown(socket.SHUT_WR)
        while raw.recv(4096):
            pass
    with psycopg2_connection(address) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        assert cursor.fetchone() == (1,)
