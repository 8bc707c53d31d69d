"""The user's own files: what is accepted, and the one clear error for what is not."""

import gzip
import json
import shutil
import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from src.domain.tables import ARTISTS
from src.errors import InputDataError
from src.services.input.input_dataset import InputDataset
from src.services.input.input_files import InputReader
from src.services.input.input_folder import InputFile, InputTable, find_input
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


NUMBERS = st.from_regex(r"\A-?(0|[1-9][0-9]{0,25})([.][0-9]{1,25})?([eE][+-]?[0-9]{1,3})?\Z")
STRINGS = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=8)
WRITTEN_STRINGS = STRINGS.map(lambda text: json.dumps(text, ensure_ascii=False))
DOCUMENTS = st.recursive(  # as json.dumps writes them, but for numbers that Python would change
    st.one_of(NUMBERS, WRITTEN_STRINGS, st.sampled_from(["true", "false", "null", '"1.50"'])),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4).map(lambda items: f"[{', '.join(items)}]"),
        st.dictionaries(WRITTEN_STRINGS, inner, max_size=4).map(
            lambda items: "{" + ", ".join(f"{key}: {value}" for key, value in items.items()) + "}"
        ),
    ),
    max_leaves=12,
)


@settings(max_examples=100)
@given(documents=st.lists(DOCUMENTS, min_size=1, max_size=6))
def test_nested_json_keeps_the_text_of_its_numbers(tmp_path, documents):
    lines = [f'{{"artist_id": {n}, "name": {text}}}' for n, text in enumerate(documents)]
    plain = {"null": None, '"1.50"': "1.50"}
    expected = [
        json.loads(text) if text.startswith('"') else plain.get(text, text) for text in documents
    ]
    for name, body in [
        ("artists.jsonl", "\n".join(lines)),
        ("artists.json", f"[{','.join(lines)}]"),
    ]:
        rows, _ = read(artists(tmp_path, name, body))
        assert [row["name"] for row in rows] == expected
        assert [row["artist_id"] for row in rows] == list(map(str, range(len(documents))))


def test_json_nested_as_deeply_as_the_parser_reads_keeps_its_text(tmp_path):
    deep = "[" * 900 + "1.0" + "]" * 900
    rows, _ = read(artists(tmp_path, "artists.jsonl", f'{{"artist_id": 1, "name": {deep}}}'))
    assert rows[0]["name"] == deep


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


# -- laws ------------------------------------------------------------------------------------

NAMES = st.builds(
    "".join,
    st.tuples(
        st.sampled_from(["", "", "copy of ", "2024-", ".", "_", "readme "]),
        st.sampled_from(["concerts", "Concerts", "artists", "concert", "ticket_sales", "x"]),
        st.sampled_from(
            ["", "-b", " 2024", " (1)", "12", ".8", "old", "-artists", "\u00e9", "-\u00e9"]
        ),
        st.sampled_from(
            [".csv", ".CSV", ".csv.GZ", ".ndjson", ".parquet", ".txt", ".zip", ".bak", "", ".crc"]
        ),
    ),
)
PLACES = st.sampled_from(
    ["", "", "concerts/", "concerts/2024/", "concerts/year=2024/", "Concerts-x/", "other/",
     "artists.parquet/", "_temporary/"]
)  # fmt: skip


