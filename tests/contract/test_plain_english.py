"""Standard technical English wherever people read: documents, help, messages, comments, pages."""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.contract import pictures

BANNED = re.compile(
    r"\b(ours|mend(s|ed|ing)?|spoil(s|t|ed)?|strangers?|out loud|played|comes? along|hurts?|"
    r"winds? up|somebody|nobody|anybody|everybody|whoever|by itself|told|honest(ly)?|lies?|lay|"
    r"are there|half-done|knows|hears?|says|said|sleeps|wish|houses?|goes on(?! sale)|on (its|their) way|"  # noqa: E501
    r"nobody can do better|whatever became|leads? somewhere|unasked|in its own words|"
    r"a bug of|the very (same|job|order))\b",
    re.IGNORECASE,
)
# Real quotations and names: (file, the phrase as it stands there).
ALLOWED = {
    ("docs/decisions/0001-own-postgres-launcher.md", "`nobody`"),  # the user of the system
    ("src/local_cloud/servers/processes.py", '"nobody"'),
}
LINE, CELL = 140, 300
LINK = re.compile(r"\]\([^)]*\)|https?://\S+")
PRINTED = "  try:   python -m "  # a command in a program's output, shown as it is printed
MARKDOWN = [ROOT / "README.md", ROOT / "CHANGELOG.md", ROOT / "src/local_cloud/README.md",
            *sorted((ROOT / "docs").rglob("*.md"))]  # fmt: skip
CODE = [*sorted((ROOT / "src").rglob("*.py")), *sorted(ROOT.glob("*.py"))]
OTHERS = [path for suffix in ("j2", "css", "sql", "json", "yaml")
          for path in sorted((ROOT / "src").rglob(f"*.{suffix}"))]  # fmt: skip


def read_texts(path: Path) -> Iterator[tuple[int, str]]:
    """Yield line and text of what people read; of Python code its strings and comments."""
    text = path.read_text()
    if path.suffix != ".py":
        yield from enumerate(text.splitlines(), 1)
        return
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            for offset, line in enumerate(node.value.splitlines()):
                yield node.lineno + offset, line


def offences(path: Path) -> list[str]:
    name = str(path.relative_to(ROOT))
    allowed = [phrase for file, phrase in ALLOWED if file == name]
    found = []
    for number, text in read_texts(path):
        kept = LINK.sub("]", text)  # a file may be called by an older name
        for phrase in allowed:
            kept = kept.replace(phrase, "").replace(phrase.strip('"'), "")
        found += [f"{name}:{number}: {match[0]!r}" for match in BANNED.finditer(kept)]
    return found


@pytest.mark.parametrize("files", [MARKDOWN, CODE, OTHERS], ids=["markdown", "code", "others"])
def test_no_odd_phrase_stands_where_people_read(files):
    assert len(files) > 10
    wrong = [line for path in files for line in offences(path)]
    assert not wrong, "\n".join(wrong)


def test_every_allowed_phrase_is_still_in_its_file():
    assert not [entry for entry in ALLOWED if entry[1] not in (ROOT / entry[0]).read_text()]


@pytest.mark.parametrize("phrase", ["a bug of ours", "Nobody can do better", "is told", "It lies"])
def test_the_rule_finds_an_odd_phrase_in_a_comment_and_in_a_string(phrase, tmp_path):
    path = tmp_path / "x.py"
    path.write_text(f"value = 1  # {phrase}\nother = 'then {phrase}'\n")
    lines = {number for number, text in read_texts(path) if BANNED.search(text)}
    assert lines == {1, 2}


def too_long(line: str) -> bool:
    return len(LINK.sub("]", line)) > LINE and not line.startswith(PRINTED)


def test_lines_and_cells_are_short():
    wrong = []
    for path in MARKDOWN:
        name = path.relative_to(ROOT)
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if line.startswith("|"):
                cells = re.split(r"(?<!\\)\|", line)
                wrong += [f"{name}:{number}: a cell of {len(c)}" for c in cells if len(c) > CELL]
            elif too_long(line):
                wrong.append(f"{name}:{number}: {len(line)} characters")
    assert not wrong, "\n".join(wrong)


def test_the_drawing_of_the_readme_is_current():
    found = (pictures.FOLDER / "architecture.svg").read_text()
    assert found == pictures.drawing(), "python -m tests.contract.pictures --drawing"
    readme = (ROOT / "README.md").read_text()
    for name in ("architecture.svg", "report-page.png"):
        assert f"docs/images/{name}" in readme
        assert 1_000 < (pictures.FOLDER / name).stat().st_size < 300_000
