"""Rows as columns of numbers, words and times, from records or from a frame alike."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from src.domain.tables import TABLES
from src.domain.text_values import ABSENT, DECIMAL, INTEGER, SPACES
from src.errors import UsageError
from src.json_object import JsonView
from src.services.arrays import Floats

if TYPE_CHECKING:
    import pandas as pd

Times = npt.NDArray[np.datetime64]
INTEGERS = {c.name for table in TABLES for c in table.columns if c.kind == "integer"}
_ROUNDING = 1e-9  # by so much, a weighted sum of shares may be above its largest value


class FieldError(UsageError):
    """A field holds what no prediction can be made from."""

    def __init__(self, field: str, message: str, hint: str, cause: str | None = None) -> None:
        super().__init__(message, cause=cause, hint=hint)
        self.field = field


@dataclass(frozen=True)
class RowBatch:
    """A table of rows; a column that is not there is absent in every row.

    Absent is what a record does not hold, None, NaN, NaT, and what pandas calls NA. A record is
    a batch of one row: whatever is computed from it is computed by the formulas of a frame.
    """

    columns: Mapping[str, npt.NDArray[Any]]
    rows: int
    _read_before: dict[Any, npt.NDArray[Any]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    @classmethod
    def of(cls, rows: Rows) -> RowBatch:
        """Return the batch of rows in any of their forms."""
        if isinstance(rows, RowBatch):
            return rows
        if isinstance(rows, Sequence):
            return cls.of_records(rows)
        return cls.of_frame(rows)

    @classmethod
    def of_records(cls, records: Sequence[JsonView]) -> RowBatch:
        """Return the batch of plain records; needs no pandas."""
        names = dict.fromkeys(name for record in records for name in record)
        columns = {
            name: np.fromiter((r.get(name) for r in records), dtype=object, count=len(records))
            for name in names
        }  # a list among the values stays a value
        return cls(columns, len(records))

    @classmethod
    def of_frame(cls, frame: pd.DataFrame) -> RowBatch:
        """Return the batch of a frame's rows."""
        return cls({str(name): frame[name].to_numpy() for name in frame.columns}, len(frame))

    def replacing(self, columns: Mapping[str, npt.NDArray[Any]]) -> RowBatch:
        """Return the rows with some columns changed; what was read of the others is kept."""
        changed = RowBatch({**self.columns, **columns}, self.rows)
        kept = {key: read for key, read in self._read_before.items() if key[0] not in columns}
        changed._read_before.update(kept)
        return changed

    def numbers(self, name: str) -> Floats:
        """Return a column as numbers, NaN where absent; raises UsageError for all other values."""
        read_one = _integer if name in INTEGERS else _number
        found = self._column(name, read_one, np.float64, np.nan)
        if np.isinf(found).any():
            worst = found[np.isinf(found)][0]
            raise FieldError(
                name, f"{name} is {worst}; it must be a finite number", f"give {name} as a number"
            )
        return found

    def words(self, name: str) -> npt.NDArray[np.object_]:
        """Return a column of categories, None where absent."""
        return self._column(name, str, np.object_, None)

    def categories(self, name: str) -> tuple[str, ...]:
        """Return the different words of a column, sorted."""
        return tuple(sorted({word for word in self.words(name) if word is not None}))

    def times(self, name: str) -> Times:
        """Return a column of moments in UTC; raises UsageError where one is absent."""
        values = self.optional_times(name)
        if np.isnat(values).any():
            raise FieldError(name, f"a prediction needs {name}", f"give {name}")
        return values

    def optional_times(self, name: str) -> Times:
        """Return a column of moments in UTC, NaT where absent."""
        none = np.datetime64("NaT", "us")
        return self._column(name, _moment, np.dtype("datetime64[us]"), none)

    def is_absent(self, name: str) -> npt.NDArray[np.bool_]:
        """Tell in which rows a column holds nothing."""
        return np.array([_is_absent(value) for value in self._values(name)], dtype=np.bool_)

    def has_no_number(self, name: str) -> npt.NDArray[np.bool_]:
        """Tell in which rows a column holds no number: an empty text is none either."""
        return np.isnan(self.numbers(name))

    def needed(self, name: str) -> Floats:
        """Return a column of numbers; raises UsageError where one is absent."""
        values = self.numbers(name)
        if np.isnan(values).any():
            raise FieldError(name, f"a prediction needs {name}", f"give {name}")
        return values

    def check_ranges(self, ranges: Mapping[str, tuple[float, float]]) -> None:
        """Raise UsageError naming the first column that holds a number out of its range."""
        for name, (low, high) in ranges.items():
            values = self.numbers(name)
            out = values[(values < low) | (values > high + _ROUNDING)]
            if len(out):
                raise FieldError(
                    name,
                    f"{name} is {out[0]:.15g}; it must be between {low:,} and {high:,}",
                    f"give {name} within its range",
                )

    def _column(
        self, name: str, read: Callable[[Any], Any], kind: Any, absent: Any
    ) -> npt.NDArray[Any]:
        """Return a column of one kind; it is read once, and shared by all that use it."""
        key = (name, read)
        if key not in self._read_before:
            values = self.columns.get(name)
            if values is None:
                found = np.full(self.rows, absent, dtype=kind)
            elif values.dtype.kind in ("M" if read is _moment else "fiu") and read is not str:
                found = values.astype(kind)
            else:
                found = np.empty(self.rows, dtype=kind)
                found[:] = [
                    value if read is str and type(value) is str  # most words; nothing to be read
                    else self._read(read, name, value, absent)
                    for value in values
                ]  # fmt: skip
            found.setflags(write=False)
            self._read_before[key] = found
        return self._read_before[key]

    def _values(self, name: str) -> npt.NDArray[Any]:
        found = self.columns.get(name)
        return np.full(self.rows, None, dtype=object) if found is None else found

    @staticmethod
    def _read(read: Callable[[Any], Any], name: str, value: object, absent: Any) -> Any:
        if _is_absent(value):
            return absent
        try:
            return read(value)
        except (ValueError, TypeError, OverflowError) as error:
            raise FieldError(
                name,
                f"{name} is {_shown(value)}; it cannot be read",
                f"give {name} as {_FORMS[read]}",
                str(error)[:200],
            ) from error


