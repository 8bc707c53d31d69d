"""Arrow columns made from numpy's arrays hold what pyarrow's own conversion would."""

import subprocess
import sys
from datetime import UTC, datetime
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.services.encoding import arrow_columns as ac

ROWS = [0, 1, 7, 100]


@pytest.mark.parametrize("rows", ROWS)
def test_numbers_flags_and_money(rows):
    numbers = np.arange(rows) * 7 - 20
    assert ac.integers(numbers).equals(pa.array(numbers, pa.int64()))
    assert ac.floats(numbers / 3).equals(pa.array(numbers / 3, pa.float64()))
    assert ac.flags(numbers > 0).equals(pa.array(numbers > 0, pa.bool_()))
    money = [Decimal(int(n)).scaleb(-2) for n in numbers]
    assert ac.decimals(numbers, 10).equals(pa.array(money, pa.decimal128(10, 2)))
    np.testing.assert_array_equal(ac.cents_of(ac.decimals(numbers, 10)), numbers)


@given(st.lists(st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=9)))
def test_texts(values):
    made = ac.texts(values)
    made.validate(full=True)
    assert made.to_pylist() == values


@given(st.lists(st.none() | st.integers(-(2**63), 2**63 - 1)), st.integers(0, 5))
def test_values_and_nulls_of_a_slice(values, start):
    array = pa.array(values, pa.int64()).slice(start)
    absent = ac.absent(array)
    assert absent.tolist() == [value is None for value in values[start:]]
    found = [None if no else int(v) for v, no in zip(ac.values_of(array), absent, strict=True)]
    assert found == values[start:]


@given(st.lists(st.datetimes(datetime(2000, 1, 1), datetime(2049, 12, 31, 23, 59, 59))))
def test_timestamps(times):
    seconds = [int(time.replace(tzinfo=UTC, microsecond=0).timestamp()) for time in times]
    made = ac.timestamps(np.array(seconds, np.int64))
    made.validate(full=True)
    expected = [str(time.replace(microsecond=0)) for time in times]
    assert made.to_pylist() == expected
    if times:
        assert ac.latest(made) == max(expected)
        assert ac.latest(made.slice(len(times) - 1)) == expected[-1]


def test_more_than_64_bits_are_not_taken_for_cents():
    assert ac.cents_of(pa.array([Decimal(2**70)], pa.decimal128(38, 2))) is None


def test_generation_imports_no_pandas():
    code = """
import sys
from src.services.generation.concert_world import WorldSize
from src.services.synthetic_data_generator import SyntheticDataGenerator
class Nowhere:
    def put(self, path, body): pass
for raw_format in ("json", "parquet"):
    SyntheticDataGenerator(WorldSize(10, 5, 40, 200)).export(Nowhere(), raw_format, "x")
print("pandas" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
