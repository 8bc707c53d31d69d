"""The report's page: what it shows, whatever happened, and how a browser shows it."""

import copy
import json
import re
import shutil
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import pytest

from src.domain.text_values import DECIMAL, INTEGER, TIMESTAMP
from src.reporting.page.html_report import render_page
from src.reporting.rejection_rules import MEANINGS, fields_of, meaning
from tests.conftest import ROOT, SMALL

HOSTILE = "\"'><script>alert(1)</script><img src=x onerror=alert(1)>&amp;{{7*7}}"
CONTRAST = 4.5  # WCAG 2.2, level AA, for text of any size
GRAPHICS_CONTRAST = 3.0  # and for what is drawn
# Words the page acts on; everything else may come from a user's file or a server.
FIXED = {"verdict", "status", "report", "month", "pipeline_start", "training_start", "starts_at"}


class Tags(HTMLParser):
    def __init__(self, page):
        super().__init__()
        self.found, self.text = [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, sorted(name for name, _ in attrs)))

    def handle_data(self, data):
        self.text.append(data)


@pytest.fixture(scope="module")
def pages(trained):
    """The page of the pipeline and of the training, as (path, report)."""
    script, done = trained
    pipeline = Path(next((script.folder / "r").glob("*/pipeline_report.json")))
    training = Path(done.stdout.strip())
    return {
        path.stem.split("_")[0]: (path.parent / "index.html", json.loads(path.read_text()))
        for path in (pipeline, training)
    }


@pytest.fixture(params=["pipeline", "training"])
def page(request, pages):
    return pages[request.param]


def replaced(value, words, key=""):
    if isinstance(value, dict):
        return {k: replaced(v, words, k) for k, v in value.items()}
    if isinstance(value, list):
        return [replaced(v, words, key) for v in value]
    return words if isinstance(value, str) and key not in FIXED else value


def text_of(page):
    return re.sub(r"\s+", " ", " ".join(Tags(page).text))


# -- what it says ----------------------------------------------------------------------------


def test_the_run_names_its_page(trained):
    _, done = trained
    (line,) = [text for text in done.stderr.splitlines() if text.startswith("page:")]
    assert Path(line.split()[1]).read_text().startswith("<!doctype html>")


def test_the_pages_of_one_data_set_link_to_each_other(pages):
    for own, other in (("pipeline", "training"), ("training", "pipeline")):
        path, _ = pages[own]
        links = re.findall(r'href="(\.\./[^"]+)"', path.read_text())
        assert pages[other][0].resolve() in [(path.parent / link).resolve() for link in links]


def test_the_index_of_the_report_folder_lists_both_runs(pages, trained):
    reports = trained[0].folder / "r"
    text, tags = (reports / "index.html").read_text(), set()
    for kind in ("pipeline", "training"):
        tags.add(f'href="{pages[kind][0].parent.name}/index.html"')
        assert 'href="../index.html"' in pages[kind][0].read_text()
    assert tags <= set(re.findall(r'href="[^"]+"', text))
    assert "R² 0." in text_of(text) and "rows loaded" in text
    assert (reports / "latest/training_report.json").is_file()


def test_runs_on_other_data_are_not_linked(script):
    for seed in ("1", "2"):
        assert script.run(*SMALL, "--seed", seed).returncode == 0
    for path in (script.folder / "r").glob("*/index.html"):
        beside = r"<p>The run (?:before|after): .*?</p>"
        rest = re.sub(beside, "", path.read_text())
        assert rest != path.read_text() and not re.search(r'href="\.\./\d', rest)


def test_a_page_is_one_file_without_scripts_or_network(page):
    html = page[0].read_text()
    tags = Tags(html).found
    assert not {"script", "iframe", "object", "embed"} & {tag for tag, _ in tags}
    assert not [names for _, names in tags if "src" in names or any(n[:2] == "on" for n in names)]
    assert "http:" not in html and "https:" not in html and "@import" not in html
    assert "default-src 'none'" in html


def test_the_page_is_rendered_from_the_report_alone(page):
    path, report = page
    assert text_of(render_page(report)) in text_of(
        re.sub(r'<p>[^<]+: <a href="\.\./.*?</p>', "", path.read_text())
    )


def test_every_number_a_presenter_points_at_is_the_reports(pages):
    shown = text_of(pages["pipeline"][0].read_text())
    report = pages["pipeline"][1]
    for counts in report["rows"].values():
        for value in counts.values():
            assert f"{value:,}" in shown
    for row in report["data"]["top_venues"]:
        assert row["name"] in shown
    for check in report["steps"]["data_verification"]["checks"]:
        assert check["title"] in shown
    shown = text_of(pages["training"][0].read_text())
    for model in pages["training"][1]["models"].values():
        assert f"{model['test_metrics']['r2']:.3f}" in shown
        for baseline in model["baselines"].values():
            assert f"{baseline['mae']:,.1f}" in shown
    for sample in pages["training"][1]["sample_predictions"]:
        assert sample.get("name", sample["scenario"]) in shown


