"""Transform jobs: a model's server for the time of a job, objects in, objects out."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

from src.json_object import JsonObject
from src.local_cloud.endpoint.errors import AwsError
from src.local_cloud.sagemaker.endpoint_keeper import INVOCATION_TIMEOUT_S, START_TIMEOUT_S
from src.local_cloud.sagemaker.model_server import ModelServer
from src.local_cloud.sagemaker.resources import Resources, now
from src.waiting import every, poll_until

_FIELDS = frozenset(["TransformJobName", "ModelName", "MaxConcurrentTransforms", "MaxPayloadInMB",
                     "BatchStrategy", "Environment", "TransformInput", "TransformOutput",
                     "TransformResources", "Tags"])  # fmt: skip


class _JobError(Exception):
    """What ends a job as Failed; its text is the reason."""


class TransformJobs:
    """Runs each job in a thread of its own; their files keep what became of them."""

    def __init__(
        self, records: Resources, s3: Any, start: Callable[[JsonObject], ModelServer]
    ) -> None:
        self.records = records
        self._s3 = s3
        self._start = start
        self._stopping: dict[str, threading.Event] = {}
        self._threads: list[threading.Thread] = []
        for job in records.all():
            if job["TransformJobStatus"] in ("InProgress", "Stopping"):
                self._end(job["TransformJobName"], "Failed", "the local cloud was stopped")

    def create(self, container: JsonObject, job: JsonObject) -> JsonObject:
        """Begin a job; what is not emulated is refused."""
        unknown = ", ".join(sorted(set(job) - _FIELDS))
        source, target = job["TransformInput"], job["TransformOutput"]
        kind = source["DataSource"]["S3DataSource"]["S3DataType"]
        if unknown or kind != "S3Prefix" or source.get("CompressionType", "None") != "None":
            text = f"not emulated by the local cloud: CreateTransformJob with {unknown or source}"
            raise AwsError("ValidationException", text)
        if {source.get("SplitType", "None"), target.get("AssembleWith", "None")} - {"None", "Line"}:
            text = "not emulated by the local cloud: records that are no lines"
            raise AwsError("ValidationException", text)
        name = job["TransformJobName"]
        created = self.records.create(name, {**job, "TransformJobStatus": "InProgress"})
        self._stopping[name] = threading.Event()
        own = {**container["Environment"], **job.get("Environment", {})}
        work = threading.Thread(
            target=self._work, args=(job, {**container, "Environment": own}), daemon=True
        )
        self._threads.append(work)
        work.start()
        return created

    def stop(self, name: str) -> None:
        """Stop a job that is in progress; one that has ended stays as it is."""
        job = self.records.load(name)
        if job["TransformJobStatus"] == "InProgress":
            self.records.save(name, {**job, "TransformJobStatus": "Stopping"})
            self._stopping[name].set()

    def close(self) -> None:
        """Stop every job, and wait for it."""
        for event in self._stopping.values():
            event.set()
        for thread in self._threads:
            thread.join()

    # -- one job -------------------------------------------------------------------------

    def _work(self, job: JsonObject, container: JsonObject) -> None:
        name = job["TransformJobName"]
        try:
            server = self._start(container)
            try:
                self._transform(job, server)
            finally:
                server.stop()
            self._end(name, "Stopped" if self._stopping[name].is_set() else "Completed")
        except Exception as error:  # a job's failure is its status, whatever it was
            self._end(name, "Failed", str(error))

    def _transform(self, job: JsonObject, server: ModelServer) -> None:
        def look() -> bool:
            server.look()
            return server.is_ready or server.end is not None or is_stopping()

        is_stopping = self._stopping[job["TransformJobName"]].is_set
        poll_until(look, bool, pauses_s=every(0.02), timeout_s=START_TIMEOUT_S)
        if is_stopping():
            return
        if not server.is_ready:
            raise _JobError(f"the container did not pass the ping health check {server.last_words}")
        keys = list(self._keys(job["TransformInput"]["DataSource"]["S3DataSource"]["S3Uri"]))
        if not keys:
            raise _JobError("ClientError: no object was found below S3Uri")
        for bucket, key, path in keys:
            body = self._s3.get_object(Bucket=bucket, Key=key)["Body"].read()
            answers = []
            for piece in _pieces(job, body):
                if is_stopping():
                    return
                answers.append(_answer(job, server, f"{key}", piece))
            target, _, prefix = _split(job["TransformOutput"]["S3OutputPath"])
            out = b"".join(answers)
            self._s3.put_object(Bucket=target, Key=f"{prefix.rstrip('/')}/{path}.out", Body=out)

    def _keys(self, uri: str) -> Iterator[tuple[str, str, str]]:
        """Yield bucket, key and the path below the prefix of each object."""
        bucket, _, prefix = _split(uri)
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        for page in pages:
            for found in page.get("Contents", ()):
                yield bucket, found["Key"], found["Key"][prefix.rfind("/") + 1 :]

    def _end(self, name: str, status: str, reason: str | None = None) -> None:
        job = {**self.records.load(name), "TransformJobStatus": status, "TransformEndTime": now()}
        self.records.save(name, {**job, "FailureReason": reason} if reason else job)


def _split(uri: str) -> tuple[str, str, str]:
    return uri.removeprefix("s3://").partition("/")


def _pieces(job: JsonObject, body: bytes) -> Iterator[bytes]:
    """Yield the bodies of the requests for one object."""
    limit = int(job.get("MaxPayloadInMB", 6)) * 1024 * 1024
    parts = [body]
    if job["TransformInput"].get("SplitType") == "Line":
        parts = body.splitlines(keepends=True)
    is_many = job.get("BatchStrategy", "MultiRecord") == "MultiRecord"
    piece = b""
    for part in parts:
        if len(part) > limit:
            raise _JobError(f"ClientError: a record is larger than MaxPayloadInMB: {len(part)}")
        if piece and (not is_many or len(piece) + len(part) > limit):
            yield piece
            piece = b""
        piece += part
    if piece:
        yield piece


def _answer(job: JsonObject, server: ModelServer, key: str, body: bytes) -> bytes:
    source, target = job["TransformInput"], job["TransformOutput"]
    headers = {"content-type": source.get("ContentType", "application/octet-stream")}
    if "Accept" in target:
        headers["accept"] = target["Accept"]
    reply = server.invoke(body, headers, INVOCATION_TIMEOUT_S)
    text = reply.body.decode("utf-8", "replace")
    if reply.status != 200:
        side = "ClientError" if reply.status < 500 else "AlgorithmError"
        raise _JobError(f"{side}: {key}: the model answered {reply.status}: {text[:500]}")
    is_lines = target.get("AssembleWith") == "Line" and not reply.body.endswith(b"\n")
    return reply.body + (b"\n" if is_lines else b"")
