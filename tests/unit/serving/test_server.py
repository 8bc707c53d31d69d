"""The server as a client sees it: the answers of the loaded model, and refusals with a reason."""

import asyncio
import json

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from src.serving import app as app_module
from src.serving.app import MAX_BODY_BYTES, PredictionServer
from src.serving.predictor import FIELDS
from tests.unit.serving.test_formats import bodies

TYPES = {"json": "application/json", "jsonl": "application/jsonlines", "csv": "text/csv"}
RECORDS = st.lists(
    st.fixed_dictionaries(
        {
            "capacity": st.integers(1, 500_000),
            "starts_at": st.datetimes().map(str),
            "base_price": st.none() | st.floats(0.01, 100_000) | st.just(0),
            "genre": st.none() | st.sampled_from(["rock", "jazz", "polka", '<b>"', "ü,\n;"]),
        }
    ),
    min_size=1, max_size=4,
)  # fmt: skip
HOSTILE = st.binary(max_size=80) | st.text(max_size=40).map(str.encode) | st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.sampled_from([*FIELDS, "instances", "x"]), inner, max_size=4),
    max_leaves=8,
).map(lambda value: json.dumps(value).encode())  # fmt: skip


class Client:
    """Asks the program itself, without a network."""

    def __init__(self, app):
        self.loop = asyncio.new_event_loop()
        self.http = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://server")

    def request(self, method, path, **options):
        return self.loop.run_until_complete(self.http.request(method, path, **options))

    def get(self, path, **options):
        return self.request("GET", path, **options)

    def post(self, path, **options):
        return self.request("POST", path, **options)

    def close(self):
        self.loop.run_until_complete(self.http.aclose())
        self.loop.run_until_complete(self.loop.shutdown_default_executor())
        self.loop.close()


@pytest.fixture(scope="module")
def lines():
    return []


@pytest.fixture(scope="module")
def client(predictor, lines):
    client = Client(PredictionServer(predictor, lines.append).app())
    yield client
    client.close()


def post(client, body, kind="json", **headers):
    return client.post("/invocations", content=body,
                       headers={"Content-Type": TYPES[kind], **headers})  # fmt: skip


@given(RECORDS)
@settings(max_examples=25)
def test_an_answer_is_what_the_loaded_model_predicts(client, predictor, records):
    expected = [
        {**{k: list(v) if isinstance(v, tuple) else v for k, v in vars(one).items()},
         "model": "ticket_sales", "version": 3}
        for one in predictor.service.predict(records)
    ]  # fmt: skip
    found = post(client, json.dumps(records))
    assert found.status_code == 200 and found.json() == expected
    assert post(client, json.dumps({"instances": records})).json() == {"predictions": expected}
    assert post(client, json.dumps(records[0])).json() == expected[0]


@given(RECORDS)
@settings(max_examples=25)
def test_the_same_records_get_the_same_bytes_in_any_format(client, records):
    for answer in TYPES.values():
        found = {post(client, body, kind, Accept=answer).content
                 for kind, body in bodies(records).items()}  # fmt: skip
        assert len(found) == 1
    lines = post(client, bodies(records)["jsonl"], "jsonl").text.splitlines()
    assert len(lines) == len(records)


@given(HOSTILE, st.sampled_from(list(TYPES)))
@settings(max_examples=150)
def test_no_body_breaks_the_server(client, body, kind):
    found = post(client, body, kind)
    assert found.status_code in (200, 400)
    if found.status_code == 400:
        assert set(found.json()) <= {"error", "field", "line", "record", "try"}
        assert len(found.content) < 1500


