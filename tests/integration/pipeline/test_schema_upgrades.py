"""A warehouse that an earlier version made: its tables are upgraded and keep their rows."""

from contextlib import closing

import pytest

from src.errors import WarehouseError
from src.infrastructure.redshift_client import RedshiftClient
from src.infrastructure.warehouse.failed_load import FailedLoad

OLD_TABLES = (
    "CREATE TABLE {schema}.venues (venue_id VARCHAR(64) NOT NULL, name VARCHAR(200) NOT NULL, "
    "city VARCHAR(120) NOT NULL, country VARCHAR(2), venue_type VARCHAR(40), "
    "capacity INTEGER NOT NULL, PRIMARY KEY (venue_id)) DISTSTYLE ALL SORTKEY (venue_id)",
    "CREATE TABLE {schema}.rejected_records (run_id VARCHAR(64) NOT NULL, "
    "table_name VARCHAR(64) NOT NULL, record_key VARCHAR(65535), rule VARCHAR(128) NOT NULL, "
    "raw_record VARCHAR(65535)) DISTSTYLE AUTO SORTKEY (table_name)",
    "CREATE TABLE {schema}.venue_rankings (venue_id VARCHAR(64) NOT NULL, "
    "model_version INTEGER NOT NULL, venue_rank INTEGER NOT NULL, score DECIMAL(6,2) NOT NULL, "
    "forecast DECIMAL(6,2) NOT NULL, forecast_low DECIMAL(6,2) NOT NULL, "
    "forecast_high DECIMAL(6,2) NOT NULL, PRIMARY KEY (venue_id)) "
    "DISTSTYLE ALL SORTKEY (venue_rank)",
)
ROWS = {
    "venues": ("v1", "Hall", "Bonn", "DE", None, 100),
    "rejected_records": ("r1", "venues", "v2", "missing:city", "{}"),
    "venue_rankings": ("v1", 1, 1, 50, 50, 40, 60),
}


@pytest.fixture
def client(cloud):
    with closing(RedshiftClient(cloud.connect_redshift)) as client:
        client.create_tables()
        yield client
        with client.transaction():
            client.execute("DROP VIEW IF EXISTS public.halls")
            for table in ROWS:
                client.execute(f"DROP TABLE IF EXISTS concert_dw.{table}")
            client.execute("DROP SCHEMA IF EXISTS concert_staging CASCADE")
        client.create_tables()


def make_old(client, schema="concert_dw"):
    with client.transaction():
        for statement, (table, row) in zip(OLD_TABLES, ROWS.items(), strict=True):
            client.execute(f"DROP TABLE IF EXISTS {schema}.{table}")
            client.execute(statement.format(schema=schema))
            marks = ", ".join(["%s"] * len(row))
            client.execute(f"INSERT INTO {schema}.{table} VALUES ({marks})", row)


def described(client):
    return client.query(
        'SELECT tablename, "column", type, sortkey, "notnull" FROM pg_table_def '
        "WHERE schemaname = 'concert_dw' ORDER BY tablename, \"column\""
    )


def test_an_old_warehouse_becomes_what_a_new_one_is_and_keeps_its_rows(client):
    client.execute("SET search_path TO concert_dw, public")
    new = described(client)
    make_old(client)
    assert described(client) != new
    for _ in range(2):  # the second time there is nothing to do
        client.create_tables()
        assert described(client) == new
        for table, row in ROWS.items():
            (found,) = client.query(f"SELECT * FROM concert_dw.{table}")
            assert tuple(found.values()) == (row if table == "venues" else (*row, None))
    client.execute("UPDATE concert_dw.venues SET capacity = NULL")


def test_a_view_on_an_old_table_leaves_all_as_it_was_and_is_named(client):
    make_old(client)
    with client.transaction():
        client.execute("CREATE VIEW public.halls AS SELECT name FROM concert_dw.venues")
    with pytest.raises(WarehouseError) as caught:
        client.create_tables()
    assert "concert_dw.venues" in caught.value.message
    assert "drop the views" in caught.value.hint
    assert client.query_value("SELECT name FROM public.halls") == "Hall"
    with client.transaction():
        client.execute("DROP VIEW public.halls")
    client.create_tables()
    assert client.query_value("SELECT name FROM concert_dw.venues") == "Hall"


def test_what_an_old_failed_load_left_is_no_obstacle_to_the_next(client):
    FailedLoad(client).keep("replace", lambda staged: None)
    with client.transaction():  # as an earlier version's was
        client.execute("ALTER TABLE concert_staging.rejected_records DROP COLUMN parent_key")
    FailedLoad(client).keep(
        "replace",
        lambda staged: staged.execute(
            "INSERT INTO concert_dw.rejected_records (run_id, table_name, rule, parent_key) "
            "VALUES ('r2', 'concerts', 'orphan:venue_id', 'v9')"
        ),
    )
    (row,) = client.query("SELECT run_id, parent_key FROM concert_staging.rejected_records")
    assert tuple(row.values()) == ("r2", "v9")
