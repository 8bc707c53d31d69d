"""The user's own files: what is accepted, and the one clear error for what is not."""

import gzip
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from src.domain.tables import ARTISTS
from src.errors import InputDataError
from src.services.input_dataset import InputDataset
from src.services.input_files import InputReader
from src.services.input_folder import InputFile, InputTable, find_input
from tests.conftest import FolderSink

GOOD = {
    "artists": "artist_id,name\n1,Ann\n2,Bob\n",
    "venues": "venue_id,name,city,capacity\n1,Hall,Bonn,100\n",
    "concerts": "concert_id,artist_id,venue_id,starts_at\nc1,1,1,2025-01-01 20:00:00\n",
    "ticket_sales": "sale_id,concert_id,purchased_at,quantity,unit_price\n1,c1,2024-12-01,2,9.99\n",
}


@pytest.fixture
def folder(tmp_path):
    source = tmp_path / "in"
    source.mkdir()
    for name, text in GOOD.items():
        (source / f"{name}.csv").write_text(text)
    return source


def read(path, spec=ARTISTS):
    reader = InputReader(InputTable(spec, (InputFile(path),)))
    rows = pa.Table.from_batches(
        [batch for block in reader.blocks() for batch in block.to_batches()], reader.schema
    ).to_pylist()
    numbers = [row.pop("record_number") for row in rows]
    assert numbers == [str(place) for place in range(1, len(rows) + 1)]
    return rows, reader


def artists(tmp_path, name, body):
    path = tmp_path / name
    path.write_bytes(body if isinstance(body, bytes) else body.encode())
    return path


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("artists.csv", "artist_id,name,zzz\n7,Zoë,1\n"),
        ("artists.csv", b"\xef\xbb\xbfartist_id,name\r\n7,Zo\xc3\xab\r\n"),
        ("artists.csv.gz", gzip.compress("artist_id,name\n7,Zoë\n".encode(), mtime=0)),
        ("artists.jsonl", '{"artist_id": 7, "name": "Zoë", "zzz": {"a": 1}}\n\n'),
        ("artists.json", '[{"artist_id": 7, "name": "Zoë"}]'),
        ("artists.json.gz", gzip.compress('{"artist_id":7,"name":"Zoë"}'.encode(), mtime=0)),
    ],
    ids=["csv", "bom-crlf", "csv.gz", "jsonl", "json-array", "json.gz"],
)
def test_every_format_gives_the_same_record(tmp_path, name, body):
    rows, reader = read(artists(tmp_path, name, body))
    assert rows == [{"artist_id": "7", "name": "Zoë"}]
    assert reader.ignored in ((), ("zzz",))


def test_parquet_is_read_and_typed_values_become_text(tmp_path):
    path = tmp_path / "artists.parquet"
    pq.write_table(pa.table({"artist_id": [7], "name": ["Zoë"], "popularity": [12.5]}), path)
    rows, _ = read(path)
    assert rows == [{"artist_id": "7", "name": "Zoë", "popularity": "12.5"}]


def test_numbers_keep_their_digits(tmp_path):
    line = '{"artist_id": 12345678901234567890, "name": "x", "popularity": 1.10}'
    rows, _ = read(artists(tmp_path, "artists.jsonl", line))
    assert rows[0]["artist_id"] == "12345678901234567890" and rows[0]["popularity"] == "1.10"


@pytest.mark.parametrize(
    ("name", "body", "words"),
    [
        ("artists.jsonl", '{"artist_id":1,"name":"a"}\n{"artist_id":', ["line 2"]),
        ("artists.jsonl", '{"artist_id":1,"name":"a"}\n[1]\n', ["line 2", "object"]),
        ("artists.jsonl", '{"artist_id":1,"name":"a\\u0000"}\n', ["line 1", "NUL"]),
        ("artists.json", '[{"artist_id":1,"name":"a"},', ["line 1"]),
        ("artists.json", "[" * 100_000, ["line 1"]),
        ("artists.csv", "artist_id,name\n1,a\n2,b,c\n", ["line 3", "3 fields"]),
        ("artists.csv", 'artist_id,name\n1,"a\n', ["line 2"]),
        ("artists.csv", "artist_id,name\n1,caf\xe9\n".encode("latin-1"), ["not UTF-8"]),
        ("artists.csv", b"artist_id,name\n1,a\x00b\n", ["line 2", "NUL"]),
        ("artists.csv", "artist_id\n1\n", ["no column name"]),
        ("artists.csv", "", ["is empty"]),
        (
            "artists.csv.gz",
            gzip.compress(b"artist_id,name\n" + b"1,a\n" * 99, mtime=0)[:-20],
            ["its end"],
        ),
        ("artists.csv.gz", b"not gzip at all", ["its end"]),
        ("artists.parquet", b"PAR1 nonsense", ["not a Parquet"]),
        ("artists.jsonl", '{"artist_id":1,"name":"' + "a" * 4_000_001, ["line 1", "4,000,000"]),
    ],
)
def test_a_broken_file_is_one_clear_error(tmp_path, name, body, words):
    with pytest.raises(InputDataError) as caught:
        read(artists(tmp_path, name, body))
    text = " ".join(filter(None, (caught.value.message, caught.value.where, caught.value.cause)))
    for word in [name, *words]:
        assert word in text
    assert caught.value.hint and caught.value.exit_code == 2


