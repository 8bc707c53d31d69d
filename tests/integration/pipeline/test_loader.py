"""The client and the loader on the local warehouse: all tables or none, and clear errors."""

import gzip
import logging
from contextlib import closing

import psycopg2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from src.errors import LoadError, UnreachableError, WarehouseError
from src.infrastructure.redshift_client import RedshiftClient
from src.infrastructure.redshift_data_loader import RedshiftDataLoader
from src.infrastructure.storage.s3_storage import S3Storage
from src.infrastructure.warehouse.load_plan import LoadPlan, LoadSource, SourceFile
from src.infrastructure.warehouse.refused_records import batches
from src.local_cloud.redshift.connection import connect
from tests.integration.conftest import end_session

ROLE = "arn:aws:iam::123456789012:role/very-private"
ROWS = {
    "artists": "artist_id,name,genre,popularity,country\n1,Ann,rock,1.5,US\n",
    "venues": "venue_id,name,city,country,venue_type,capacity\n1,Hall,Bonn,DE,hall,100\n",
    "concerts": "concert_id,artist_id,venue_id,starts_at,on_sale_at,base_price,status,"
    "tickets_sold\n1,1,1,2025-01-01 20:00:00,,10,completed,2\n",
    "ticket_sales": "sale_id,concert_id,purchased_at,quantity,unit_price,total_amount,"
    "ticket_tier,sales_channel\n1,1,2024-12-01 10:00:00,2,9.99,19.98,vip,web\n",
}


@pytest.fixture
def client(cloud):
    client = RedshiftClient(cloud.connect_redshift, sleep=lambda s: None)
    with closing(client):
        client.create_tables()
        with client.transaction():
            for table in ROWS:
                client.execute(f"DELETE FROM concert_dw.{table}")
        yield client


@pytest.fixture
def storage(s3):
    storage = S3Storage(s3, "loader-tests")
    storage.ensure_bucket()
    return storage


@pytest.fixture
def loader(client, storage):
    return RedshiftDataLoader(client, storage, iam_role=ROLE, sleep=lambda s: None)


def plan(storage, run_id="r1", mode="replace", expected=None, **bodies):
    tables = {}
    for table, body in {**ROWS, **bodies}.items():
        storage.put(f"{run_id}/{table}.csv", body.encode())
        file = SourceFile(storage.uri(f"{run_id}/{table}.csv"), len(body.encode()))
        rows = body.count("\n") - 1 if expected is None else expected
        tables[table] = LoadSource((file,), "csv", rows)
    return LoadPlan(run_id, mode, tables)


def counts(client):
    return [client.row_count("concert_dw", table) for table in ROWS]


def test_a_load_fills_all_tables_and_the_ledger_and_a_repeat_doubles_nothing(
    client, loader, storage
):
    for _ in range(2):
        done = loader.load(plan(storage))
        assert {name: load.table_rows for name, load in done.items()} == dict.fromkeys(ROWS, 1)
    assert counts(client) == [1, 1, 1, 1]
    history = client.query("SELECT DISTINCT table_name FROM concert_dw.load_history")
    assert {row["table_name"] for row in history} == set(ROWS)


def test_merge_keeps_other_rows_and_replaces_its_own(client, loader, storage):
    loader.load(plan(storage))
    more = ROWS["artists"].replace("1,Ann", "1,Anna") + "2,Bob,,,\n"
    loader.load(plan(storage, "r2", "merge", artists=more))
    names = client.query("SELECT artist_id, name FROM concert_dw.artists ORDER BY 1")
    assert [tuple(row.values()) for row in names] == [("1", "Anna"), ("2", "Bob")]
    assert counts(client) == [2, 1, 1, 1]


