"""What the documents and sample files say is true of the code."""

import ast
import re

import pytest
import sqlglot

from src.domain.tables import TABLES
from src.orchestration.validation.check import Context
from src.orchestration.validation.demo_pipeline_validator import EVERYWHERE
from src.orchestration.validation.interface import section
from src.settings import Settings
from tests.conftest import ROOT
from tests.contract import reference_pages

PAGES = list(reference_pages.pages())


@pytest.mark.parametrize("check", EVERYWHERE, ids=lambda check: check.name)
def test_this_checkout_passes_its_own_validation(check, tmp_path):
    finding = check.look(Context(ROOT, Settings(report_dir=str(tmp_path))))
    assert finding.verdict == ("skipped" if check.name == "newest_reports" else "passed"), finding


@pytest.mark.parametrize(("path", "text", "wanted"), PAGES, ids=[p.name for p, _, _ in PAGES])
def test_the_generated_parts_of_the_pages_are_up_to_date(path, text, wanted):
    assert text == wanted, "python -m tests.contract.reference_pages"


def test_every_error_the_guide_explains_is_one_we_raise():
    guide = (ROOT / "docs/guides/DEMO_PIPELINE_GUIDE.md").read_text()
    table = section(guide, "## Troubleshooting")
    lines = [cell for row in re.findall(r"^\| (`.+?) \|", table, re.MULTILINE)
             for cell in re.findall(r"`([^`]+)`", row)]  # fmt: skip
    assert len(lines) > 12
    raised = list(raised_messages())
    for line in lines:
        assert any(words in line or line in words for words in raised), line


def raised_messages():
    """Yield the fixed words of the message of every error this project makes."""
    for path in (ROOT / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            called = isinstance(node, ast.Call) and node.args and ast.unparse(node.func)
            if called and called.endswith(("Error", "_failed", ".failed")):
                first = node.args[0]
                for part in first.values if isinstance(first, ast.JoinedStr) else [first]:
                    words = str(part.value).strip() if isinstance(part, ast.Constant) else ""
                    if len(words) > 8:
                        yield words


@pytest.mark.parametrize("spec", TABLES, ids=lambda s: s.name)
def test_ddl_agrees_with_the_table_descriptions(spec):
    (path,) = (ROOT / "src/sql/schema").glob(f"*_{spec.name}.sql")
    tree = sqlglot.parse_one(path.read_text(), read="redshift")
    found = {}
    for column in tree.find_all(sqlglot.exp.ColumnDef):
        declared = column.kind.sql("redshift").replace(" ", "").replace("INTEGER", "INT")
        required = "NOT NULL" in column.sql("redshift")
        found[column.name] = (declared, required)
    expected = {
        c.name: (c.redshift_type.replace("INTEGER", "INT"), c.required) for c in spec.columns
    }
    if spec.name == "ticket_sales":  # of no file's: the stream's rows have it
        assert found.pop("streamed_at") == ("TIMESTAMP", False)
    assert found == expected


@pytest.mark.parametrize("spec", TABLES, ids=lambda s: s.name)
def test_the_data_dictionary_describes_every_column(spec):
    page = (ROOT / "docs/reference/data_dictionary.md").read_text()
    section = page.split(f"## `{spec.name}`")[1].split("\n## ")[0]
    for column in spec.columns:
        need = "yes" if column.required else "no"
        row = rf"\| `{column.name}` \| {re.escape(column.redshift_type)} \| {need} \|"
        assert re.search(row, section), column.name


def test_requirements_are_pinned_compatibly():
    for name in ("requirements.txt", "requirements-dev.txt"):
        for line in (ROOT / name).read_text().splitlines():
            wanted = line.split("#")[0].strip()
            if wanted and not wanted.startswith("-r"):
                assert "~=" in wanted, wanted


def test_ci_runs_the_command_of_the_readme():
    readme = (ROOT / "README.md").read_text()
    (command,) = re.findall(r"^(python3 .*pytest -n 2)$", readme, re.MULTILINE)
    assert command in (ROOT / ".ci/run").read_text()
