"""One meaning in three formats: what is written as JSON, JSON Lines or CSV is read alike."""

import csv
import io
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from src.serving import formats
from src.serving.formats import UnusableInputError

FIELDS = ("capacity", "starts_at", "base_price", "genre")
# Any text that a field may have; a CSV reader takes a lone carriage return for a line's end.
TEXTS = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\x00"), max_size=8)
NUMBERS = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
RECORDS = st.lists(
    st.fixed_dictionaries({name: TEXTS | NUMBERS | st.none() for name in FIELDS}),
    min_size=1, max_size=4,
)  # fmt: skip


def as_csv(records):
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(FIELDS)
    for record in records:  # a number as JSON writes it
        values = (record[name] for name in FIELDS)
        writer.writerow("" if v is None else v if isinstance(v, str) else json.dumps(v)
                        for v in values)  # fmt: skip
    return out.getvalue().encode()


def bodies(records):
    lines = [json.dumps(record).encode() for record in records]
    return {
        "json": b"[" + b",".join(lines) + b"]",
        "jsonl": b"\n".join(lines) + b"\n",
        "csv": as_csv(records),
    }


@given(RECORDS)
@settings(max_examples=150)
def test_a_record_is_read_alike_from_each_format(records):
    found = {kind: formats.read(body, kind, FIELDS) for kind, body in bodies(records).items()}
    assert found["json"].records == found["jsonl"].records == found["csv"].records
    assert [len(f.numbers) for f in found.values()] == [len(records)] * 3


@given(RECORDS, st.integers(0, 3), st.sampled_from(["json", "jsonl", "csv"]))
@settings(max_examples=60)
def test_an_unknown_field_is_named_with_its_place(records, place, kind):
    place %= len(records)
    body = bodies([{**r, "genre": "x"} for r in records])[kind].decode()
    if kind == "csv":
        body, place = body.replace("genre", "gener", 1), -1
    else:
        parts = body.split('"genre"')
        body = '"genre"'.join(parts[: place + 1]) + '"gener"' + '"genre"'.join(parts[place + 1 :])
    with pytest.raises(UnusableInputError) as caught:
        formats.read(body.encode(), kind, FIELDS)
    answer = caught.value.answer()
    number = answer["record" if kind == "json" else "line"]
    assert number == (1 if kind == "csv" else place + 1)
    assert (answer["field"], answer["try"]) == ("gener", "did you mean genre?")


@pytest.mark.parametrize(
    ("kind", "body", "words"),
    [
        ("json", '{"capacity": NaN}', "capacity is NaN"),
        ("jsonl", '{"capacity": 1}\n{"capacity": -Infinity}', "capacity is -Infinity"),
        ("json", '{"capacity": true}', "capacity is true"),
        ("json", '{"capacity": [1]}', "capacity is a list"),
        ("json", '{"capacity": 1, "capacity": 2}', "'capacity' is there twice"),
        ("json", "[1]", "is no concert"),
        ("json", "[" * 100_000, "too many"),
        ("json", '{"instances": 3}', "instances is no list"),
        ("jsonl", '{"capacity": 1}\n\n{"capacity": 1}', "the line is blank"),
        ("csv", "800,2026-05-01", "no header"),
        ("csv", "capacity;starts_at\n800;2026-05-01", "separated by semicolons"),
        ("csv", "capacity\tstarts_at\n800\t2026-05-01", "separated by tabs"),
        ("csv", "capacity,starts_at\n", "only a header"),
        ("csv", "capacity,genre\n1", "1 values where the header names 2"),
        ("csv", "capacity,capacity\n1,1", "capacity is there twice"),
        ("csv", 'capacity\n"1', "no CSV"),
        ("json", "\ufeff  \n", "no concert in it"),
    ],
)
def test_what_is_no_concert_is_refused(kind, body, words):
    with pytest.raises(UnusableInputError, match=words):
        formats.read(body.encode(), kind, FIELDS)


def test_the_line_of_a_csv_record_is_the_one_it_begins_on():
    body = b'capacity,genre\n1,"a\nb"\n2\n'
    with pytest.raises(UnusableInputError) as caught:
        formats.read(body, "csv", FIELDS)
    assert caught.value.number == 4


def test_bytes_that_are_no_utf8_are_refused_with_their_line():
    with pytest.raises(UnusableInputError) as caught:
        formats.read(b"capacity\n1\n\xff", "csv", FIELDS)
    assert caught.value.number == 3


def test_a_field_that_is_there_twice_among_very_many_is_found_at_once():
    """The search was quadratic: 240 kB of one request took 15 s of the server."""
    body = "{" + "".join(f'"k{number}":1,' for number in range(200_000)) + '"k199999":2}'
    with pytest.raises(UnusableInputError, match="'k199999' is there twice"):
        formats.read(body.encode(), "json", FIELDS)
