"""Loads the four tables: written, audited and published in one transaction."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from src.domain.bucket_layout import copy_manifest
from src.domain.cleaning import RECORD_NUMBER
from src.domain.sale_events import STREAM_RUN
from src.domain.table_counts import TableCounts, table_counts
from src.domain.tables import SCHEMA, TABLES, TableSpec
from src.errors import DemoError, LoadError, QualityError, WarehouseError
from src.infrastructure.redshift_client import RedshiftClient
from src.infrastructure.storage.s3_storage import S3Storage
from src.infrastructure.warehouse import direct_cleaning, load_errors
from src.infrastructure.warehouse.failed_load import STAGING_SCHEMA, FailedLoad
from src.infrastructure.warehouse.load_ledger import LoadLedger
from src.infrastructure.warehouse.load_plan import LoadPlan, LoadSource, TableLoad
from src.infrastructure.warehouse.refused_records import batches, with_records
from src.infrastructure.warehouse.staging_names import staging_table
from src.infrastructure.warehouse.streamed_sales import StreamedSales, StreamedTotals
from src.sql.quoting import identifier, literal
from src.waiting import Clock, Sleep, attempts, real_clock, real_sleep

logger = logging.getLogger(__name__)
PAUSES_S = (1.0, 2.0)  # between three attempts
Manifests = Mapping[str, tuple[str, str]]  # by table: address and digest
Audit = Callable[[Mapping[str, TableLoad]], None]


class RedshiftDataLoader:
    """COPYs from S3, replaces or merges, and has the outcome audited, all in one transaction.

    Nothing is visible until every table is proved and the audit has passed; a rerun never doubles
    a row, because a replace deletes first and a merge deletes by key first.
    """

    def __init__(
        self,
        client: RedshiftClient,
        storage: S3Storage,
        *,
        iam_role: str,
        clock: Clock = real_clock,
        sleep: Sleep = real_sleep,
    ) -> None:
        self._client = client
        self._storage = storage
        self._iam_role = iam_role
        self._clock = clock
        self._sleep = sleep
        self._ledger = LoadLedger(client)
        self._streamed = StreamedSales(client)
        self.streamed: StreamedTotals | None = None  # what the newest load kept of a stream

    def load(
        self,
        plan: LoadPlan,
        on_table: Callable[[str], None] | None = None,
        audit: Audit | None = None,
    ) -> dict[str, TableLoad]:
        """Load every table of the plan; `on_table(name)` is called as each begins.

        `audit(loads)` looks at the tables before they are published, through the same client, and
        raises QualityError to keep them from it: the warehouse is then as it was, and the rows are
        in concert_staging. Sales of a stream are judged anew behind the audit, and kept.

        A transaction that failed for another one, or for a lost connection, is tried again, as a
        whole, and only if the ledger shows that it was not committed: no COPY is repeated blindly.
        Raises LoadError with the first refused rows; the warehouse is then as it was.
        """
        manifests = {name: self._write_manifest(plan, name) for name in plan.tables}
        has_stream = self._streamed.exists()

        def load_once() -> dict[str, TableLoad]:
            done: dict[str, TableLoad] = {}
            loaded_at: datetime | None = None
            try:
                with self._client.transaction():
                    if has_stream:
                        self._streamed.lock()
                    loaded_at = self._now()
                    self._fill(plan, manifests, done, loaded_at, on_table)
                    if audit is not None:
                        audit(done)
                    if has_stream:
                        self.streamed = self._streamed.restore(is_replaced=plan.mode == "replace")
                    FailedLoad(self._client).clear()
            except QualityError as error:
                self._keep(plan, manifests, error)
                raise
            except WarehouseError as error:
                if loaded_at is None or not error.is_lost or not self._ledger.has(plan, loaded_at):
                    raise  # else the answer to COMMIT was lost, not the COMMIT
            return done

        def may_repeat(error: Exception) -> bool:
            return isinstance(error, WarehouseError) and error.passes

        return attempts(load_once, may_repeat=may_repeat, pauses_s=PAUSES_S, sleep=self._sleep)

    def _keep(self, plan: LoadPlan, manifests: Manifests, error: QualityError) -> None:
        """Do a load that failed its audit once more, in the schema where it can be looked at."""

        def fill(client: RedshiftClient) -> None:
            loader = RedshiftDataLoader(client, self._storage, iam_role=self._iam_role)
            loader._fill(plan, manifests, {}, loader._now())

        try:
            FailedLoad(self._client).keep(plan.mode, fill)
        except DemoError as kept:
            reason = f"the rows could not be kept in {STAGING_SCHEMA}: {kept.cause or kept.message}"
            error.cause = "; ".join(filter(None, (error.cause, reason)))
            error.hint = f"let schema {STAGING_SCHEMA} be written, then run the same command again"
            error.facts["failed_rows"] = None
        else:
            error.where = f"{error.where}; the rows are kept in schema {STAGING_SCHEMA}"
            error.facts["failed_rows"] = STAGING_SCHEMA

    def _now(self) -> datetime:
        """Return the transaction's time by the warehouse's clock: the same one for every client."""
        now: datetime = self._client.query_value("SELECT SYSDATE")
        return now

    def newest_load(self, run_id: str) -> dict[str, TableLoad] | None:
        """Return what a run loaded, if its load is the warehouse's newest; else None."""
        return self._ledger.newest(run_id)

    def _fill(
        self,
        plan: LoadPlan,
        manifests: Manifests,
        done: dict[str, TableLoad],
        loaded_at: datetime,
        on_table: Callable[[str], None] | None = None,
    ) -> None:
        """Write every table and the ledger; the caller has opened a transaction."""
        self._ledger.forget(plan.run_id)
        self._replace_rejected(plan)
        for spec in TABLES:
            if on_table:
                on_table(spec.name)
            started = self._clock()
            source = plan.tables[spec.name]
            rows, cleaned = self._load_table(plan, spec, source, manifests[spec.name][0])
            total = self._client.row_count(SCHEMA, spec.name)
            done[spec.name] = TableLoad(
                len(source.files),
                source.size_bytes,
                rows,
                cleaned.rejected if cleaned else plan.rejected_counts.get(spec.name, 0),
                total,
                self._clock() - started,
                cleaned.warnings if cleaned else plan.warnings.get(spec.name, {}),
            )
            self._ledger.record(plan, spec.name, done[spec.name], manifests[spec.name], loaded_at)

    def _load_table(
        self, plan: LoadPlan, spec: TableSpec, source: LoadSource, manifest_uri: str
    ) -> tuple[int, TableCounts | None]:
        """COPY one table; returns its rows, and what was cleaned, where that was done here.

        A replacement goes straight into the table: rows are written once, and the transaction
        keeps what was there. What is cleaned or merged goes by way of a staging table.
        """
        target = _qualified(spec.name)
        if plan.mode == "replace" and not plan.clean_in_warehouse:
            self._client.execute(f"DELETE FROM {target}")
            loaded = self._copy(target, spec.column_names, source, manifest_uri, what=spec.name)
            _require_rows(spec.name, loaded, source, manifest_uri)
            return loaded, None
        stage = staging_table("stage", spec.name, plan.run_id)
        names = ", ".join(identifier(name) for name in spec.column_names)
        cleaned: TableCounts | None = None
        if plan.clean_in_warehouse and source.files:
            cleaned = self._stage_raw(plan, spec, source, stage, manifest_uri)
            staged = int(self._client.query_value(f"SELECT COUNT(*) FROM {stage}"))
        else:
            self._client.execute(f"CREATE TEMP TABLE {stage} (LIKE {target})")
            staged = self._copy(stage, spec.column_names, source, manifest_uri, what=spec.name)
        _require_rows(spec.name, staged, source, manifest_uri)
        if plan.mode == "replace":
            self._client.execute(f"DELETE FROM {target}")
        else:
            key = identifier(spec.key)
            self._client.execute(
                f"DELETE FROM {target} USING {stage} WHERE {target}.{key} = {stage}.{key}"
            )
        self._client.execute(f"INSERT INTO {target} ({names}) SELECT {names} FROM {stage}")
        self._client.execute(f"DROP TABLE {stage}")
        return staged, cleaned

    def _stage_raw(
        self, plan: LoadPlan, spec: TableSpec, source: LoadSource, stage: str, manifest_uri: str
    ) -> TableCounts:
        """COPY raw rows as text, then clean them with the SQL that the Glue job runs."""
        raw = staging_table("raw", spec.name, plan.run_id)
        self._client.execute(direct_cleaning.raw_table(spec, raw))
        columns = source.columns or (*spec.column_names, RECORD_NUMBER)
        self._copy(raw, columns, source, manifest_uri, what=spec.name, max_error=100_000)
        refused = with_records(self._storage, load_errors.last_copy_errors(self._client))
        records = [direct_cleaning.refused_record(plan.run_id, spec, row) for row in refused]
        for batch in batches(records):
            self._client.insert_rows(
                direct_cleaning.QUARANTINE, batch, direct_cleaning.REFUSED_COLUMNS
            )
        cleaning = direct_cleaning.DirectCleaning(spec, plan.run_id, plan.null_values)
        for statement, arguments in cleaning.statements(stage):
            self._client.execute(statement, arguments)
        counts = table_counts(self._client.query(cleaning.counts))
        self._client.execute(cleaning.last_statement())
        counts.rules["unreadable:record"] = len(refused)
        return counts

    def _copy(
        self,
        table: str,
        columns: Sequence[str],
        source: LoadSource,
        manifest_uri: str,
        *,
        what: str,
        max_error: int = 0,
    ) -> int:
        """COPY into an empty table; returns its rows, which are those that COPY reported."""
        if not source.files:
            return 0  # a manifest without entries is an error to Redshift
        statement = self._copy_statement(table, columns, source, manifest_uri, max_error)
        logger.debug("sql: COPY %s FROM %s", table, manifest_uri)
        try:
            self._client.execute(statement)
        except WarehouseError as error:
            if error.passes:
                raise
            raise load_errors.explain(
                self._client, error, what, manifest_uri, source.rows
            ) from error
        loaded = int(self._client.query_value("SELECT pg_last_copy_count()"))
        present = int(self._client.query_value(f"SELECT COUNT(*) FROM {table}"))
        if loaded != present:
            raise LoadError(
                f"COPY into {SCHEMA}.{what} reported {loaded:,} rows, the table has {present:,}",
                where=manifest_uri,
                hint="run the same command again",
            )
        return loaded

    def _copy_statement(
        self,
        table: str,
        columns: Sequence[str],
        source: LoadSource,
        manifest_uri: str,
        max_error: int,
    ) -> str:
        names = ", ".join(identifier(name) for name in columns)
        role = literal(self._iam_role) if self._iam_role else "default"
        options = {
            "parquet": "FORMAT AS PARQUET",
            "json": "FORMAT AS JSON 'auto'",
            "csv": "FORMAT AS CSV IGNOREHEADER 1",
        }[source.format]
        if source.format != "parquet":  # columnar COPY takes no further options
            options += (" GZIP" if source.compressed else "") + " COMPUPDATE OFF"
            if max_error:  # raw text: what is longer than a column's most is cut, and rejected
                options += f" TRUNCATECOLUMNS MAXERROR {max_error}"
        return (
            f"COPY {table} ({names}) FROM {literal(manifest_uri)} "
            f"IAM_ROLE {role} MANIFEST {options}"
        )

    def _write_manifest(self, plan: LoadPlan, name: str) -> tuple[str, str]:
        """Write the manifest of one table's COPY; returns its address and digest."""
        entries = [
            {
                "url": file.uri,
                "mandatory": True,
                "meta": {"content_length": file.size_bytes},
            }
            for file in plan.tables[name].files
        ]
        return self._put_manifest(plan.run_id, name, entries)

    def _put_manifest(self, run_id: str, name: str, entries: list[Any]) -> tuple[str, str]:
        body = json.dumps({"entries": entries}, indent=2).encode()
        key = copy_manifest(run_id, name)
        self._storage.put(key, body, content_type="application/json")
        return self._storage.uri(key), hashlib.sha256(body).hexdigest()

    def _replace_rejected(self, plan: LoadPlan) -> None:
        """Fill the quarantine table with this run's rejected rows."""
        target = _qualified("rejected_records")
        stage = staging_table("stage", "rejected_records", plan.run_id)
        self._client.execute(f"DELETE FROM {target} WHERE run_id <> {literal(STREAM_RUN)}")
        if not plan.rejected:
            return
        columns = ("table_name", "record_key", "rule", "raw_record", "parent_key")
        entries = [
            {"url": f.uri, "mandatory": True, "meta": {"content_length": f.size_bytes}}
            for f in plan.rejected
        ]
        uri, _ = self._put_manifest(plan.run_id, "rejected_records", entries)
        self._client.execute(
            f"CREATE TEMP TABLE {stage} (table_name VARCHAR(64), record_key VARCHAR(65535), "
            "rule VARCHAR(128), raw_record VARCHAR(65535), parent_key VARCHAR(65535))"
        )
        source = LoadSource(plan.rejected, "parquet")
        self._copy(stage, columns, source, uri, what="rejected_records")
        names = ", ".join(columns)
        insert = f"INSERT INTO {target} (run_id, {names}) SELECT %s, {names} FROM {stage}"
        self._client.execute(insert, (plan.run_id,))
        self._client.execute(f"DROP TABLE {stage}")


def _require_rows(name: str, rows: int, source: LoadSource, manifest_uri: str) -> None:
    if source.rows is not None and rows != source.rows:
        found = f"{SCHEMA}.{name} would get {rows:,} rows; the source has {source.rows:,}"
        raise LoadError(found, where=manifest_uri, hint="run the same command again")


def _qualified(table: str) -> str:
    return f"{SCHEMA}.{identifier(table)}"
