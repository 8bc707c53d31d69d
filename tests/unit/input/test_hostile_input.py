"""Whatever is typed, set or handed over: one clear error, a documented exit code, no traceback."""

import contextlib
import gzip
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import run_demo_pipeline
import train_demo_models
from src.errors import DemoError, InputDataError, SettingsError
from src.orchestration.command_line import run_script
from src.services.input import unzipping
from src.services.input.input_files import InputReader
from src.services.input.input_folder import find_input
from src.settings import Settings, load_settings

OPTIONS = sorted(
    option
    for action in run_demo_pipeline.build_parser()._actions
    for option in action.option_strings
)
VALUES = st.sampled_from(
    ["", "0", "1", "-1", "1e3", "nan", "inf", "99999999999999999999", "1_000", "\u0663", "local",
     "aws", "json", "xml", "glue", "spark", "../..", "/dev/null", "a b", "'; DROP TABLE x; --",
     "s3://x", "\x00", "\u202e", "x" * 5_000, "arn:aws:iam::1:role/x"]
) | st.text(max_size=8)  # fmt: skip
ARGUMENTS = st.lists(
    st.one_of(
        st.sampled_from(OPTIONS).map(lambda o: [o]),
        st.tuples(st.sampled_from(OPTIONS), VALUES).map(list),
        VALUES.map(lambda v: [v]),
    ),
    max_size=5,
).map(lambda parts: [word for part in parts for word in part])


@pytest.fixture
def nowhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for spec in ("DEMO_TARGET", "DEMO_SALES"):
        monkeypatch.delenv(spec, raising=False)


@settings(max_examples=150)
@given(arguments=ARGUMENTS)
def test_any_command_line_ends_with_a_documented_code(nowhere, arguments):
    said = io.StringIO()
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
        try:
            code = run_script(run_demo_pipeline.main, ["--dry-run", *arguments])
        except SystemExit as ended:  # --help and --version
            code = ended.code
    assert code in (0, 2)
    assert "Traceback" not in said.getvalue() and "internal error" not in said.getvalue()
    if code == 2:
        assert said.getvalue().splitlines()[-1].lstrip().startswith(("error:", "where", "cause",
                                                                     "try:"))  # fmt: skip


def test_the_other_script_refuses_alike(nowhere, capsys):
    for arguments in (["--nope"], ["--test-size", "2"], ["--coverage", "x"], ["extra"]):
        assert run_script(train_demo_models.main, arguments) == 2
        assert "error:" in capsys.readouterr().err


LINES = st.one_of(
    st.tuples(
        st.sampled_from(["DEMO_SALES", "DEMO_TARGET", "DEMO_SEED", "REDSHIFT_PORT",
                         "DEMO_TEST_SIZE", "DEMO_RAW_BUCKET", "DEMO_IAM_ROLE", "REDSHIFT_ROLE",
                         "OTHER"]),
        VALUES,
    ).map("=".join),
    st.text(max_size=20),
)  # fmt: skip


@settings(max_examples=200)
@given(lines=st.lists(LINES, max_size=6), tail=st.binary(max_size=6))
def test_any_settings_file_gives_settings_or_one_error(tmp_path, lines, tail):
    file = tmp_path / ".env"
    file.write_bytes("\n".join(lines).encode("utf-8", "surrogatepass") + tail)
    try:
        found = load_settings(environ={}, env_file=file)
    except SettingsError as error:
        assert error.message and error.hint
    else:
        assert isinstance(found, Settings) and found.sales >= 1


GOOD = b"artist_id,name\n1,Ann\n"
HOSTILE = {
    "deep.json": b'{"artist_id": "1", "name": ' + b"[" * 100_000 + b"]" * 100_000 + b"}\n",
    "huge_number.json": b'{"artist_id": ' + b"9" * 100_000 + b', "name": "x"}\n',
    "bom.csv": b"\xef\xbb\xbf" + GOOD,
    "mixed.csv": b"artist_id,name\r\n1,Ann\n2,Bob\r\n3,Eve\r",
    "nul.csv": b"artist_id,name\n1,a\x00b\n",
    "formula.csv": b'artist_id,name\n1,"=HYPERLINK(""http://x"")"\n2,@SUM(A1)\n',
    "traversal.csv": b"artist_id,name\n../../etc/passwd,x\n",
    "open_quote.csv": b'artist_id,name\n1,"' + b"x" * 100_000,
    "many_columns.csv": b"artist_id,name," + b",".join(b"c%d" % i for i in range(20_000)) + b"\n",
    "not_utf8.json": b'{"artist_id": "1", "name": "\xff"}\n',
    "array.json": b'[{"artist_id": "1", "name": "\\udfff"}]',
    "surrogate.json": b'{"artist_id": "1", "name": "\\ud800"}\n',
}


def reader_of(folder, name, body):
    for table in ("venues", "concerts", "ticket_sales"):
        (folder / table).mkdir()
    place = folder / "artists"
    place.mkdir()
    (place / name).write_bytes(body)
    good = {"venues": b"venue_id,name,city,capacity\n", "concerts": b"", "ticket_sales": b""}
    good["concerts"] = b"concert_id,artist_id,venue_id,starts_at\n"
    good["ticket_sales"] = b"sale_id,concert_id,purchased_at,quantity,unit_price\n"
    for table, header in good.items():
        (folder / table / "a.csv").write_bytes(header)
    tables = {table.spec.name: table for table in find_input(folder).tables}
    return InputReader(tables["artists"])


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_read_as_text_or_one_error(tmp_path, name):
    try:
        blocks = list(reader_of(tmp_path, name, HOSTILE[name]).blocks())
    except DemoError as error:
        assert isinstance(error, InputDataError)
        assert name in error.where and error.cause and error.hint
    else:
        assert all(str(kind) == "string" for block in blocks for kind in block.schema.types)


def test_a_zip_bomb_is_refused_before_it_fills_the_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(unzipping, "ALWAYS_READ_BYTES", 1 << 20)
    for name in ("bomb.csv.gz", "bomb.json.gz"):
        folder = tmp_path / name.split(".")[1]
        folder.mkdir()
        body = gzip.compress(b"artist_id,name\n1,x" + b"x" * (30 << 20))
        with pytest.raises(InputDataError, match="200 times|cannot be read") as caught:
            list(reader_of(folder, name, body).blocks())
        if name.startswith("bomb.csv"):
            assert "zip bomb" in caught.value.cause
