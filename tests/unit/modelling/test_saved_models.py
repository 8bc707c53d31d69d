"""Laws of saved models: loaded, they predict what they predicted, from records as from frames."""

import json
import subprocess
import sys
from datetime import datetime

import boto3
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from moto import mock_aws

from src.errors import SavedModelError, UsageError
from src.infrastructure.storage.model_registry import ModelRegistry
from src.infrastructure.storage.s3_storage import S3Storage
from src.services.features.drift import drift, profile
from src.services.features.row_batch import RowBatch
from src.services.modelling import model_files
from src.services.ticket_sales_prediction_service import PREDICTED
from src.services.venue_popularity_service import FORECAST
from tests.conftest import ROOT
from tests.unit.modelling.sales_rows import sales_rows, small_sales_model, small_venue_model

COUNTS = ("artist_prior_shows", "venue_prior_shows", "city_competition")
SHARES = ("artist_prior_sell_through", "venue_prior_sell_through", "city_prior_sell_through")
NOTHING = st.sampled_from([None, float("nan")])


def optional(values):
    return NOTHING | values


# Extreme values of every field within its range, and every field absent, None or NaN.
RECORDS = st.lists(
    st.fixed_dictionaries(
        {
            "capacity": st.integers(1, 500_000) | st.sampled_from([1, 500_000, "800"]),
            "starts_at": st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30))
            | st.dates().map(str)
            | st.sampled_from(["2025-11-07T20:00:00+02:00", "2024-02-29 23:59:59.999999"]),
        },
        optional={
            "popularity": optional(st.floats(0, 100)),
            "base_price": optional(st.floats(0, 100_000) | st.integers(0, 100)),
            "lead_days": optional(st.integers(0, 1_000)),
            "genre": optional(st.sampled_from(["rock", "jazz", "polka", ""]) | st.text(max_size=3)),
            "city": optional(st.sampled_from(["Bonn", "Oslo", "Lyon", "Atlantis"])),
            "artist_prior_log_tickets": optional(st.floats(0, 20)),
            "artist_prior_log_capacity": optional(st.floats(0, 20)),
            "artist_prior_sold_out": optional(st.floats(0, 1)),
            **{name: optional(st.integers(0, 10_000)) for name in COUNTS},
            **{name: optional(st.floats(0, 1e3, allow_subnormal=True)) for name in SHARES},
            "unknown_column": st.text(max_size=3),
        },
    ),
    min_size=1,
    max_size=6,
)


@pytest.fixture(scope="module")
def sales():
    return small_sales_model()


@pytest.fixture(scope="module")
def venues():
    return small_venue_model()


@pytest.fixture(scope="module")
def registry():
    with mock_aws():
        client = boto3.client("s3", region_name="us-east-1", aws_access_key_id="x",
                              aws_secret_access_key="x")  # fmt: skip
        storage = S3Storage(client, "models-bucket")
        storage.ensure_bucket()
        yield ModelRegistry(storage)


@pytest.fixture(scope="module")
def loaded_sales(sales, registry):
    version = registry.save("ticket_sales", model_files.sales_files(sales), {})
    return model_files.sales_service(registry.load("ticket_sales", version).files)


@pytest.fixture(scope="module")
def loaded_venues(venues, registry):
    version = registry.save("venue_popularity", model_files.venue_files(venues[0]), {})
    return model_files.venue_service(registry.load("venue_popularity", version).files)


def bits(columns):
    return [np.asarray(column, dtype=np.float64).tobytes() for column in columns]


def of_records(predictions, names):
    return bits([[getattr(one, name) for one in predictions] for name in names])


def of_frame(frame, names):
    return bits([frame[name] for name in names])


def test_frozen_order_of_columns_does_not_come_from_saved_state(sales):
    """A state written with any order of its keys is the same model."""
    files = model_files.sales_files(sales)
    state = json.loads(files["state.json"])
    medians = state["encoder"]["medians"]
    state["encoder"]["medians"] = dict(sorted(medians.items(), reverse=True))
    again = model_files.sales_service({**files, "state.json": json.dumps(state).encode()})
    rows = sales_rows(30, seed=3)
    assert of_frame(again.predict_frame(rows), PREDICTED) == of_frame(
        sales.predict_frame(rows), PREDICTED
    )


