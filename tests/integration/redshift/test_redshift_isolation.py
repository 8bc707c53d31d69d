"""Two sessions at once: snapshots, the queue of a table's writers, and error 1023."""

import contextlib
from concurrent.futures import ThreadPoolExecutor

import psycopg
import psycopg2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conformance import conforms
from tests.integration.conftest import BUCKET, superuser_of
from tests.waiting import PATIENCE_S, wait_until

ROLE = "IAM_ROLE default"
KINDS = ("psycopg2", "psycopg", "psycopg prepared", "product")


@pytest.fixture
def connect(cloud):
    """Return a function that connects with autocommit, by a kind of client."""
    with contextlib.ExitStack() as stack:

        def connected(kind="psycopg2"):
            if kind == "product":
                found = cloud.connect_redshift()
                found.autocommit = True
            elif kind == "psycopg2":
                found = psycopg2.connect(**cloud.front_address())
                found.autocommit = True
            else:
                found = psycopg.connect(**cloud.front_address(), autocommit=True)
                found.prepare_threshold = 0 if "prepared" in kind else None
            return stack.enter_context(contextlib.closing(found))

        yield connected


@pytest.fixture
def accounts(connect):
    run(connect(), "DROP TABLE IF EXISTS accounts, others, marks",
        "CREATE TABLE accounts (id INT, bal INT)", "INSERT INTO accounts VALUES (1, 100), (2, 100)",
        "CREATE TABLE others (id INT)", "CREATE TABLE marks (id INT)")  # fmt: skip
    return "accounts"


def run(connection, *statements):
    """Run statements; returns the rows of the last one that has some."""
    found = None
    with connection.cursor() as cursor:
        for statement in statements:
            text, *arguments = statement if isinstance(statement, tuple) else (statement,)
            cursor.execute(text, arguments or None)
            found = cursor.fetchall() if cursor.description else found
    return found


def balances(connection):
    return run(connection, "SELECT bal FROM accounts ORDER BY id")


def wait_for_queue(cloud, waiting=1):
    """Wait until so many sessions wait for a table."""
    query = "SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'relation'"
    with superuser_of(cloud) as superuser, superuser.cursor() as cursor:

        def is_reached():
            cursor.execute(query)
            return cursor.fetchone()[0] >= waiting

        wait_until(is_reached, "writers wait for a table")


def assert_violation(error):
    diag = error.value.diag
    assert (diag.sqlstate, diag.message_primary) == ("XX000", "1023")
    assert diag.message_detail.startswith("Serializable isolation violation on table - ")
    assert "transactions forming the cycle are: " in diag.message_detail
    assert "(pid:" in diag.message_detail


ERRORS = (psycopg2.errors.InternalError_, psycopg.errors.InternalError_)
AREA = "Sessions and transactions"


@conforms(AREA, "two that change one row: error 1023", "c_serial_isolation")
@pytest.mark.parametrize("kind", KINDS)
def test_the_second_of_two_updates_of_one_row_is_refused(connect, accounts, kind):
    first, second = connect(kind), connect(kind)
    run(first, "BEGIN", "SELECT bal FROM accounts")
    run(second, "BEGIN", "SELECT bal FROM accounts")
    change = "UPDATE accounts SET bal = 110 WHERE id = 1"
    run(first, change, "COMMIT")
    with pytest.raises(ERRORS) as error:
        run(second, change)
    assert_violation(error)
    with pytest.raises((psycopg2.Error, psycopg.Error), match="aborted"):
        run(second, "SELECT 1")
    run(second, "ROLLBACK")
    assert balances(second) == [(110,), (100,)]


@conforms(AREA, "snapshot isolation", "c_serial_isolation")
@pytest.mark.parametrize("kind", KINDS)
def test_a_transaction_reads_one_snapshot(connect, accounts, kind):
    reader, writer = connect(kind), connect()
    run(reader, "BEGIN", "SELECT bal FROM accounts WHERE id = 1")
    run(writer, "BEGIN", "UPDATE accounts SET bal = 50 WHERE id = 1",
        "UPDATE accounts SET bal = 150 WHERE id = 2", "COMMIT")  # fmt: skip
    assert run(reader, "SELECT bal FROM accounts WHERE id = 2") == [(100,)]
    run(reader, "COMMIT")
    assert balances(reader) == [(50,), (150,)]


@conforms(AREA, "ISOLATION LEVEL SERIALIZABLE", "r_BEGIN, c_serial_isolation")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("level", ["", " ISOLATION LEVEL SNAPSHOT",
                                   " ISOLATION LEVEL SERIALIZABLE"])  # fmt: skip
