"""Where Redshift is not PostgreSQL and no error says so: trusted keys, LN, AVG, lengths of CAST."""

from contextlib import closing
from decimal import Decimal

import psycopg2
import pytest

from src.infrastructure.redshift_client import RedshiftClient
from src.services.data_quality_service import DataQualityService, read_checks

CONCERT = "('c1', 'a1', 'v1', '2026-01-01', NULL, 9.5, 'completed', 3)"
ROWS = {
    "artists": "('a1', 'A', 'rock', 50.5, 'DE')",
    "venues": "('v1', 'V', 'B', 'DE', 'hall', 100)",
    "concerts": CONCERT,
    "ticket_sales": "('s1', 'c1', '2025-12-01', 3, 9.5, 28.5, 'x', 'web')",
}
FOUND = {"artists": "unique_artists", "venues": "unique_venues",
         "concerts": "unique_concerts", "ticket_sales": "unique_ticket_sales"}  # fmt: skip
PARENTS = {"orphan_concert_artists": "artists", "orphan_concert_venues": "venues",
           "orphan_sales": "concerts"}  # fmt: skip


@pytest.fixture(scope="module")
def filled(cloud):
    """A client whose session trusts declared keys, with a row in each table."""
    with closing(RedshiftClient(cloud.connect_redshift)) as client:
        client.execute("DROP SCHEMA IF EXISTS concert_dw CASCADE")
        client.create_tables()
        client.execute("SET trust_declared_keys TO on")
        yield client


@pytest.fixture
def client(filled):
    for table, row in ROWS.items():
        filled.execute(f"DELETE FROM concert_dw.{table}")
        filled.execute(f"INSERT INTO concert_dw.{table} VALUES {row}")
    return filled


def failures(client):
    names = (*FOUND.values(), *PARENTS)
    checks = [check for check in read_checks() if check.name in names]
    assert len(checks) == len(names)
    results = DataQualityService(client.query, checks).run({})
    return {result.name for result in results if result.verdict == "failed"}


def test_a_planner_that_trusts_keys_does_not_see_a_doubled_row(client):
    client.execute(f"INSERT INTO concert_dw.artists VALUES {ROWS['artists']}")
    blind = "SELECT COUNT(*) - COUNT(DISTINCT artist_id) FROM concert_dw.artists"
    assert client.query_value(blind) == 0
    assert len(client.query("SELECT DISTINCT artist_id FROM concert_dw.artists")) == 2
    client.execute("SET trust_declared_keys TO off")
    try:
        assert client.query_value(blind) == 1
        assert len(client.query("SELECT DISTINCT artist_id FROM concert_dw.artists")) == 1
    finally:
        client.execute("SET trust_declared_keys TO on")


def test_the_setting_holds_for_any_client_of_the_front(client, cloud):
    client.execute(f"INSERT INTO concert_dw.artists VALUES {ROWS['artists']}")
    blind = "SELECT COUNT(*) - COUNT(DISTINCT artist_id) FROM concert_dw.artists"
    with (
        closing(psycopg2.connect(**cloud.front_address())) as connection,
        connection.cursor() as cursor,
    ):
        found = []
        for statement in ("SET trust_declared_keys TO on", "SET trust_declared_keys = off",
                          "SET trust_declared_keys TO on", "RESET ALL"):  # fmt: skip
            cursor.execute(statement)
            found.append(cursor.statusmessage)
            cursor.execute(blind)
            found.append(cursor.fetchone()[0])
        assert found == ["SET", 0, "SET", 1, "SET", 0, "RESET", 1]
        with pytest.raises(psycopg2.Error, match="trust_declared_keys"):
            cursor.execute("SET trust_declared_keys TO maybe")


def test_a_planner_that_trusts_references_does_not_see_an_orphan(client):
    client.execute("DELETE FROM concert_dw.artists")
    blind = ("SELECT COUNT(*) FROM concert_dw.concerts c LEFT JOIN concert_dw.artists a "
             "ON a.artist_id = c.artist_id WHERE a.artist_id IS NULL")  # fmt: skip
    assert client.query_value(blind) == 0


@pytest.mark.parametrize("table", FOUND)
def test_the_checks_see_a_doubled_row(client, table):
    assert failures(client) == set()
    client.execute(f"INSERT INTO concert_dw.{table} VALUES {ROWS[table]}")
    assert failures(client) == {FOUND[table]}


@pytest.mark.parametrize("check", PARENTS)
def test_the_checks_see_an_orphan(client, check):
    client.execute(f"DELETE FROM concert_dw.{PARENTS[check]}")
    assert failures(client) == {check}


def test_the_setting_takes_on_and_off(client):
    with pytest.raises(Exception, match="refused") as caught:
        client.execute("SET trust_declared_keys TO maybe")
    assert "trust_declared_keys" in caught.value.cause


@pytest.mark.parametrize("argument", ["base_price", "tickets_sold + 1.0", "CAST(1 AS DECIMAL) + n"])
@pytest.mark.parametrize("function", ["LN", "DLOG1"])
def test_ln_takes_no_decimals_of_a_table(execute, client, argument, function):
    query = f"SELECT {function}({argument}) FROM (SELECT *, 1.5 AS n FROM concert_dw.concerts) c"
    with pytest.raises(psycopg2.Error, match="not supported on Redshift tables"):
        execute(query)


def test_ln_takes_other_numbers_and_constants(execute, client):
    for argument in ("tickets_sold", "CAST(base_price AS DOUBLE PRECISION)"):
        execute(f"SELECT LN({argument}) FROM concert_dw.concerts")
    assert execute("SELECT LN(2.5)")[0][0] == pytest.approx(Decimal("0.91629"), abs=Decimal("1e-4"))


def test_current_schema_is_the_leader_nodes(execute, client):
    assert execute("SELECT CURRENT_SCHEMA()") == [("public",)]
    with pytest.raises(psycopg2.Error, match="not supported on Redshift tables"):
        execute("SELECT CURRENT_SCHEMA(), name FROM concert_dw.artists")


@pytest.mark.parametrize("cast", ["CAST({} AS VARCHAR)", "{}::varchar", "CAST({} AS NVARCHAR)"])
def test_a_cast_without_a_length_has_256_bytes(execute, cast):
    assert execute(f"SELECT LEN({cast.format(chr(39) + 'x' * 300 + chr(39))})") == [(256,)]
    assert execute(f"SELECT {cast.format(7)}") == [("7",)]


def test_avg_keeps_its_arguments_type_and_scale(execute, client):
    query = ("SELECT AVG(n), AVG(CASE WHEN n > 1 THEN 1.0 ELSE 0.0 END), AVG(n + 0.25) "
             "FROM (SELECT 1 AS n UNION ALL SELECT 2 UNION ALL SELECT 2) t")  # fmt: skip
    assert execute(query) == [(1, Decimal("0.6"), Decimal("1.91"))]
