"""Streaming ingestion: AWS's words, its tutorial, and what a refresh keeps whatever happens."""

import contextlib
import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg2
import pytest
from botocore.exceptions import ClientError
from hypothesis import given, settings
from hypothesis import strategies as st

from src.local_cloud.redshift.background_refresh import BackgroundRefresh
from src.local_cloud.redshift.statements.streaming import shard_reading
from tests.conformance import conforms
from tests.streams import Stream
from tests.waiting import wait_until

AREA = "Streaming ingestion"
PAGE = "materialized-view-streaming-ingestion"
GUARDED = (
    "SELECT shard_id, sequence_number, CASE WHEN CAN_JSON_PARSE(kinesis_data) "
    "THEN JSON_PARSE(kinesis_data) END AS payload FROM live.sales"
)


class Warehouse:
    """A connection to a schema `live` whose streams are the tests' own."""

    def __init__(self, cloud):
        self.stream = Stream()
        self.connection = cloud.connect_redshift()
        self.connection.streams = lambda: self.stream
        self.connection.autocommit = True
        self.cursor = self.connection.cursor()

    def __call__(self, statement, arguments=None):
        self.cursor.execute(statement, arguments)
        return self.cursor.fetchall() if self.cursor.description else None

    def value(self, statement):
        return self(statement)[0][0]

    def refresh(self, view="made.v"):
        self(f"REFRESH MATERIALIZED VIEW {view}")

    def create(self, query=GUARDED, options="", view="made.v"):
        self(f"CREATE MATERIALIZED VIEW {view} {options} AS {query}")


@pytest.fixture
def warehouse(cloud):
    found = Warehouse(cloud)
    with contextlib.closing(found.connection):
        found("DROP SCHEMA IF EXISTS live CASCADE")
        found("DROP SCHEMA IF EXISTS made CASCADE")
        found("CREATE EXTERNAL SCHEMA live FROM KINESIS REGION 'us-east-1' IAM_ROLE default")
        found("CREATE SCHEMA made")
        yield found


TUTORIAL = Path(__file__).with_name("streaming_tutorial.sql")
STATION = {"_id": "12084f2f-fc41-41fb-a218-8cc1ac6146eb", "clusterID": "49",
           "connectionTime": "2022-01-31 13:17:15", "kWhDelivered": "74.00", "stationID": "421",
           "spaceID": "technologies-2", "timezone": "America/Los_Angeles",
           "userID": "482329"}  # fmt: skip


@conforms(
    AREA,
    "AWS's tutorial of EV stations",
    f"{PAGE}-example-station-data",
)
def test_the_tutorial_of_aws_runs_as_it_is_written(warehouse):
    for n in range(3):
        warehouse.stream.put(n % 2, json.dumps({**STATION, "userID": str(n)}))
    warehouse.stream.put(0, "no JSON")
    warehouse.stream.name = "ev_station_data"
    try:
        warehouse("SET search_path TO made")
        found = warehouse(TUTORIAL.read_text())  # the last statement is the query
        (when, energy, users) = found[-1]
        assert (str(when)[:19], energy, users) == (STATION["connectionTime"], 222, 3)
        assert warehouse.value("SELECT COUNT(*) FROM ev_station_data") == 3
        zone = "SELECT payload.timezone::varchar FROM ev_station_data LIMIT 1"
        assert warehouse.value(zone) == STATION["timezone"]
        warehouse("ALTER MATERIALIZED VIEW ev_station_data_extract AUTO REFRESH NO")
        known = warehouse(
            "SELECT TRIM(name), state, autorefresh FROM svv_mv_info "
            "WHERE schema_name = 'made' ORDER BY 1"
        )
        assert known == [("ev_station_data", 1, "f"), ("ev_station_data_extract", 1, "f")]
    finally:
        warehouse("DROP SCHEMA IF EXISTS evdata CASCADE")


