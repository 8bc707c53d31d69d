"""Expected log demand of a concert: linear start, its owners' earlier shows, and trees."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from src.services.arrays import Array, Floats
from src.services.demand.censoring import likeliest_sd, log_likelihood, log_sales, uncut
from src.services.demand.earlier_shows import MOST_COUNTED, EarlierShows, Spread
from src.services.demand.flat_trees import FlatTrees
from src.services.demand.linear_demand import LinearDemand, residuals
from src.services.features.sales_encoder import OWNERS, EncodedRows, SalesEncoder

# No tree sees them: price and capacity act by the linear start alone, so that a higher price never
# raises demand and a larger venue never lowers it; only the linear start extends a trend.
_UNSEEN = ("log_capacity", "log_price", "years")
_FOLDS = 3
# Days after which an earlier show counts 1/e, and the share of the variance within an owner that is
# no drift of its draw; the likeliest is taken.
_DECAYS = ((None, 1.0), (180.0, 1.0), (180.0, 0.25), (60.0, 0.25), (20.0, 0.25))
_RESIDUALS = (0.02, 2.5)  # of log demand; smaller and larger ones say nothing about the width


class DemandColumns(NamedTuple):
    """What the trees see of each row, and what they add to."""

    matrix: Floats
    start: Floats  # log demand before the trees: linear, and the artist's earlier shows
    unknown: Floats  # variance of log demand for want of the artist's earlier shows


@dataclass(frozen=True)
class CensoredDemand:
    """Expected log demand, and how it spreads."""

    encoder: SalesEncoder
    linear: LinearDemand
    earlier: Mapping[str, EarlierShows]  # by each of OWNERS
    trees: FlatTrees
    widths: FlatTrees  # log of how far off a row's log demand is
    estimators: Mapping[str, Any]  # scikit-learn's own, empty once loaded

    @classmethod
    def fit(cls, rows: EncodedRows, random_state: int) -> CensoredDemand:
        """Learn from finished shows; they are the history of each other as well."""
        linear = LinearDemand.fit(rows)
        log_sold, is_cut = log_sales(rows.sold, rows.capacity)
        blank = _likeliest_history(rows, linear, log_sold, is_cut)
        columns = blank.columns(rows)
        sd = likeliest_sd(log_sold, is_cut, columns.start)
        filled = uncut(log_sold, is_cut, columns.start, sd)
        out_of_fold = _out_of_fold(columns, filled, random_state)
        sd = likeliest_sd(log_sold, is_cut, out_of_fold)
        filled = uncut(log_sold, is_cut, out_of_fold, sd)
        trees = tree_model(random_state).fit(columns.matrix, filled - columns.start)
        widths = width_model(random_state).fit(
            columns.matrix, np.log(np.clip(np.abs(filled - out_of_fold), *_RESIDUALS))
        )
        return replace(
            blank,
            trees=FlatTrees.of_boosting(trees),
            widths=FlatTrees.of_boosting(widths),
            estimators={"trees": trees, "widths": widths},
        )

    def remembering(self, rows: EncodedRows) -> CensoredDemand:
        """Return the model with these finished shows as the history, and no others."""
        found = residuals(self.linear, rows)
        earlier = {
            name: EarlierShows.of(
                one.spread, one.decay_days, rows.owners(name), rows.starts_at, found
            )
            for name, one in self.earlier.items()
        }
        return replace(self, earlier=earlier)

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names of the trees' columns in order."""
        others = (name for name in self.encoder.numbers if name not in _UNSEEN)
        return (*others, "month", "weekday", *(f"genre={g}" for g in self.encoder.words["genre"]),
                "artist_draw", "artist_shows", "venue_draw", "venue_shows", "appeal",
                "appeal_and_draws")  # fmt: skip

    def columns(self, rows: EncodedRows) -> DemandColumns:
        """Return what the trees see of rows; its columns stand in the order of `names`."""
        log_demand, appeal = self.linear.log_demand(rows)
        artist, venue = (
            self.earlier[name].before(rows.owners(name), rows.asked_at) for name in OWNERS
        )
        genres = range(self.encoder.sizes["genre"])
        columns = [
            *(values for name, values in rows.numbers.items() if name not in _UNSEEN),
            rows.codes["month"], rows.codes["weekday"],
            *(rows.codes["genre"] == code for code in genres),
            artist.effect, np.minimum(artist.shows, MOST_COUNTED),
            venue.effect, np.minimum(venue.shows, MOST_COUNTED),
            appeal, appeal + artist.effect + venue.effect,
        ]  # fmt: skip
        known = self.earlier["artist_id"]
        unknown = known.spread.within / (artist.shows + known.shrinkage)
        return DemandColumns(np.array(columns, dtype=np.float64).T, log_demand + artist.effect,
                             unknown)  # fmt: skip


def tree_model(random_state: int) -> Any:
    """Return the unfitted model of what is left of log demand."""
    from sklearn.ensemble import GradientBoostingRegressor

    return GradientBoostingRegressor(
        n_estimators=100, max_depth=3, learning_rate=0.06, subsample=0.7, max_features=0.6,
        min_samples_leaf=15, random_state=random_state,
    )  # fmt: skip


def width_model(random_state: int) -> Any:
    """Return the unfitted model of how far off log demand is."""
    from sklearn.ensemble import GradientBoostingRegressor

    return GradientBoostingRegressor(
        n_estimators=60, max_depth=3, learning_rate=0.08, subsample=0.7, min_samples_leaf=60,
        random_state=random_state,
    )  # fmt: skip


def _likeliest_history(
    rows: EncodedRows, linear: LinearDemand, log_sold: Floats, is_cut: Array
) -> CensoredDemand:
    """Return the model without trees, with the decay that makes the sales likeliest."""
    found = residuals(linear, rows)
    none, candidates = FlatTrees.none(), []
    spreads = {name: Spread.of(rows.owners(name), found) for name in OWNERS}
    for decay, share in _DECAYS:
        earlier = {
            name: EarlierShows.of(
                replace(spread, within=spread.within * share), decay, rows.owners(name),
                rows.starts_at, found,
            )
            for name, spread in spreads.items()
        }  # fmt: skip
        model = CensoredDemand(rows.encoder, linear, earlier, none, none, {})
        start = model.columns(rows).start
        sd = likeliest_sd(log_sold, is_cut, start)
        candidates.append((log_likelihood(log_sold, is_cut, start, np.array(sd)), model))
    return max(candidates, key=lambda candidate: candidate[0])[1]


def _out_of_fold(columns: DemandColumns, filled: Floats, random_state: int) -> Floats:
    """Return log demand of each row by trees that did not learn from it."""
    from concurrent.futures import ThreadPoolExecutor

    from sklearn.model_selection import KFold

    def of_fold(part: tuple[Array, Array]) -> Floats:
        train, test = part
        fold = tree_model(random_state).fit(
            columns.matrix[train], filled[train] - columns.start[train]
        )
        return np.asarray(columns.start[test] + fold.predict(columns.matrix[test]))

    found = np.empty(len(filled))
    folds = KFold(_FOLDS, shuffle=True, random_state=random_state)
    parts = list(folds.split(columns.matrix))
    with ThreadPoolExecutor(2) as pool:  # trees grow without Python's lock
        for (_, test), values in zip(parts, pool.map(of_fold, parts), strict=True):
            found[test] = values
    return found