@settings(max_examples=25, deadline=None)
@given(records=RECORDS)
def test_a_loaded_sales_model_predicts_records_as_rows_bit_for_bit(sales, loaded_sales, records):
    expected = of_frame(sales.predict_frame(pd.DataFrame(records)), PREDICTED)
    assert of_records(sales.predict(records), PREDICTED) == expected
    assert of_records(loaded_sales.predict(records), PREDICTED) == expected
    assert of_frame(loaded_sales.predict_frame(pd.DataFrame(records)), PREDICTED) == expected
    alone = [loaded_sales.predict([record])[0] for record in records]
    assert of_records(alone, PREDICTED) == expected
    for show, record in zip(alone, records, strict=True):
        assert 0 <= show.low <= show.high <= float(record["capacity"])


VENUE_RECORDS = st.lists(
    st.fixed_dictionaries(
        {
            "capacity": st.integers(1, 500_000),
            **{f"score_{lag}": st.floats(0, 100) for lag in (1, 2, 3, 4)},
            **{name: st.floats(0, 100) for name in ("mean_score", "same_quarter_last_year",
                                                    "sd_score")},
            "shows_so_far": st.integers(0, 10_000),
            "next_quarter_number": st.integers(1, 4),
            "log_tickets_so_far": st.floats(0, 30),
        },
        optional={
            "venue_type": optional(st.sampled_from(["club", "arena", "barn"])),
            **{f"next_{name}": optional(st.floats(0, 1e6)) for name in
               ("booked", "booked_popularity", "booked_price")},
        },
    ),
    min_size=1,
    max_size=8,
)  # fmt: skip


@settings(max_examples=15, deadline=None)
@given(records=VENUE_RECORDS)
def test_a_loaded_venue_model_forecasts_records_as_rows_bit_for_bit(venues, loaded_venues, records):
    expected = of_frame(venues[0].forecast(pd.DataFrame(records)), FORECAST)
    assert of_records(loaded_venues.predict(records), FORECAST) == expected
    assert of_frame(loaded_venues.forecast(pd.DataFrame(records)), FORECAST) == expected
    alone = [loaded_venues.predict([record])[0] for record in records]
    assert of_records(alone, FORECAST) == expected


def test_examples_of_the_panel_are_forecast_as_records(venues, loaded_venues):
    service, panel = venues
    examples = service.examples(panel)
    records = examples.to_dict("records")
    expected = of_frame(service.forecast(examples), FORECAST)
    assert of_records(loaded_venues.predict(records), FORECAST) == expected
    pd.testing.assert_frame_equal(loaded_venues.rank(panel), service.rank(panel))
    with pytest.raises(UsageError, match="needs score_2"):
        service.predict([{**records[0], "score_2": None}])


FRESH = """
import json, sys
sys.modules["pandas"] = None  # the record path needs none
from pathlib import Path
from src.services.modelling.model_files import read_folder, sales_service, venue_service
service = sales_service(read_folder(Path(sys.argv[1]) / "ticket_sales/1"))
found = [[p.tickets.hex(), p.low.hex(), p.high.hex(), p.confidence.hex()]
         for p in service.predict(json.load(sys.stdin))]
venue_service(read_folder(Path(sys.argv[1]) / "venue_popularity/1"))
print(json.dumps(found))
"""


