"""Facts of artists and venues by name, from the warehouse."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from src.domain.text_values import FIRST_YEAR
from src.errors import UsageError
from src.infrastructure.redshift_client import RedshiftClient
from src.json_object import JsonObject, JsonView
from src.serving.formats import Record
from src.sql import files

_FACTS = {
    "artist": ("artist_id", "popularity", "genre"),
    "venue": ("venue_id", "capacity", "city", "venue_type"),
}
_USUAL_LEAD = timedelta(days=60)  # as features/ticket_sales.sql has it
_DESCRIBED_BY = {"artist": ("popularity", "genre"), "venue": ("capacity", "city")}


@dataclass(frozen=True)
class WarehouseLookup:
    """Answers questions about concerts; what it is asked for is never a part of the SQL's text."""

    redshift: RedshiftClient
    as_of: datetime  # until when the data reaches

    def fill_in(self, record: Record) -> Record:
        """Return a record with its artist's and venue's names and facts; what is given is kept.

        Raises UsageError for a name that is not in the warehouse, with the names near it, unless
        the record describes the artist or the venue.
        """
        found: Record = {name: value for name, value in record.items() if value is not None}
        start = _moment(found.get("starts_at"))
        found.setdefault("on_sale_at", str(self._on_sale(start)))
        for kind, facts in _FACTS.items():
            name = found.get(kind)
            row = self._row(kind, name) if name else None
            if row is not None:
                found[kind] = row["name"]
                found.update({fact: str(row[fact]) for fact in facts
                              if row[fact] is not None and fact not in found})  # fmt: skip
            elif name and any(fact not in found for fact in _DESCRIBED_BY[kind]):
                raise self._unknown(kind, name)
        on_sale = _moment(found["on_sale_at"])
        if start and on_sale and found.get("city") and "city_competition" not in found:
            asked = {"city": found["city"], "starts_at": start, "on_sale_at": on_sale}
            found["city_competition"] = str(self._rows("shows_near", asked)[0]["shows"])
        return found

    def _on_sale(self, start: datetime | None) -> datetime:
        """Return the end of the data; for a show before it, when such shows go on sale."""
        is_past = start is not None and start <= self.as_of
        return start - _USUAL_LEAD if start and is_past else self.as_of

    def similar(self, record: JsonView) -> list[JsonObject]:
        """Return finished shows that are most like a concert."""
        usual = {"artist_id": "", "venue_id": "", "popularity": 0, "as_of": self.as_of}
        low, high = self.prices()
        usual["base_price"] = (low + high) / 2
        return [
            {name: str(value) if name == "starts_at" else _plain(value)
             for name, value in row.items()}
            for row in self._rows("similar_shows", {**usual, **record})
        ]  # fmt: skip

    def prices(self) -> tuple[float, float]:
        """Return between which prices nearly all concerts are."""
        (row,) = self._rows("prices", {})
        return float(row["low"] or 0), float(row["high"] or 0)

    def _row(self, kind: str, name: str) -> JsonObject | None:
        rows = self._rows(kind, {"name": name})
        if not rows:  # in another case, whatever letters it has
            same = [known for known in self._names(kind) if known.casefold() == name.casefold()]
            rows = [row for known in same for row in self._rows(kind, {"name": known})]
        if len(rows) > 1:
            keys = ", ".join(str(row[f"{kind}_id"]) for row in rows[:5])
            raise UsageError(
                f"{len(rows)} {kind}s are called {name!r:.60}", where=f"concert_dw.{kind}s",
                hint=f"name one by its key: {keys}",
            )  # fmt: skip
        return rows[0] if rows else None

    def _unknown(self, kind: str, name: str) -> UsageError:
        known = self._names(kind)
        lower = {word.casefold(): word for word in known}
        near = [lower[word] for word in
                difflib.get_close_matches(name.casefold(), lower, n=3, cutoff=0.5)]  # fmt: skip
        options = " and ".join(f"--{fact}" for fact in _DESCRIBED_BY[kind])
        return UsageError(
            f"there is no {kind} {name!r:.60}", where=f"concert_dw.{kind}s",
            cause=f"near it: {', '.join(near)}" if near else None,
            hint=f"describe a new {kind} with {options}",
        )  # fmt: skip

    def _names(self, kind: str) -> list[str]:
        (file,) = files.read_all("serving", f"{kind}_names")
        return [row["name"] for row in self.redshift.query(file.statement)]

    def _rows(self, name: str, values: JsonView) -> list[JsonObject]:
        """Return the rows of a query of src/sql/serving; values go with it as parameters."""
        (file,) = files.read_all("serving", name)
        arguments: list[Any] = []

        def place(parameter: str) -> str:
            arguments.append(values[parameter])
            return "%s"

        return self.redshift.query(files.bind(file.statement, place), arguments)


def _moment(text: str | None) -> datetime | None:
    """Return a moment without its zone; None where it is none that the warehouse can hold."""
    try:
        found = datetime.fromisoformat(text or "").replace(tzinfo=None)
    except ValueError:
        return None  # the field's own error comes later
    return found if found.year >= FIRST_YEAR else None


def _plain(value: Any) -> Any:
    return value if isinstance(value, str | int) or value is None else float(value)