@conforms(
    AREA,
    "the six columns of a stream's record; SELECT *",
    PAGE,
)
def test_the_six_columns_of_a_record(warehouse):
    arrived = datetime(2026, 5, 1, 12, 30, 15, 250_000, tzinfo=UTC)
    number = warehouse.stream.put(0, b"\x00\xff\\x", key="a\tb\\c\nd'é", arrived=arrived)
    warehouse.create("SELECT * FROM live.sales")
    warehouse.refresh()
    row = warehouse("SELECT *, to_hex(kinesis_data) FROM made.v")[0]
    assert row[:4] == (arrived.replace(tzinfo=None), "a\tb\\c\nd'é", "shardId-000000000000", number)
    assert abs(row[4] - datetime.now(UTC).replace(tzinfo=None)) < timedelta(minutes=1)
    assert row[-1] == "00ff5c78"
    names = [column.name for column in warehouse.cursor.description][:-1]
    assert names == ["approximate_arrival_timestamp", "partition_key", "shard_id",
                     "sequence_number", "refresh_time", "kinesis_data"]  # fmt: skip


@conforms(
    AREA,
    "REFRESH from the last number of each shard; sys_stream_scan_states, "
    "sys_mv_refresh_history, svv_mv_info",
    f"{PAGE}; r_SYS_STREAM_SCAN_STATES",
    partly="DISTKEY is without effect, SORTKEY is an index; a shard without new records has no row",
)
def test_a_refresh_goes_on_where_the_last_one_ended(warehouse):
    warehouse.create(options="SORTKEY(shard_id, sequence_number)")
    warehouse.stream.put(0, "1")
    warehouse.refresh()
    warehouse.stream.put(0, "2")
    warehouse.stream.put(1, "3")
    warehouse.refresh()
    warehouse.refresh()
    rows = warehouse("SELECT payload::int FROM made.v ORDER BY 1")
    assert rows == [(1,), (2,), (3,)]
    history = [
        row[0]
        for row in warehouse(
            "SELECT status FROM sys_mv_refresh_history WHERE mv_name = 'v' ORDER BY start_time"
        )
    ]
    assert history == ["Refresh successfully updated MV incrementally"] * 2 + [
        "Refresh successfully updated MV incrementally. Stream returned no new data."]  # fmt: skip
    states = warehouse(
        "SELECT TRIM(partition_id), scanned_rows, scanned_bytes, TRIM(stream_name) "
        "FROM sys_stream_scan_states WHERE mv_name = 'v' ORDER BY record_time, 1"
    )
    assert [state[:3] for state in states] == [
        ("shardId-000000000000", 1, 1), ("shardId-000000000000", 1, 1),
        ("shardId-000000000001", 1, 1)]  # fmt: skip
    assert {state[3] for state in states} == {"sales"}


@conforms(
    AREA,
    "rows and positions of a refresh are one transaction",
    PAGE,
    partly="AWS does not document REFRESH within a transaction",
)
def test_a_refresh_that_is_rolled_back_leaves_rows_and_position_as_they_were(warehouse):
    warehouse.create()
    warehouse.stream.put(0, "1")
    warehouse("BEGIN")
    warehouse.refresh()
    assert warehouse.value("SELECT COUNT(*) FROM made.v") == 1
    warehouse("ROLLBACK")
    assert warehouse.value("SELECT COUNT(*) FROM made.v") == 0
    warehouse.refresh()
    warehouse.refresh()
    assert warehouse.value("SELECT COUNT(*) FROM made.v") == 1


@conforms(
    AREA,
    "a shard's children are read once it is read to its end",
    PAGE,
)
def test_children_are_read_after_their_parent(warehouse, monkeypatch):
    monkeypatch.setattr(shard_reading, "STEP_RECORDS", 4)
    monkeypatch.setattr(shard_reading, "PAGE", 3)
    stream = warehouse.stream
    warehouse.create("SELECT shard_id, kinesis_data::varchar AS n, refresh_time FROM live.sales")
    for n in range(10):
        stream.put(0, str(n))
    stream.split(0)
    for n in range(10, 13):
        stream.put(2, str(n))
        stream.put(3, str(n))
    warehouse.refresh()
    warehouse.refresh()
    assert warehouse.value("SELECT COUNT(*) FROM made.v") == 16
    first_child = min(n for n, call in enumerate(stream.calls) if call[-3] in "23")
    assert all(call.split("/")[0][-1] != "0" for call in stream.calls[first_child:])
    assert not [call for call in stream.calls[-2:] if call.startswith("shardId-000000000000")]


BAD = "SELECT JSON_PARSE(kinesis_data) AS payload FROM live.sales"