def test_a_refused_row_is_shown_with_file_line_column_and_reason(client, loader, storage):
    loader.load(plan(storage))
    bad = ROWS["ticket_sales"] + "2,1,2024-12-01,N/A,1,1,vip,web\n"
    with pytest.raises(LoadError) as caught:
        loader.load(plan(storage, "r2", artists=ROWS["artists"] + "2,B,,,\n", ticket_sales=bad))
    error = caught.value
    assert error.message == "COPY into concert_dw.ticket_sales rejected 1 of 2 rows"
    assert error.where == "s3://loader-tests/r2/ticket_sales.csv line 3, column quantity"
    assert error.cause == "Invalid digit, Value 'N', Pos 0, Type: Integer (code 1207)"
    assert error.facts["load_errors"][0]["line_number"] == 3
    assert counts(client) == [1, 1, 1, 1]  # the artists of the failed load are gone again


def test_on_serverless_the_sys_view_is_asked(cloud, client, storage):
    serverless = RedshiftClient(
        lambda: connect(s3=cloud.s3_client(), serverless=True, **cloud.redshift_address()),
        is_serverless=True,
    )
    bad = ROWS["venues"] + "2,H,B,DE,hall,many\n"
    loader = RedshiftDataLoader(serverless, storage, iam_role=ROLE)
    rejected = pytest.raises(LoadError, match="rejected 1 of 2 rows")
    with closing(serverless), rejected as caught:
        loader.load(plan(storage, venues=bad))
    assert "line 3, column capacity" in caught.value.where


@pytest.fixture(params=[False, True], ids=["provisioned", "serverless"])
def either(request, cloud):
    """A client of each kind of warehouse; only one has a view with the refused record's text."""
    client = RedshiftClient(
        lambda: connect(s3=cloud.s3_client(), serverless=request.param, **cloud.redshift_address()),
        is_serverless=request.param,
    )
    with closing(client):
        client.create_tables()
        yield client


def test_a_refused_record_keeps_its_key_and_its_text(either, storage, monkeypatch):
    good = [f'{{"artist_id": "{n}", "name": "A{n}", "record": "{n}"}}' for n in range(3)]
    long = "x" * 3_000  # more than a view shows of a record
    bad = [f'{{"artist_id": "bad{n}", "name": ["{long}", {n}}}' for n in range(4)]
    body = gzip.compress("\n".join([*good, *bad, ""]).encode())
    storage.put("direct/artists/part-0.json.gz", body)
    file = SourceFile(storage.uri("direct/artists/part-0.json.gz"), len(body))
    tables = {name: LoadSource((), "json", 0) for name in ROWS}
    tables["artists"] = LoadSource((file,), "json", None, ("artist_id", "name"), True)
    statements, execute = [], either.execute

    def run(statement, arguments=None):
        statements.append(statement)
        return execute(statement, arguments)

    monkeypatch.setattr(either, "execute", run)
    loads = RedshiftDataLoader(either, storage, iam_role=ROLE).load(
        LoadPlan("direct", "replace", tables, clean_in_warehouse=True)
    )
    assert loads["artists"].rejected_rows == 4
    rows = either.query("SELECT record_key, rule, raw_record FROM concert_dw.rejected_records "
                        "ORDER BY raw_record")  # fmt: skip
    assert [row["raw_record"] for row in rows] == sorted(bad)
    assert {row["rule"] for row in rows} == {"unreadable:record"}
    assert len([s for s in statements if "raw_record) VALUES" in s]) == 1  # not one for each


@given(st.lists(st.text(alphabet="aé", max_size=40_000).map(lambda t: ("r", None, t)), max_size=9))
@settings(max_examples=20)
def test_batches_hold_every_row_and_fit_into_a_statement(rows):
    found = list(batches(rows))
    assert [row for batch in found for row in batch] == rows
    for batch in found:
        assert len(batch) == 1 or sum(len(r[2].encode()) for r in batch) <= 60_000


def test_the_ledger_has_the_warehouses_time(client, loader, storage, monkeypatch):
    from src.infrastructure import redshift_data_loader

    assert not hasattr(redshift_data_loader, "UTC")  # no clock of this machine's is read
    before = client.query_value("SELECT SYSDATE")
    loader.load(plan(storage))
    newest = client.query_value("SELECT MAX(loaded_at) FROM concert_dw.load_history")
    assert before <= newest <= client.query_value("SELECT SYSDATE")


