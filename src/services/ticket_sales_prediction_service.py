"""Predicts a concert's final tickets from what is known when it goes on sale."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from src.errors import ModelError, UsageError
from src.json_object import JsonView
from src.services.arrays import Floats
from src.services.demand.booking_curve import BookingCurve
from src.services.demand.censored_demand import CensoredDemand, DemandColumns
from src.services.demand.censoring import likeliest_sd, log_likelihood, log_sales
from src.services.demand.sales_distribution import OddsLine, SalesDistribution
from src.services.features.feature_catalog import SALES_FEATURES, refuse_late
from src.services.features.prediction_notes import PredictionNotes, read_records
from src.services.features.row_batch import RowBatch, Rows
from src.services.features.sales_encoder import (
    COUNTS,
    OWNERS,
    RANGES,
    READ,
    WORDS,
    EncodedRows,
    SalesEncoder,
)
from src.services.fitted import fitted

if TYPE_CHECKING:
    import pandas as pd

PREDICTED = ("tickets", "low", "high", "confidence", "sell_out", "demand")
HIT_TOLERANCE = 0.20  # a prediction is right if the actual is within 20 % of it
_LABELS = ((0.7, "high"), (0.4, "medium"), (0.0, "low"))
_TYPICAL = tuple(name for name in RANGES if name not in ("capacity", *COUNTS))
_POWERS = (0.0, 0.25, 0.5, 0.75, 1.0)  # how far learned widths are followed; the likeliest is taken


@dataclass(frozen=True)
class SalesPrediction:
    """One prediction: expected final tickets, their interval, and how sure it is."""

    tickets: float
    low: float
    high: float
    confidence: float  # probability that the actual is within 20 %
    label: str
    sell_out: float  # probability that demand reaches the capacity
    demand: float  # expected tickets of a venue without a limit
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class SalesCalibration:
    """What `calibrate` learns: how wide log demand spreads, and the line of confidence."""

    sd: float  # of the noise, where widths do not differ and the artist is well known
    width_power: float
    width_center: float  # the mean of the logs of the widths
    scores: Floats  # sorted: how far an interval must reach, in standard deviations
    hit_line: OddsLine = OddsLine()  # from the distribution's probability to the confidence


@dataclass
class TicketSalesPredictionService:
    """A censored demand model: capacity cuts what it expects; intervals are calibrated.

    `fit` learns on training rows, `calibrate` on later ones, and `remember` replaces the finished
    shows that are the artists' and venues' history. Rows are frames with the columns of
    src/sql/features/ticket_sales.sql, or what `encode` made of them. Predictions are in
    [0, capacity].
    """

    random_state: int = 42
    coverage: float = 0.9
    model_: CensoredDemand | None = field(default=None, repr=False)
    calibration_: SalesCalibration | None = field(default=None, repr=False)
    trained_until_: str | None = None  # the newest show that it learned or was calibrated from
    pace_: BookingCurve | None = field(default=None, repr=False)  # learned where sales are dated

    @property
    def fitted(self) -> CensoredDemand:
        """Return what was learned; raises UsageError before `fit`."""
        return fitted(self.model_, "sales", "fit")

    @property
    def calibration(self) -> SalesCalibration:
        """Return what was calibrated; raises UsageError before `calibrate`."""
        return fitted(self.calibration_, "sales", "calibrate")

    @property
    def trained_until(self) -> str:
        """Return the newest show that it learned from; raises UsageError before `fit`."""
        return fitted(self.trained_until_, "sales", "fit")

    def fit(
        self, rows: pd.DataFrame | EncodedRows, extra: tuple[str, ...] = ()
    ) -> TicketSalesPredictionService:
        """Fit log demand, and by cross-fitting how far off it is where.

        Raises ModelError for features known too late and for a target that never varies.
        """
        refuse_late(SALES_FEATURES)
        if not isinstance(rows, EncodedRows):
            rows = SalesEncoder.fit(rows, extra).encode(rows)
        if np.ptp(rows.sold) == 0:
            raise ModelError("every concert of the training rows sold the same number of tickets")
        self.model_ = CensoredDemand.fit(rows, self.random_state)
        self.trained_until_ = rows.newest_show
        self.calibration_ = self.pace_ = None
        return self

    def remember(self, shows: pd.DataFrame | EncodedRows) -> TicketSalesPredictionService:
        """Take these finished shows as the history of artists and venues, and no others.

        A concert's history is what started before it went on sale: giving all finished shows lets
        nothing of the future into a prediction.
        """
        self.model_ = self.fitted.remembering(self.encode(shows))
        return self

    def encode(self, rows: Rows | EncodedRows) -> EncodedRows:
        """Return rows as this model reads them; raises UsageError for values out of range."""
        encoder = self.fitted.encoder
        if isinstance(rows, EncodedRows):
            if rows.encoder != encoder:
                raise UsageError("the rows were encoded for another model", hint="call encode")
            return rows
        return encoder.encode(rows)

    def calibrate(self, rows: pd.DataFrame | EncodedRows) -> TicketSalesPredictionService:
        """Learn from later rows how wide the intervals must be and what confidence means."""
        rows = self.encode(rows)
        self.trained_until_ = max(self.trained_until, rows.newest_show)
        columns, log_demand = self._log_demand(rows)
        log_width = self.fitted.widths.predict(columns.matrix)
        log_sold, is_cut = log_sales(rows.sold, rows.capacity)
        center, best = float(log_width.mean()), (-np.inf, 0.0, 1.0)
        for power in _POWERS:
            relative = np.exp(power * (log_width - center))
            sd = likeliest_sd(log_sold, is_cut, log_demand, columns.unknown, relative)
            widths = np.sqrt((sd * relative) ** 2 + columns.unknown)
            likelihood = log_likelihood(log_sold, is_cut, log_demand, widths)
            best = max(best, (likelihood, power, sd))
        self.calibration_ = SalesCalibration(best[2], best[1], center, np.zeros(1))
        law = self.distribution(rows)
        raw, point = law.share_within(HIT_TOLERANCE), law.expected
        hit = np.abs(rows.sold - point) <= HIT_TOLERANCE * point
        scores, line = np.sort(law.reached(log_sold, is_cut)), OddsLine.fit(raw, hit)
        self.calibration_ = replace(self.calibration_, scores=scores, hit_line=line)
        return self

    def distribution(self, rows: Rows | EncodedRows) -> SalesDistribution:
        """Return the distribution of each row's final tickets."""
        encoded, calibration = self.encode(rows), self.calibration
        columns, log_demand = self._log_demand(encoded)
        width: Floats | float = calibration.sd
        power = calibration.width_power
        if power > 0:
            log_width = self.fitted.widths.predict(columns.matrix) - calibration.width_center
            width = width * np.exp(power * log_width)
        return SalesDistribution(log_demand, np.sqrt(width**2 + columns.unknown), encoded.capacity)

    def predict_points(self, rows: Rows | EncodedRows) -> Floats:
        """Return expected final tickets, one per row."""
        return self.distribution(rows).expected

    def predict_frame(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Return the columns of PREDICTED, one line per row.

        Raises UsageError with the field's name where a value is out of range.
        """
        import pandas as pd

        return pd.DataFrame(self.predict_columns(rows), index=rows.index)

    def predict_columns(self, rows: Rows | EncodedRows) -> dict[str, Floats]:
        """Return the columns of PREDICTED: the one way from rows to predictions."""
        law, calibration = self.distribution(rows), self.calibration
        n, point = len(calibration.scores), law.expected
        rank = min(int(np.ceil((n + 1) * self.coverage)), n) - 1
        low, high = law.interval(float(calibration.scores[rank]))
        return {
            "tickets": point,
            "low": np.minimum(low, point),
            "high": np.maximum(high, point),
            "confidence": calibration.hit_line.of(law.share_within(HIT_TOLERANCE)),
            "sell_out": law.sell_out,
            "demand": law.demand,
        }

    def predict(self, records: Sequence[JsonView]) -> list[SalesPrediction]:
        """Predict for plain records; what is not taken as it is given is noted with each.

        Each needs capacity and starts_at; all other fields of READ may be absent. The history of
        an artist and a venue is found by artist_id and venue_id. Notes name the fields that were
        filled in and with what, words that the model has not learned, artists without a finished
        show, and keys that are not read. Raises UsageError with the field's name where a value
        cannot be read or is out of range.

        >>> from pathlib import Path
        >>> from src.services.modelling.model_files import read_folder, sales_service
        >>> service = sales_service(read_folder(Path("models/ticket_sales/1")))
        >>> (show,) = service.predict([{"capacity": 800, "starts_at": "2025-11-07 20:00:00",
        ...                             "popularity": 45, "base_price": 40, "genre": "rock"}])
        >>> 0 <= show.low <= show.tickets <= show.high <= 800 and show.tickets < show.demand
        True
        >>> show.notes[-1]
        'not given, no history used: artist_id, venue_id'
        """
        rows = read_records(records)
        if not rows.rows:
            return []
        columns = self.predict_columns(rows)
        return [
            SalesPrediction(label=label_of(one[3]), notes=notes,
                            **dict(zip(PREDICTED, one, strict=True)))
            for *one, notes in zip(*(columns[name].tolist() for name in PREDICTED),
                                   self._notes(rows, records), strict=True)
        ]  # fmt: skip

    def _notes(self, rows: RowBatch, records: Sequence[JsonView]) -> list[tuple[str, ...]]:
        model, notes = self.fitted, PredictionNotes(rows)
        notes.unread(records, READ)
        for name in WORDS:
            notes.unknown(name, model.encoder.words[name])
        for name in OWNERS:
            notes.unknown(name, model.earlier[name].owners, "has no finished show: no history")
        notes.zeros("base_price", "no free concert was learned, a typical price used")
        notes.absent(_TYPICAL, "typical values used", follows={"lead_days": "on_sale_at"})
        notes.absent(COUNTS, "taken as 0")
        notes.absent(WORDS, "taken as none of those learned", are_words=True)
        notes.absent(OWNERS, "no history used", are_words=True)
        return notes.lists()

    def _log_demand(self, rows: EncodedRows) -> tuple[DemandColumns, Floats]:
        """Return what the trees see, and expected log demand."""
        model = self.fitted
        columns = model.columns(rows)
        return columns, columns.start + model.trees.predict(columns.matrix)


def label_of(confidence: float) -> str:
    """Return the word for a probability of being right."""
    return next(label for least, label in _LABELS if confidence >= least)
