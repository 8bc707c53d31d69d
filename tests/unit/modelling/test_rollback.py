"""Which version a rollback leads to, and what it refuses."""

from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.errors import SavedModelError, UsageError
from src.infrastructure.storage.model_registry import AliasEntry
from src.orchestration.training.registered_models import MODELS
from src.orchestration.training.rollback import PREVIOUS, _difference, planned, roll_back

HISTORIES = st.lists(st.integers(1, 30), min_size=1, max_size=10)  # newest first


class Registry:
    """Aliases as they were read; notes what is made the champion."""

    def __init__(self, histories, versions=range(1, 31)):
        self.histories, self.known, self.done = histories, list(versions), {}

    def champions(self, name):
        return [AliasEntry(v, "x", "", "", "", "") for v in self.histories.get(name, [])]

    def versions(self, name):
        return self.known

    def uri(self, name, version):
        return f"s3://{name}/{version}"

    def roll_back(self, name, version, reason):
        self.done[name] = version


@given(sales=HISTORIES, venues=HISTORIES)
def test_each_rollback_leads_to_an_older_champion_until_there_is_none(sales, venues):
    histories = {"ticket_sales": sales, "venue_popularity": venues}
    older = {n: [v for v in h if v < h[0]] for n, h in histories.items()}
    registry = Registry(histories)
    if not any(older.values()):
        with pytest.raises(UsageError, match="no earlier version has been the champion"):
            planned(registry, PREVIOUS)
        return
    roll_back(registry, planned(registry, PREVIOUS), "rolled back")
    assert registry.done == {name: max(found) for name, found in older.items() if found}


@given(history=HISTORIES, wanted=st.integers(-1, 60), known=st.sets(st.integers(1, 50), min_size=1))
def test_a_version_is_taken_by_number_or_near_ones_are_named(history, wanted, known):
    known |= set(history)
    registry = Registry({"ticket_sales": history}, sorted(known))
    if wanted in known:
        (step,) = planned(registry, str(wanted))
        assert (step.version, step.target) == (history[0], wanted)
        assert step.is_change == (wanted != history[0])
        assert step.was_champion == (wanted in history)
        return
    with pytest.raises(UsageError, match="there is no version") as caught:
        planned(registry, f"ticket_sales:{wanted}")
    assert caught.value.exit_code == 2
    named = caught.value.cause.split(";")[0].removeprefix("near ones: ").split(", ")
    assert {int(one) for one in named} <= known and len(named) == min(3, len(known))
    assert int(caught.value.hint.split()[-1]) in known


@pytest.mark.parametrize("wanted", ["x:1", "1:1", "sales:previous"])
def test_a_model_that_does_not_exist_is_refused_with_the_names_of_those_that_do(wanted):
    with pytest.raises(UsageError, match="there is no model") as caught:
        planned(Registry({"ticket_sales": [2, 1]}), wanted)
    assert all(name in caught.value.hint for name in MODELS)


def test_without_a_champion_there_is_nothing_to_roll_back_from():
    with pytest.raises(SavedModelError, match="no champion to roll back from") as caught:
        planned(Registry({}), PREVIOUS)
    assert caught.value.exit_code == 2 and caught.value.hint


ROWS = st.lists(st.tuples(st.floats(0, 1e6), st.floats(0, 1e6)), min_size=1, max_size=6)


@given(rows=ROWS, damage=st.sampled_from([0.0, 1e-9, 0.1, "missing", "short", "text"]))
def test_a_version_that_predicts_otherwise_than_when_it_was_saved_is_found(rows, damage):
    golden = {"rows": rows, "predictions": [a for a, _ in rows], "high": [b for _, b in rows]}
    if isinstance(damage, float):
        golden["high"][-1] += damage
    elif damage == "missing":
        del golden["rows"]
    else:
        golden["predictions"] = golden["predictions"][1:] if damage == "short" else "x" * len(rows)

    def predict(records):
        return [SimpleNamespace(tickets=a, high=b) for a, b in records]

    found = _difference(predict, golden, ("tickets", "high", "low"))
    assert (found <= 1e-6) == (damage in (0.0, 1e-9))