def test_write_skew_is_refused_where_serializable_is_wanted(connect, accounts, kind, level):
    first, second = connect(kind), connect(kind)
    for session in (first, second):
        run(session, f"BEGIN{level}", "SELECT sum(bal) FROM accounts")
    run(first, "INSERT INTO others SELECT 1", "SELECT id FROM marks")
    run(second, "INSERT INTO marks SELECT 2", "SELECT id FROM others")
    run(first, "COMMIT")
    if "SERIALIZABLE" not in level:
        run(second, "COMMIT")
        return
    with pytest.raises(ERRORS) as error:
        run(second, "SELECT id FROM others", "COMMIT")
    assert_violation(error)


@conforms(AREA, "writers of one table wait for each other", "c_write_readwrite")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "write",
    ["INSERT INTO accounts SELECT 3, 5", "UPDATE accounts SET bal = bal + 1", "DELETE FROM accounts"
     " WHERE bal = 101", "COPY accounts FROM 's3://copy-tests/isolation/a' IAM_ROLE default"],
    ids=["insert", "update", "delete", "copy"],
)  # fmt: skip
def test_a_writer_waits_and_sees_what_the_other_committed(
    cloud, bucket, connect, accounts, kind, write
):
    bucket.put_object(Bucket=BUCKET, Key="isolation/a", Body=b"3|5\n")
    first, second = connect("psycopg2"), connect(kind)
    run(first, "BEGIN", "UPDATE accounts SET bal = 101 WHERE id = 1")
    with ThreadPoolExecutor(1) as pool:
        try:
            waiting = pool.submit(run, second, write)
            wait_for_queue(cloud)
            assert run(connect(), "SELECT count(*) FROM accounts") == [(2,)]  # readers do not wait
        finally:
            run(first, "COMMIT")
        waiting.result(PATIENCE_S)
    expected = {"I": [101, 100, 5], "U": [102, 101], "D": [100], "C": [101, 100, 5]}[write[0]]
    assert [bal for (bal,) in balances(first)] == expected


@pytest.mark.parametrize("kind", KINDS)
def test_the_first_write_of_a_transaction_sees_what_it_waited_for(cloud, connect, accounts, kind):
    first, second = connect("psycopg2"), connect(kind)
    run(first, "BEGIN", "UPDATE accounts SET bal = bal + 1")
    with ThreadPoolExecutor(1) as pool:
        try:
            change = ("UPDATE accounts SET bal = bal + %s WHERE id >= %s", 1, 1)
            waiting = pool.submit(run, second, "BEGIN", change, "COMMIT")
            wait_for_queue(cloud)
        finally:
            run(first, "COMMIT")
        waiting.result(PATIENCE_S)
    assert balances(first) == [(102,), (102,)]


STEPS = st.lists(
    st.tuples(st.sampled_from(KINDS), st.booleans(), st.integers(1, 2)), min_size=2, max_size=6
)


@settings(max_examples=8)
@given(steps=st.lists(STEPS, min_size=2, max_size=4))
def test_increments_at_once_are_all_counted(cloud, steps):
    """Law: single updates at once, of one table, sum up; none is refused, none waits for ever."""
    with contextlib.closing(psycopg2.connect(**cloud.front_address())) as first:
        first.autocommit = True
        run(first, "DROP TABLE IF EXISTS counters", "CREATE TABLE counters (id INT, n INT)",
            "INSERT INTO counters VALUES (1, 0), (2, 0)")  # fmt: skip

    def work(own):
        for kind, in_transaction, row in own:
            if kind == "product":
                connection = cloud.connect_redshift()
            else:
                module = psycopg2 if kind == "psycopg2" else psycopg
                connection = module.connect(**cloud.front_address())
            with contextlib.closing(connection):
                connection.autocommit = not in_transaction
                run(connection, ("UPDATE counters SET n = n + 1 WHERE id = %s", row))
                connection.commit()

    with ThreadPoolExecutor(len(steps)) as pool:
        for future in [pool.submit(work, own) for own in steps]:
            future.result(PATIENCE_S)
    with contextlib.closing(psycopg2.connect(**cloud.front_address())) as last:
        found = run(last, "SELECT n FROM counters ORDER BY id")
    rows = [row for own in steps for _, _, row in own]
    assert found == [(rows.count(1),), (rows.count(2),)]


