"""How raw text becomes rows: the one SQL that the Glue job and `--etl direct` both run.

raw -> tidy -> plain -> typed -> judged -> checked, each a query over the one before. The job
makes views of them, the warehouse temporary tables. src/domain/text_values.py has the columns'
SQL; here are the steps of a table.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from src.domain import text_values as texts
from src.domain.tables import Column, TableSpec
from src.json_object import JsonObject, JsonView

RECORD_NUMBER = "record_number"  # optional last column of raw data: the order of its records
STEPS = ("tidy", "plain", "typed", "judged", "checked")
QUARANTINED_CHARACTERS = 1000  # of a value: eight of them, escaped, fit a Redshift VARCHAR
CUT = "...[cut]"
_CONTROLS = "".join(chr(code) for code in range(1, 32) if chr(code) not in "\b\t\n\f\r")
_PICTURES = "".join(chr(0x2400 + ord(control)) for control in _CONTROLS)
_ESCAPES = {"\\": "\\", '"': '"', "\b": "b", "\t": "t", "\n": "n", "\f": "f", "\r": "r"}


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
        makers = (self._tidy, self._plain, self._typed, self._judged, self._checked)
        return [(self._at(step), make()) for step, make in zip(STEPS, makers, strict=True)]

    def accepted(self) -> str:
        """Return the query for the clean rows in their warehouse types."""
        values = ", ".join(_final(column) for column in self.spec.columns)
        return f"SELECT {values} FROM {self._at('checked')} WHERE rule IS NULL"

    def rejected(self) -> str:
        """Return the query for the quarantine: what is broken, the raw record and its parent."""
        return (
            f"SELECT '{self.spec.name}' AS table_name, {_shortened('record_key')} AS record_key, "
            f"rule, raw_record, {_shortened('parent_key')} AS parent_key "
            f"FROM {self._at('checked')} WHERE rule IS NOT NULL"
        )

    def counts(self) -> str:
        """Return the query for rows by rule and warnings, with the least key of each."""
        return (
            "SELECT COALESCE(rule, 'accepted') AS rule, warnings, COUNT(*) AS n, "
            f"SUM(untidy) AS untidy, MIN(record_key) AS example FROM {self._at('checked')} "
            "GROUP BY COALESCE(rule, 'accepted'), warnings"
        )

    def _at(self, step: str) -> str:
        return self.relation(step, self.spec.name)

    def _raws(self, prefix: str = "") -> str:
        return ", ".join(f"{prefix}raw__{name}" for name in self.spec.column_names)

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
            f"(SELECT {number}, {raws}, {trimmed} FROM {self._at('raw')}) AS t"
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
        joins, cases, parents = "", "", ""
        for column, parent in spec.references:
            alias = f"parent_{column}"
            joins += (
                f" LEFT JOIN {self.parent_keys(parent)} AS {alias} ON {alias}.{column} = n.{column}"
            )
            cases += f" WHEN {alias}.{column} IS NULL THEN 'orphan:{column}'"
            parents += f" WHEN 'orphan:{column}' THEN {column}"
        parent = f"CASE rule{parents} END" if parents else "CAST(NULL AS VARCHAR(256))"
        names = ", ".join(f"n.{name}" for name in spec.column_names)
        carried = f"n.record_key, n.untidy, n.warnings, {self._raws('n.')}, {names}"
        return (
            f"SELECT record_key, untidy, warnings, {', '.join(spec.column_names)}, rule, "
            f"CASE WHEN rule IS NOT NULL THEN {_record(spec)} END AS raw_record, "
            f"{parent} AS parent_key FROM (SELECT {carried}, CASE WHEN n.rule IS NOT NULL "
            f"THEN n.rule WHEN n.nth > 1 THEN 'duplicate_key'{cases} END AS rule "
            f"FROM (SELECT j.*, {nth} FROM {self._at('judged')} AS j) AS n{joins}) AS c"
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


def _shortened(text: str) -> str:
    n = QUARANTINED_CHARACTERS
    return (
        f"CASE WHEN LENGTH({text}) > {n} THEN SUBSTRING({text}, 1, {n}) || '{CUT}' ELSE {text} END"
    )


def _record(spec: TableSpec) -> str:
    """Return SQL for the raw record as JSON: its texts as they came.

    An empty text and COPY's NULL are null; rare control characters become their pictures. That
    frees CHR(1), which stands for the quotes around names and values until texts are escaped.
    """
    # With a mark behind them: Redshift compares without trailing blanks, Spark with them.
    absent = ", ".join(texts.literal(f"{text}.") for text in texts.ABSENT)
    pieces = []
    for index, name in enumerate(spec.column_names):
        raw = f"raw__{name}"
        text = f"REPLACE({_shortened(raw)}, CHR(1), '{_PICTURES[0]}')"
        shown = (
            f"CASE WHEN {raw} || '.' IN ({absent}) THEN 'null' ELSE CHR(1) || {text} || CHR(1) END"
        )
        before = texts.literal(f"{',' if index else '{'}\x01{name}\x01:")
        pieces.append(f"{before} || COALESCE({shown}, 'null')")
    record = " || ".join(pieces) + " || '}'"
    for character, letter in _ESCAPES.items():
        escape = texts.literal(f"\\{letter}")
        record = f"REPLACE({record}, CHR({ord(character)}), {escape})"
    record = f"REPLACE({record}, CHR(1), '\"')"
    return f"TRANSLATE({record}, {texts.literal(_CONTROLS[1:])}, '{_PICTURES[1:]}')"


@dataclass(frozen=True)
class TableCounts:
    """What cleaning did to one table.

    `rules` has rows by rule, "accepted" among them; `warnings` has accepted rows by what was
    changed in them ("nullified:genre", "rounded:unit_price"), each with the key of one.
    """

    rules: dict[str, int]
    warnings: dict[str, JsonObject]
    repaired: int

    @property
    def rejected(self) -> int:
        """Return the rows that broke a rule."""
        return sum(n for rule, n in self.rules.items() if rule != "accepted")


def table_counts(rows: Iterable[JsonView]) -> TableCounts:
    """Add up the rows of `Cleaning.counts()`."""
    counts = TableCounts({"accepted": 0}, {}, 0)
    repaired = 0
    for row in rows:
        rule, n = row["rule"], int(row["n"])
        counts.rules[rule] = counts.rules.get(rule, 0) + n
        if rule != "accepted":
            continue
        repaired += int(row["untidy"])
        for warning in (row["warnings"] or "").split():
            found = counts.warnings.setdefault(warning, {"rows": 0, "example": row["example"]})
            found["rows"] += n
            found["example"] = min(found["example"], row["example"])
    return replace(counts, repaired=repaired, warnings=dict(sorted(counts.warnings.items())))


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
        "steps": cleaning.steps(),
        "accepted": cleaning.accepted(),
        "rejected": cleaning.rejected(),
        "counts": cleaning.counts(),
    }