def test_files_are_found_by_table_alone_in_parts_or_in_a_folder(folder):
    (folder / "concerts.csv").rename(folder / "concerts-2024.csv")
    (folder / "venues.csv").unlink()
    (folder / "venues").mkdir()
    (folder / "venues" / "part1.csv").write_text(GOOD["venues"])
    (folder / "artists_1.jsonl").write_text('{"artist_id":3,"name":"c"}')
    (folder / "README.md").write_text("no data")
    found = {t.spec.name: [f.path.name for f in t.files] for t in find_input(folder).tables}
    assert found == {
        "artists": ["artists.csv", "artists_1.jsonl"],
        "venues": ["part1.csv"],
        "concerts": ["concerts-2024.csv"],
        "ticket_sales": ["ticket_sales.csv"],
    }


def test_a_missing_table_is_named(folder):
    (folder / "venues.csv").unlink()
    with pytest.raises(InputDataError, match="no file for venues"):
        InputDataset(folder)


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(InputDataError, match="is not a folder"):
        InputDataset(tmp_path / "nope")


def test_a_table_that_others_refer_to_needs_records(folder, tmp_path):
    (folder / "venues.csv").write_text("venue_id,name,city,capacity\n")
    with pytest.raises(InputDataError, match="no record for venues"):
        InputDataset(folder).export(FolderSink(tmp_path / "out"), "json", "x")
    manifest = InputDataset(folder).export(
        FolderSink(tmp_path / "out"), "json", "x", parents_may_be_loaded=True
    )
    assert manifest.tables["venues"].records == 0


@pytest.mark.parametrize("raw_format", ["json", "csv", "parquet"])
@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("ticket_sales.csv", GOOD["ticket_sales"].split("\n")[0]),
        ("ticket_sales.jsonl", ""),
        ("ticket_sales.json", " [\n] "),
    ],
)
def test_a_table_without_rows_has_one_part_that_reads_as_no_rows(
    folder, tmp_path, raw_format, name, body
):
    (folder / "ticket_sales.csv").unlink()
    (folder / name).write_text(body)
    manifest = InputDataset(folder).export(FolderSink(tmp_path / "out"), raw_format, "x")
    (part,) = manifest.tables["ticket_sales"].files
    assert part.rows == 0
    content = (tmp_path / "out" / part.path).read_bytes()
    if raw_format == "parquet":
        assert pq.read_table(pa.BufferReader(content)).num_rows == 0
    elif raw_format == "csv":
        assert gzip.decompress(content).count(b"\n") == 1
    else:
        assert gzip.decompress(content) == b""


def test_a_folder_without_any_record_is_refused(folder, tmp_path):
    for name, text in GOOD.items():
        (folder / f"{name}.csv").write_text(text.split("\n")[0])
    with pytest.raises(InputDataError, match="no record in any table"):
        InputDataset(folder).export(FolderSink(tmp_path / "out"), "json", "x")


def test_export_keeps_every_record_and_names_what_it_ignored(folder, tmp_path):
    (folder / "artists.csv").write_text("artist_id,name,shoe_size\n1,Ann,40\n2,Bob,41\n")
    manifest = InputDataset(folder).export(FolderSink(tmp_path / "out"), "json", "x")
    assert manifest.source == "input" and manifest.records == 5
    assert manifest.tables["artists"].ignored_columns == ("shoe_size",)
    body = (tmp_path / "out" / manifest.tables["artists"].files[0].path).read_bytes()
    lines = gzip.decompress(body).decode().splitlines()
    assert json.loads(lines[1]) == {"artist_id": "2", "name": "Bob", "record_number": "2"}
