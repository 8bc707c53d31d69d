"""Where data comes from: data sets in layers, and for each column its sources."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from src.json_object import JsonObject

FILE = Path(__file__).with_name("column_lineage.json")
LAYERS = ("raw", "processed", "quarantine", "warehouse", "features", "predictions")


@dataclass(frozen=True)
class ColumnLineage:
    """A column and its sources, as LAYER.DATA SET.COLUMN; none for a raw one."""

    name: str
    sources: tuple[str, ...] = ()


@dataclass(frozen=True)
class Dataset:
    """A data set of a layer; `deciding` are columns that only filter, join or group its rows."""

    layer: str
    name: str
    columns: tuple[ColumnLineage, ...]
    deciding: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """Return LAYER.DATA SET."""
        return f"{self.layer}.{self.name}"

    @property
    def inputs(self) -> tuple[str, ...]:
        """Return the keys of the data sets that it is made of."""
        sources = [s for column in self.columns for s in column.sources] + list(self.deciding)
        return tuple(dict.fromkeys(source.rpartition(".")[0] for source in sources))


def as_json(datasets: list[Dataset]) -> str:
    """Return the data sets as they are kept."""
    kept: JsonObject = {
        dataset.key: {
            "columns": {column.name: list(column.sources) for column in dataset.columns},
            "deciding": list(dataset.deciding),
        }
        for dataset in datasets
    }
    return json.dumps(kept, indent=1) + "\n"


@cache
def kept_lineage() -> tuple[Dataset, ...]:
    """Return the lineage that is kept with the program."""
    found = json.loads(FILE.read_text(encoding="utf-8"))
    return tuple(
        Dataset(
            key.split(".")[0],
            key.split(".")[1],
            tuple(ColumnLineage(name, tuple(of)) for name, of in entry["columns"].items()),
            tuple(entry["deciding"]),
        )
        for key, entry in found.items()
    )
