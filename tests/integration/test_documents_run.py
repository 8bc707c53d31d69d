"""What the documents show is run: every query, every Python example, every printed output."""

import json
import re
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pandas as pd
import psycopg2
import pytest

from src.local_cloud.local_cloud import LocalCloud
from tests.conftest import ROOT, Script
from tests.contract.transcripts import FENCES, OUTPUTS, is_same, rewritten, shape

# Those of the live layer need a stream: tests/integration/streaming has what they ask for.
SQL = [fence for fence in FENCES if fence.language == "sql" and "STREAMING" not in fence.place]
PYTHON = [fence for fence in FENCES if fence.language == "python"]


@pytest.fixture(scope="module")
def connections(trained):
    """The trained warehouse, as the pipeline's client and as any other meets it."""
    with (
        LocalCloud(trained[0].state, role="host") as cloud,
        closing(cloud.connect_redshift()) as own,
        closing(psycopg2.connect(**cloud.front_address())) as other,
    ):
        yield own, other


@pytest.mark.parametrize("fence", SQL, ids=lambda fence: fence.place)
def test_every_query_gives_the_same_over_the_wire_and_through_our_client(connections, fence):
    answers = []
    for connection in connections:
        with connection.cursor() as cursor:
            cursor.execute(fence.text.strip().rstrip(";"))
            answers.append([tuple(map(str, row)) for row in cursor.fetchall()])
        connection.rollback()
    assert answers[0] == answers[1]


def test_the_queries_answer_something(connections):
    """Of all queries, only those that look for what must not be give no rows."""
    empty = []
    for fence in SQL:
        with connections[0].cursor() as cursor:
            cursor.execute(fence.text.strip().rstrip(";"))
            if not cursor.fetchall():
                empty.append(fence.text)
        connections[0].rollback()
    assert len(empty) == 1 and "HAVING SUM(s.quantity) > v.capacity" in empty[0]


NUMBER = re.compile(r"-?\d[\d,]*(?:\.\d+)?")
PREDICTED = "docs/reference/models.md"  # other builds of the libraries predict a little differently


def output_of(fence):
    """Return the output that the page shows below an example."""
    after = FENCES[FENCES.index(fence) + 1 :]
    assert after and after[0].page == fence.page and after[0].language == "text", fence.place
    return after[0].text


def compare_output(printed, shown, within=0.0):
    """Compare words exactly, numbers within a share of what is shown."""
    words = [NUMBER.sub("N", text).split() for text in (printed, shown)]
    assert words[0] == words[1]
    numbers = [[float(n.replace(",", "")) for n in NUMBER.findall(text)]
               for text in (printed, shown)]  # fmt: skip
    assert numbers[0] == pytest.approx(numbers[1], rel=within, abs=0)


@pytest.mark.parametrize("fence", PYTHON, ids=lambda fence: fence.place)
def test_every_python_example_prints_what_the_page_shows(trained, tmp_path, fence):
    makes_its_own_data = "run_pipeline" in fence.text
    script = Script(tmp_path) if makes_its_own_data else trained[0]
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", fence.text], cwd=script.folder,
        env=script.environment(PYTHONPATH=str(ROOT)), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    compare_output(done.stdout, output_of(fence), 0.1 if fence.page == PREDICTED else 0.0)


def test_the_example_of_a_prediction_is_that_of_its_row(trained, monkeypatch):
    """Bit for bit: a record and a frame, and what the model predicted before it was saved."""
    (fence,) = (fence for fence in PYTHON if fence.page == PREDICTED)
    monkeypatch.chdir(trained[0].folder)
    names = {}
    exec(fence.text, names)
    show, service = names["show"], names["service"]
    row = service.predict_frame(pd.DataFrame([names["record"]])).iloc[0]
    assert [getattr(show, name) for name in row.index] == row.tolist()
    golden = json.loads(Path("models/ticket_sales/1/golden.json").read_text())
    found = [show.tickets for show in service.predict(golden["rows"])]
    assert found == pytest.approx(golden["predictions"], rel=1e-9)


