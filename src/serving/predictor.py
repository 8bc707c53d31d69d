"""A loaded sales model that answers: checked before its first answer, for any number of rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from src.errors import SavedModelError, UsageError
from src.json_object import JsonObject
from src.services.features.row_batch import FieldError
from src.services.features.sales_encoder import READ
from src.services.modelling.model_files import sales_service, saved_json
from src.services.ticket_sales_prediction_service import (
    PREDICTED,
    TicketSalesPredictionService,
    label_of,
)
from src.serving.formats import Concerts, Record, UnusableInputError
from src.serving.model_package import RETRAIN, read_package
from src.serving.quick_prediction import QuickPrediction

NAME = "ticket_sales"
FIRST = ("capacity", "starts_at", "popularity", "base_price", "genre", "city", "venue_type",
         "artist_id", "venue_id", "on_sale_at")  # fmt: skip
FIELDS = (*FIRST, *sorted(READ - {*FIRST}))  # of a record, the usual ones first
GOLDEN_TOLERANCE = 1e-6
_FEW = 12  # from here on, computing by column is faster
_AT_ONCE = 4096


@dataclass(frozen=True)
class Predictor:
    """A saved version of the sales model, ready to answer."""

    service: TicketSalesPredictionService = field(repr=False)
    version: int

    @classmethod
    def load(cls, path: Path) -> Predictor:
        """Return the model of a folder or a `model.tar.gz`; raises SavedModelError."""
        files, manifest = read_package(path)
        return cls.of_files(files, manifest)

    @classmethod
    def of_files(cls, files: dict[str, bytes], manifest: JsonObject) -> Predictor:
        """Return the model of verified files, once it predicts what it did when it was saved."""
        if manifest.get("name") != NAME or not isinstance(manifest.get("version"), int):
            raise SavedModelError(
                f"this is the model {manifest.get('name')!r:.60}, not {NAME}", hint=RETRAIN
            )
        service = sales_service(files)
        _check_golden(service, saved_json(files, NAME, "golden.json"))
        return cls(service, manifest["version"])

    def one(self, record: Record) -> JsonObject:
        """Return the prediction of one concert."""
        (answer,) = self.answers(Concerts([record], (1,), "record"))
        return answer

    @cached_property
    def quick(self) -> QuickPrediction:
        """Return the model arranged for one record at a time."""
        return QuickPrediction(self.service)

    def answers(self, concerts: Concerts) -> list[JsonObject]:
        """Return a prediction for each concert; raises UnusableInputError with line and field."""
        if len(concerts.records) <= _FEW:
            found = [self.quick.predict(record) for record in concerts.records]
            known = [values for values in found if values is not None]
            if len(known) == len(found):
                return self._answers(known, concerts.records)
        answers: list[JsonObject] = []
        for start in range(0, len(concerts.records), _AT_ONCE):
            part = concerts.records[start : start + _AT_ONCE]
            try:
                columns = self.service.predict_columns(part)
            except UsageError as error:
                place = start + self._first_unusable(part)
                raise self._unusable(concerts, place, error) from error
            rows = zip(*(columns[name].tolist() for name in PREDICTED), strict=True)
            answers += self._answers(list(rows), part)
        return answers

    def _answers(
        self, rows: Sequence[tuple[float, ...]], records: Sequence[Record]
    ) -> list[JsonObject]:
        return [
            {
                "tickets": tickets,
                "low": low,
                "high": high,
                "confidence": confidence,
                "label": label_of(confidence),
                "sell_out": sell_out,
                "demand": demand,
                "notes": self.quick.notes(record),
                "model": NAME,
                "version": self.version,
            }
            for (tickets, low, high, confidence, sell_out, demand), record in zip(
                rows, records, strict=True
            )
        ]

    def _first_unusable(self, records: Sequence[Record]) -> int:
        """Return the place of the first record that cannot be predicted, by halves."""
        first, behind = 0, len(records)
        while behind - first > 1:
            middle = (first + behind) // 2
            try:
                self.service.encode(records[first:middle])
                first = middle
            except UsageError:
                behind = middle
        return first

    def _unusable(self, concerts: Concerts, place: int, error: UsageError) -> UnusableInputError:
        try:
            self.service.encode([concerts.records[place]])
        except UsageError as own:
            error = own
        field = error.field if isinstance(error, FieldError) else None
        return UnusableInputError(
            error.message, field=field, number=concerts.numbers[place], unit=concerts.unit,
            hint=error.hint,
        )  # fmt: skip


def _check_golden(service: TicketSalesPredictionService, golden: JsonObject) -> None:
    """Raise SavedModelError where a model does not predict what it did when it was saved."""
    try:
        columns = {"tickets": golden["predictions"]}
        columns.update({name: golden[name] for name in PREDICTED[1:]})
        saved = np.array(list(columns.values()), dtype=np.float64)
        found = np.array([[getattr(one, name) for one in service.predict(golden["rows"])]
                          for name in columns])  # fmt: skip
        worst = float(np.abs(found - saved).max())
    except Exception as error:  # content with a right hash can be wrong in any way
        raise SavedModelError(
            "the golden predictions of this version cannot be used", where="golden.json",
            cause=f"{type(error).__name__}: {str(error)[:200]}", hint=RETRAIN,
        ) from error  # fmt: skip
    if not worst <= GOLDEN_TOLERANCE:
        raise SavedModelError(
            "the model does not predict what it predicted when it was saved",
            where="golden.json", cause=f"they differ by {worst:.2g}", hint=RETRAIN,
        )  # fmt: skip
