"""Facts by name from the warehouse, and the same competition as the feature SQL counts."""

from datetime import datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from src.errors import UsageError
from src.orchestration.training.extraction import read_feature_sql
from src.serving.lookup import WarehouseLookup
from tests.integration.training.test_feature_sql import WORLDS, client, load  # noqa: F401

NAMES = ["Ann Lee", "Ann Leigh", "Bo", "O'Neil; --", "100 %", "Çelik"]


@pytest.fixture(scope="module")
def lookup(client):  # noqa: F811
    load(client, {"concerts": [], "capacities": [100, 200, None, 400], "as_of": None})
    with client.transaction():
        client.execute("DELETE FROM concert_dw.artists")
        for index, name in enumerate(NAMES):
            client.execute("INSERT INTO concert_dw.artists VALUES (%s, %s, 'rock', %s, 'US')",
                           (f"a{index}", name, 10 * index))  # fmt: skip
    return WarehouseLookup(client, datetime(2025, 9, 30))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("spell", [str, str.upper, str.lower])
def test_an_artist_is_found_by_name_in_any_case(lookup, name, spell):
    found = lookup.fill_in({"artist": spell(name), "starts_at": "2026-01-01 20:00:00"})
    assert (found["artist"], found["artist_id"]) == (name, f"a{NAMES.index(name)}")
    assert float(found["popularity"]) == 10 * NAMES.index(name)
    assert found["on_sale_at"] == "2025-09-30 00:00:00"


def test_a_key_names_an_artist_too_and_what_is_given_is_kept(lookup):
    found = lookup.fill_in({"artist": "a2", "popularity": "7", "genre": None,
                            "starts_at": "2024-01-01 20:00:00"})  # fmt: skip
    assert (found["artist"], found["popularity"], found["genre"]) == ("Bo", "7", "rock")
    assert found["on_sale_at"] == "2023-11-02 20:00:00"  # 60 days before a show that is over


@given(st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\x00"), min_size=1))
@settings(max_examples=40)
def test_any_unknown_name_is_an_error_and_never_a_part_of_the_sql(lookup, name):
    try:
        lookup.fill_in({"artist": name, "starts_at": "2026-01-01"})
    except UsageError as error:
        assert "there is no artist" in str(error) and error.hint
    else:
        assert name.lower() in [one.lower() for one in NAMES] + [f"a{i}" for i in range(9)]


def test_an_unknown_name_gets_those_near_it(lookup):
    with pytest.raises(UsageError) as caught:
        lookup.fill_in({"artist": "ann le"})
    assert caught.value.cause == "near it: Ann Lee, Ann Leigh"
    assert "--popularity and --genre" in caught.value.hint


def test_a_new_artist_is_described(lookup):
    found = lookup.fill_in({"artist": "New", "popularity": "50", "genre": "jazz", "venue": "v1"})
    assert found["artist"] == "New" and "artist_id" not in found
    assert (found["capacity"], found["city"]) == ("200", "city1")


def test_two_of_a_name_are_told_apart_by_key(lookup):
    with pytest.raises(UsageError, match="4 venues are called 'n'") as caught:
        lookup.fill_in({"venue": "n"})
    assert "v0, v1, v2, v3" in caught.value.hint


@given(st.sampled_from(["", "soon", "0001-01-01", "9999-12-31 23:59", "2026-05-01T20:00+02:00"]),
       st.sampled_from(["soon", None, "2199-12-31"]))  # fmt: skip
@settings(max_examples=15)
def test_a_moment_that_is_none_is_left_for_its_own_error(lookup, starts_at, on_sale_at):
    asked = {"city": "city1", "starts_at": starts_at, "on_sale_at": on_sale_at}
    found = lookup.fill_in(asked)
    assert found["starts_at"] == starts_at


@given(WORLDS)
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_competition_is_what_the_feature_sql_counts(client, world):  # noqa: F811
    load(client, world)
    rows = client.query(read_feature_sql("ticket_sales", world["as_of"]))
    lookup = WarehouseLookup(client, datetime(2025, 9, 30))
    for row in rows:
        asked = {name: str(row[name]) for name in ("city", "starts_at", "on_sale_at")}
        assert int(lookup.fill_in(asked)["city_competition"]) == row["city_competition"]