def test_whatever_a_report_holds_is_escaped(page):
    _, report = page
    tame = Tags(render_page(replaced(report, "x")))
    wild = Tags(render_page(replaced(report, HOSTILE)))
    assert wild.found == tame.found
    assert any("<script>" in text for text in wild.text), "the words themselves are shown"


@pytest.mark.parametrize("index", range(5))
@pytest.mark.parametrize("status", ["failed", "interrupted"])
def test_a_pipeline_that_stopped_anywhere_has_a_page(pages, index, status):
    report = copy.deepcopy(pages["pipeline"][1])
    for key in list(report["steps"])[index:]:
        report["steps"][key] = {"status": "not_run"}
    key = list(report["steps"])[index]
    report["steps"][key] = {"status": status, "summary": "it broke", "seconds": 1.0}
    report.update(
        verdict=status, data={}, error={"message": "it broke", "where": "there", "cause": None,
                                        "hint": "python again.py", "type": "LoadError"},
        rows={t: dict.fromkeys(c) for t, c in report["rows"].items()},
    )  # fmt: skip
    if index == 0:
        report["dataset"] = None
    shown = text_of(render_page(report))
    assert f"{status.capitalize()} at " in shown
    assert shown.index("it broke") < shown.index("Stages"), "failures first"
    assert "python again.py" in shown and "None" not in shown


@pytest.mark.parametrize("index", range(8))
def test_a_training_that_stopped_anywhere_has_a_page(pages, index):
    report = copy.deepcopy(pages["training"][1])
    names = list(report["steps"])
    for key in names[index:]:
        report["steps"][key] = {"status": "not_run"}
    report["steps"][names[index]] = {"status": "failed", "summary": "it broke", "seconds": 0.1}
    report["error"] = {"message": "it broke", "where": None, "cause": None, "hint": None}
    report.update(verdict="failed", sample_predictions=[], plots=[])
    if index == 0:
        report["dataset"] = None
    if index < 5:
        report["models"] = {}
    elif index == 5:
        del report["models"]["ticket_sales_prediction"]
    assert "Failed at" in text_of(render_page(report))


def test_a_lost_row_is_seen(pages):
    report = copy.deepcopy(pages["pipeline"][1])
    report["rows"]["ticket_sales"]["unaccounted"] = 3
    page = render_page(report)
    assert "Not every row is accounted for" in page and 'class="lost"' in page


def test_models_that_were_only_rechecked_show_their_checks(trained):
    script, _ = trained
    done = script.train("--validate-only")
    page = (Path(done.stdout.strip()).parent / "index.html").read_text()
    assert "Checks of the saved model" in page and "golden predictions" in page


def test_a_failed_run_keeps_its_own_error_when_the_page_cannot_be_written(script, monkeypatch):
    from src.errors import CannotRunError
    from src.orchestration.pipeline.demo_pipeline_orchestrator import DemoPipelineOrchestrator
    from src.reporting.page import linked_pages
    from src.settings import Settings

    def full(*_):
        raise CannotRunError("no space left")

    monkeypatch.setattr(linked_pages, "write_pages", full)
    settings = Settings(state_dir=str(script.state), report_dir=str(script.folder / "r"))
    with DemoPipelineOrchestrator(settings, skip_generation=True) as orchestrator:
        report = orchestrator.run_pipeline()
    assert "no complete raw data set" in report["error"]["message"]
    assert orchestrator.workflow.report_path.exists()


BREAKS = {
    "missing": lambda value: not value or value == "absent",
    "invalid_timestamp": lambda value: not re.fullmatch(TIMESTAMP, value) or value[:4] > "2199",
    "invalid_integer": lambda value: not re.fullmatch(INTEGER, value),
    "invalid_decimal": lambda value: not re.fullmatch(DECIMAL, value),
}


def test_each_rejected_record_that_is_shown_breaks_its_rule(pages):
    data = pages["pipeline"][1]["data"]
    shown = Counter((one["table_name"], one["rule"]) for one in data["rejected_examples"])
    assert shown == {
        (row["table_name"], row["rule"]): min(5, row["records"]) for row in data["rejections"]
    }
    for one in data["rejected_examples"]:
        fields = {name: value for name, value, _ in fields_of(one)}
        marked = [value for _, value, is_broken in fields_of(one) if is_broken]
        kind = one["rule"].split(":")[0]
        assert meaning(one["rule"]) and marked, one
        if kind in BREAKS:
            assert BREAKS[kind](marked[0].strip()), one
        elif kind == "amount_mismatch":
            quantity, price, total = (float(value) for value in marked)
            assert round(quantity * price, 2) != total
        elif kind == "on_sale_after_start":
            assert fields["on_sale_at"] > fields["starts_at"]
        elif kind == "orphan":
            assert marked[0].strip() == one["parent_key"]
    page = pages["pipeline"][0].read_text()
    assert page.count("<mark>") >= len(data["rejected_examples"])