@conforms(
    AREA,
    "a record that the definition fails for blocks the refresh; the way out by APPEND",
    "r_ALTER_TABLE_APPEND",
    partly="a streaming view as the target takes the positions over, which AWS does not document",
)
def test_an_unguarded_bad_record_blocks_the_view_and_a_guarded_one_is_the_way_out(warehouse):
    """As on Redshift: nothing is passed over in silence, and nothing of the view is lost."""
    warehouse.create(BAD)
    warehouse.stream.put(0, '{"n": 1}')
    warehouse.refresh()
    warehouse.stream.put(0, "{broken")
    warehouse.stream.put(0, '{"n": 2}')
    for _ in range(2):
        with pytest.raises(psycopg2.Error, match="invalid json"):
            warehouse.refresh()
        assert warehouse.value("SELECT COUNT(*) FROM made.v") == 1
    assert warehouse(
        "SELECT status, COUNT(*) FROM sys_mv_refresh_history WHERE mv_name = 'v' "
        "GROUP BY 1 ORDER BY 1"
    )[0] == ("Refresh failed. Internal error.", 2)
    # The way out: a guarded view takes the rows over, and goes on where the blocked one stands.
    warehouse.create(
        "SELECT CASE WHEN CAN_JSON_PARSE(kinesis_data) THEN JSON_PARSE(kinesis_data) END "
        "AS payload FROM live.sales", view="made.guarded")  # fmt: skip
    warehouse("ALTER TABLE made.guarded APPEND FROM made.v")
    warehouse.refresh("made.guarded")
    warehouse("DROP MATERIALIZED VIEW made.v")
    assert warehouse("SELECT payload.n::int FROM made.guarded ORDER BY 1") == [(1,), (2,), (None,)]


@conforms(
    AREA,
    "DROP MATERIALIZED VIEW loses rows and position; ALTER TABLE APPEND FROM a streaming view",
    PAGE,
)
def test_a_dropped_view_loses_its_position_and_what_the_stream_no_longer_holds(warehouse):
    warehouse.create()
    for n in range(3):
        warehouse.stream.put(0, str(n))
    warehouse.refresh()
    warehouse("CREATE TABLE made.kept (shard_id CHAR(20), sequence_number VARCHAR(128), "
              "payload SUPER)")  # fmt: skip
    warehouse("INSERT INTO made.kept SELECT * FROM made.v")
    del warehouse.stream.records["shardId-000000000000"][0]  # its retention is over
    warehouse("DROP MATERIALIZED VIEW made.v")
    warehouse.create()
    warehouse.refresh()
    assert warehouse.value("SELECT COUNT(*) FROM made.v") == 2  # all that is kept, once more
    # APPEND moves the rows of the view, and the view goes on behind them.
    warehouse("TRUNCATE made.kept")
    warehouse("ALTER TABLE made.kept APPEND FROM made.v")
    warehouse.refresh()
    assert warehouse.value("SELECT COUNT(*) FROM made.v") == 0
    assert warehouse.value("SELECT COUNT(*) FROM made.kept") == 2


@conforms(
    AREA,
    "records above 1 MiB are skipped; sys_stream_scan_errors",
    "r_SYS_STREAM_SCAN_ERRORS",
    partly="the codes of errors are this layer's own: AWS documents none",
)
def test_a_record_that_is_too_large_is_skipped_and_noted(warehouse, monkeypatch):
    monkeypatch.setattr(shard_reading, "MAX_BYTES", 5)
    warehouse.create()
    number = warehouse.stream.put(0, "123456")
    warehouse.refresh()
    warehouse.stream.put(0, "12345")
    warehouse.refresh()
    assert warehouse("SELECT payload::int FROM made.v") == [(12345,)]
    assert warehouse("SELECT TRIM(position), error_code FROM sys_stream_scan_errors "
                     "WHERE mv_name = 'v'") == [(number, 1)]  # fmt: skip
    assert warehouse("SELECT scanned_rows, skipped_rows FROM sys_stream_scan_states "
                     "WHERE mv_name = 'v' ORDER BY record_time") == [(0, 1), (1, 0)]  # fmt: skip


