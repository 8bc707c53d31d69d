"""The column lineage of the whole demo, from raw file to prediction, made from its own SQL.

It depends on code alone, so it is kept as `src/domain/column_lineage.json`, and a test makes it
anew: `python -m src.operations lineage --write`.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Iterable

from src.domain.cleaning import job_argument
from src.domain.lineage import ColumnLineage, Dataset
from src.domain.tables import SCHEMA, TABLES
from src.services.features.sales_encoder import READ
from src.services.operations.column_lineage import QueryLineage, Sources, composed, lineage_of
from src.sql import files

# What a model reads of its feature query, and the table that its predictions go to.
PREDICTIONS: dict[str, tuple[str, str, tuple[str, ...], dict[str, str]]] = {
    "ticket_sales": (
        "concert_predictions",
        "ticket_sales",
        ("expected_tickets", "low_tickets", "high_tickets", "confidence"),
        {"concert_id": "concert_id", "starts_at": "starts_at"},
    ),
    "venue_popularity": (
        "venue_rankings",
        "venue_quarters",
        ("venue_rank", "score", "forecast", "forecast_low", "forecast_high"),
        {"venue_id": "venue_id"},
    ),
}
_NOT_READ = ("venue_id", "name", "city")  # of a venue's quarters, by its model


def demo_lineage() -> list[Dataset]:
    """Return every data set with its columns and where each comes from, the sources first."""
    raw = [
        Dataset("raw", t.name, tuple(ColumnLineage(name) for name in t.column_names))
        for t in TABLES
    ]
    cleaned, quarantine = _cleaned()
    warehouse = [
        Dataset("warehouse", t.name,
                tuple(ColumnLineage(c, (f"processed.{t.name}.{c}",)) for c in t.column_names))
        for t in TABLES
    ]  # fmt: skip
    features = [_features(name) for name in ("ticket_sales", "venue_quarters")]
    return [*raw, *cleaned, *quarantine, *warehouse, *features, *_predictions(features)]


def _cleaned() -> tuple[list[Dataset], list[Dataset]]:
    """Follow the job's views table by table, parents first."""
    schema: dict[str, list[str]] = {}
    made: dict[str, Sources] = {}
    cleaned, quarantine = [], []
    for table in json.loads(zlib.decompress(base64.b64decode(job_argument(TABLES)))):
        name, key = table["name"], table["key"]
        relation = f"raw_{name}"
        schema[relation] = table["columns"]
        for column in schema[relation]:
            made[f"{relation}.{column}"] = frozenset([f"raw.{name}.{column}"])
        for step, query in table["steps"]:
            _add_view(step, lineage_of(query, schema, "spark"), schema, made)
        accepted = lineage_of(table["accepted"], schema, "spark")
        rejected = lineage_of(table["rejected"], schema, "spark")
        cleaned.append(_dataset("processed", name, accepted, made))
        quarantine.append(_dataset("quarantine", name, rejected, made))
        keys = f"SELECT {key} FROM {table['steps'][-1][0]} WHERE rule IS NULL"
        _add_view(f"accepted_{name}", lineage_of(keys, schema, "spark"), schema, made)
    return cleaned, quarantine


def _add_view(
    name: str, found: QueryLineage, schema: dict[str, list[str]], made: dict[str, Sources]
) -> None:
    schema[name] = list(found.direct)
    for column, sources in found.direct.items():
        made[f"{name}.{column}"] = composed(sources, made)


def _dataset(layer: str, name: str, found: QueryLineage, made: dict[str, Sources]) -> Dataset:
    columns = tuple(
        ColumnLineage(column, _sorted(composed(sources, made)))
        for column, sources in found.direct.items()
    )
    return Dataset(layer, name, columns, _sorted(composed(found.indirect, made)))


def _features(name: str) -> Dataset:
    (file,) = files.read_all("features", name)
    sql = files.bind(file.statement, {"newest_sale": "NULL"}.__getitem__)
    schema = {f"{SCHEMA}.{t.name}": list(t.column_names) for t in TABLES}
    made = {
        f"{relation}.{column}": frozenset([f"warehouse.{relation.split('.')[1]}.{column}"])
        for relation, columns in schema.items()
        for column in columns
    }
    return _dataset("features", name, lineage_of(sql, schema, "redshift"), made)


def _predictions(features: Iterable[Dataset]) -> list[Dataset]:
    by_name = {dataset.name: dataset for dataset in features}
    found = []
    for table, of, predicted, kept in PREDICTIONS.values():
        names = [column.name for column in by_name[of].columns]
        read = [n for n in names if (n in READ if of == "ticket_sales" else n not in _NOT_READ)]
        sources = tuple(f"features.{of}.{name}" for name in read)
        columns = [ColumnLineage(c, (f"features.{of}.{source}",)) for c, source in kept.items()]
        columns += [ColumnLineage(name, sources) for name in predicted]
        found.append(Dataset("predictions", table, tuple(columns)))
    return found


def _sorted(sources: Sources) -> tuple[str, ...]:
    return tuple(sorted(s for s in sources if not s.endswith(".record_number")))