@settings(max_examples=80, deadline=None)
@given(st.sets(st.tuples(PLACES, NAMES), max_size=8))
def test_every_file_is_read_or_passed_over_by_rule_or_in_the_error(places):
    with tempfile.TemporaryDirectory() as name:
        folder, names = Path(name), {f"{table}.csv" for table in GOOD}
        for table in GOOD:
            (folder / f"{table}.csv").touch()
        for place, file in places:
            path = folder / place / file
            path.parent.mkdir(exist_ok=True, parents=True)
            if not path.exists():
                path.touch()
                names.add(path.relative_to(folder).as_posix())
        refused = []
        try:
            found = find_input(folder)
        except InputDataError as error:
            refused = error.facts["refused"]
            assert refused and all(name in error.cause for name in refused)
            for path in refused:  # without what is refused, the rest is read or passed over
                target = folder / path
                shutil.rmtree(target) if target.is_dir() else target.unlink()
            if not all((folder / f"{table}.csv").exists() for table in GOOD):
                return
            found = find_input(folder)
        taken = {f.path.relative_to(folder).as_posix() for t in found.tables for f in t.files}
        below = tuple(f"{name}/" for name in (*refused, *found.passed_over))
        left = {n for n in names if n in (*refused, *found.passed_over) or n.startswith(below)}
        assert taken | left == names and not taken & left
        for over in found.passed_over:
            last = over.split("/")[-1]
            assert last.startswith((".", "_", "readme")) or last.endswith(".crc")


TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=12)
RECORDS = st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=6)


def mixed(name, upper):
    return "".join(c.upper() if up else c for c, up in zip(name, upper * 9, strict=False))


@settings(max_examples=60, deadline=None)
@given(RECORDS, st.lists(st.booleans(), min_size=1, max_size=9))
def test_csv_json_and_parquet_of_the_same_records_give_the_same_text(records, upper):
    import csv

    names = [mixed("artist_id", upper), f" {mixed('name', upper)} "]
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        with (folder / "artists.csv").open("w", encoding="utf-8", newline="") as stream:
            writer = csv.writer(stream, quoting=csv.QUOTE_ALL)
            writer.writerows([names, *records])
        objects = [dict(zip(names, record, strict=True)) for record in records]
        (folder / "artists.jsonl").write_text("\n".join(map(json.dumps, objects)))
        (folder / "artists.json").write_text(json.dumps(objects, indent=2))
        (folder / "artists.ndjson").write_text("".join(json.dumps(o, indent=1) for o in objects))
        columns = [pa.array(column, pa.string()) for column in zip(*records, strict=True)]
        pq.write_table(pa.table(columns, names), folder / "artists.parquet")
        expected = [{"artist_id": a, "name": b} for a, b in records]
        for path in sorted(folder.iterdir()):
            assert read(path)[0] == expected, path.name


@pytest.mark.parametrize(
    ("name", "body", "words"),
    [
        ("artists.csv", "artist_id,name,Name \n1,a,b\n", ["line 1", "name twice"]),
        ("artists.jsonl", '{"artist_id":1,"name":"a"}\n{"artist_id":1,"name":"a","name":"b"}',
         ["line 2", "name twice"]),
        ("artists.jsonl", '{"artist_id":1,"name":"a","NAME":"b"}', ["line 1", "name twice"]),
        ("artists.csv", 'artist_id,name\n1,x\n2,"Ana\n3,Bob\n4,"x"\n', ["line 3", "quote"]),
        ("artists.csv", 'artist_id,name\n1,"a\nb",c\n', ["line 2", "3 fields"]),
        ("artists.csv", "artist_id;name\n1;a\n", ["semicolons"]),
        ("artists.csv", "My artists\nartist_id,name\n1,a\n", ["line 2"]),
        ("artists.csv", "artist_id,name\n1,a\n".encode("utf-16"), ["UTF-16"]),
        ("artists.csv", "artist_id,name\n1,a\n".encode("utf-16-be"), ["UTF-16BE"]),
        ("artists.csv", "artist_id,name\n1,a\n".encode("utf-32"), ["UTF-32"]),
        ("artists.csv", gzip.compress(b"artist_id,name\n", mtime=0), ["gzip"]),
        ("artists.csv", b"PK\x03\x04xxxx", ["zip"]),
        ("artists.csv", b"artist_id,name\n1,a\n2,caf\xe9\n", ["line 3", "offset 24", "0xe9"]),
    ],
)  # fmt: skip
def test_a_message_names_the_cause_and_its_place(tmp_path, name, body, words):
    with pytest.raises(InputDataError) as caught:
        read(artists(tmp_path, name, body))
    text = " ".join((caught.value.message, caught.value.where, caught.value.cause))
    for word in [name, *words]:
        assert word in text
    assert "WINDOWS" not in caught.value.hint and "run_demo_pipeline" not in caught.value.hint