def test_the_rules_of_the_page_are_those_of_the_dictionary():
    text = (ROOT / "docs/reference/data_dictionary.md").read_text()
    table = text.split("## Rejection rules")[1].split("\n## ")[0]
    names = re.findall(
        r"`([a-z_]+)(?::COLUMN)?`", "".join(re.findall(r"^\| (.*?) \|", table, re.M))
    )
    assert set(names) == set(MEANINGS)


@pytest.mark.parametrize("raw", [None, "", "[1]", '{"a": "cut of', HOSTILE])
def test_a_rejected_record_of_any_form_is_shown(pages, raw):
    report = copy.deepcopy(pages["pipeline"][1])
    for one in report["data"]["rejected_examples"]:
        one["raw_record"] = raw
    assert "<script>" not in render_page(report)


def test_every_column_of_a_table_has_a_heading(page):
    html = page[0].read_text()
    headings = re.findall(r"<th( [^>]*|)>(.*?)</th>", html)
    assert len(headings) > 20
    assert [found for found in headings if "scope=" not in found[0] or not found[1].strip()] == []


# -- how a browser shows it ------------------------------------------------------------------

TEXT_CONTRASTS = """() => {
  const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
  const rgb = color => {
    canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = color; canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const luminance = ([r, g, b]) => [r, g, b].map(v => v / 255)
    .map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = element => {
    for (let e = element; e; e = e.parentElement) {
      const color = rgb(getComputedStyle(e).backgroundColor);
      if (color[3] === 255) return color;
    }
    return [255, 255, 255, 255];
  };
  const found = [];
  for (const e of document.querySelectorAll('body *')) {
    const own = [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim());
    if (!own || ['STYLE', 'title'].includes(e.tagName) || !e.getClientRects().length) continue;
    const style = getComputedStyle(e);
    const ink = rgb(e.closest('svg') ? style.fill : style.color);
    const [a, b] = [luminance(ink), luminance(behind(e))].sort((x, y) => y - x);
    found.push([(a + 0.05) / (b + 0.05), e.textContent.trim().slice(0, 40)]);
  }
  return found;
}"""


