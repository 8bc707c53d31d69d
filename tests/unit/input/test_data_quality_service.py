"""Checks compare one number with what it must be; unknown is skipped, never passed."""

from decimal import Decimal

import pytest

from src.services.data_quality_service import (
    DataQualityService,
    QualityCheck,
    compare_with_ledger,
    read_checks,
)
from src.sql import scanning


def run(operator, value, found, **parameters):
    check = QualityCheck("c", "a check", operator, value, "SELECT 1 WHERE x = :run_id")
    asked = []

    def query(sql, arguments):
        asked.append((sql, arguments))
        return [{"c": found}]

    (result,) = DataQualityService(query, [check]).run({"run_id": "r", **parameters})
    return result, asked


@pytest.mark.parametrize(
    ("operator", "value", "found", "verdict"),
    [
        ("=", "0", 0, "passed"),
        ("=", "0", 3, "failed"),
        ("<=", "7", Decimal("7.0"), "passed"),
        ("<=", "7", 7.5, "failed"),
        (">=", "2", 2, "passed"),
        (">=", "2", 1, "failed"),
        ("=", "0", None, "failed"),
    ],
)
def test_verdicts(operator, value, found, verdict):
    assert run(operator, value, found)[0].verdict == verdict


def test_parameters_are_bound_never_pasted():
    _, asked = run("=", ":rows", 5, rows=5)
    assert asked == [("SELECT 1 WHERE x = %s", ["r"])]


def test_an_unknown_parameter_skips_the_check():
    result, asked = run("=", ":rows", 5, rows=None)
    assert result.verdict == "skipped" and "rows" in result.expected and not asked


def test_every_check_file_has_a_title_and_an_expectation():
    checks = read_checks()
    assert len(checks) >= 25 and len({c.name for c in checks}) == len(checks)
    assert all(scanning.read(c.sql).leading_word == "SELECT" for c in checks)


def test_a_failed_check_names_its_first_rows_where_the_file_says_how(tmp_path):
    (tmp_path / "10_x.sql").write_text(
        "-- check: t\n-- expect: = 0\nSELECT 2;\n\n-- examples:\nSELECT 'row 7';\n"
    )
    checks = read_checks(tmp_path)
    for number, found in ((2, "2: row 7"), (0, "0")):
        answers = {"SELECT 2": number, "SELECT 'row 7'": "row 7"}
        (result,) = DataQualityService(lambda sql, _, a=answers: [{"x": a[sql]}], checks).run({})
        assert result.found == found


def test_a_file_without_header_is_refused(tmp_path):
    (tmp_path / "10_x.sql").write_text("SELECT 1")
    with pytest.raises(ValueError, match="must start with"):
        read_checks(tmp_path)


def test_casts_are_no_parameters():
    check = QualityCheck("c", "t", "=", "0", "SELECT x::int FROM t WHERE y = :run_id")
    assert check.parameters == {"run_id"}


@pytest.mark.parametrize(
    ("found", "verdict", "precision", "recall"),
    [
        ([("t", "1", "r"), ("t", "1", "r")], "passed", 1.0, 1.0),
        ([("t", "1", "r")], "failed", 1.0, 0.5),
        ([("t", "1", "r")] * 3, "failed", 2 / 3, 1.0),
        ([("t", "1", "other"), ("t", "1", "r")], "failed", 0.5, 0.5),
    ],
    ids=["exact", "missed", "too-many", "wrong-reason"],
)
def test_the_ledger_is_compared_as_a_multiset(found, verdict, precision, recall):
    result, facts = compare_with_ledger(found, [("t", "1", "r")] * 2)
    assert result.verdict == verdict
    assert facts == {"precision": pytest.approx(precision), "recall": pytest.approx(recall)}