@conforms(
    AREA,
    "what a streaming view cannot be: joins, aggregates, several streams, KAFKA, MSK",
    PAGE,
    refused=True,
)
@pytest.mark.parametrize(
    ("statement", "named"),
    [
        ("CREATE EXTERNAL SCHEMA k FROM KAFKA IAM_ROLE default", "FROM KAFKA"),
        ("CREATE EXTERNAL SCHEMA k FROM MSK IAM_ROLE default", "FROM MSK"),
        ("CREATE EXTERNAL SCHEMA k FROM KINESIS IAM_ROLE 'nobody'", "IAM_ROLE"),
        ("CREATE MATERIALIZED VIEW made.w AS SELECT 1 AS a FROM live.sales JOIN made.t ON true",
         "more than one stream or table"),
        ("CREATE MATERIALIZED VIEW made.w AS SELECT 1 AS a FROM live.sales a, live.other b",
         "more than one stream or table"),
        ("CREATE MATERIALIZED VIEW made.w AS SELECT 1 AS a FROM live.sales a, live.sales b",
         "a join"),
        ("CREATE MATERIALIZED VIEW made.w AS SELECT shard_id, COUNT(*) FROM live.sales GROUP BY 1",
         "GROUP BY"),
        ("CREATE MATERIALIZED VIEW made.w AS SELECT MAX(shard_id) FROM live.sales", "an aggregate"),
        ("CREATE MATERIALIZED VIEW made.w AS SELECT DISTINCT shard_id FROM live.sales", "DISTINCT"),
        ("CREATE MATERIALIZED VIEW made.w AS SELECT shard_id FROM live.sales LIMIT 5", "LIMIT"),
        ("CREATE MATERIALIZED VIEW made.w AS SELECT shard_id FROM (SELECT * FROM live.sales) s",
         "a subquery"),
        ("CREATE MATERIALIZED VIEW made.w AS SELECT missing FROM live.sales", "missing"),
        ("CREATE MATERIALIZED VIEW made.w AS SELECT shard_id FROM live.absent", '"absent"'),
        ("CREATE MATERIALIZED VIEW made.w AUTO REFRESH YES AS SELECT * FROM made.v",
         "over a materialized view"),
        ("ALTER MATERIALIZED VIEW made.v ROW LEVEL SECURITY ON", "ROW"),
        ("ALTER MATERIALIZED VIEW made.t AUTO REFRESH YES", "not a materialized view"),
        ("INSERT INTO made.v (shard_id) VALUES ('a')", "view"),
        ("DELETE FROM made.v", "view"),
        ("DROP TABLE made.mv_tbl__v__0", "permission denied"),
        ("INSERT INTO made.mv_tbl__v__0 (shard_id) VALUES ('a')", "permission denied"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_by_name(warehouse, statement, named):
    warehouse("CREATE TABLE made.t (a INT)")
    warehouse.create()
    with pytest.raises(psycopg2.Error, match=named):
        warehouse(statement)


def test_nothing_of_a_dropped_view_is_left(warehouse):
    """By its own statement, or with its schema."""
    tables = "SELECT COUNT(*) FROM pg_class WHERE relname LIKE 'mv\\\\_tbl%%'"
    for drop in ("DROP MATERIALIZED VIEW made.v", "DROP SCHEMA made CASCADE"):
        warehouse.create()
        assert warehouse.value(tables) == 1
        warehouse(drop)
        assert warehouse.value(tables) == 0
        assert not warehouse("SELECT * FROM svv_mv_info WHERE name = 'v'")


@pytest.fixture
def background(cloud, warehouse):
    """The servers' background refresh, of the tests' own stream."""

    def connect():
        connection = cloud.connect_redshift()
        connection.streams = lambda: warehouse.stream
        return connection

    found = BackgroundRefresh(connect, every_s=0.01)
    found.start()
    yield found
    found.stop()


@conforms(
    AREA,
    "AUTO REFRESH YES, ALTER MATERIALIZED VIEW ... AUTO REFRESH",
    "r_ALTER_MATERIALIZED_VIEW",
    partly="once a second while the servers are up",
)
def test_auto_refresh_goes_on_until_it_is_switched_off(warehouse, background):
    rows = "SELECT COUNT(*) FROM made.v"
    warehouse.create(options="AUTO REFRESH YES")
    for n in range(1, 3):
        warehouse.stream.put(0, str(n))
        wait_until(lambda n=n: warehouse.value(rows) == n, "refreshed")
    warehouse("ALTER MATERIALIZED VIEW made.v AUTO REFRESH NO")
    warehouse("BEGIN")
    warehouse.refresh()  # none is under way
    warehouse("COMMIT")
    warehouse.stream.put(0, "3")
    other = [("other",)]
    warehouse.create(view="made.other", options="AUTO REFRESH YES")
    wait_until(
        lambda: warehouse.value("SELECT COUNT(*) FROM made.other") == 3, "the automatic refresh"
    )
    assert warehouse.value(rows) == 2
    assert (
        warehouse("SELECT TRIM(name) FROM svv_mv_info WHERE autorefresh = 't' ORDER BY 1") == other
    )
    kinds = "SELECT DISTINCT TRIM(refresh_type) FROM sys_mv_refresh_history WHERE mv_name = 'other'"
    assert warehouse(kinds) == [("Auto",)]


def test_auto_refresh_goes_on_after_a_view_that_cannot_be_refreshed(warehouse, background, caplog):
    warehouse.stream.put(0, "{broken")
    warehouse.create(BAD, "AUTO REFRESH YES")
    warehouse.create(options="AUTO REFRESH YES", view="made.good")
    failed = "SELECT COUNT(*) FROM sys_mv_refresh_history WHERE status LIKE 'Refresh failed%%'"
    wait_until(lambda: warehouse.value(failed) > 1, "refreshed")
    warehouse.stream.put(0, "1")
    wait_until(
        lambda: warehouse.value("SELECT COUNT(*) FROM made.good") == 2, "the automatic refresh"
    )
    assert "the automatic refresh of a view failed" in caplog.text


def test_two_sessions_that_refresh_at_once_read_each_record_once(cloud, warehouse):
    warehouse.create()
    warehouse.stream.page = 3

    def go_on():
        with contextlib.closing(cloud.connect_redshift()) as connection:
            connection.streams, connection.autocommit = (lambda: warehouse.stream), True
            for _ in range(5):
                connection.cursor().execute("REFRESH MATERIALIZED VIEW made.v")

    with ThreadPoolExecutor(3) as pool:
        running = [pool.submit(go_on) for _ in range(3)]
        for n in range(60):
            warehouse.stream.put(n % 2, str(n))
    for future in running:
        future.result()
    warehouse.refresh()
    assert warehouse("SELECT COUNT(*), COUNT(DISTINCT sequence_number) FROM made.v") == [(60, 60)]


def test_an_expired_iterator_is_made_anew(warehouse, monkeypatch):
    warehouse.create()
    warehouse.stream.put(0, "1")
    warehouse.refresh()
    warehouse.stream.put(0, "2")
    kept, answers = warehouse.stream.get_records, []

    def expired(**arguments):
        if not answers:
            answers.append(arguments)
            error = {"Error": {"Code": "ExpiredIteratorException", "Message": ""}}
            raise ClientError(error, "GetRecords")
        return kept(**arguments)

    monkeypatch.setattr(warehouse.stream, "get_records", expired)
    warehouse.refresh()
    assert answers
    assert warehouse.value("SELECT COUNT(*) FROM made.v") == 2


TEXTS = st.one_of(
    st.binary(max_size=12),
    st.text(max_size=12).map(str.encode),
    st.recursive(st.none() | st.booleans() | st.integers(-99, 99) | st.text(max_size=5),
                 lambda inner: st.lists(inner, max_size=3), max_leaves=4)
    .map(json.dumps).map(str.encode),
)  # fmt: skip


@conforms(
    AREA,
    "CAN_JSON_PARSE, JSON_PARSE, IS_UTF8 of a record's bytes",
    "r_can_json_parse, r_IS_UTF8",
)
@settings(max_examples=20)
@given(records=st.lists(TEXTS, min_size=1, max_size=8))
def test_a_guarded_view_takes_every_record(warehouse, records):
    """Whatever bytes come: kept as they are, and parsed where they are JSON."""
    warehouse("DROP MATERIALIZED VIEW IF EXISTS made.v")
    warehouse.stream = Stream()
    warehouse.create(
        "SELECT sequence_number, kinesis_data, IS_UTF8(kinesis_data) AS utf8, "
        "CASE WHEN CAN_JSON_PARSE(kinesis_data) THEN JSON_PARSE(kinesis_data) END AS payload "
        "FROM live.sales")  # fmt: skip
    for data in records:
        warehouse.stream.put(0, data)
    warehouse.refresh()
    rows = warehouse("SELECT to_hex(kinesis_data), utf8, payload IS NOT NULL FROM made.v "
                     "ORDER BY sequence_number")  # fmt: skip
    assert [row[0] for row in rows] == [data.hex() for data in records]
    for (_, utf8, _), data in zip(rows, records, strict=True):
        with contextlib.suppress(UnicodeDecodeError):
            data.decode()
            assert utf8 or b"\x00" in data
            continue
        assert not utf8
