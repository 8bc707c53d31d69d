"""The views of what clients have sent: stl_query, sys_query_history and their like."""

from contextlib import closing, suppress

import psycopg
import psycopg2
import pytest

from src.local_cloud.redshift import query_log
from src.sql import scanning
from tests.conformance import conforms
from tests.integration.redshift.test_redshift_rights import PASSWORD, asked, entered

AREA = "System views"
VIEWS = [
    "stl_query", "stl_querytext", "stl_ddltext", "stl_utilitytext", "svl_statementtext", "svl_qlog",
    "sys_query_history", "sys_query_text", "stl_error", "stv_recents", "stv_inflight",
    "stl_connection_log", "sys_connection_log", "sys_session_history",
]  # fmt: skip


@pytest.fixture
def admin(cloud):
    with closing(psycopg2.connect(**cloud.front_address())) as connection:
        connection.autocommit = True
        for statement in ("DROP TABLE IF EXISTS logged", "DROP USER IF EXISTS logged_user"):
            asked(connection, statement)
        yield connection
        for statement in ("DROP TABLE IF EXISTS logged", "DROP USER IF EXISTS logged_user"):
            with suppress(psycopg2.Error):
                asked(connection, statement)


def history(connection, pattern):
    return asked(
        connection,
        "SELECT trim(query_type), trim(status), returned_rows, trim(error_message) "
        f"FROM sys_query_history WHERE query_text LIKE '{pattern}' "
        "AND query_text NOT LIKE '%sys_query_history%' ORDER BY start_time",
    )


@pytest.mark.parametrize("view", VIEWS)
@conforms(
    AREA, "what clients have sent, and their sessions", "the view's own page", cases="view",
    partly="times of queues and of compiling are 0; what runs is shown in the server's words",
)  # fmt: skip
def test_the_views_of_the_log_have_content(admin, view):
    asked(admin, "CREATE TABLE logged (n INT)")
    asked(admin, "SET query_group TO 'logged'")
    with pytest.raises(psycopg2.Error):
        asked(admin, "SELECT n / 0 FROM logged_nowhere")
    assert asked(admin, f"SELECT COUNT(*) > 0 FROM {view}") == [(True,)]


def test_each_protocol_leaves_one_entry_with_rows_and_errors(cloud, admin):
    asked(admin, "CREATE TABLE logged (n INT)")
    asked(admin, "INSERT INTO logged VALUES (1), (2)")
    with psycopg.connect(**cloud.front_address(), autocommit=True) as connection:
        assert connection.execute("SELECT n FROM logged WHERE n > %s", [1]).fetchall() == [(2,)]
        with pytest.raises(psycopg.Error):
            connection.execute("SELECT %s::int / 0 FROM logged", [7])
        with pytest.raises(psycopg.Error):
            connection.execute("SELECT nowhere FROM logged WHERE n = %s", [1])
    assert history(admin, "INSERT INTO logged VALUES (1), (2)%") == [("INSERT", "success", 0, None)]
    assert history(admin, "SELECT n FROM logged%") == [("SELECT", "success", 1, None)]
    assert [row[1] for row in history(admin, "SELECT $1::int / 0%")] == ["failed"]
    found = history(admin, "SELECT nowhere FROM logged%")
    assert [row[1:] for row in found] == [("failed", 0, 'column "nowhere" does not exist')]


def test_the_statements_of_a_transaction_share_its_number_and_the_label_is_the_groups(admin):
    insert = "INSERT INTO logged VALUES (10{})"
    for statement in (
        "CREATE TABLE logged (n INT)", "SET query_group TO 'nightly'", "BEGIN", insert.format(1),
        insert.format(2), "COMMIT", insert.format(3), "RESET query_group",
    ):  # fmt: skip
        asked(admin, statement)
    found = asked(
        admin,
        "SELECT xid, trim(label) FROM stl_query "
        "WHERE querytxt LIKE 'INSERT INTO logged VALUES (10_)%' ORDER BY query",
    )
    assert [label for _, label in found] == ["nightly"] * 3
    assert found[0][0] == found[1][0] != found[2][0]


def test_a_copy_has_one_number_in_all_views(cloud, admin):
    cloud.s3_client().create_bucket(Bucket="query-log")
    cloud.s3_client().put_object(Bucket="query-log", Key="n.csv", Body=b"1\n2\n")
    asked(admin, "CREATE TABLE logged (n INT)")
    asked(admin, "COPY logged FROM 's3://query-log/n.csv' IAM_ROLE default CSV")
    assert asked(
        admin,
        "SELECT COUNT(*) FROM stl_query q JOIN stl_load_commits c ON c.query = q.query "
        "WHERE q.query = pg_last_copy_id() AND q.querytxt LIKE 'COPY logged%'",
    ) == [(1,)]


def test_no_secret_is_in_the_log(admin):
    asked(admin, f"CREATE USER logged_user PASSWORD '{PASSWORD}'")
    with suppress(psycopg2.Error):
        asked(admin, "COPY logged FROM 's3://none/x' CREDENTIALS AS "
                     f"'aws_access_key_id=AKIA;aws_secret_access_key={PASSWORD}'")  # fmt: skip
    texts = asked(admin, "SELECT query_text FROM sys_query_history ORDER BY start_time")
    assert any("CREATE USER logged_user PASSWORD '***'" in text for (text,) in texts)
    assert not any(PASSWORD in text for (text,) in texts)


@conforms(AREA, "a user sees its own statements; with SYSLOG ACCESS UNRESTRICTED all",
          "cm_chap_system-tables")  # fmt: skip
def test_a_user_sees_its_own_statements_only(cloud, admin):
    asked(admin, f"CREATE USER logged_user PASSWORD '{PASSWORD}'")
    asked(admin, "SELECT 4711")
    seen = "SELECT COUNT(*) > 0 FROM stl_query WHERE querytxt LIKE 'SELECT 4711%'"
    own = "SELECT COUNT(*) > 0 FROM stl_query WHERE querytxt LIKE 'SELECT 4712%'"
    with closing(entered(cloud, "logged_user")) as user:
        asked(user, "SELECT 4712")
        assert [asked(user, query) for query in (seen, own)] == [[(False,)], [(True,)]]
        asked(admin, "ALTER USER logged_user SYSLOG ACCESS UNRESTRICTED")
        assert asked(user, seen) == [(True,)]
    assert asked(admin, own) == [(True,)]


@pytest.mark.parametrize(
    "text", ["INSERT INTO t VALUES " + ", ".join(["(1, 'x')"] * 500), f"SELECT '{'x' * 20_000}'"]
)
def test_long_statements_are_not_held_in_memory(text):
    """The words of one of 16 MB take gigabytes; short ones are written in batches."""

    def entry(text):
        return query_log.Entry(scanning.read(text), 0.0, 1, "u", 1, "default", False)

    log = query_log.QueryLog()
    assert [log.add(entry("SELECT 1")) for _ in range(199)] == [False] * 199
    assert query_log.QueryLog().add(entry(text))
    assert log.add(entry("SELECT 1"))