def test_a_fresh_process_without_pandas_predicts_the_same(sales, venues, registry, tmp_path):
    local = ModelRegistry(registry._storage, tmp_path)
    numbers = {
        "ticket_sales": local.save("ticket_sales", model_files.sales_files(sales), {}),
        "venue_popularity": local.save("venue_popularity", model_files.venue_files(venues[0]), {}),
    }
    for name, number in numbers.items():
        (tmp_path / name / str(number)).rename(tmp_path / name / "1")
    rows = sales_rows(40, seed=11).drop(columns=["concert_id", "artist_id", "venue_id", "status"])
    records = rows.assign(starts_at=rows["starts_at"].astype(str)).astype(object)
    records = records.where(rows.notna(), None).to_dict("records")
    done = subprocess.run(
        [sys.executable, "-c", FRESH, str(tmp_path)], input=json.dumps(records, default=float),
        capture_output=True, text=True, cwd=ROOT, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    expected = sales.predict_frame(rows)
    found = json.loads(done.stdout)
    assert found == [
        [float(v).hex() for v in line] for line in expected[list(PREDICTED)].to_numpy()
    ]


def test_a_profile_of_drift_says_the_same_after_loading(sales):
    names = sales.fitted.encoder.names
    before = profile(sales.encode(sales_rows(600)).matrix, names)
    after = json.loads(json.dumps(before, sort_keys=True))
    later = sales.encode(sales_rows(300, seed=4)).matrix
    assert drift(after, later, names) == drift(before, later, names)


@pytest.mark.parametrize(
    ("values", "kind", "word"),
    [(["x"], "numbers", "capacity"), (["2025-13-01"], "times", "starts_at"),
     ([None], "times", "needs starts_at"), ([[1]], "numbers", "capacity")],
)  # fmt: skip
def test_what_cannot_be_read_is_named(values, kind, word):
    name = "capacity" if kind == "numbers" else "starts_at"
    with pytest.raises(UsageError, match=word):
        getattr(RowBatch.of_records([{name: v} for v in values]), kind)(name)


# -- right hashes, wrong content -------------------------------------------------------------


def state_with(path, value):
    def change(files):
        state = json.loads(files["state.json"])
        place = state
        for name in path[:-1]:
            place = place[name]
        if value is KeyError:
            del place[path[-1]]
        else:
            place[path[-1]] = value
        return {**files, "state.json": json.dumps(state).encode()}

    return change


WRONG_STATES = [
    state_with([name], value)
    for name in ("schema_version", "random_state", "coverage", "encoder", "features", "scores",
                 "hit_knots", "trained_until")
    for value in (KeyError, None, [], {}, "x", -1e308)
] + [
    state_with(["encoder", "medians", "popularity"], KeyError),
    state_with(["encoder", "medians", "popularity"], "x"),
    state_with(["encoder", "medians", "popularity"], float("nan")),
    state_with(["encoder", "demand_slope"], KeyError),
    state_with(["encoder", "demand_slope"], float("inf")),
    state_with(["encoder", "genres"], [1]),
    state_with(["encoder", "first_show"], "yesterday"),
    state_with(["encoder", "first_show"], None),
    state_with(["scores"], [3.0, 1.0]),
    state_with(["hit_knots"], [[0.0, 1.0], [0.0]]),
    state_with(["hit_knots"], [[0.0, 1.0], [0.0, 7.0]]),
    lambda files: {**files, "state.json": b"[]"},
    lambda files: {**files, "state.json": b"\xff"},
    lambda files: {name: body for name, body in files.items() if name != "state.json"},
    lambda files: {name: body for name, body in files.items() if name != "hit.skops"},
    lambda files: {**files, "hit.skops": files["difficulty.skops"]},
    lambda files: {**files, "point.skops": files["difficulty.skops"]},
]  # fmt: skip


@pytest.mark.parametrize("change", WRONG_STATES, ids=range(len(WRONG_STATES)))
def test_wrong_content_under_a_right_hash_is_a_clear_error(sales, registry, change):
    version = registry.save("wrong", change(model_files.sales_files(sales)), {})
    with pytest.raises(SavedModelError) as caught:
        model_files.sales_service(registry.load("wrong", version).files)
    assert caught.value.hint and caught.value.exit_code == 2


@pytest.mark.parametrize("damage", ["child", "column", "value"])
def test_trees_that_lead_astray_are_refused_before_they_predict(sales, damage):
    import copy

    broken = copy.deepcopy(sales)
    if damage == "child":
        broken.fitted.point.estimators_[0, 0].tree_.children_left[0] = 0  # a circle
    elif damage == "column":
        broken.fitted.difficulty._predictors[0][0].nodes["feature_idx"] = 10_000
    else:
        broken.fitted.point.estimators_[0, 0].tree_.value[:] = np.nan
    with pytest.raises(SavedModelError, match="broken tree"):
        model_files.sales_service(model_files.sales_files(broken))


@pytest.mark.parametrize("name", ["scale", "types", "features", "scores", "coverage"])
@pytest.mark.parametrize("value", [KeyError, None, "x", {}])
def test_wrong_content_of_a_venue_model_is_a_clear_error(venues, name, value):
    files = state_with([name], value)(model_files.venue_files(venues[0]))
    with pytest.raises(SavedModelError):
        model_files.venue_service(files)


def test_a_model_of_the_earlier_format_is_refused_with_what_to_type(sales):
    """It holds no slope of demand, and it may not say until when it learned."""
    files = model_files.sales_files(sales)
    state = json.loads(files["state.json"])
    state["schema_version"] = 1
    del state["trained_until"], state["encoder"]["demand_slope"]
    with pytest.raises(SavedModelError, match="schema version 1; this program reads 2") as caught:
        model_files.sales_service({**files, "state.json": json.dumps(state).encode()})
    assert "earlier version" in caught.value.cause
    assert caught.value.hint == "python train_demo_models.py"