def test_a_pipeline_of_one_update_many_times(cloud, accounts):
    with psycopg.connect(**cloud.front_address(), autocommit=True) as client:
        with client.pipeline():
            for _ in range(20):
                client.execute("UPDATE accounts SET bal = bal + %s", (1,))
        client.execute("PREPARE raise (int) AS UPDATE accounts SET bal = bal + $1")
        client.execute("EXECUTE raise (5)")
        with client.cursor() as cursor:
            cursor.executemany("UPDATE accounts SET bal = bal + %s WHERE id = 1", [(1,), (2,)])
        assert balances(client) == [(128,), (125,)]
        with pytest.raises(psycopg.errors.UndefinedTable), client.pipeline():
            client.execute("UPDATE accounts SET bal = %s", (0,))
            client.execute("UPDATE nowhere SET bal = %s", (0,))
        assert client.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
        with client.transaction():
            client.execute("UPDATE accounts SET bal = %s", (7,))
        assert balances(client) == [(7,), (7,)]


def test_two_that_wait_for_each_other(cloud, connect, accounts):
    first, second = connect(), connect("psycopg")
    run(first, "BEGIN", "INSERT INTO others SELECT 1")
    run(second, "BEGIN", "INSERT INTO marks SELECT 1")
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(run, first, "INSERT INTO marks SELECT 2")
        wait_for_queue(cloud)
        found = []
        for attempt in (lambda: run(second, "INSERT INTO others SELECT 2"), waiting.result):
            try:
                attempt()
            except (psycopg.Error, psycopg2.Error) as error:
                found.append(getattr(error, "sqlstate", None) or error.pgcode)
                run(second if isinstance(error, psycopg.Error) else first, "ROLLBACK")
    assert found == ["40P01"]


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_copy_notes_is_seen_in_its_own_transaction(bucket, connect, accounts, kind):
    bucket.put_object(Bucket=BUCKET, Key="isolation/bad", Body=b"1|1\nx|2\n3|3\n")
    client, errors = connect(kind), "SELECT count(*) FROM stl_load_errors WHERE query = "
    load = f"COPY accounts FROM 's3://{BUCKET}/isolation/bad' {ROLE} MAXERROR 5"
    run(client, "BEGIN", "SELECT bal FROM accounts")
    for _ in range(2):
        run(client, load)
        assert run(client, "SELECT pg_last_copy_count()") == [(2,)]
        assert run(client, errors + "pg_last_copy_id()") == [(1,)]
    query = run(client, "SELECT pg_last_copy_id()")[0][0]
    run(client, "ROLLBACK")
    assert run(client, f"{errors} {query}") == [(1,)]
    assert len(balances(client)) == 2


@pytest.mark.parametrize(
    ("text", "tag"),
    [(f"BEGIN ISOLATION LEVEL {level}{more}", "BEGIN")
     for level in ("SNAPSHOT", "SERIALIZABLE", "READ COMMITTED", "READ UNCOMMITTED",
                   "REPEATABLE READ")
     for more in ("", " READ ONLY", ", READ WRITE")]
    + [("SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL READ COMMITTED", "SET"),
       ("SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL SNAPSHOT", "SET"),
       ("START TRANSACTION ISOLATION LEVEL SERIALIZABLE", "START TRANSACTION"),
       ("SET TRANSACTION READ ONLY", "SET")],
)  # fmt: skip
def test_levels_by_name(connect, text, tag):
    client = connect()
    with client.cursor() as cursor:
        cursor.execute(text)
        assert cursor.statusmessage == tag
        cursor.execute("SHOW transaction_isolation")
        assert cursor.fetchone() == ("serializable",)


@conforms(AREA, "ALTER DATABASE ... ISOLATION LEVEL", "r_ALTER_DATABASE")
def test_a_database_has_a_level(cloud, connect):
    client, level = connect(), "SELECT database_isolation_level FROM svv_redshift_databases"
    assert run(client, level) == [("Snapshot Isolation",)]
    try:
        run(client, "ALTER DATABASE dev ISOLATION LEVEL SERIALIZABLE")
        assert run(client, level) == [("Serializable",)]
        first, second = connect(), connect()
        for session in (first, second):
            run(session, "BEGIN", "SELECT count(*) FROM pg_class")
    finally:
        run(client, "ALTER DATABASE dev ISOLATION LEVEL SNAPSHOT")
    with pytest.raises(psycopg2.errors.FeatureNotSupported):
        run(client, "ALTER DATABASE dev ISOLATION LEVEL CHAOS")
