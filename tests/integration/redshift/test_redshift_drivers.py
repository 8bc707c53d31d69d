"""What AWS's own driver gets otherwise than PostgreSQL's: origins of columns, INTERVALs."""

from contextlib import closing
from datetime import timedelta
from decimal import Decimal

import psycopg2
import pytest
import redshift_connector
from redshift_connector.interval import IntervalDayToSecond, IntervalYearToMonth

from tests.conformance import conforms

DAY = 86_400_000_000


@pytest.fixture(scope="module")
def address(cloud):
    with closing(psycopg2.connect(**cloud.front_address())) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("DROP SCHEMA IF EXISTS drivers CASCADE")
            cursor.execute("CREATE SCHEMA drivers")
            cursor.execute("CREATE TABLE drivers.t (id INT IDENTITY(1, 1), n INT NOT NULL, v TEXT)")
            cursor.execute("INSERT INTO drivers.t (n, v) VALUES (7, 'x')")
            cursor.execute(
                "CREATE TABLE drivers.i (n INT, y INTERVAL YEAR TO MONTH, d INTERVALD2S)"
            )
        yield cloud.front_address()
        with connection.cursor() as cursor:
            cursor.execute("DROP SCHEMA drivers CASCADE")


def opened(address, version):
    names = {"dbname": "database"}
    given = {names.get(key, key): value for key, value in address.items()}
    return redshift_connector.connect(**given, ssl=False, client_protocol_version=version)


@conforms("Any client", "AWS's drivers: columns name their table", "redshift_connector",
          partly="version 2 of the protocol, binary NUMERIC, is answered with version 1; "
          "a table that is not committed yet has no name")  # fmt: skip
@pytest.mark.parametrize(("asked", "granted"), [(0, 0), (1, 1), (2, 1)])
def test_columns_say_where_they_are_from(address, asked, granted):
    with closing(opened(address, asked)) as connection, connection.cursor() as cursor:
        assert connection._client_protocol_version == granted
        cursor.execute("SELECT id, n AS m, v, n + 1 AS later, 1.50 AS p FROM drivers.t")
        assert cursor.fetchall() == ([1, 7, "x", 8, Decimal("1.50")],)
        found = cursor.ps["row_desc"]
        assert [column["label"] for column in found] == [b"id", b"m", b"v", b"later", b"p"]
        if not granted:
            assert "table_name" not in found[0]
            return
        origin = ("catalog_name", "schema_name", "table_name", "column_name")
        assert [tuple(column[name] for name in origin) for column in found] == [
            (b"dev", b"drivers", b"t", b"id"), (b"dev", b"drivers", b"t", b"n"),
            (b"dev", b"drivers", b"t", b"v"), (b"",) * 4, (b"",) * 4]  # fmt: skip
        flags = [(column["nullable"], column["autoincrement"]) for column in found[:4]]
        assert flags == [(0, 1), (0, 0), (1, 0), (1, 0)]


@conforms("Tables", "INTERVAL YEAR TO MONTH and DAY TO SECOND, also of columns",
          "r_interval_data_types",
          partly="days and hours are shown as they were written; not the digits of SECOND(3), "
          "not INTERVAL 'text' DAY TO SECOND")  # fmt: skip
@pytest.mark.parametrize("version", [0, 1])
def test_intervals_arrive_and_leave_as_the_drivers_types(address, version):
    rows = [("37 months", "10 days 48 hours"), ("-178956970-8", "-106751991 -04:00:54.775808"),
            ("178956970-7", "106751991 04:00:54.775807")]  # fmt: skip
    values = [(IntervalYearToMonth(37), IntervalDayToSecond(12 * DAY)),
              (IntervalYearToMonth(-(2**31)), IntervalDayToSecond(-(2**63))),
              (IntervalYearToMonth(2**31 - 1), IntervalDayToSecond(2**63 - 1))]  # fmt: skip
    with closing(opened(address, version)) as connection, connection.cursor() as cursor:
        for n, row in enumerate(rows):
            cursor.execute("INSERT INTO drivers.i VALUES (%s, %s, %s)", (n, *row))
        for n, row in enumerate(values, 3):
            cursor.execute("INSERT INTO drivers.i VALUES (%s, %s, %s)", (n, *row))
        cursor.execute("INSERT INTO drivers.i VALUES (6, NULL, NULL)")
        # Two that are prepared: what the second one's columns are is nothing to the first.
        for _ in range(2):
            cursor.execute("SELECT y, d FROM drivers.i ORDER BY n")
            assert [tuple(row) for row in cursor.fetchall()] == [*values, *values, (None, None)]
            cursor.execute("SELECT n, n FROM drivers.i ORDER BY n LIMIT 1")
            assert [tuple(row) for row in cursor.fetchall()] == [(0, 0)]
        cursor.execute("SELECT INTERVAL '2 days 3 hours'")
        assert cursor.fetchone() == [timedelta(days=2, hours=3)]
        cursor.execute("SELECT INTERVAL '1 year 2 days'")
        (found,) = cursor.fetchone()
        assert (found.months, found.days, found.microseconds) == (12, 2, 0)


@conforms("Tables", "INTERVAL columns without fields, with mixed or other ones",
          "r_interval_data_types", refused=True)  # fmt: skip
@pytest.mark.parametrize(
    ("kind", "words"),
    [("INTERVAL", 'unsupported type "interval"'), ("INTERVAL YEAR TO DAY", "syntax error"),
     ("INTERVAL WEEK", "syntax error"), ("INTERVAL DAY TO SECOND(3)", "is not emulated")],
)  # fmt: skip
def test_other_intervals_are_no_columns(address, kind, words):
    with (
        closing(psycopg2.connect(**address)) as connection,
        connection.cursor() as cursor,
        pytest.raises(psycopg2.Error, match=words),
    ):
        cursor.execute(f"CREATE TABLE drivers.x (a {kind})")
