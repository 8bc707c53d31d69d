"""Laws of saved models: loaded, they predict what they predicted, from records as from frames."""

import json
import subprocess
import sys
from dataclasses import replace
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
from src.services.demand.flat_trees import FlatTrees
from src.services.features.drift import drift, profile
from src.services.features.row_batch import RowBatch
from src.services.modelling import model_files, saved_trees
from src.services.ticket_sales_prediction_service import PREDICTED
from src.services.venue_popularity_service import FORECAST
from tests.conftest import ROOT
from tests.unit.modelling.sales_rows import sales_rows, small_sales_model, small_venue_model

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
            "venue_type": optional(st.sampled_from(["club", "barn"])),
            "artist_id": optional(st.integers(0, 45).map(str)),
            "venue_id": optional(st.integers(0, 25).map(str)),
            "on_sale_at": optional(st.datetimes(datetime(2021, 1, 2), datetime(2026, 1, 1))),
            "city_competition": optional(st.integers(0, 10_000)),
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
def sales_files(sales):
    return model_files.sales_files(sales)


@pytest.fixture(scope="module")
def venue_files(venues):
    return model_files.venue_files(venues[0])


@pytest.fixture(scope="module")
def registry():
    with mock_aws():
        client = boto3.client("s3", region_name="us-east-1", aws_access_key_id="x",
                              aws_secret_access_key="x")  # fmt: skip
        storage = S3Storage(client, "models-bucket")
        storage.ensure_bucket()
        yield ModelRegistry(storage)


@pytest.fixture(scope="module")
def loaded_sales(sales_files, registry):
    version = registry.save("ticket_sales", sales_files, {})
    return model_files.sales_service(registry.load("ticket_sales", version).files)


@pytest.fixture(scope="module")
def loaded_venues(venue_files, registry):
    version = registry.save("venue_popularity", venue_files, {})
    return model_files.venue_service(registry.load("venue_popularity", version).files)


def bits(columns):
    return [np.asarray(column, dtype=np.float64).tobytes() for column in columns]


def of_records(predictions, names):
    return bits([[getattr(one, name) for one in predictions] for name in names])


def of_frame(frame, names):
    return bits([frame[name] for name in names])


def test_frozen_order_of_columns_does_not_come_from_saved_state(sales, sales_files):
    """A state written with any order of its keys is the same model."""
    files = sales_files
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
for name in ("pandas", "scipy", "sklearn", "skops", "threadpoolctl"):
    sys.modules[name] = None  # loading and predicting need none of them
from pathlib import Path
from src.services.modelling.model_files import read_folder, sales_service, venue_service
from src.services.ticket_sales_prediction_service import PREDICTED
service = sales_service(read_folder(Path(sys.argv[1]) / "ticket_sales/1"))
found = [[getattr(p, name).hex() for name in PREDICTED]
         for p in service.predict(json.load(sys.stdin))]
