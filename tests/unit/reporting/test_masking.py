"""Account numbers are not in what is meant to be shared; other numbers stay."""

import json

from hypothesis import given
from hypothesis import strategies as st

from src.orchestration.validation import bug_report
from src.reporting.masking import masked
from src.reporting.page.html_report import rendered

ACCOUNTS = st.integers(0, 10**12 - 1).map(lambda n: f"{n:012d}")
SERVICES = st.sampled_from(["arn:aws:iam::{}:role/x", "arn:aws-cn:glue:cn-north-1:{}:job/y",
                            "account {}", "Account: {}"])  # fmt: skip


@given(ACCOUNTS, SERVICES, st.text(max_size=20))
def test_no_account_number_is_left(number, place, around):
    assert number not in masked(f"{around} {place.format(number)} {around}").replace(around, "")


@given(ACCOUNTS)
def test_numbers_of_the_data_stay(number):
    for text in (f"{number} rows", f"digest {number}ab", f"x{number}", f"{number}"):
        assert masked(text) == text


def test_pages_hold_no_account_number(monkeypatch):
    from src.reporting.page import html_report

    class Template:
        def render(self, page):
            return f"<td>{page['role']}</td>"

    class Environment:
        def get_template(self, name):
            return Template()

    monkeypatch.setattr(html_report, "_environment", Environment)
    page = rendered("any", {"role": "arn:aws:iam::123456789012:role/x"})
    assert page == "<td>arn:aws:iam::************:role/x</td>"


def test_a_bug_report_is_one_file_with_the_newest_run(tmp_path):
    run = tmp_path / "20260102T000000Z-ab12"
    run.mkdir()
    report = {"error": {"where": "arn:aws:iam::123456789012:role/x"}}
    (run / "pipeline_report.json").write_text(json.dumps(report))
    (run / "run.log").write_text("\n".join(f"line {n}" for n in range(300)))
    own = tmp_path / "20260103T000000Z-cd34"
    own.mkdir()
    path = bug_report.write({"verdict": "failed"}, own / "validation_report.json")
    found = json.loads(path.read_text())
    assert path.parent == own and found["validation"] == {"verdict": "failed"}
    assert found["newest_run"]["error"]["where"] == "arn:aws:iam::************:role/x"
    assert len(found["log"]) == 200 and found["log"][-1] == "line 299"


def test_a_bug_report_without_a_run(tmp_path):
    own = tmp_path / "20260103T000000Z-cd34"
    own.mkdir()
    found = json.loads(bug_report.write({}, own / "validation_report.json").read_text())
    assert found["newest_run"] is None and found["log"] == []
