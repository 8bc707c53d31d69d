"""A SageMaker transform job over records in S3: a model started for the time of the job."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from src.errors import ServingError
from src.infrastructure.aws.answers import AwsRefusal, asking
from src.infrastructure.aws.endpoint_watching import RIGHTS_HINT
from src.json_object import JsonObject
from src.waiting import every, poll_until

PART_BYTES = 4 << 20  # of an object of the job: one request has at most 6 MB
TIMEOUT_S = 3600.0
INSTANCE = "ml.m5.large"  # the smallest that transform jobs have


@dataclass(frozen=True)
class Format:
    """How records are written: as lines that stand alone, or below a header."""

    content_type: str
    extension: str
    is_lines: bool

    def parts(self, body: bytes) -> Iterator[bytes]:
        """Yield the records in parts that the model's server takes, each a file of its own."""
        header, *records = _lines(body) if self.is_lines else _csv_records(body)
        if self.is_lines:
            header, records = b"", [header, *records]
        part = header
        for record in records:
            if len(part) + len(record) > PART_BYTES and part != header:
                yield part
                part = header
            part += record
        yield part

    def joined(self, answers: list[bytes]) -> bytes:
        """Return the answers to the parts as one file, with one header."""
        kept = [answers[0] if answers else b""]
        kept += [one if self.is_lines else one.partition(b"\n")[2] for one in answers[1:]]
        return b"".join(one if one.endswith(b"\n") or not one else one + b"\n" for one in kept)


FORMATS = {
    ".csv": Format("text/csv", ".csv", False),
    ".jsonl": Format("application/jsonlines", ".jsonl", True),
    ".ndjson": Format("application/jsonlines", ".jsonl", True),
}


class Bucket(Protocol):
    """What a job needs of a bucket."""

    def uri(self, key: str) -> str:
        """Return the s3:// address of a key."""

    def put(self, key: str, body: bytes) -> None:
        """Store an object."""

    def get(self, key: str) -> bytes:
        """Return an object's bytes."""

    def delete(self, keys: list[str]) -> None:
        """Delete objects."""


def _lines(body: bytes) -> list[bytes]:
    return [line + b"\n" for line in body.split(b"\n") if line.strip()] or [b""]


def _csv_records(body: bytes) -> list[bytes]:
    """Return header and records as bytes; a value in quotes may have line ends."""
    text = io.StringIO(body.decode("utf-8-sig"), newline="")
    found = []
    for row in csv.reader(text):
        out = io.StringIO(newline="")
        csv.writer(out, lineterminator="\n").writerow(row)
        found.append(out.getvalue().encode())
    return [record for record in found if record.strip()] or [b""]


class TransformJob:
    """Runs one job: `name` is also the name of its folder in the bucket."""

    def __init__(self, sagemaker: Any, storage: Bucket, prefix: str, *, poll_s: float) -> None:
        self._sagemaker, self._storage, self._prefix = sagemaker, storage, prefix
        self._poll_s = poll_s

    def run(self, name: str, model: str, body: bytes, form: Format) -> bytes:
        """Return the model's answers to all records, in their order; leaves no object."""
        keys = [
            self._put(f"in/part-{number:05d}{form.extension}", part)
            for number, part in enumerate(form.parts(body))
        ]
        outputs = [key.replace("/in/", "/out/") + ".out" for key in keys]
        try:
            self._call("create_transform_job", **self._definition(name, model, form))
            self._wait(name)
            return form.joined([self._storage.get(key) for key in outputs])
        finally:
            self._storage.delete([*keys, *outputs])

    def _definition(self, name: str, model: str, form: Format) -> JsonObject:
        source = {"S3DataType": "S3Prefix", "S3Uri": self._storage.uri(f"{self._prefix}in/")}
        output = self._storage.uri(f"{self._prefix}out")
        split: JsonObject = {"SplitType": "Line"} if form.is_lines else {"SplitType": "None"}
        assemble: JsonObject = {"AssembleWith": "Line"} if form.is_lines else {}
        return {
            "TransformJobName": name,
            "ModelName": model,
            "MaxPayloadInMB": 6,
            "BatchStrategy": "MultiRecord" if form.is_lines else "SingleRecord",
            "TransformInput": {"DataSource": {"S3DataSource": source},
                               "ContentType": form.content_type, **split},
            "TransformOutput": {"S3OutputPath": output, "Accept": form.content_type, **assemble},
            "TransformResources": {"InstanceType": INSTANCE, "InstanceCount": 1},
        }  # fmt: skip

    def _wait(self, name: str) -> None:
        ended = False
        try:
            job = poll_until(
                lambda: self._call("describe_transform_job", TransformJobName=name),
                lambda found: found["TransformJobStatus"] not in ("InProgress", "Stopping"),
                pauses_s=every(self._poll_s), timeout_s=TIMEOUT_S,
            )  # fmt: skip
            ended = job["TransformJobStatus"] not in ("InProgress", "Stopping")
        finally:
            if not ended:  # Ctrl-C, or too late: it costs while it runs
                self._call("stop_transform_job", TransformJobName=name)
        if job["TransformJobStatus"] != "Completed":
            raise ServingError(
                f"the transform job ended as {job['TransformJobStatus']}",
                where=f"transform job {name}",
                cause=job.get("FailureReason") or "SageMaker gave no reason",
                hint="correct the record that is named, then run the same command again",
            )

    def _put(self, path: str, body: bytes) -> str:
        self._storage.put(self._prefix + path, body)
        return self._prefix + path

    def _call(self, operation: str, **arguments: Any) -> Any:
        def refused(refusal: AwsRefusal) -> ServingError:
            return ServingError(
                f"SageMaker refused {refusal.operation}",
                where=f"transform job {arguments['TransformJobName']}",
                cause=refusal.text,
                hint=RIGHTS_HINT,
            )

        with asking("SageMaker", where="transform job", refused=refused):
            return getattr(self._sagemaker, operation)(**arguments)