def test_an_output_with_another_number_is_found():
    compare_output("a 1,000 (2.5)", "a 1,050 (2.5)", 0.1)
    for printed in ("a 5,000 (2.5)", "b 1,050 (2.5)", "a 1,050"):
        with pytest.raises(AssertionError):
            compare_output(printed, "a 1,050 (2.5)", 0.1)


def printed(done):
    return done.stderr + done.stdout


@pytest.fixture(scope="module")
def said(loaded, trained, tmp_path_factory):
    """What the scripts really say, by their first line."""
    fresh = Script(tmp_path_factory.mktemp("said"))
    # First, as in the guide: no run has been. Whatever the settings around it: the smoke check's
    # runs are its own.
    validated = fresh.run_command(
        fresh.command("--smoke", name="validate_demo_pipeline.py"),
        DEMO_TEST_SIZE="0.999",
        DEMO_STATE_DIR=str(fresh.folder / "empty"),
        DEMO_REPORT_DIR=str(fresh.folder / "none"),
    )
    raw = sorted((loaded[0].state / "s3/concert-demo-raw/raw").iterdir())[-1]
    return [
        printed(validated).replace(str(fresh.folder / "r"), "reports"),
        printed(loaded[1]),
        printed(trained[1]),
        printed(loaded[0].train("--validate-only")),
        printed(fresh.run("--dry-run", "--report-dir", "reports")),
        printed(fresh.run("--input-dir", str(raw), DEMO_MAX_REJECTED_SHARE="0.001")),
    ]


@pytest.mark.parametrize("fence", OUTPUTS, ids=lambda fence: fence.place)
def test_every_output_is_what_the_scripts_say(said, fence):
    shown = shape(fence.text)
    candidates = [text for text in said if shape(text)[0] == shown[0]]
    assert candidates, f"nothing says {shown[0]}"
    again = "python -m tests.contract.transcripts"
    assert any(is_same(fence.text, text) for text in candidates), f"{again}: {candidates}"


def test_a_stale_output_is_rewritten_and_a_true_one_stays():
    old = "Concert demo  run 20261123T171352Z-3982\n  1/5  S3  ok  4 tables  1.2s\n"
    said = "Concert demo  run 20271123T171352Z-3982\n  1/5  S3  ok  4 tables  9.2s\n"
    page = f"# Page\n\n```text\n{old}```\n"
    assert rewritten(page, [old], [said]) == page
    renamed = said.replace("S3", "buckets")
    assert rewritten(page, [old], [renamed]) == page.replace(old, renamed)


def test_the_concert_of_the_guide_is_predicted(trained):
    """The commands of the guide's third phase, on the trained data."""
    concert = ["--artist", "juan REYES", "--venue", "Foley Dome", "--date", "2026-01-20"]
    command = [sys.executable, "-m", "src.serving", "predict", *concert]
    done = trained[0].run_cold([*command, "--price", "30:220", "--json"], PYTHONPATH=str(ROOT))
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert (answer["concert"]["artist"], answer["concert"]["city"]) == ("Juan Reyes", "Calgary")
    found = answer["prediction"]
    assert 0 <= found["low"] <= found["tickets"] <= found["high"] <= 9630 and not found["notes"]
    tickets = [one["tickets"] for one in answer["price_curve"]]
    assert tickets == sorted(tickets, reverse=True) and len(answer["moved_by"]) == 3
    assert [one["is_seen"] for one in answer["price_curve"]].count(False) == 3
    assert answer["similar_shows"][0]["artist"] == "Juan Reyes"
    unknown = trained[0].run_cold([*command[:5], "Juan Rayes", *command[6:]],
                                  PYTHONPATH=str(ROOT))  # fmt: skip
    assert unknown.returncode == 2 and "near it: Juan Reyes" in unknown.stderr