@pytest.fixture(scope="module")
def browser():
    program = next(
        filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
    )
    if program is None:
        pytest.skip("no Chromium on this machine: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield running
        running.close()


@pytest.fixture
def opened(browser, page):
    """Open the page; yields a function of the context's options."""
    contexts = []

    def open_page(**options):
        context = browser.new_context(**options)
        contexts.append(context)
        tab = context.new_page()
        tab.seen = []
        tab.on("request", lambda request: tab.seen.append(request.url))
        tab.on("console", lambda message: tab.seen.append(message.text))
        tab.on("pageerror", lambda error: tab.seen.append(str(error)))
        tab.goto(page[0].as_uri())
        return tab

    yield open_page
    for context in contexts:
        context.close()


def test_the_browser_asks_for_nothing_else_and_complains_of_nothing(opened, page):
    assert opened().seen == [page[0].as_uri()]


@pytest.mark.parametrize("width", [360, 768, 1280, 1920])
def test_no_page_is_wider_than_its_window(opened, width):
    tab = opened(viewport={"width": width, "height": 900})
    assert tab.evaluate("document.documentElement.scrollWidth") <= width


def test_no_table_of_checks_is_cut_off(browser, pages):
    report = copy.deepcopy(pages["pipeline"][1])
    first = report["steps"]["data_verification"]["checks"][0]
    first.update(verdict="skipped", expected="newest_sale not known for this data", found=None)
    tab = browser.new_page(viewport={"width": 1280, "height": 900})
    tab.set_content(render_page(report))
    tab.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    hidden = "[...document.querySelectorAll('.wide')].map(e => e.scrollWidth - e.clientWidth)"
    assert max(tab.evaluate(hidden)) <= 0
    tab.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_word_is_readable_in_light_and_dark(opened, scheme):
    tab = opened(color_scheme=scheme)
    tab.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    contrasts = tab.evaluate(TEXT_CONTRASTS)
    assert len(contrasts) > 100
    assert [found for found in contrasts if found[0] < CONTRAST] == []


def test_words_are_large_enough_for_a_projector(opened):
    tab = opened(viewport={"width": 1280, "height": 800})
    sizes = tab.evaluate(
        "[...document.querySelectorAll('td, p, li, svg text')].filter(e => e.textContent.trim())"
        ".map(e => parseFloat(getComputedStyle(e).fontSize) * "
        "(e.closest('svg') ? e.closest('svg').getScreenCTM().a : 1))"
    )
    assert min(sizes) >= 13


def test_without_javascript_the_theme_can_be_chosen_and_details_open(opened):
    tab = opened(java_script_enabled=False, color_scheme="light")
    light = tab.screenshot()
    tab.get_by_label("dark").check()
    assert tab.screenshot() != light
    tab.locator("summary").first.click()
    assert tab.locator("details").first.get_attribute("open") is not None


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_marks_of_charts_stand_out_from_their_panel(opened, scheme):
    tab = opened(color_scheme=scheme)
    tab.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    contrasts = tab.evaluate(
        TEXT_CONTRASTS.replace("const own = [...e.childNodes].some(n => n.nodeType === 3 && "
                               "n.textContent.trim());", "const own = e.matches('.interval, "
                               ".dot:not(.outside), .track i, svg .bar');")
        .replace("e.closest('svg') ? style.fill : style.color",
                 "e.matches('i') ? style.backgroundColor : e.matches('line') ? style.stroke "
                 ": style.fill")
        .replace("behind(e)", "behind(e.closest('section'))")
    )  # fmt: skip
    assert len(contrasts) > 10
    assert [found for found in contrasts if found[0] < GRAPHICS_CONTRAST] == []


def test_printed_nothing_is_folded_away(opened):
    tab = opened()
    tab.emulate_media(media="print")
    heights = tab.evaluate(
        "[...document.querySelectorAll('details:not([open]) > :not(summary)')]"
        ".map(e => e.getBoundingClientRect().height)"
    )
    assert len(heights) >= 3 and min(heights) > 10


def test_printed_it_is_dark_on_white(opened):
    tab = opened(color_scheme="dark")
    tab.emulate_media(media="print", color_scheme="dark")
    assert tab.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert [found for found in tab.evaluate(TEXT_CONTRASTS) if found[0] < CONTRAST] == []
    assert len(tab.pdf()) > 20_000


@pytest.mark.parametrize("width", [1366, 768, 390])
@pytest.mark.parametrize("look", ["light", "dark", "print"])
def test_a_checker_of_accessibility_has_nothing_to_say(opened, width, look):
    from axe_playwright_python.sync_playwright import Axe

    scheme = "dark" if look == "dark" else "light"
    tab = opened(viewport={"width": width, "height": 900}, color_scheme=scheme, bypass_csp=True)
    tab.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    if look == "print":
        tab.emulate_media(media="print")
    found = Axe().run(tab)
    assert [(v["id"], v["nodes"][0]["html"]) for v in found.response["violations"]] == []


def test_a_page_is_small_enough_to_mail(page):
    assert page[0].stat().st_size <= 600_000


def test_each_column_of_the_warehouse_is_on_the_page_as_the_warehouse_holds_it(pages):
    report = pages["pipeline"][1]
    columns = report["data"]["columns"]
    assert {row["table"] for row in columns} == set(report["rows"])
    assert all(row["rows"] == report["rows"][row["table"]]["warehouse"] for row in columns)
    keys = {row["table"]: row for row in reversed(columns)}  # a table's first column is its key
    assert all(row["distinct"] == row["rows"] and row["empty"] == 0 for row in keys.values())
    before = copy.deepcopy(report)
    changed = next(row for row in before["data"]["columns"] if row["column"] == "base_price")
    changed["smallest"] = "0.01"
    shown = text_of(render_page(report, previous=before))
    assert f"Compared with run {before['run_id']}" in shown
    assert shown.count("smallest: 0.01 before") == 1


def test_the_models_page_says_where_it_errs_and_why(pages):
    report = pages["training"][1]
    found = report["models"]["ticket_sales_prediction"]
    rows = found["test_metrics"]["rows"]
    by = found["errors"]["by"]
    assert all(sum(row["rows"] for row in group) == rows for group in by.values())
    sizes = [row for row in found["errors"]["by"]["venue size"] if "mae" in row]
    if len(sizes) == len(found["errors"]["by"]["venue size"]):
        mean = sum(row["mae"] * row["rows"] for row in sizes) / rows
        assert mean == pytest.approx(found["test_metrics"]["mae"], rel=0.01)
    for show in (*found["errors"]["best"], *found["errors"]["worst"]):
        assert len(show["moved_by"]) == 3
    shown = text_of(render_page(report))
    for words in ("The worst predictions", "Moved most by", "better than the limit"):
        assert words in shown
