"""The printed outputs of the documents: `python -m tests.contract.transcripts` records them anew.

It runs the scripts in an empty folder in the guide's order, and replaces each output that no
longer says what the scripts say. Seconds and run ids alone are no reason to replace one.
"""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from src.orchestration.validation.documents import fences
from tests.conftest import ROOT

FENCES = list(fences(ROOT))
OUTPUTS = [fence for fence in FENCES
           if re.match(r"Concert \w+  (run|dry run)|Concert validation ", fence.text)]  # fmt: skip
RUNS = (
    ("validate_demo_pipeline.py", "--smoke"),
    ("run_demo_pipeline.py", "--dry-run"),
    ("run_demo_pipeline.py",),
    ("train_demo_models.py",),
    ("train_demo_models.py", "--validate-only"),
)
FAILURE = {"DEMO_MAX_REJECTED_SHARE": "0.001", "DEMO_STATE_DIR": ".demo-failure",
           "DEMO_REPORT_DIR": ".demo-failure/reports"}  # fmt: skip


def shape(text):
    """Return the lines of an output without what differs from run to run."""
    text = re.sub(r"\d{8}T\d{6}Z-[0-9a-f]{4}", "RUN", text)
    text = re.sub(r"\S*/RUN/", "reports/RUN/", text)
    text = re.sub(r"\b(created|verified)\b", "there", text)
    text = re.sub(r"\d[\d.,]*", "N", text)
    lines = [" ".join(line.split()) for line in text.splitlines()]
    return [line for line in lines if line and "running," not in line]


def is_same(shown, said):
    """Tell whether a page shows what was said; the last line, the report's path, may be absent."""
    return shape(shown) in (shape(said), shape(said)[:-1])


def recorded(folder):
    """Yield what each run of the guide says, in its order, from an empty folder."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("DEMO_", "REDSHIFT_"))}

    def said(script, *options, **variables):
        done = subprocess.run(
            [sys.executable, str(ROOT / script), *options], cwd=folder, env=kept | variables,
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        lines = (done.stderr + done.stdout).splitlines()
        return "\n".join(line for line in lines if "running, " not in line) + "\n"

    for script, *options in RUNS:
        yield said(script, *options)
    raw = sorted((Path(folder) / ".demo/s3/concert-demo-raw/raw").iterdir())[-1]
    yield said("run_demo_pipeline.py", "--input-dir", str(raw), **FAILURE)


def rewritten(text, outputs, said):
    """Return a page with each output replaced that is no longer what was said."""
    for shown in outputs:
        if any(is_same(shown, new) for new in said):
            continue
        (new,) = (new for new in said if shape(new)[0] == shape(shown)[0]
                  and ("\nFailed:" in shown) == ("\nFailed:" in new))  # fmt: skip
        text = text.replace(shown.strip("\n"), new.strip("\n"))
    return text


def main():
    with tempfile.TemporaryDirectory() as folder:
        said = list(recorded(folder))
    for page in sorted({fence.page for fence in OUTPUTS}):
        path = ROOT / page
        text = path.read_text()
        new = rewritten(text, [f.text for f in OUTPUTS if f.page == page], said)
        if new != text:
            path.write_text(new)
            print(f"rewritten: {page}")


if __name__ == "__main__":
    main()
