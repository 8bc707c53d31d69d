"""The server's program: SageMaker's contract for a container, figures, and a page with a form."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, lru_cache

from anyio import CapacityLimiter, to_thread
from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.openmetrics import exposition
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from src.json_object import JsonObject
from src.serving import formats
from src.serving.formats import MEDIA_TYPES, Kind, UnusableInputError
from src.serving.page import render
from src.serving.predictor import FIELDS, Predictor

MAX_BODY_BYTES = 6_291_456  # SageMaker's own limit of a call
_IN_THREAD_BYTES = 16_384  # from here on, /ping must not wait for it
_PLAIN = {"json": "application/json", "jsonl": "application/jsonlines", "csv": "text/csv"}
_ATTRIBUTES = "X-Amzn-SageMaker-Custom-Attributes"
_PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


class _RefusedError(Exception):
    """A request that is not answered: its status, and what the client gets."""

    def __init__(self, status: int, answer: JsonObject) -> None:
        super().__init__(status)
        self.status, self.answer = status, answer


@dataclass(frozen=True)
class _Wanted:
    """What the headers of a request ask for."""

    kind: Kind
    answer_kind: Kind

    @classmethod
    def of(cls, headers: Headers) -> _Wanted:
        names = ("content-type", "content-encoding", "accept")
        return _wanted(*(headers.get(name) for name in names))

    @classmethod
    def by(cls, content_type: str | None, encoding: str | None, accept: str | None) -> _Wanted:
        kind = _kind(content_type or "")
        if kind is None or (encoding or "identity") != "identity":
            raise _RefusedError(
                415, {"error": "the content type is not one that is read",
                      "try": "one of " + ", ".join(MEDIA_TYPES)},
            )  # fmt: skip
        accepted = [part.strip() for part in (accept or "*/*").split(",")]
        for media_type in accepted:
            found = _kind(media_type)
            if found is not None:
                return cls(kind, found)
            if media_type.split(";")[0].strip() in ("", "*/*", "application/*", "text/*"):
                return cls(kind, kind)
        raise _RefusedError(
            406, {"error": "the answer cannot have that type", "try": ", ".join(MEDIA_TYPES)}
        )


_wanted = lru_cache(256)(_Wanted.by)  # clients send the same few headers again and again


def _kind(media_type: str) -> Kind | None:
    """Return the format of a media type; None where it, or its charset, is not read."""
    name, *options = (part.strip().lower() for part in media_type.split(";"))
    charsets = [option.partition("=")[2].strip('" ') for option in options
                if option.startswith("charset")]  # fmt: skip
    is_utf8 = all(charset in ("utf-8", "utf8", "us-ascii") for charset in charsets)
    return MEDIA_TYPES.get(name) if is_utf8 else None


class PredictionServer:
    """Answers requests with one model, counts them, and logs a line about each.

    A line holds time taken, rows, status and version: never what a request contains.
    """

    def __init__(self, predictor: Predictor, log: Callable[[JsonObject], None]) -> None:
        self._predictor, self._log = predictor, log
        self._limiter = CapacityLimiter(2)  # big bodies at the same time
        self._registry = CollectorRegistry()
        registry = self._registry
        self._requests = Counter(
            "concert_requests", "Requests by status.", ["status"], registry=registry
        )
        self._counted = cache(lambda status: self._requests.labels(str(status)))
        self._rows = Counter("concert_predictions", "Concerts predicted.", registry=registry)
        self._seconds = Histogram(
            "concert_request_seconds", "Time to answer.", registry=registry,
            buckets=(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 30),
        )  # fmt: skip

    def app(self) -> Starlette:
        """Return the program that an ASGI server runs."""
        return Starlette(
            routes=[
                Route("/invocations", self.invocations, methods=["POST"]),
                Route("/ping", self.ping),
                Route("/execution-parameters", self.execution_parameters),
                Route("/metrics", self.metrics),
                Route("/", self.page),
            ]
        )

    async def ping(self, _request: Request) -> Response:
        """Answer that the model is loaded: without one, nothing listens."""
        return Response()

    async def execution_parameters(self, _request: Request) -> Response:
        """Tell a batch transform how to call."""
        return JSONResponse(
            {"MaxConcurrentTransforms": 4, "BatchStrategy": "MULTI_RECORD", "MaxPayloadInMB": 6}
        )

    async def metrics(self, _request: Request) -> Response:
        """Return the figures as OpenMetrics."""
        text = exposition.generate_latest(self._registry)  # type: ignore[no-untyped-call]
        return Response(text, headers={"Content-Type": exposition.CONTENT_TYPE_LATEST})

    async def invocations(self, request: Request) -> Response:
        """Predict the concerts of the body."""
        started, rows = time.perf_counter(), 0
        try:
            wanted = _Wanted.of(request.headers)
            body = await _body(request)
            if len(body) > _IN_THREAD_BYTES:
                found, rows = await to_thread.run_sync(
                    self._predict, body, wanted, limiter=self._limiter
                )
            else:
                found, rows = self._predict(body, wanted)
            response = Response(found, headers={"Content-Type": _PLAIN[wanted.answer_kind]})
        except _RefusedError as refused:
            response = JSONResponse(refused.answer, refused.status)
        except UnusableInputError as error:
            response = JSONResponse(error.answer(), 400)
        except Exception as error:  # its text may hold a part of the body
            response = JSONResponse({"error": f"internal error: {type(error).__name__}"}, 500)
        attributes = request.headers.get(_ATTRIBUTES)
        if attributes is not None:
            response.headers[_ATTRIBUTES] = attributes
        self._note(started, rows, response.status_code)
        return response

    def _predict(self, body: bytes, wanted: _Wanted) -> tuple[bytes, int]:
        concerts = formats.read(body, wanted.kind, FIELDS)
        answers = self._predictor.answers(concerts)
        return formats.write(answers, wanted.answer_kind, concerts.shape), len(answers)

    async def page(self, request: Request) -> Response:
        """Show a form, and the prediction for what was filled in."""
        started = time.perf_counter()
        given = {name: value for name, value in request.query_params.items() if value.strip()}
        answer: JsonObject | None = None
        error: UnusableInputError | None = None
        try:
            if given:
                answer = self._predictor.one(formats.checked(given, FIELDS))
        except UnusableInputError as found:
            error = found
        status = 400 if error else 200
        words = self._predictor.service.fitted.encoder.words
        text = render(self._predictor.version, words, given, answer, error)
        self._note(started, 1 if answer else 0, status)
        return Response(text, status, {"Content-Type": "text/html; charset=utf-8", **_PAGE_HEADERS})

    def _note(self, started: float, rows: int, status: int) -> None:
        seconds = time.perf_counter() - started
        self._counted(status).inc()
        self._rows.inc(rows)
        self._seconds.observe(seconds)
        self._log({"ms": round(seconds * 1000, 3), "rows": rows, "status": status,
                   "version": self._predictor.version})  # fmt: skip


async def _body(request: Request) -> bytes:
    """Return the body; one that is too large is not read to its end."""
    length = request.headers.get("content-length", "0")
    parts: list[bytes] = []
    size = int(length) if length.isdecimal() else 0
    if size <= MAX_BODY_BYTES:
        size = 0
        async for part in request.stream():
            size += len(part)
            if size > MAX_BODY_BYTES:
                break
            parts.append(part)
    if size > MAX_BODY_BYTES:
        raise _RefusedError(
            413, {"error": f"the body has more than {MAX_BODY_BYTES:,} bytes",
                  "try": "send it in parts"},
        )  # fmt: skip
    return b"".join(parts)
