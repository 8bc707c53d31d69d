"""A loaded sales model that answers: checked before its first answer, for any number of rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from src.errors import SavedModelError, UsageError
from src.json_object import JsonObject
from src.services.features.row_batch import FieldError
from src.services.modelling.model_files import sales_service, saved_json
from src.services.ticket_sales_prediction_service import (
    READ,
    SalesPrediction,
    TicketSalesPredictionService,
)
from src.serving.formats import Concerts, Record, UnusableInputError
from src.serving.model_package import RETRAIN, read_package

NAME = "ticket_sales"
FIRST = ("capacity", "starts_at", "popularity", "base_price", "genre", "city")
FIELDS = (*FIRST, *sorted(READ - {*FIRST}))  # of a record, the usual ones first
GOLDEN_TOLERANCE = 1e-6
_AT_ONCE = 4096
_PREDICTED = tuple(spec.name for spec in fields(SalesPrediction))


@dataclass(frozen=True)
class Predictor:
    """A saved version of the sales model, ready to answer."""

    service: TicketSalesPredictionService
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

    def answers(self, concerts: Concerts) -> list[JsonObject]:
        """Return a prediction for each concert; raises UnusableInputError with line and field."""
        found: list[JsonObject] = []
        for start in range(0, len(concerts.records), _AT_ONCE):
            part = concerts.records[start : start + _AT_ONCE]
            try:
                predictions = self.service.predict(part)
            except UsageError as error:
                place = start + self._first_unusable(part)
                raise self._unusable(concerts, place, error) from error
            found += map(self._answer, predictions)
        return found

    def _answer(self, prediction: SalesPrediction) -> JsonObject:
        answer = {name: getattr(prediction, name) for name in _PREDICTED}
        return {**answer, "model": NAME, "version": self.version}

    def _first_unusable(self, records: Sequence[Record]) -> int:
        """Return the place of the first record that cannot be predicted, by halves."""
        first, behind = 0, len(records)
        while behind - first > 1:
            middle = (first + behind) // 2
            try:
                self.service.predict(records[first:middle])
                first = middle
            except UsageError:
                behind = middle
        return first

    def _unusable(self, concerts: Concerts, place: int, error: UsageError) -> UnusableInputError:
        try:
            self.service.predict([concerts.records[place]])
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
        columns.update({name: golden[name] for name in _PREDICTED if name in golden})
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
