"""Notes for each record what its prediction did not take as it was given."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from src.errors import UsageError
from src.json_object import JsonView
from src.services.features.row_batch import RowBatch


def read_records(records: Sequence[JsonView]) -> RowBatch:
    """Return the batch of plain records; raises UsageError for what is no record."""
    if isinstance(records, Mapping | str | bytes) or not isinstance(records, Collection):
        raise UsageError(
            f"records is {records!r:.60}; it must be a list of records", hint="give [record]"
        )
    for number, record in enumerate(records, 1):
        if not isinstance(record, Mapping):
            raise UsageError(
                f"record {number} is {record!r:.60}; it has no fields",
                hint="give each record as a mapping of fields to values",
            )
    return RowBatch.of_records(records)


class PredictionNotes:
    """The notes of a batch of records, one list for each."""

    def __init__(self, rows: RowBatch) -> None:
        self._rows = rows
        self._notes: list[list[str]] = [[] for _ in range(rows.rows)]

    def unknown(
        self, name: str, known: Collection[str], meaning: str = "was not in the training data"
    ) -> None:
        """Note each word that is not among the known ones, and what that means."""
        for notes, word in zip(self._notes, self._rows.words(name), strict=True):
            if word is not None and word not in known:
                notes.append(f"{name} {word!r} {meaning}")

    def absent(
        self, names: Sequence[str], instead: str, *, are_words: bool = False,
        follows: Mapping[str, str] | None = None,
    ) -> None:  # fmt: skip
        """Note which of the fields are not given, and what stands for them.

        A field that `follows` from another one counts as given with it.
        """
        is_absent = self._rows.is_absent if are_words else self._rows.has_no_number
        absent = {name: is_absent(name) for name in names}
        for name, other in (follows or {}).items():
            absent[name] = absent[name] & self._rows.is_absent(other)
        for index, notes in enumerate(self._notes):
            found = [name for name in names if absent[name][index]]
            if found:
                notes.append(f"not given, {instead}: {', '.join(found)}")

    def zeros(self, name: str, meaning: str) -> None:
        """Note where a number is 0 and the model has no such value."""
        for notes, value in zip(self._notes, self._rows.numbers(name), strict=True):
            if value == 0:
                notes.append(f"{name} is 0: {meaning}")

    def unread(self, records: Sequence[JsonView], read: Collection[str]) -> None:
        """Note the keys of each record that no prediction depends on."""
        for notes, record in zip(self._notes, records, strict=True):
            keys = [key if str(key).isidentifier() else repr(key) for key in record
                    if key not in read]  # fmt: skip
            if keys:
                notes.append(f"not read: {', '.join(keys)}")

    def lists(self) -> list[tuple[str, ...]]:
        """Return the notes of each record."""
        return [tuple(notes) for notes in self._notes]