def test_a_user_without_the_right_to_create_schemas_can_load(cloud, client):
    client.execute("DROP USER IF EXISTS loader_only")
    client.execute("CREATE USER loader_only PASSWORD 'Abcdefg1'")
    client.execute("GRANT USAGE, CREATE ON SCHEMA concert_dw TO loader_only")
    client.execute("GRANT ALL ON ALL TABLES IN SCHEMA concert_dw TO loader_only")
    client.execute("REVOKE CREATE ON DATABASE dev FROM PUBLIC")
    client.execute("DROP TABLE concert_dw.venue_rankings")
    address = {**cloud.front_address(), "user": "loader_only", "password": "Abcdefg1"}
    other = RedshiftClient(lambda: psycopg2.connect(**address))
    with closing(other):
        other.create_tables()
        assert "venue_rankings" in other.table_names("concert_dw")
        other.execute("DROP TABLE concert_dw.venue_rankings")
    client.execute("DROP SCHEMA concert_dw CASCADE")
    client.execute("DROP USER loader_only")


def failing_once(client, monkeypatch, word, spoil):
    """Spoil the first statement that begins with a word; returns the list of those that ran."""
    execute, seen = client.execute, []

    def run(statement, arguments=None):
        if statement.startswith(word):
            seen.append(statement)
            if len(seen) == 1:
                spoil()
        return execute(statement, arguments)

    monkeypatch.setattr(client, "execute", run)
    return seen


def conflict(client):
    text = "SELECT redshift_local.fail('1023', 'XX000', 'Serializable isolation violation')"
    client.connection.cursor().execute_postgres(text)


def killed(cloud, client):
    end_session(cloud, client.connection.get_backend_pid())


def test_a_conflict_repeats_the_whole_transaction(client, loader, storage, monkeypatch):
    def spoil():
        try:
            conflict(client)
        except psycopg2.Error as error:
            client.connection.rollback()
            raise client.as_warehouse_error(error) from error

    seen = failing_once(client, monkeypatch, "COPY", spoil)
    loads = loader.load(plan(storage))
    assert counts(client) == [1, 1, 1, 1] and len(loads) == 4
    assert len(seen) == 5  # the spoiled one, and one for each table


def test_a_lost_connection_repeats_the_whole_transaction(
    cloud, client, loader, storage, monkeypatch
):
    seen = failing_once(client, monkeypatch, "DELETE", lambda: killed(cloud, client))
    loader.load(plan(storage))
    assert counts(client) == [1, 1, 1, 1] and len(seen) > 5


def test_a_lost_answer_to_commit_is_looked_up_not_loaded_again(
    cloud, client, loader, storage, monkeypatch
):
    copies = failing_once(client, monkeypatch, "COPY", lambda: None)
    connection = client.connection
    commit = connection.commit

    def commit_and_lose():
        commit()
        killed(cloud, client)
        connection.cursor().execute_postgres("SELECT 1")  # as the driver would find out

    connection.commit = commit_and_lose
    loads = loader.load(plan(storage, "r9"))
    assert len(copies) == 4 and len(loads) == 4
    assert counts(client) == [1, 1, 1, 1]


def test_a_refused_row_is_not_tried_again(client, loader, storage, monkeypatch):
    copies = failing_once(client, monkeypatch, "COPY", lambda: None)
    with pytest.raises(LoadError):
        loader.load(plan(storage, artists="artist_id\n,\n"))
    assert len(copies) == 1


def test_connections_lost_for_good_are_an_error(cloud, client, loader, storage, monkeypatch):
    execute = client.execute

    def spoiled(statement, arguments=None):
        if statement.startswith("COPY"):
            killed(cloud, client)
        return execute(statement, arguments)

    monkeypatch.setattr(client, "execute", spoiled)
    with pytest.raises(WarehouseError, match="connection to Redshift was lost") as caught:
        loader.load(plan(storage))
    assert caught.value.hint == "run the same command again"


