"""A run's lineage as OpenLineage events: where its data came from, column by column.

Names are the same in every run, or each run would draw a new graph: a run's id and its data set's
are in facets. Events are made from the report at its end, so each run has one terminal event.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from src import __version__
from src.domain.lineage import Dataset, kept_lineage
from src.json_object import JsonObject, JsonView
from src.reporting.run_report import plain

NAMESPACE = "concert-demo"
PRODUCER = f"https://github.com/concert-data-platform-demo/v{__version__}"
_SPEC = "https://openlineage.io/spec"
_EVENT = f"{_SPEC}/2-0-2/OpenLineage.json#/$defs/RunEvent"
_FACETS = {
    "parent": ("1-2-0", "ParentRunFacet"),
    "errorMessage": ("1-0-1", "ErrorMessageRunFacet"),
    "processing_engine": ("1-1-1", "ProcessingEngineRunFacet"),
    "jobType": ("2-0-4", "JobTypeJobFacet"),
    "schema": ("1-2-0", "SchemaDatasetFacet"),
    "dataSource": ("1-0-1", "DatasourceDatasetFacet"),
    "columnLineage": ("1-2-0", "ColumnLineageDatasetFacet"),
    "version": ("1-0-1", "DatasetVersionDatasetFacet"),
    "outputStatistics": ("1-0-2", "OutputStatisticsOutputDatasetFacet"),
    "dataQualityAssertions": ("1-1-0", "DataQualityAssertionsDatasetFacet"),
}
_LAST = {"succeeded": "COMPLETE", "success": "COMPLETE", "failed": "FAIL", "interrupted": "ABORT"}
# Each stage: the layers that it reads, and the data sets that it writes (a layer, or one of it).
STAGES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "data_generation": ((), ("raw",)),
    "glue_etl": (("raw",), ("processed", "quarantine")),
    "redshift_load": (("processed",), ("warehouse",)),
    "data_verification": (("warehouse",), ()),
    "venue_data": (("warehouse",), ("features.venue_quarters",)),
    "sales_data": (("warehouse",), ("features.ticket_sales",)),
    "predictions": (("features",), ("predictions",)),
}


def lineage_events(report: JsonView) -> list[JsonObject]:
    """Return the events of a run and of its stages, in the order of their times."""
    facts = plain(report)
    return [*_Events(facts).all()]


@dataclass(frozen=True)
class _Events:
    facts: JsonObject

    def all(self) -> Iterator[JsonObject]:
        kind, run_id = self.facts["report"], self.facts["run_id"]
        job, run = f"{NAMESPACE}.{kind}", _uuid(run_id)
        start, end = self.facts[f"{kind}_start"], self.facts[f"{kind}_end"]
        yield self._event("START", start, run, job, "JOB")
        for name, step in self.facts["steps"].items():
            last = _LAST.get(step["status"])
            if last is None:
                continue  # skipped, or not reached
            own = _uuid(f"{run_id}/{name}")
            parent = {"run": {"runId": run}, "job": {"namespace": NAMESPACE, "name": job}}
            of_stage = {"parent": _facet("parent", **parent)}
            begin = step.get("started_at") or start
            stop = str(datetime.fromisoformat(begin) + timedelta(seconds=step.get("seconds") or 0))
            yield self._event("START", begin, own, f"{job}.{name}", "TASK", of_stage)
            event = self._event(last, stop, own, f"{job}.{name}", "TASK",
                                of_stage | _error(step.get("error"), last))  # fmt: skip
            yield event | self._data(name, step, is_complete=last == "COMPLETE")
        last = _LAST[self.facts["verdict"]]
        yield self._event(last, end, run, job, "JOB", _error(self.facts.get("error"), last))

    def _event(
        self,
        kind: str,
        time: str,
        run: str,
        job: str,
        job_type: str,
        facets: JsonView | None = None,
    ) -> JsonObject:
        engine = _facet("processing_engine", version=__version__, name=NAMESPACE)
        of_job = _facet("jobType", processingType="BATCH", integration="CONCERT_DEMO",
                        jobType=job_type)  # fmt: skip
        return {
            "eventType": kind,
            "eventTime": datetime.fromisoformat(time).isoformat(),
            "producer": PRODUCER,
            "schemaURL": _EVENT,
            "run": {"runId": run, "facets": {"processing_engine": engine, **(facets or {})}},
            "job": {"namespace": NAMESPACE, "name": job, "facets": {"jobType": of_job}},
            "inputs": [],
            "outputs": [],
        }

    def _data(self, stage: str, step: JsonView, *, is_complete: bool) -> JsonObject:
        """Return the inputs and outputs of a stage; only what was written has its columns."""
        reads, writes = STAGES.get(stage, ((), ()))
        is_direct = self.facts["arguments"].get("etl") == "direct" and stage == "redshift_load"
        datasets = kept_lineage()
        outputs = [d for d in datasets if d.layer in writes or d.key in writes]
        if is_direct:
            reads, outputs = ("raw",), _without_processed(outputs, datasets)
        made_of = {key for output in outputs for key in output.inputs}
        inputs = [d for d in datasets if d.layer in reads and (not outputs or d.key in made_of)]
        return {
            "inputs": [self._input(d, stage, step) for d in inputs],
            "outputs": [self._output(d, step) for d in outputs] if is_complete else [],
        }

    def _input(self, dataset: Dataset, stage: str, step: JsonView) -> JsonObject:
        found = self._named(dataset)
        if stage == "data_verification":
            checks = [
                {"assertion": check["name"], "success": check["verdict"] == "passed"}
                for check in step.get("checks", [])
                if check["verdict"] != "skipped" and dataset.name in check["name"]
            ]
            if checks:
                facet = _facet("dataQualityAssertions", assertions=checks)
                found["inputFacets"] = {"dataQualityAssertions": facet}
        return found

    def _output(self, dataset: Dataset, step: JsonView) -> JsonObject:
        found = self._named(dataset)
        facets = found["facets"]
        fields = {
            column.name: {"inputFields": [self._field(s, "DIRECT") for s in column.sources]}
            for column in dataset.columns
            if column.sources
        }
        if fields:
            deciding = [self._field(source, "INDIRECT") for source in dataset.deciding]
            facets["columnLineage"] = _facet("columnLineage", fields=fields, dataset=deciding)
        rows = self._rows(dataset, step)
        if rows is not None:
            statistics = _facet("outputStatistics", rowCount=rows)
            found["outputFacets"] = {"outputStatistics": statistics}
        return found

    def _rows(self, dataset: Dataset, step: JsonView) -> int | None:
        of_run = self.facts.get("rows") or {} if self.facts["report"] == "pipeline" else {}
        rows = of_run.get(dataset.name) or {}
        field = {"raw": "raw_records", "processed": "etl_accepted", "quarantine": "rejected",
                 "warehouse": "loaded"}.get(dataset.layer, "")  # fmt: skip
        found = rows.get(field) if field else step.get("rows")
        return found if isinstance(found, int) else None

    def _named(self, dataset: Dataset) -> JsonObject:
        namespace, name = self._name(dataset.layer, dataset.name)
        fields = [{"name": column.name} for column in dataset.columns]
        facets = {
            "schema": _facet("schema", fields=fields),
            "dataSource": _facet("dataSource", name=namespace, uri=namespace),
        }
        of = self.facts.get("dataset") or {}
        version = of.get("id") or of.get("dataset_id")
        if version:
            facets["version"] = _facet("version", datasetVersion=str(version))
        return {"namespace": namespace, "name": name, "facets": facets}

    def _field(self, source: str, kind: str) -> JsonObject:
        layer, dataset, column = source.split(".")
        namespace, name = self._name(layer, dataset)
        subtype = {"DIRECT": "TRANSFORMATION", "INDIRECT": "FILTER"}[kind]
        return {"namespace": namespace, "name": name, "field": column,
                "transformations": [{"type": kind, "subtype": subtype}]}  # fmt: skip

    def _name(self, layer: str, name: str) -> tuple[str, str]:
        """Return a data set's namespace and name, by OpenLineage's rules of naming."""
        settings = self.facts["arguments"]
        if layer == "raw":
            return f"s3://{settings['raw_bucket']}", f"raw/{name}"
        if layer in ("processed", "quarantine"):
            return f"s3://{settings['processed_bucket']}", f"{layer}/{name}"
        if layer == "features":
            return NAMESPACE, f"features.{name}"
        host, database = "concert-demo.local", "dev"
        if self.facts["target"] == "aws":
            own = settings["redshift_cluster"] or settings["redshift_workgroup"]
            host = f"{own}.{settings['aws_region']}" if own else settings["redshift_host"]
            database = settings["redshift_database"]
        return f"redshift://{host}:5439", f"{database}.concert_dw.{name}"


def _without_processed(outputs: Iterable[Dataset], datasets: Iterable[Dataset]) -> list[Dataset]:
    """Return the warehouse's tables as made of raw files: Redshift itself cleans the rows."""
    cleaned = {dataset.name: dataset for dataset in datasets if dataset.layer == "processed"}
    return [
        Dataset("warehouse", one.name, cleaned[one.name].columns, cleaned[one.name].deciding)
        for one in outputs
    ]


def _facet(kind: str, **content: object) -> JsonObject:
    version, name = _FACETS[kind]
    url = f"{_SPEC}/facets/{version}/{name}.json#/$defs/{name}"
    return {"_producer": PRODUCER, "_schemaURL": url, **content}


def _error(error: Mapping[str, object] | None, last: str) -> JsonObject:
    if last == "COMPLETE" or not error:
        return {}
    message = str(error.get("message", ""))
    return {"errorMessage": _facet("errorMessage", message=message, programmingLanguage="PYTHON")}


def _uuid(text: str) -> str:
    """Return the id of a run or stage: the same for the same, as OpenLineage wants a UUID."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{NAMESPACE}/{text}"))
