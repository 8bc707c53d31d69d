"""What the documents and sample files say is true of the code."""

import re
from dataclasses import fields

import pytest
import sqlglot

from src.domain.tables import TABLES
from src.settings import Settings
from tests.conftest import ROOT

SQL_FILES = sorted((ROOT / "src/sql").rglob("*.sql"))
PAGES = sorted([*(ROOT / "docs").rglob("*.md"), ROOT / "README.md", ROOT / "CHANGELOG.md"])


@pytest.mark.parametrize("path", SQL_FILES, ids=lambda p: p.name)
def test_sql_files_parse_as_redshift(path):
    text = re.sub(r"(?<!:):(\w+)", r"'\1'", path.read_text())
    statements = sqlglot.parse(text, read="redshift")
    assert statements and not any(s.__class__.__name__ == "Command" for s in statements if s)


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
    assert found == expected


def test_env_example_lists_every_setting_with_its_default_and_nothing_else():
    text = (ROOT / ".env.example").read_text()
    found = dict(re.findall(r"^#?\s?([A-Z][A-Z0-9_]+)=(.*)$", text, re.MULTILINE))
    expected = {f.metadata["env"]: str(f.default) for f in fields(Settings)}
    assert found == expected


@pytest.mark.parametrize("setting", fields(Settings), ids=lambda f: f.name)
def test_the_settings_page_names_every_setting(setting):
    page = (ROOT / "docs/reference/settings.md").read_text()
    assert f"`{setting.metadata['env']}`" in page


@pytest.mark.parametrize("spec", TABLES, ids=lambda s: s.name)
def test_the_data_dictionary_describes_every_column(spec):
    page = (ROOT / "docs/reference/data_dictionary.md").read_text()
    section = page.split(f"## `{spec.name}`")[1].split("\n## ")[0]
    for column in spec.columns:
        need = "yes" if column.required else "no"
        row = rf"\| `{column.name}` \| {re.escape(column.redshift_type)} \| {need} \|"
        assert re.search(row, section), column.name


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_relative_links_lead_somewhere(page):
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text()):
        assert (page.parent / target).exists(), target


def test_requirements_are_pinned_compatibly():
    for name in ("requirements.txt", "requirements-dev.txt"):
        for line in (ROOT / name).read_text().splitlines():
            wanted = line.split("#")[0].strip()
            if wanted and not wanted.startswith("-r"):
                assert "~=" in wanted, wanted


def test_ci_runs_the_command_of_the_readme():
    readme = (ROOT / "README.md").read_text()
    (command,) = re.findall(r"^(python3 .*pytest)$", readme, re.MULTILINE)
    assert command in (ROOT / ".ci/run").read_text()