def test_a_load_of_fewer_rows_than_promised_is_no_load(client, loader, storage):
    with pytest.raises(LoadError, match="would get 1 rows; the source has 7"):
        loader.load(plan(storage, expected=7))
    assert counts(client) == [0, 0, 0, 0]


@pytest.mark.parametrize("mode", ["replace", "merge"])
def test_a_table_without_a_file_gets_no_row(client, loader, storage, mode):
    loader.load(plan(storage))
    empty = plan(storage, "r2", mode)
    empty.tables["ticket_sales"] = LoadSource((), "parquet", 0)
    loads = loader.load(empty)
    assert loads["ticket_sales"].source_rows == 0
    assert counts(client) == [1, 1, 1, 0 if mode == "replace" else 1]


def test_a_lost_file_is_named(client, loader, storage):
    lost = plan(storage)
    storage.delete(["r1/concerts.csv"])
    with pytest.raises(LoadError, match="COPY into concert_dw.concerts failed") as caught:
        loader.load(lost)
    assert "Mandatory url is not present in manifest file" in caught.value.cause
    assert counts(client) == [0, 0, 0, 0]


def test_the_role_is_in_no_log_and_no_error(loader, storage, caplog):
    caplog.set_level(logging.DEBUG, logger="src")
    with pytest.raises(LoadError) as caught:
        loader.load(plan(storage, artists="h\nx\n"))
    texts = [caplog.text, *map(str, (caught.value.as_dict(), caught.value.__cause__))]
    assert not any("very-private" in text for text in texts)


# -- the client ------------------------------------------------------------------------------


def test_rows_values_and_frames(client, loader, storage):
    loader.load(plan(storage))
    sql = "SELECT artist_id, name FROM concert_dw.artists WHERE name = %s"
    assert client.query(sql, ("Ann",)) == [{"artist_id": "1", "name": "Ann"}]
    assert client.query_value("SELECT name FROM concert_dw.artists WHERE name = 'x'") is None
    frame = client.query_dataframe(sql, ("Ann",))
    assert list(frame.columns) == ["artist_id", "name"] and len(frame) == 1
    assert "artists" in client.table_names("concert_dw")


def test_a_transaction_is_rolled_back_by_any_exception(client):
    with pytest.raises(RuntimeError), client.transaction():
        client.execute("INSERT INTO concert_dw.artists (artist_id, name) VALUES ('x', 'x')")
        raise RuntimeError
    assert client.row_count("concert_dw", "artists") == 0


def test_a_refused_statement_carries_the_servers_words(client):
    with pytest.raises(WarehouseError) as caught:
        client.execute("INSERT INTO concert_dw.artists (artist_id, name) VALUES (%s, 'x')",
                       ("k" * 65,))  # fmt: skip
    assert "value too long for type" in caught.value.cause.lower()
    assert "22001" in caught.value.cause and "character varying(64)" in caught.value.cause
    assert client.query_value("SELECT 1") == 1  # and the connection is usable


def test_connecting_is_retried_and_then_given_up():
    tries, pauses = [], []

    def refuse():
        tries.append(1)
        raise psycopg2.OperationalError("connection refused")

    client = RedshiftClient(refuse, attempts=3, sleep=pauses.append)
    with pytest.raises(UnreachableError, match="does not answer"):
        client.query_value("SELECT 1")
    assert len(tries) == 3 and pauses == [1.0, 2.0]


def test_a_wrong_password_is_not_retried(cloud):
    address = {**cloud.redshift_address(), "password": "wrong"}
    pauses = []
    client = RedshiftClient(lambda: psycopg2.connect(**address), sleep=pauses.append)
    with pytest.raises(UnreachableError, match="does not answer") as caught:
        client.query_value("SELECT 1")
    assert pauses == [] and "wrong" not in str(caught.value.as_dict())