@given(st.integers(0, 9), st.sampled_from(list(TYPES)))
@settings(max_examples=20)
def test_an_unusable_record_is_named_with_line_and_field(client, place, kind):
    records = [{"capacity": 800, "starts_at": "2026-05-01", "base_price": 60, "genre": "rock"}
               for _ in range(10)]  # fmt: skip
    records[place]["base_price"] = -5
    found = post(client, bodies(records)[kind], kind)
    number = place + 1 + (kind == "csv")
    assert found.status_code == 400 and found.json()["field"] == "base_price"
    assert found.json()["record" if kind == "json" else "line"] == number


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        ({"Content-Type": "text/plain"}, b"x", 415),
        ({"Content-Type": "application/json; charset=latin-1"}, b"{}", 415),
        ({"Content-Type": "application/json", "Content-Encoding": "gzip"}, b"{}", 415),
        ({}, b"{}", 415),
        ({"Content-Type": "APPLICATION/JSON; Charset=UTF-8", "Accept": "image/png"}, b"{}", 406),
        ({"Content-Type": "application/json"}, b" " * (MAX_BODY_BYTES + 1), 413),
        ({"Content-Type": "application/json"}, b"", 400),
        ({"Content-Type": "application/x-ndjson"},
         b'{"capacity": 80, "starts_at": "2026-05-01"}\n\n', 200),
    ],
)  # fmt: skip
def test_the_status_of_a_refusal(client, headers, body, status):
    found = client.post("/invocations", content=body, headers=headers)
    assert found.status_code == status
    if status != 200:
        assert found.json()["error"]


def test_a_body_without_a_stated_length_is_limited_too(client):
    async def parts():
        for _ in range(7):
            yield b" " * 1_000_000

    found = client.post("/invocations", content=parts(), headers={"Content-Type": TYPES["json"]})
    assert found.status_code == 413


def test_a_body_for_a_thread_gets_the_same_answer(client, monkeypatch):
    body = bodies([{"capacity": 800, "starts_at": "2026-05-01", "base_price": 1, "genre": None}]
                  * 3)["jsonl"]  # fmt: skip
    at_once = post(client, body, "jsonl").content
    monkeypatch.setattr(app_module, "_IN_THREAD_BYTES", 1)
    assert post(client, body, "jsonl").content == at_once


def test_no_log_line_holds_what_was_sent(client, lines, predictor, monkeypatch):
    secret = "wrdlbrnft"
    post(client, json.dumps({"genre": secret, "capacity": 8, "starts_at": "2026-05-01"}))
    post(client, json.dumps({secret: 1}))
    client.get("/", params={"capacity": 8, "starts_at": "2026-05-01", "genre": secret})

    def fails(_concerts):
        raise RuntimeError(secret)

    with monkeypatch.context() as patch:
        patch.setattr(type(predictor), "answers", lambda *_: fails(None))
        broken = post(client, json.dumps({"capacity": 8, "starts_at": "2026-05-01"}))
    assert broken.status_code == 500 and secret not in broken.text
    assert lines[-1].keys() == {"ms", "rows", "status", "version"} and lines[-1]["status"] == 500
    assert secret not in json.dumps(lines)


def test_what_a_container_answers_besides(client):
    assert (client.get("/ping").status_code, client.get("/ping").content) == (200, b"")
    assert client.get("/execution-parameters").json()["MaxPayloadInMB"] == 6
    found = post(client, "{}", **{"X-Amzn-SageMaker-Custom-Attributes": "trace=1"})
    assert found.headers["X-Amzn-SageMaker-Custom-Attributes"] == "trace=1"


def test_the_figures_count_requests_and_rows(client):
    def counted():
        families = text_string_to_metric_families(client.get("/metrics").text)
        return {(s.name, s.labels.get("status")): s.value for f in families for s in f.samples}

    before = counted()
    post(client, bodies([{"capacity": 8, "starts_at": "2026-05-01", "base_price": 1,
                          "genre": "rock"}] * 3)["csv"], "csv")  # fmt: skip
    after = counted()
    rows, requests = ("concert_predictions_total", None), ("concert_requests_total", "200")
    assert after[rows] - before[rows] == 3
    assert after[requests] - before.get(requests, 0) == 1


@given(st.text(max_size=12), st.sampled_from(["genre", "capacity", "starts_at"]))
@settings(max_examples=40)
def test_the_page_escapes_what_was_filled_in(client, text, field):
    sent = {"capacity": "8", "starts_at": "2026-05-01", field: f"<i a='b'>{text}"}
    found = client.get("/", params=sent)
    assert found.status_code in (200, 400) and "<i a=" not in found.text
    assert "default-src 'none'" in found.headers["Content-Security-Policy"]


def test_the_page_shows_a_prediction(client, predictor):
    sent = {"capacity": "800", "starts_at": "2026-05-01 20:00"}
    found = client.get("/", params=sent).text
    assert f"<strong>{predictor.one(sent)['tickets']:,.0f}</strong>" in found