Rows: TypeAlias = "RowBatch | pd.DataFrame | Sequence[JsonView]"


def _is_absent(value: object) -> bool:
    """Tell whether a value is None, NaN, NaT or NA: what is absent does not equal itself."""
    if value is None:
        return True
    try:
        return bool(operator.ne(value, value))
    except TypeError:  # pandas' NA has no truth
        return True
    except ValueError:  # nor has an array; it is there all the same
        return False


def _shown(value: object) -> str:
    try:
        return f"{value!r:.60}"
    except ValueError:  # Python writes no number of more than some thousand digits
        return "a number too long to be written"


def _number(value: Any, grammar: str = DECIMAL) -> float:
    """Return a number; a text is one where it is one in the users' own files."""
    if isinstance(value, bool | np.bool_ | bytes | bytearray | memoryview):
        raise TypeError(f"{type(value).__name__} is no number")
    if isinstance(value, str):
        value = value.strip(SPACES)
        if value in ABSENT:
            return np.nan
        if not re.fullmatch(grammar, value):
            raise ValueError("a number has the digits 0 to 9, a sign before and a point in them")
    return float(value)


def _integer(value: object) -> float:
    return _number(value, INTEGER)


def _moment(value: object) -> np.datetime64:
    """Return a moment; text is ISO 8601, a date is its midnight, a zone is converted to UTC."""
    if isinstance(value, np.datetime64):
        converted: np.datetime64 = value.astype("datetime64[us]")
        return converted
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    elif isinstance(value, date) and not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day)
    elif not isinstance(value, datetime):
        raise TypeError(f"{type(value).__name__} is no moment")
    if value.tzinfo is not None:
        value = value.astimezone(UTC)
    return np.datetime64(value.replace(tzinfo=None), "us")


_FORMS: Mapping[Any, str] = {
    _number: "a number", _integer: "a whole number", str: "a word",
    _moment: "2025-11-07 20:00:00",
}  # fmt: skip
