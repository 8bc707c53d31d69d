"""The feature SQL against the same features counted one by one in Python, on random worlds."""

import math
import re
from datetime import datetime, timedelta

import pandas as pd
import pytest
import sqlglot
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from src.infrastructure.redshift_client import RedshiftClient
from src.local_cloud.local_cloud import LocalCloud
from src.orchestration.training.extraction import read_feature_sql
from src.sql import files
from tests.conftest import ROOT

START = datetime(2024, 1, 1)
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
# Few different moments: shows at the same time, and exactly a week or a year apart, are common.
MOMENTS = st.builds(
    lambda day, hour: START + day * DAY + timedelta(hours=hour),
    st.sampled_from([0, 1, 3, 7, 8, 14, 15, 60, 200, 364, 365, 366, 372, 400]),
    st.sampled_from([0, 19, 20, 23]),
)
CONCERTS = st.lists(
    st.fixed_dictionaries(
        {
            "artist": st.integers(0, 2),
            "venue": st.integers(0, 3),
            "starts_at": MOMENTS,
            "on_sale_at": st.none() | MOMENTS,
            "status": st.sampled_from(["completed", "completed", "on_sale", "cancelled", None]),
            "tickets_sold": st.none() | st.integers(0, 500),
            "sales": st.lists(st.integers(1, 8), max_size=3),
        }
    ),
    max_size=25,
)
WORLDS = st.fixed_dictionaries(
    {
        "concerts": CONCERTS,
        "capacities": st.lists(st.none() | st.integers(1, 400), min_size=4, max_size=4),
        "as_of": st.none() | MOMENTS,
    }
)


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    with LocalCloud(tmp_path_factory.mktemp("features") / ".demo") as cloud:
        client = RedshiftClient(cloud.connect_redshift)
        client.create_tables()
        with client.transaction():  # a venue may have no known capacity
            client.execute("DROP TABLE concert_dw.ticket_sales")
            client.execute("DROP TABLE concert_dw.concerts")
            client.execute("DROP TABLE concert_dw.venues")
            schema = (ROOT / "src/sql/schema/20_venues.sql").read_text()
            client.execute(re.sub(r"(capacity +INTEGER) +NOT NULL", r"\1", schema))
        client.create_tables()
        yield client
        client.close()


def load(client, world):
    tables = {"ticket_sales": [], "concerts": [], "venues": [], "artists": []}
    for index in range(3):
        tables["artists"].append((f"a{index}", "n", "rock", 10 * index, "US"))
    for index, capacity in enumerate(world["capacities"]):
        tables["venues"].append((f"v{index}", "n", f"city{index % 2}", "US", "club", capacity))
    for index, show in enumerate(world["concerts"]):
        key = f"c{index}"
        tables["concerts"].append(
            (key, f"a{show['artist']}", f"v{show['venue']}", show["starts_at"], show["on_sale_at"],
             25, show["status"], show["tickets_sold"])
        )  # fmt: skip
        for number, quantity in enumerate(show["sales"]):
            tables["ticket_sales"].append(
                (f"s{index}-{number}", key, START, quantity, 25, 25 * quantity, "a", "b")
            )
    with client.transaction():
        for name in tables:
            client.execute(f"DELETE FROM concert_dw.{name}")
        for name, rows in reversed(tables.items()):
            if rows:
                marks = "(" + ", ".join(["%s"] * len(rows[0])) + ")"
                values = ", ".join([marks] * len(rows))
                flat = [value for row in rows for value in row]
                client.execute(f"INSERT INTO concert_dw.{name} VALUES {values}", flat)


def known_shows(world):
    """Return every concert as plain values, its own history not yet counted."""
    shows = []
    for index, show in enumerate(world["concerts"]):
        sold = show["tickets_sold"]
        is_over = show["status"] == "completed"
        if show["status"] is None and world["as_of"] is not None:
            is_over = show["starts_at"] <= world["as_of"]
        shows.append(
            {
                **show,
                "id": f"c{index}",
                "city": show["venue"] % 2,
                "capacity": world["capacities"][show["venue"]],
                "on_sale": show["on_sale_at"] or show["starts_at"] - 60 * DAY,
                "sold": sum(show["sales"]) if sold is None else sold,
                "is_over": is_over,
            }
        )
    return shows


