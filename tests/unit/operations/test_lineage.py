"""Every column has its sources; every event keeps OpenLineage's published schemas."""

import json
import re
import socket
import time
from graphlib import TopologicalSorter
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator, FormatChecker
from referencing import Registry, Resource

from src.domain.lineage import FILE, LAYERS, as_json, kept_lineage
from src.domain.tables import TABLES
from src.orchestration.operations.lineage_log import record_lineage
from src.reporting.lineage_events import lineage_events
from src.reporting.page.html_report import rendered
from src.reporting.page.lineage_view import lineage_view
from src.reporting.terminal.console import Console
from src.services.operations import demo_lineage as whole
from src.services.operations.column_lineage import lineage_of
from src.settings import Settings
from tests.conftest import ROOT
from tests.unit.operations.test_alerts import webhook

SPEC = [json.loads(path.read_text()) for path in (ROOT / "tests/data/openlineage").rglob("*.json")]
REGISTRY = Registry().with_resources((s["$id"], Resource.from_contents(s)) for s in SPEC)
SETTINGS = Settings().public()


@pytest.fixture(scope="module")
def computed():
    return whole.demo_lineage()


def test_the_kept_lineage_is_what_the_sql_says(computed):
    assert FILE.read_text() == as_json(computed), "python -m src.operations lineage --write"
    assert list(kept_lineage()) == computed


def sources(key):
    layer, name, column = key.split(".")
    (dataset,) = [d for d in kept_lineage() if (d.layer, d.name) == (layer, name)]
    (found,) = [c for c in dataset.columns if c.name == column]
    return set(found.sources)


SOLD = {"warehouse.concerts.tickets_sold", "warehouse.ticket_sales.quantity"}
FULL = SOLD | {"warehouse.venues.capacity"}
ON_SALE = {"warehouse.concerts.on_sale_at", "warehouse.concerts.starts_at"}


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        ("processed.ticket_sales.total_amount",
         {f"raw.ticket_sales.{name}" for name in ("quantity", "unit_price", "total_amount")}),
        ("processed.concerts.starts_at", {"raw.concerts.starts_at"}),
        ("quarantine.venues.record_key", {"raw.venues.venue_id"}),
        ("features.ticket_sales.tickets_sold", SOLD),
        ("features.ticket_sales.lead_days", ON_SALE),
        ("features.ticket_sales.status",
         {"warehouse.concerts.status", "warehouse.concerts.starts_at"}),
        ("features.ticket_sales.artist_prior_sell_through", FULL),
        ("features.ticket_sales.venue_prior_sell_through", FULL),
        ("features.ticket_sales.city_competition", set()),  # a count: only joins decide it
        ("features.venue_quarters.revenue", {"warehouse.ticket_sales.total_amount"}),
        ("features.venue_quarters.booked_price", {"warehouse.concerts.base_price", *ON_SALE}),
        ("predictions.venue_rankings.venue_id", {"features.venue_quarters.venue_id"}),
    ],
)  # fmt: skip
def test_columns_that_are_not_copies_have_the_right_sources(column, expected):
    assert sources(column) == expected


def test_every_column_leads_to_raw_columns_or_is_decided_by_some():
    known = {d.key: d for d in kept_lineage()}
    order = list(TopologicalSorter({key: d.inputs for key, d in known.items()}).static_order())
    assert set(order) == set(known)
    for key, dataset in known.items():
        assert {source.split(".")[0] for source in dataset.inputs} <= set(LAYERS)
        for column in dataset.columns:
            for source in column.sources:
                of, _, name = source.rpartition(".")
                assert name in {c.name for c in known[of].columns}, source
            is_constant = column.name in ("table_name", "parent_key")
            has_origin = column.sources or dataset.deciding or dataset.layer == "raw"
            assert has_origin or is_constant, f"{key}.{column.name}"
    for table in TABLES:
        assert [c.name for c in known[f"warehouse.{table.name}"].columns] == list(
            table.column_names
        )


