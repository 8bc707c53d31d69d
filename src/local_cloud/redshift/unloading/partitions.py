"""UNLOAD ... PARTITION BY: which folder a row belongs to, and which columns its file keeps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote

from src.local_cloud.redshift.unloading.unload_command import UnloadCommand
from src.sql.quoting import identifier
from src.sql.refusal import SYNTAX, Refusal

_NULL = "__HIVE_DEFAULT_PARTITION__"  # Hive's name for the partition of NULL
_PLAIN = " !#$&'()+,-.;@[]_`{|}~"  # what Hive writes as it is; the rest is percent-encoded


@dataclass(frozen=True)
class PartitionLayout:
    """The columns of an UNLOAD by their places in the query."""

    names: tuple[str, ...]
    keys: tuple[int, ...]
    kept: tuple[int, ...]

    @classmethod
    def of(cls, command: UnloadCommand, columns: Sequence[str]) -> PartitionLayout:
        """Return the layout; raises Refusal for a column that the query does not have."""
        for name in command.partition_by:
            if columns.count(name) != 1:
                raise Refusal(f'column "{name}" of PARTITION BY is not in the query', "42703")
        keys = tuple(columns.index(name) for name in command.partition_by)
        kept = [
            index
            for index in range(len(columns))
            if command.includes_partitions or index not in keys
        ]
        if not kept:
            raise Refusal(
                "PARTITION BY of every column leaves none for the files; add INCLUDE", SYNTAX
            )
        return cls(command.partition_by, keys, tuple(kept))

    def sorted(self, query: str) -> str:
        """Return the query with each partition's rows together, in the query's own order."""
        if not self.keys:
            return query
        order = ", ".join(f"unloaded.{identifier(name)}" for name in self.names)
        return (
            f"SELECT unloaded.* FROM ({query}) AS unloaded ORDER BY {order}, row_number() OVER ()"
        )

    def folder(self, row: Sequence[str | None]) -> str:
        """Return a row's folder below the prefix: `column=value/` for each key."""
        return "".join(
            f"{quote(name, safe=_PLAIN)}={_value(row[index])}/"
            for name, index in zip(self.names, self.keys, strict=True)
        )


def _value(text: str | None) -> str:
    return _NULL if text in (None, "") else quote(text, safe=_PLAIN)
