"""How raw text becomes rows: the one SQL that the Glue job and `--etl direct` both run.

raw -> usual -> read, repeated -> doubtful -> tidy -> plain -> typed -> judged -> checked, each a
query over those before. The job makes views of them, the warehouse temporary tables. `read` has
every row and tells which are regular (src/domain/regular_rows.py). Those that share no key are
ready; all others take the steps from `doubtful` on. src/domain/text_values.py has the columns'
SQL; here are the steps of a table.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from src.domain import quarantine
from src.domain import regular_rows as regular
from src.domain import text_values as texts
from src.domain.tables import Column, TableSpec
from src.json_object import JsonObject

RECORD_NUMBER = "record_number"  # optional last column of raw data: the order of its records
STEPS = (
    *("usual", "read", "repeated", "doubtful"),
    *("tidy", "plain", "typed", "judged", "checked"),
)
KEPT = ("read", "repeated", "checked")  # are read more than once


@dataclass(frozen=True)
class Cleaning:
    """The SQL that cleans one table.

    `relation(step, table)` is the name of a step's view or table; `parent_keys(table)` what
    the keys of a parent's accepted rows are read from; `absent` are texts that mean no value.
    """

    spec: TableSpec
    relation: Callable[[str, str], str]
    parent_keys: Callable[[str], str]
    absent: Sequence[str] = texts.ABSENT

    def steps(self) -> list[tuple[str, str]]:
        """Return (relation, query) of every step behind `raw`, in order."""
        return [(self._at(step), getattr(self, f"_{step}")()) for step in STEPS]

    def judging(self) -> list[tuple[str, str]]:
        """Return those that judge each row of `doubtful` by its own values."""
        return self.steps()[STEPS.index("tidy") : -1]

    def kept(self) -> list[str]:
        """Return the relations of the steps that more than one query reads."""
        return [self._at(step) for step in KEPT]

    def accepted(self) -> str:
        """Return the query for the clean rows in their warehouse types."""
        values = ", ".join(_final(column) for column in self.spec.columns)
        usual = ", ".join(
            f"r.{c.name}" if c.kind in texts.GRAMMAR else f"{regular.value(c, 'r.')} AS {c.name}"
            for c in self.spec.columns
        )
        return (
            f"SELECT {usual} FROM {self._regular()} "
            f"UNION ALL SELECT {values} FROM {self._at('checked')} WHERE rule IS NULL"
        )

    def rejected(self) -> str:
        """Return the query for the quarantine: what is broken, the raw record and its parent."""
        return (
            f"SELECT '{self.spec.name}' AS table_name, "
            f"{quarantine.shortened('record_key')} AS record_key, rule, raw_record, "
            f"{quarantine.shortened('parent_key')} AS parent_key "
            f"FROM {self._at('checked')} WHERE rule IS NOT NULL"
        )

    def counts(self) -> str:
        """Return the query for rows by rule and warnings, with the least key of each."""
        return (
            "SELECT COALESCE(rule, 'accepted') AS rule, warnings, COUNT(*) AS n, "
            f"SUM(untidy) AS untidy, MIN(record_key) AS example FROM {self._at('checked')} "
            "GROUP BY COALESCE(rule, 'accepted'), warnings UNION ALL SELECT 'accepted' AS rule, "
            "CAST(NULL AS VARCHAR(256)) AS warnings, COUNT(*) AS n, 0 AS untidy, "
            f"CAST(NULL AS VARCHAR(256)) AS example FROM {self._regular()} HAVING COUNT(*) > 0"
        )

    def _at(self, step: str) -> str:
        return self.relation(step, self.spec.name)

    def _raws(self, prefix: str = "") -> str:
        return ", ".join(f"{prefix}raw__{name}" for name in self.spec.column_names)

    def _regular(self) -> str:
        """Return the source of the regular rows, `r`, but for those that share their key."""
        return (
            f"{self._at('read')} AS r LEFT JOIN {self._at('repeated')} AS d "
            "ON d.record_key = r.record_key WHERE r.is_regular AND d.record_key IS NULL"
        )

    def _usual(self) -> str:
        raws = ", ".join(f"{name} AS raw__{name}" for name in self.spec.column_names)
        usual = regular.is_written_as_usual(self.spec, self.absent)
        return (
            f"SELECT record_number, {self._raws()}, {usual} AS is_usual "
            f"FROM (SELECT record_number, {raws} FROM {self._at('raw')}) AS t"
        )

    def _read(self) -> str:
        """Read every row: its texts, its key, and the values of it if it is a regular one."""
        spec = self.spec
        cast = [column for column in spec.columns if column.kind in texts.GRAMMAR]
        values = ", ".join(
            f"CASE WHEN is_usual THEN {regular.value(c)} END AS {c.name}" for c in cast
        )
        key = texts.tidied(spec.columns[0], texts.trimmed(f"raw__{spec.key}"), self.absent)
        found = "".join(f" AND parent_{c}.{c} IS NOT NULL" for c, _ in spec.references)
        names = ", ".join(f"v.{column.name}" for column in cast)
        return (
            f"SELECT v.record_number, {self._raws('v.')}, {names}, v.record_key, "
            f"{regular.is_lawful(spec)}{found} AS is_regular FROM (SELECT u.*, {values}, "
            f"CASE WHEN is_usual THEN raw__{spec.key} ELSE {key} END AS record_key "
            f"FROM {self._at('usual')} AS u) AS v{self._parents('v', 'raw__')}"
        )

    def _repeated(self) -> str:
        return (
            f"SELECT record_key FROM {self._at('read')} WHERE record_key IS NOT NULL "
            "GROUP BY record_key HAVING COUNT(*) > 1"
        )

    def _doubtful(self) -> str:
        raws = ", ".join(f"r.raw__{name} AS {name}" for name in self.spec.column_names)
        return (
            f"SELECT r.record_number, {raws} FROM {self._at('read')} AS r "
            f"LEFT JOIN {self._at('repeated')} AS d ON d.record_key = r.record_key "
            "WHERE NOT r.is_regular OR d.record_key IS NOT NULL"
        )

    def _parents(self, child: str, prefix: str = "") -> str:
        """Return the joins to the accepted parents: `parent_COLUMN.COLUMN` is NULL for none."""
        return "".join(
            f" LEFT JOIN {self.parent_keys(parent)} AS parent_{column} "
            f"ON parent_{column}.{column} = {child}.{prefix}{column}"
            for column, parent in self.spec.references
        )

    def _tidy(self) -> str:
        spec = self.spec
        raws = ", ".join(f"{name} AS raw__{name}" for name in spec.column_names)
        trimmed = ", ".join(f"{texts.trimmed(n)} AS trim__{n}" for n in spec.column_names)
        tidied = ", ".join(
            f"{texts.tidied(c, f'trim__{c.name}', self.absent)} AS text__{c.name}"
            for c in spec.columns
        )
        number = texts.matches(RECORD_NUMBER, "^[0-9]{1,18}$")
        number = f"CASE WHEN {number} THEN CAST({RECORD_NUMBER} AS BIGINT) END AS record_number"
        return (
            f"SELECT record_number, {self._raws()}, {tidied} FROM "
            f"(SELECT {number}, {raws}, {trimmed} FROM {self._at('doubtful')}) AS t"
        )

    def _plain(self) -> str:
        columns = [
            f"{texts.plain(column)} AS plain__{column.name}"
            for column in self.spec.columns
            if column.kind in texts.GRAMMAR
        ]
        source = self._at("tidy")
        decimals = [column.name for column in self.spec.columns if column.kind == "decimal"]
        for parts in (texts.decimal_parts, texts.decimal_digits) if decimals else ():
            made = ", ".join(part for name in decimals for part in parts(name))
            source = f"(SELECT t.*, {made} FROM {source} AS t)"
        kept = ", ".join(f"text__{name}" for name in self.spec.column_names)
        return (
            f"SELECT record_number, {self._raws()}, {kept}, {', '.join(columns)} FROM {source} AS t"
        )

    def _typed(self) -> str:
        # The lengths too: to Redshift, texts that differ in blanks at their end are equal.
        untidy = " OR ".join(
            f"COALESCE(OCTET_LENGTH(raw__{n}) <> OCTET_LENGTH(text__{n}) "
            f"OR raw__{n} <> text__{n}, FALSE)"
            for n in self.spec.column_names
        )
        values = ", ".join(texts.value(column) for column in self.spec.columns)
        return (
            f"SELECT p.*, {values}, CASE WHEN {untidy} THEN 1 ELSE 0 END AS untidy "
            f"FROM {self._at('plain')} AS p"
        )

    def _judged(self) -> str:
        """Judge each row by its own values; an optional value that cannot be used is NULL."""
        columns = self.spec.columns
        kept = ", ".join(
            [f"text__{c.name}" for c in columns]
            + [f"plain__{c.name}" for c in columns if c.kind in texts.GRAMMAR]
        )
        usable = ", ".join(_usable(column) for column in columns)
        cases = [case for column in columns for case in _verdicts(column)]
        cases += [f"WHEN {rule.violated} THEN '{rule.name}'" for rule in self.spec.rules]
        warnings = " || ".join(_warnings(columns))
        values = ", ".join(_filled(column) for column in columns)
        return (
            f"SELECT text__{self.spec.key} AS record_key, record_number, untidy, {self._raws()}, "
            f"{values}, CASE {' '.join(cases)} END AS rule, NULLIF({warnings}, '') AS warnings "
            f"FROM (SELECT record_number, untidy, {self._raws()}, {kept}, {usable} "
            f"FROM {self._at('typed')}) AS u"
        )

    def _checked(self) -> str:
        """Of the good rows with one key the first stays, and only if its parents were accepted."""
        spec = self.spec
        order = ", ".join(f"COALESCE(j.raw__{name}, '')" for name in spec.column_names)
        nth = (
            "ROW_NUMBER() OVER (PARTITION BY j.rule, j.record_key "
            f"ORDER BY COALESCE(j.record_number, 0), j.untidy, {order}) AS nth"
        )
        cases, parents = "", ""
        for column, _ in spec.references:
            cases += f" WHEN parent_{column}.{column} IS NULL THEN 'orphan:{column}'"
            parents += f" WHEN 'orphan:{column}' THEN {column}"
        parent = f"CASE rule{parents} END" if parents else "CAST(NULL AS VARCHAR(256))"
        names = ", ".join(f"n.{name}" for name in spec.column_names)
        carried = f"n.record_key, n.untidy, n.warnings, {self._raws('n.')}, {names}"
        return (
            f"SELECT record_key, untidy, warnings, {', '.join(spec.column_names)}, rule, "
            f"CASE WHEN rule IS NOT NULL THEN {quarantine.record(spec)} END AS raw_record, "
            f"{parent} AS parent_key FROM (SELECT {carried}, CASE WHEN n.rule IS NOT NULL "
            f"THEN n.rule WHEN n.nth > 1 THEN 'duplicate_key'{cases} END AS rule "
            f"FROM (SELECT j.*, {nth} FROM {self._at('judged')} AS j) AS n"
            f"{self._parents('n')}) AS c"
        )


def _usable(column: Column) -> str:
    """Return SQL for the value, or NULL where the column does not take it."""
    name = column.name
    if column.kind in ("key", "text"):
        if column.required:
            return name
        fits = f"OCTET_LENGTH({name}) <= {column.max_bytes}"
        return f"CASE WHEN {fits} THEN {name} END AS {name}"
    if column.kind == "timestamp":
        return f"CASE WHEN {texts.is_within_years(name)} THEN {name} END AS {name}"
    low, high = texts.limits(column)
    shown = f"exact__{name}" if column.kind == "decimal" else name
    usable = f"CASE WHEN {shown} >= {low} AND {shown} <= {high} THEN {shown} END AS {shown}"
    if column.kind == "decimal":
        usable += f", CASE WHEN {shown} >= {low} AND {shown} <= {high} THEN ROUND({shown}, 2) END"
        usable += f" AS {name}"
    return usable


def _verdicts(column: Column) -> list[str]:
    """Return the cases for a required value that is absent or unusable, most basic first.

    A number that its column does not take is none that could be computed in its place.
    """
    name, kind = column.name, column.kind
    if not column.required:
        is_number = texts.matches(f"text__{name}", texts.GRAMMAR[kind]) if column.fill else "FALSE"
        refused = f"WHEN {name} IS NULL AND {is_number} THEN 'out_of_range:{name}'"
        return [refused] if column.fill else []
    cases = [f"WHEN text__{name} IS NULL THEN 'missing:{name}'"]
    if kind in ("key", "text"):
        too_long = f"OCTET_LENGTH(text__{name}) > {column.max_bytes}"
        return [*cases, f"WHEN {too_long} THEN 'too_long:{name}'"]
    is_one = f"CASE WHEN {texts.matches(f'text__{name}', texts.GRAMMAR[kind])}"
    cases += [
        f"WHEN plain__{name} IS NULL THEN {is_one} THEN 'out_of_range:{name}' "
        f"ELSE 'invalid_{kind}:{name}' END",
        f"WHEN {name} IS NULL THEN 'out_of_range:{name}'",
    ]
    return cases


def _warnings(columns: Sequence[Column]) -> list[str]:
    """Return SQL pieces that name what was left out of an accepted row's values."""
    pieces = []
    for column in columns:
        if not column.required:
            nullified = f"text__{column.name} IS NOT NULL AND {column.name} IS NULL"
            pieces.append(f"CASE WHEN {nullified} THEN ' nullified:{column.name}' ELSE '' END")
        if column.kind in ("decimal", "timestamp"):
            is_cut = texts.is_cut(column)
            pieces.append(f"CASE WHEN {is_cut} THEN ' rounded:{column.name}' ELSE '' END")
    return pieces or ["''"]


def _filled(column: Column) -> str:
    if not column.fill:
        return column.name
    return f"COALESCE({column.name}, {column.fill}) AS {column.name}"


def _final(column: Column) -> str:
    if column.kind in ("key", "text"):
        return column.name
    return f"CAST({column.name} AS {column.redshift_type}) AS {column.name}"


def job_argument(specs: Sequence[TableSpec], null_values: Sequence[str] = ()) -> str:
    """Return the tables as the Glue job's `--tables` argument carries them: compressed JSON."""
    tables = [_as_argument(spec, (*texts.ABSENT, *null_values)) for spec in specs]
    return base64.b64encode(zlib.compress(json.dumps(tables).encode(), 9)).decode()


def _as_argument(spec: TableSpec, absent: Sequence[str]) -> JsonObject:
    cleaning = Cleaning(spec, "{}_{}".format, "accepted_{}".format, absent)
    return {
        "name": spec.name,
        "key": spec.key,
        "columns": [*spec.column_names, RECORD_NUMBER],
        "steps": [(*step, step[0] in cleaning.kept()) for step in cleaning.steps()],
        "accepted": cleaning.accepted(),
        "rejected": cleaning.rejected(),
        "counts": cleaning.counts(),
    }