def test_a_renamed_column_changes_the_lineage(monkeypatch):
    text = whole.files.read_all("features", "venue_quarters")[0].statement
    schema = {f"concert_dw.{t.name}": list(t.column_names) for t in TABLES}
    sql = whole.files.bind(text, {}.__getitem__)
    before = lineage_of(sql, schema, "redshift")
    after = lineage_of(sql.replace("SUM(total_amount)", "SUM(unit_price)"), schema, "redshift")
    assert before.direct["revenue"] == {"concert_dw.ticket_sales.total_amount"}
    assert after.direct["revenue"] == {"concert_dw.ticket_sales.unit_price"}


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT a + b AS c FROM t", {"c": {"t.a", "t.b"}}),
        ("WITH x AS (SELECT a AS n FROM t) SELECT n FROM x WHERE n > 1", {"n": {"t.a"}}),
        ("SELECT a AS n FROM t UNION ALL SELECT d FROM u", {"n": {"t.a", "u.d"}}),
        ("SELECT COUNT(*) AS n FROM t JOIN u ON t.a = u.d", {"n": set()}),
        ("SELECT SUM(a) OVER (PARTITION BY b) AS n FROM t", {"n": {"t.a"}}),
        ("SELECT * FROM t", {"a": {"t.a"}, "b": {"t.b"}}),
        ("SELECT (SELECT MAX(d) FROM u) AS n FROM t", {"n": {"u.d"}}),
    ],
)
def test_the_forms_of_a_query(sql, expected):
    found = lineage_of(sql, {"t": ["a", "b"], "u": ["d"]}, "redshift")
    assert {name: set(of) for name, of in found.direct.items()} == expected


# -- events ------------------------------------------------------------------------------------


def step(status="success", **facts):
    return {"status": status, "started_at": "2026-01-02T06:00:01+00:00", "seconds": 1.5, **facts}


def report(kind="pipeline", verdict="succeeded", error=None, **steps):
    return {
        "report": kind, "run_id": "20260102T060000Z-0001", "verdict": verdict, "error": error,
        f"{kind}_start": "2026-01-02T06:00:00+00:00", f"{kind}_end": "2026-01-02T06:00:09+00:00",
        "target": "local", "arguments": SETTINGS, "steps": steps,
        "dataset": {"id": "20260102T060000Z-0001"},
        "rows": {t.name: {"raw_records": 10, "etl_accepted": 9, "rejected": 1, "loaded": 9}
                 for t in TABLES},
    }  # fmt: skip


ERROR = {"message": "1 check failed"}
CHECKS = [{"name": "unique_artists", "verdict": "passed"},
          {"name": "orphan_sales", "verdict": "failed"}]  # fmt: skip
REPORTS = {
    "good": report(data_generation=step(), glue_etl=step(), redshift_load=step(),
                   data_verification=step(checks=CHECKS)),
    "direct": report(data_generation=step(), glue_etl=step("skipped"), redshift_load=step())
    | {"arguments": {**SETTINGS, "etl": "direct"}},
    "failed": report(verdict="failed", error=ERROR, data_generation=step(),
                     glue_etl=step("failed", error=ERROR), redshift_load={"status": "not_run"}),
    "interrupted": report(verdict="interrupted", error=ERROR,
                          data_generation=step("interrupted", error=ERROR)),
    "resumed": report(data_generation=step("skipped"), glue_etl=step("skipped"),
                      redshift_load=step()),
    "training": report("training", venue_data=step(rows=3), sales_data=step(rows=4),
                       sales_model=step(), predictions=step()),
    "live": report("streaming", ingest=step(), produce={"status": "success"}) | {"rows": 7},
    "refused": report("training", verdict="failed", error=ERROR, venue_data=step("failed"))
    | {"dataset": None},
}  # fmt: skip


def facets_of(event):
    datasets = [*event["inputs"], *event["outputs"]]
    holders = [event["run"].get("facets"), event["job"].get("facets")]
    holders += [d.get(k) for d in datasets for k in ("facets", "inputFacets", "outputFacets")]
    return [(name, facet) for holder in holders if holder for name, facet in holder.items()]


def problems(event):
    validator = Draft202012Validator(
        {"$ref": "https://openlineage.io/spec/2-0-2/OpenLineage.json"},
        registry=REGISTRY, format_checker=FormatChecker(),
    )  # fmt: skip
    found = [error.message for error in validator.iter_errors(event)]
    for name, facet in facets_of(event):
        url = facet["_schemaURL"].split("#")[0]
        of_facet = Draft202012Validator({"$ref": url}, registry=REGISTRY)
        found += [f"{name}: {error.message}" for error in of_facet.iter_errors({name: facet})]
    return found


@pytest.mark.parametrize("name", REPORTS)
def test_events_keep_the_published_schemas(name):
    events = lineage_events(REPORTS[name])
    assert [problem for event in events for problem in problems(event)] == []
    assert sum(len(json.dumps(event)) for event in events) < 150_000


