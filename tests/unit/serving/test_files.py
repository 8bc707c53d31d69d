"""Files of concerts: the same format out as in, and errors with their place in the file."""

import csv
import io
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from src.errors import InputDataError
from src.serving.files import ConcertFile

CONCERTS = st.lists(
    st.fixed_dictionaries(
        {
            "concert_id": st.integers(1, 99),
            "capacity": st.integers(1, 50_000),
            "starts_at": st.datetimes().map(str),
            "base_price": st.none() | st.floats(1, 500),
        }
    ),
    min_size=1, max_size=4,
)  # fmt: skip


def written(folder, kind, rows):
    path = folder / f"concerts.{kind}"
    if kind == "parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    elif kind == "csv":
        with path.open("w", newline="") as stream:
            writer = csv.DictWriter(stream, rows[0])
            writer.writeheader()
            writer.writerows(rows)
    elif kind == "jsonl":
        path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    else:
        path.write_text(json.dumps(rows))
    return path


def rows_of(kind, body):
    if kind == "parquet":
        return pq.read_table(io.BytesIO(body)).to_pylist()
    if kind == "csv":
        return list(csv.DictReader(io.StringIO(body.decode())))
    return json.loads(body) if kind == "json" else list(map(json.loads, body.splitlines()))


@given(CONCERTS)
@settings(max_examples=25)
def test_each_format_gets_the_same_predictions(tmp_path_factory, predictor, rows):
    folder, found = tmp_path_factory.getbasetemp(), {}
    for kind in ("csv", "json", "jsonl", "parquet"):
        file = ConcertFile.read(written(folder, kind, rows))
        answers = file.scored(predictor, dict)
        assert [answer["tickets"] for answer in answers] == [
            one.tickets for one in predictor.service.predict(rows)
        ]
        found[kind] = rows_of(kind, file.joined(answers))
        assert [float(row["tickets"]) for row in found[kind]] == [a["tickets"] for a in answers]
        assert [int(row["concert_id"]) for row in found[kind]] == [r["concert_id"] for r in rows]
    assert found["json"] == found["jsonl"] == found["parquet"]
    assert list(found["csv"][0]) == list(found["json"][0])


@pytest.mark.parametrize("kind", ["csv", "json", "jsonl", "parquet"])
def test_an_error_names_file_place_and_field(tmp_path, predictor, kind):
    rows = [{"capacity": 5, "starts_at": "2026-05-01", "base_price": 5.0} for _ in range(20)]
    rows[11]["base_price"] = -1.0
    path = written(tmp_path, kind, rows)
    with pytest.raises(InputDataError) as caught:
        ConcertFile.read(path).scored(predictor, dict)
    place = {"csv": "line 13", "json": "record 12", "jsonl": "line 12", "parquet": "row 12"}[kind]
    assert caught.value.where == f"{path} {place}, field base_price"


@pytest.mark.parametrize(
    ("name", "body", "words"),
    [("a.txt", b"x", "no ending that names its format"), ("a.csv", b"", "no concert in it"),
     ("a.parquet", b"PAR1", "not a Parquet file"), ("a.jsonl", b'{"x": 1}', "no field 'x'")],
)  # fmt: skip
def test_a_file_that_cannot_be_used_is_an_error(tmp_path, name, body, words):
    (tmp_path / name).write_bytes(body)
    with pytest.raises(InputDataError, match=words):
        ConcertFile.read(tmp_path / name)


def test_a_file_that_is_not_there_is_an_error():
    with pytest.raises(InputDataError, match="cannot be read"):
        ConcertFile.read(Path("nowhere.csv"))


def test_an_unknown_name_is_an_error_with_its_line(tmp_path, predictor):
    from src.errors import UsageError

    def fill_in(record):
        raise UsageError("there is no artist", cause="near it: Ann")

    path = written(tmp_path, "csv", [{"artist": "Anne", "starts_at": "2026-05-01"}])
    file = ConcertFile.read(path)
    assert file.has_names
    with pytest.raises(InputDataError) as caught:
        file.scored(predictor, fill_in)
    assert caught.value.where == f"{path} line 2" and "Ann" in caught.value.hint
