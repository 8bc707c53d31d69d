"""The pictures of README.md: `python -m tests.contract.pictures` writes both.

The drawing follows from the table of imports and the folders' docstrings; the picture of the page
is that of a default run, taken by an installed Chromium (`--drawing` writes the drawing only).
"""

import ast
import shutil
import subprocess
import sys
import tempfile
import textwrap
from html import escape
from pathlib import Path

from tests.conftest import ROOT
from tests.contract.test_architecture import ALLOWED

FOLDER = ROOT / "docs/images"
WIDTH, GAP, LAYER, TEXT = 960, 14, 66, 15
FLOW = (
    "generate", "S3 raw\nJSON", "Glue ETL\nPySpark", "S3 processed\nParquet", "Redshift\nCOPY",
    "audit,\npublish", "train two\nmodels", "predictions,\nreport",
)  # fmt: skip
STYLE = """
text { font: 13px system-ui, sans-serif; fill: #1c2733; }
.name { font-weight: 600; font-size: 15px; }
.box { fill: #eef3f9; stroke: #7d97b5; } .step { fill: #fff4dd; stroke: #b98a2e; }
path { stroke: #b98a2e; fill: none; stroke-width: 2; }
svg { background: #ffffff; }
@media (prefers-color-scheme: dark) {
  text { fill: #e4ebf2; } svg { background: #10161d; }
  .box { fill: #1c2a3a; stroke: #6b87a8; } .step { fill: #3a2f17; stroke: #c79a43; }
}"""


def about(folder: str) -> str:
    """Return the first sentence of a folder's `__init__.py`: what it holds."""
    path = ROOT / "src" / folder.replace(".", "/") / "__init__.py"
    return " ".join((ast.get_docstring(ast.parse(path.read_text())) or "").split("\n\n")[0].split())


def layers() -> list[list[str]]:
    """Return the top folders of `src`, each layer importing only from those below it."""
    tops = {name.split(".")[0] for name in ALLOWED}
    below = {top: {other.split(".")[0] for name, others in ALLOWED.items()
                   if name.split(".")[0] == top for other in others} - {top}
             for top in tops}  # fmt: skip

    def height(top: str) -> int:
        return 1 + max((height(other) for other in below[top]), default=-1)

    found: dict[int, list[str]] = {}
    for top in sorted(tops):
        found.setdefault(height(top), []).append(top)
    return [found[level] for level in sorted(found, reverse=True)]


def drawing() -> str:
    """Return the architecture as SVG: the way of the data, and the folders in layers."""
    parts = [*_flow(34), _text(GAP, 122, "src: each layer imports only from the layers below it")]
    top = 134
    scripts = "run_demo_pipeline.py, train_demo_models.py, validate_demo_pipeline.py"
    parts += _box(GAP, top, WIDTH - 2 * GAP, 34, "", scripts)
    top += 34 + GAP
    for names in layers():
        width = (WIDTH - GAP) / len(names) - GAP
        for at, name in enumerate(names):
            shown = textwrap.shorten(about(name).replace("`", ""), 150, placeholder=" ...")
            parts += _box(GAP + at * (width + GAP), top, width, LAYER, f"{name}/", shown)
        top += LAYER + GAP
    job = "glue_jobs/: PySpark scripts; that of the generation imports what is shipped with it"
    parts += _box(GAP, top, WIDTH - 2 * GAP, 34, "", job)
    size = f'viewBox="0 0 {WIDTH} {top + 34 + GAP}" width="{WIDTH}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">'
    title = "<title>Architecture of the Concert Data Platform demo</title>"
    return "\n".join([head, title, f"<style>{STYLE}\n</style>", *parts, "</svg>"]) + "\n"


def _flow(top: int) -> list[str]:
    step = (WIDTH - GAP) / len(FLOW)
    parts = [_text(GAP, top - 12, "data")]
    for at, words in enumerate(FLOW):
        left, width = GAP + at * step, step - GAP
        parts.append(_rect(left, top, width, 52, "step"))
        lines = words.split("\n")
        parts += [_text(left + 8, top + 22 + 17 * n + (9 if len(lines) == 1 else 0), line)
                  for n, line in enumerate(lines)]  # fmt: skip
        if at:
            parts.append(f'<path d="M{left - GAP:.0f} {top + 26} h{GAP}"/>')
    return parts


def _box(left: float, top: float, width: float, height: float, name: str, words: str) -> list[str]:
    lines = textwrap.wrap(words, int((width - 16) / 6.9))
    parts = [_rect(left, top, width, height, "box")]
    if name:
        parts.append(_text(left + 8, top + 20, name, "name"))
    first = top + (40 if name else 22)
    return parts + [_text(left + 8, first + TEXT * n, line) for n, line in enumerate(lines)]


def _rect(left: float, top: float, width: float, height: float, kind: str) -> str:
    size = f'x="{left:.0f}" y="{top:.0f}" width="{width:.0f}" height="{height:.0f}"'
    return f'<rect {size} rx="6" class="{kind}"/>'


def _text(left: float, top: float, words: str, kind: str = "") -> str:
    shown = f' class="{kind}"' if kind else ""
    return f'<text x="{left:.0f}" y="{top:.0f}"{shown}>{escape(words)}</text>'


def page_picture() -> bytes:
    """Return the upper part of a default run's page as PNG."""
    from playwright.sync_api import sync_playwright

    names = ("chromium", "chromium-browser", "google-chrome")
    program = next(filter(None, map(shutil.which, names)), None)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        run = [sys.executable, "run_demo_pipeline.py", "-q", "--report-dir", folder]
        subprocess.run(run, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        (page,) = Path(folder).glob("2*/index.html")
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        shown = browser.new_page(viewport={"width": 1200, "height": 1000})
        shown.goto(page.as_uri())
        picture = shown.screenshot()
        browser.close()
    return picture


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / "architecture.svg").write_text(drawing())
    if "--drawing" not in sys.argv:
        (FOLDER / "report-page.png").write_bytes(page_picture())


if __name__ == "__main__":
    main()