venue_service(read_folder(Path(sys.argv[1]) / "venue_popularity/1"))
print(json.dumps(found))
"""


def test_a_fresh_process_with_numpy_alone_predicts_the_same(
    sales, venue_files, registry, tmp_path, sales_files
):
    local = ModelRegistry(registry._storage, tmp_path)
    numbers = {
        "ticket_sales": local.save("ticket_sales", sales_files, {}),
        "venue_popularity": local.save("venue_popularity", venue_files, {}),
    }
    for name, number in numbers.items():
        (tmp_path / name / str(number)).rename(tmp_path / name / "1")
    rows = sales_rows(40, seed=11).drop(columns=["concert_id", "status"])
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
    before = profile(*sales.encode(sales_rows(600)).profile)
    after = json.loads(json.dumps(before, sort_keys=True))
    later = sales.encode(sales_rows(300, seed=4)).profile
    assert drift(after, *later) == drift(before, *later)


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


def arrays_with(name, value):
    def change(files):
        arrays = saved_trees.arrays_of(files)
        arrays[name] = value(arrays[name])
        return {**files, "model.npz": saved_trees.npz(arrays)}

    return change


WRONG_STATES = [
    state_with([name], value)
    for name in ("schema_version", "random_state", "coverage", "encoder", "linear", "earlier",
                 "features", "widths", "scores", "hit_line", "trained_until")
    for value in (KeyError, None, [], {}, "x", -1e308)
] + [
    state_with(["encoder", "medians", "popularity"], KeyError),
    state_with(["encoder", "medians", "popularity"], "x"),
    state_with(["encoder", "medians", "popularity"], float("nan")),
    state_with(["linear", "slopes", "log_price"], KeyError),
    state_with(["linear", "intercept"], float("inf")),
    state_with(["linear", "effects", "month"], [1.0, 2.0]),
    state_with(["earlier", "artist_id", "within"], -1.0),
    state_with(["earlier", "artist_id", "decay_days"], 0.0),
    state_with(["widths", "sd"], 0.0),
    state_with(["widths", "power"], 3.0),
    state_with(["encoder", "words", "genre"], [1]),
    state_with(["encoder", "first_show"], "yesterday"),
    state_with(["encoder", "first_show"], None),
    state_with(["scores"], [3.0, 1.0]),
    state_with(["hit_line", "slope"], -0.5),
    state_with(["hit_line", "shift"], "much"),
    lambda files: {**files, "state.json": b"[]"},
    lambda files: {**files, "state.json": b"\xff"},
    lambda files: {name: body for name, body in files.items() if name != "state.json"},
    lambda files: {name: body for name, body in files.items() if name != "model.npz"},
    lambda files: {**files, "model.npz": files["trees.skops"]},
    arrays_with("trees_left", lambda left: left * 0),  # a circle
    arrays_with("trees_right", lambda right: right + 10**6),
    arrays_with("trees_column", lambda column: column + 10_000),
    arrays_with("trees_column", lambda column: column - 10_000),
    arrays_with("trees_column", lambda column: column.astype(np.float64)),
    arrays_with("trees_value", lambda value: value + np.nan),
    arrays_with("trees_value", lambda value: value[:-1]),
    arrays_with("trees_roots", lambda roots: roots + 10**6),
    arrays_with("trees_depth", lambda depth: depth + 10**6),
    arrays_with("trees_divisor", lambda divisor: divisor * 0),
    arrays_with("artist_id_owner", lambda owner: owner[::-1]),
    arrays_with("artist_id_owner", lambda owner: owner + 10_000),
    arrays_with("artist_id_total", lambda total: total + np.inf),
    arrays_with("venue_id_owners", lambda owners: owners.astype(object)),
]  # fmt: skip


@pytest.mark.parametrize("change", WRONG_STATES, ids=range(len(WRONG_STATES)))
def test_wrong_content_under_a_right_hash_is_a_clear_error(sales_files, registry, change):
    version = registry.save("wrong", change(sales_files), {})
    with pytest.raises(SavedModelError) as caught:
        model_files.sales_service(registry.load("wrong", version).files)
    assert caught.value.hint and caught.value.exit_code == 2


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), depth=st.integers(1, 9), rows=st.integers(1, 1200))
def test_flat_trees_predict_as_scikit_learn_bit_for_bit(seed, depth, rows):
    from sklearn.ensemble import GradientBoostingRegressor, RandomForestRegressor

    rng = np.random.default_rng(seed)
    matrix, target = rng.normal(size=(120, 4)), rng.normal(size=120)
    asked = rng.choice(np.append(matrix.ravel(), [1e300, -1e300, 1e-300]), size=(rows, 4))
    for estimator, flatten in (
        (GradientBoostingRegressor(n_estimators=9, max_depth=depth, subsample=0.7),
         FlatTrees.of_boosting),
        (RandomForestRegressor(5, max_depth=depth), FlatTrees.of_forest),
    ):  # fmt: skip
        estimator.set_params(random_state=seed).fit(matrix, target)
        flat = flatten(estimator)
        again = FlatTrees.of_arrays(flat.arrays("x"), "x", 4)
        within = np.clip(asked, -1e34, 1e34)  # what scikit-learn adds up stays finite
        assert (again.predict(within) == estimator.predict(within)).all()


def test_a_save_compares_the_flat_trees_with_scikit_learn(sales):
    other = replace(sales.fitted.trees, base=sales.fitted.trees.base + 1e-9)
    broken = replace(sales, model_=replace(sales.fitted, trees=other))
    with pytest.raises(SavedModelError, match="other numbers than scikit-learn"):
        model_files.sales_files(broken)


@pytest.mark.parametrize("name", ["scale", "types", "features", "scores", "coverage"])
@pytest.mark.parametrize("value", [KeyError, None, "x", {}])
def test_wrong_content_of_a_venue_model_is_a_clear_error(venue_files, name, value):
    files = state_with([name], value)(venue_files)
    with pytest.raises(SavedModelError):
        model_files.venue_service(files)


def test_a_model_of_the_earlier_format_is_refused_with_what_to_type(sales_files):
    files = sales_files
    state = json.loads(files["state.json"])
    state["schema_version"] = 2
    with pytest.raises(SavedModelError, match="schema version 2; this program reads 4") as caught:
        model_files.sales_service({**files, "state.json": json.dumps(state).encode()})
    assert "earlier version" in caught.value.cause
    assert caught.value.hint == "python train_demo_models.py"
