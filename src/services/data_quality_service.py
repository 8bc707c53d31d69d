"""Judges a loaded warehouse: each check is one .sql file that gives one number."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

from src.domain.judgement import Verdict, passed_if
from src.json_object import JsonObject, JsonView
from src.services.check_queries import combined
from src.sql import files

Judged = Literal["before_commit", "after_commit"]

_HEADER = re.compile(r"-- check: (?P<title>.+)\n-- expect: (?P<operator><=|>=|=) (?P<value>\S+)\n")
_EXAMPLES = "-- examples:\n"  # behind it is SQL for a text that names the first wrong rows


@dataclass(frozen=True)
class QualityCheck:
    """One law of the warehouse: SQL for a number, and what the number must be.

    `value` is a number or `:name`, a parameter. Parameters may stand in the SQL as well.
    """

    name: str
    title: str
    operator: str
    value: str
    sql: str
    file: str = ""
    examples_sql: str = ""

    @property
    def parameters(self) -> frozenset[str]:
        """Return the names of the parameters the check needs."""
        return files.parameters(f"{self.value} {self.sql}")

    @property
    def shows_publication(self) -> bool:
        """Tell whether the check proves that all of a load can be seen: after its COMMIT, too."""
        return self.name.startswith(("rows_", "fresh_load"))


@dataclass(frozen=True)
class CheckResult:
    """What one check expected and found; `file` is its SQL, from the repository's root.

    `judged` tells whether it ran before the load's COMMIT or after it.
    """

    name: str
    title: str
    verdict: Verdict
    expected: str
    found: str
    file: str = ""
    judged: Judged = "before_commit"


def read_checks(folder: str | Path = "checks") -> list[QualityCheck]:
    """Read every check of a folder in the order of their names."""
    checks = []
    for file in files.read_all(folder):
        header = _HEADER.match(file.text)
        if header is None:
            raise ValueError(f"{file.path} must start with '-- check:' and '-- expect:' lines")
        name = file.name.split("_", 1)[1]
        sql, _, examples = (
            part.strip().rstrip(";") for part in file.text[header.end() :].partition(_EXAMPLES)
        )
        checks.append(
            QualityCheck(
                name,
                header["title"],
                header["operator"],
                header["value"],
                sql,
                file.shown,
                examples,
            )
        )
    return checks


class DataQualityService:
    """Runs checks through `query(sql, arguments)`, which returns rows as dictionaries."""

    def __init__(
        self,
        query: Callable[[str, list[Any]], Sequence[Mapping[str, Any]]],
        checks: Iterable[QualityCheck] | None = None,
    ) -> None:
        self._query = query
        self._checks = list(read_checks() if checks is None else checks)

    def run(self, parameters: JsonView) -> list[CheckResult]:
        """Run every check; one whose parameters are not known is skipped, not passed."""
        known = {
            check.name: check.sql
            for check in self._checks
            if all(parameters.get(name) is not None for name in check.parameters)
        }
        numbers: JsonObject = {}
        for query in combined(known):
            numbers |= zip(query.names, self._row(query.sql, parameters), strict=True)
        return [self._judged(check, parameters, numbers) for check in self._checks]

    def _row(self, sql: str, parameters: JsonView) -> list[Any]:
        arguments: list[Any] = []

        def mark(name: str) -> str:
            arguments.append(parameters[name])
            return "%s"

        rows = self._query(files.bind(sql.replace("%", "%%"), mark), arguments)
        return list(rows[0].values())

    def _judged(
        self, check: QualityCheck, parameters: JsonView, numbers: Mapping[str, Any]
    ) -> CheckResult:
        if check.name not in numbers:
            unknown = sorted(p for p in check.parameters if parameters.get(p) is None)
            reason = f"{', '.join(unknown)} not known for this data"
            return CheckResult(check.name, check.title, "skipped", reason, "", check.file)
        found = numbers[check.name]
        raw = parameters[check.value[1:]] if check.value.startswith(":") else check.value
        expected, operator = Decimal(str(raw)), check.operator
        shown = f"{operator} {_number(expected)}" if operator != "=" else _number(expected)
        if found is None:  # an aggregate over no rows: there is nothing to approve of
            return CheckResult(check.name, check.title, "failed", shown, "no rows", check.file)
        number = Decimal(str(found))
        holds = {"=": number == expected, "<=": number <= expected, ">=": number >= expected}
        verdict = passed_if(holds[operator])
        said = _number(number)
        if verdict == "failed" and check.examples_sql:
            (examples,) = self._row(check.examples_sql, {})
            said += f": {examples}"
        return CheckResult(check.name, check.title, verdict, shown, said, check.file)


def compare_with_ledger(
    rejected: Iterable[tuple[str, str, str]], injected: Iterable[tuple[str, str, str]]
) -> tuple[CheckResult, dict[str, float]]:
    """Compare rejected rows with injected defects, both as (table, key, rule), as multisets.

    Returns the check and {"precision": ..., "recall": ...}.
    """
    from collections import Counter

    found, expected = Counter(rejected), Counter(injected)
    hits = sum((found & expected).values())
    n_found, n_expected = sum(found.values()), sum(expected.values())
    precision = hits / n_found if n_found else 1.0
    recall = hits / n_expected if n_expected else 1.0
    is_exact = found == expected
    result = CheckResult(
        "defects_found",
        "the ETL rejects every injected defect, for its reason, and nothing else",
        passed_if(is_exact),
        f"precision 1, recall 1 over {n_expected:,} defects",
        f"precision {precision:.4g}, recall {recall:.4g}",
    )
    return result, {"precision": precision, "recall": recall}


def _number(value: Decimal) -> str:
    if value == value.to_integral_value():
        return f"{int(value):,}"
    return f"{value.normalize():f}"
