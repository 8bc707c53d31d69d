"""The ledger of loads, concert_dw.load_history: what each run loaded, once it is committed."""

from __future__ import annotations

from datetime import datetime

from src.domain.tables import SCHEMA, TABLES
from src.infrastructure.redshift_client import RedshiftClient
from src.infrastructure.warehouse.load_plan import LoadPlan, TableLoad

_HISTORY = f"{SCHEMA}.load_history"


class LoadLedger:
    """Reads and writes the ledger; each row is written in the transaction of its load."""

    def __init__(self, client: RedshiftClient) -> None:
        self._client = client

    def forget(self, run_id: str) -> None:
        """Delete a run's rows: its load is done again."""
        self._client.execute(f"DELETE FROM {_HISTORY} WHERE run_id = %s", (run_id,))

    def record(
        self,
        plan: LoadPlan,
        name: str,
        load: TableLoad,
        manifest: tuple[str, str],
        loaded_at: datetime,
    ) -> None:
        """Write one table's row; `manifest` is the address and digest of its COPY's manifest."""
        as_of = datetime.fromisoformat(plan.as_of).replace(tzinfo=None) if plan.as_of else None
        self._client.execute(
            f"INSERT INTO {_HISTORY} (run_id, table_name, dataset_id, load_mode, "
            "source, manifest_sha256, files, bytes, source_rows, rejected_rows, table_rows, "
            "as_of, loaded_at) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
            (plan.run_id, name, plan.dataset_id, plan.mode, *manifest, load.files, load.bytes,
             load.source_rows, load.rejected_rows, load.table_rows, as_of, loaded_at),
        )  # fmt: skip

    def has(self, plan: LoadPlan, loaded_at: datetime) -> bool:
        """Tell whether the load that a run did at this time was committed."""
        recorded = self._client.query_value(
            f"SELECT COUNT(*) FROM {_HISTORY} WHERE run_id = %s AND loaded_at = %s",
            (plan.run_id, loaded_at),
        )
        return int(recorded) == len(plan.tables)

    def state(self) -> frozenset[tuple[str, str]]:
        """Return the runs and when each loaded: any load changes it, whatever its clock shows."""
        query = f"SELECT DISTINCT run_id, loaded_at FROM {_HISTORY}"
        return frozenset(
            (str(row["run_id"]), str(row["loaded_at"])) for row in self._client.query(query)
        )

    def newest(self, run_id: str) -> dict[str, TableLoad] | None:
        """Return what a run loaded, if its load is the warehouse's newest; else None."""
        newest = f"SELECT run_id FROM {_HISTORY} ORDER BY loaded_at DESC, run_id DESC LIMIT 1"
        if self._client.query_value(newest) != run_id:
            return None
        rows = self._client.query(
            "SELECT table_name, files, bytes, source_rows, rejected_rows, table_rows "
            f"FROM {_HISTORY} WHERE run_id = %s",
            (run_id,),
        )
        if len(rows) != len(TABLES):
            return None
        return {
            row["table_name"]: TableLoad(
                row["files"], row["bytes"], row["source_rows"], row["rejected_rows"],
                row["table_rows"], 0.0,
            )
            for row in rows
        }  # fmt: skip