def test_a_fault_of_an_event_is_found():
    event = lineage_events(REPORTS["good"])[4]
    assert event["outputs"] and not problems(event)
    del event["outputs"][0]["namespace"]
    assert problems(event)
    event = lineage_events(REPORTS["good"])[4]
    fields = event["outputs"][0]["facets"]["columnLineage"]["fields"]
    del fields["artist_id"]["inputFields"][0]["field"]
    assert any("columnLineage" in problem for problem in problems(event))


@pytest.mark.parametrize("name", REPORTS)
def test_a_run_starts_and_ends_once_and_its_lineage_names_its_own_inputs(name):
    events = lineage_events(REPORTS[name])
    by_run = {}
    for event in events:
        by_run.setdefault(event["run"]["runId"], []).append(event["eventType"])
    assert all(kinds[0] == "START" and len(kinds) == 2 for kinds in by_run.values())
    last = {"succeeded": "COMPLETE", "failed": "FAIL", "interrupted": "ABORT"}
    assert events[-1]["eventType"] == last[REPORTS[name]["verdict"]]
    for event in events:
        inputs = {(d["namespace"], d["name"]) for d in event["inputs"]}
        for output in event["outputs"]:
            listed = {field["name"] for field in output["facets"]["schema"]["fields"]}
            lineage = output["facets"].get("columnLineage", {"fields": {}, "dataset": []})
            assert set(lineage["fields"]) <= listed
            named = [f for of in lineage["fields"].values() for f in of["inputFields"]]
            for one in [*named, *lineage["dataset"]]:
                assert (one["namespace"], one["name"]) in inputs, output["name"]


def test_names_are_the_same_in_every_run_and_ids_are_not():
    first = lineage_events(REPORTS["good"])
    second = lineage_events(REPORTS["good"] | {"run_id": "20260103T060000Z-0002"})
    named = [[(d["namespace"], d["name"]) for e in events for d in (*e["inputs"], *e["outputs"])]
             for events in (first, second)]  # fmt: skip
    assert named[0] == named[1] and "20260102" not in json.dumps(named)
    assert ("redshift://concert-demo.local:5439", "dev.concert_dw.artists") in named[0]
    ids = [{event["run"]["runId"] for event in events} for events in (first, second)]
    assert not ids[0] & ids[1]
    assert lineage_events(REPORTS["good"]) == first


def record(tmp_path, **settings):
    lines = []
    console = Console(quiet=True)
    console.line = lines.append
    clock = time.monotonic()
    record_lineage(REPORTS["good"], tmp_path, Settings(**settings), console, limit_s=1.0)
    return lines, time.monotonic() - clock


def test_a_server_gets_every_event_and_one_that_is_down_or_hangs_costs_the_limit(
    tmp_path, closed_port
):
    with webhook() as (address, bodies):
        assert record(tmp_path, openlineage_url=address)[0] == []
        written = (tmp_path / "lineage.ndjson").read_text().splitlines()
        assert [json.loads(body) for body in bodies] == [json.loads(line) for line in written]
    with socket.create_server(("127.0.0.1", 0)) as hanging:
        for port in (closed_port, hanging.getsockname()[1]):
            address = f"http://127.0.0.1:{port}"
            lines, seconds = record(tmp_path, openlineage_url=address, openlineage_api_key="hush")
            assert len(lines) == 1 and "OPENLINEAGE_URL" in lines[0] and "hush" not in lines[0]
            assert seconds < 3
    lines, _ = record(Path("/proc/no/such"))
    assert len(lines) == 1 and "not recorded" in lines[0]


# -- the picture of the page -------------------------------------------------------------------


def test_the_page_leads_from_every_column_to_those_it_comes_from():
    view = lineage_view(REPORTS["failed"])
    page = rendered("lineage.html.j2", {"lineage": view})
    anchors = re.findall(r'id="(l-[^"]+)"', page)
    assert len(anchors) == len(set(anchors))
    assert set(re.findall(r'href="#(l-[^"]+)"', page)) <= set(anchors)
    assert {f"l-{d.key}.{c.name}" for d in kept_lineage() for c in d.columns} <= set(anchors)
    assert len(page) < 100_000 and "http" not in page
    assert "<svg" in lineage_view(REPORTS["live"])["picture"]
    picture = str(view["picture"])
    assert 'class="dataset bad"' in picture and "ticket sales: 10" in picture
    assert picture.count("<line") == picture.count('class="flow"') > 12