def mean(values):
    values = list(values)
    return math.fsum(values) / len(values) if values else None


def by_hand(show, shows):
    """Return one concert's history, counted show by show."""
    past = [
        p for p in shows
        if p["is_over"] and p["capacity"] is not None and p["starts_at"] < show["on_sale"]
    ]  # fmt: skip
    artist = [p for p in past if p["artist"] == show["artist"]]
    venue = [p for p in past if p["venue"] == show["venue"]]
    rivals = [
        p for p in shows
        if p is not show and p["city"] == show["city"] and p["on_sale"] < show["on_sale"]
        and abs(p["starts_at"] - show["starts_at"]) <= 7 * DAY
    ]  # fmt: skip
    return {
        "artist_prior_shows": len(artist),
        "artist_prior_sell_through": mean(p["sold"] / p["capacity"] for p in artist),
        "venue_prior_sell_through": mean(p["sold"] / p["capacity"] for p in venue),
        "city_competition": len(rivals),
    }


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(world=WORLDS)
def test_history_is_what_counting_by_hand_gives(client, world):
    load(client, world)
    until = None if world["as_of"] is None else pd.Timestamp(world["as_of"])
    found = {
        row["concert_id"]: row for row in client.query(read_feature_sql("ticket_sales", until))
    }
    shows = known_shows(world)
    assert set(found) == {show["id"] for show in shows if show["capacity"] is not None}
    for show in shows:
        if show["capacity"] is None:
            continue
        row = found[show["id"]]
        assert row["status"] == (show["status"] or ("completed" if show["is_over"] else "on_sale"))
        for name, expected in by_hand(show, shows).items():
            value = row[name]
            assert (value is None) == (expected is None), (name, value, expected)
            if expected is not None:
                assert abs(float(value) - expected) <= 1e-12, (name, value, expected)


@settings(max_examples=10, deadline=None)
@given(world=WORLDS)
def test_a_venue_without_a_known_capacity_is_in_no_quarter(client, world):
    load(client, world)
    rows = client.query(read_feature_sql("venue_quarters"))
    expected = {
        (f"v{show['venue']}", (show["starts_at"].year, (show["starts_at"].month - 1) // 3))
        for show in known_shows(world)
        if show["capacity"] is not None
    }
    found = {(r["venue_id"], (r["quarter"].year, (r["quarter"].month - 1) // 3)) for r in rows}
    assert found == expected


FEATURES = [file.name for file in files.read_all("features")]


@pytest.mark.parametrize("name", FEATURES)
def test_windows_are_ones_that_redshift_has(name):
    """An aggregate with ORDER BY needs a frame there, and a frame counts rows."""
    tree = sqlglot.parse_one(read_feature_sql(name), read="redshift")
    for window in tree.find_all(sqlglot.exp.Window):
        spec = window.args.get("spec")
        assert window.args.get("order") is None or spec is not None
        assert spec is None or spec.args["kind"] == "ROWS"


@pytest.mark.parametrize("path", sorted((ROOT / "src/sql").rglob("*.sql")), ids=lambda p: p.stem)
def test_no_mean_is_taken_over_a_decimal_or_an_integer(path):
    """Redshift's AVG keeps its argument's scale: the argument must come from a cast to DOUBLE."""
    for statement in sqlglot.parse(path.read_text(), read="redshift"):
        for average in statement.find_all(sqlglot.exp.Avg) if statement else ():
            names = {column.name for column in average.find_all(sqlglot.exp.Column)}
            doubles = {
                alias.alias
                for alias in statement.find_all(sqlglot.exp.Alias)
                if isinstance(alias.this, sqlglot.exp.Cast)
                and alias.this.to.this == sqlglot.exp.DataType.Type.DOUBLE
            }
            assert names - {"is_booked"} <= doubles, average.sql()
