"""Waiting: how often and how long, on any pauses, without real time."""

from itertools import islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from src.waiting import attempts, growing, poll_until

PAUSES = st.lists(st.floats(0, 10), max_size=8)


class Time:
    """A clock that only sleeping moves."""

    def __init__(self):
        self.now, self.slept = 0.0, []

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.now += seconds

    def clock(self):
        return self.now


def ways(time, pauses, timeout):
    return {"pauses_s": iter(pauses), "timeout_s": timeout, "sleep": time.sleep,
            "clock": time.clock}  # fmt: skip


@settings(max_examples=80)
@given(PAUSES, st.integers(0, 10), st.floats(0, 40))
def test_a_probe_is_called_until_it_is_done_or_the_time_is_over(pauses, calls_needed, timeout):
    time, calls = Time(), []

    def probe():
        calls.append(time.now)
        return len(calls)

    found = poll_until(probe, lambda n: n > calls_needed, **ways(time, pauses, timeout))
    assert found == len(calls) == len(time.slept) + 1 and time.slept == pauses[: len(time.slept)]
    if found <= calls_needed:
        assert time.slept == pauses or time.now >= timeout
    assert all(moment < timeout for moment in calls[:-1])


@settings(max_examples=80)
@given(PAUSES, st.integers(0, 10), st.floats(0, 40), st.booleans())
def test_an_action_is_repeated_for_what_may_pass_only(pauses, failures, timeout, passes):
    time, calls = Time(), []

    def action():
        calls.append(time.now)
        if len(calls) <= failures:
            raise OSError(len(calls)) if passes else ValueError(len(calls))
        return "done"

    def run():
        may_repeat = lambda error: isinstance(error, OSError)  # noqa: E731
        return attempts(action, may_repeat=may_repeat, **ways(time, pauses, timeout))

    waits = 0
    while waits < min(failures, len(pauses)) and sum(pauses[:waits]) < timeout and passes:
        waits += 1
    if waits < failures:
        with pytest.raises((OSError, ValueError)) as caught:
            run()
        assert caught.value.args == (waits + 1,)  # the last error, not the first
    else:
        assert run() == "done"
    assert len(calls) == waits + 1 and time.slept == pauses[:waits]


@given(st.floats(0.01, 5), st.floats(1, 3), st.floats(5, 60))
def test_pauses_grow_up_to_the_longest(first, factor, longest):
    pauses = list(islice(growing(first, factor=factor, longest_s=longest), 12))
    assert pauses[0] == first and pauses == sorted(pauses) and pauses[-1] <= longest