@pytest.mark.parametrize("bad", [b"a\x00b", b"a\xffb", b"a\xed\xa0\x80b"])
def test_parquet_text_is_checked_with_file_and_row(tmp_path, bad):
    raw = pa.array([b"good", b"good", bad], pa.binary())
    text = pa.Array.from_buffers(pa.string(), 3, raw.buffers())
    path = tmp_path / "artists.parquet"
    pq.write_table(pa.table({"artist_id": [1, 2, 3], "name": text}), path)
    with pytest.raises(InputDataError, match="artists.parquet row 3") as caught:
        read(path)
    assert "column name" in caught.value.cause


def test_parquet_types_become_the_text_of_csv(tmp_path):
    from datetime import date, datetime
    from decimal import Decimal

    cells = {
        "2.0": pa.array([2.0]), "0.1": pa.array([0.1], pa.float32()),
        "20.50": pa.array([Decimal("20.50")]), "0.00000001": pa.array([Decimal("0.00000001")]),
        "2025-03-10": pa.array([date(2025, 3, 10)]),
        "2025-03-10 20:00:00": pa.array([datetime(2025, 3, 10, 20)], pa.timestamp("ns")),
        "2025-03-10 20:00:00.123456789": pa.array([1741636800123456789], pa.timestamp("ns")),
        "2025-03-10 20:00:00.500000": pa.array([1741636800500], pa.timestamp("ms")),
        "2025-03-10 20:00:00+00:00": pa.array([1741636800], pa.timestamp("s", "Europe/Oslo")),
        "NaN": pa.array([float("nan")]), "true": pa.array([True]),
        '{"a": 1}': pa.array([{"a": 1}]), "x": pa.array(["x"]).dictionary_encode(),
        "z": pa.array(["z"], pa.large_string()),
    }  # fmt: skip
    for text, array in cells.items():
        path = tmp_path / "artists.parquet"
        pq.write_table(pa.table({"artist_id": [1], "name": array}), path)
        assert read(path)[0] == [{"artist_id": "1", "name": text}]


def test_partition_folders_give_columns_and_links_are_bounded(folder):
    place = folder / "artists" / "country=DE" / "year=2024"
    place.mkdir(parents=True)
    (place / "a.csv").write_text("artist_id,name\n7,Zed\n")
    (folder / "artists" / "_loop").symlink_to(folder)
    reader = InputDataset(folder).readers["artists"]
    rows = pa.concat_tables(reader.blocks()).to_pylist()
    assert rows[0] == {"artist_id": "1", "name": "Ann", "country": None, "record_number": "1"} or (
        rows[0] == {"artist_id": "7", "name": "Zed", "country": "DE", "record_number": "1"}
    )
    assert reader.ignored == ("year",)
    twice = folder / "artists" / "country=DE" / "Country=AT"
    twice.mkdir()
    (twice / "b.csv").write_text("artist_id,name\n8,Ann\n")
    with pytest.raises(InputDataError) as caught:
        find_input(folder)
    assert "artists/country=DE/Country=AT: a folder above it gives Country" in caught.value.cause
    shutil.rmtree(twice)
    (folder / "artists" / "loop").symlink_to(folder)
    (folder / "concerts-2.csv").symlink_to(folder / "nothing")
    with pytest.raises(InputDataError) as caught:
        find_input(folder)
    assert "artists/loop: the same folder" in caught.value.cause
    assert "concerts-2.csv: a link to nothing" in caught.value.cause
