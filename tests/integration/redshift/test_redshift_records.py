"""Records as they come: a view has of each what the functions say, and attributes read together."""

import contextlib
import json

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from src.local_cloud.redshift.sql.parsing import translate
from tests.conformance import conforms
from tests.integration.redshift.test_redshift_super import VALUES
from tests.streams import Stream

DEEP = ("[" * 1_001 + "]" * 1_001, "[" * 1_000 + "]" * 1_000, '{"a":' * 60_000)
UNUSUAL = (
    b'{"a":"\\u0000"}', b'{"a":"\\ud800"}', b'{"\\udc00":1}', b'{"a":"\\u00e9\\/\\ud83d\\ude00"}',
    b'{"a": "b c",\t"d" : [1 , 2]}', b' {"a":1}\n', b'{"a":"t\\tn\\nb\\\\"}', b'{"a":1,"a":2}',
    b"\xff\xfe", b"\x00", b'{"a":"\x00"}', b'{"a":1.50,"b":1e400}', b"NaN", b"", b"\\N", b"\\.",
    "\u20ac".encode(), *(text.encode() for text in DEEP),
)  # fmt: skip
PARSED = "CASE WHEN CAN_JSON_PARSE({0}) THEN JSON_PARSE({0}) END"


@pytest.fixture(scope="module")
def records(cloud):
    """A connection with a schema `made`, and a stream of the tests' own in `live`."""
    connection = cloud.connect_redshift()
    connection.autocommit = True
    with contextlib.closing(connection), connection.cursor() as cursor:
        for schema in ("live", "made"):
            cursor.execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE")
        cursor.execute("CREATE EXTERNAL SCHEMA live FROM KINESIS IAM_ROLE default")
        cursor.execute("CREATE SCHEMA made")

        def view(bodies, key="k"):
            stream = Stream()
            connection.streams = lambda: stream
            connection.stream_iterators.clear()
            cursor.execute("DROP MATERIALIZED VIEW IF EXISTS made.v")
            cursor.execute(
                "CREATE MATERIALIZED VIEW made.v AS SELECT partition_key, sequence_number, "
                f"kinesis_data, {PARSED.format('kinesis_data')} AS payload FROM live.sales"
            )
            for body in bodies:
                stream.put(0, body, key=key)
            cursor.execute("REFRESH MATERIALIZED VIEW made.v")
            return cursor

        yield view


@conforms("Streaming ingestion", "a view has of a record what CAN_JSON_PARSE and JSON_PARSE say",
          "r_can_json_parse")  # fmt: skip
@settings(max_examples=15, deadline=None)
@given(bodies=st.lists(st.binary(max_size=9) | VALUES.map(lambda v: json.dumps(v).encode()),
                       max_size=6), indent=st.booleans())  # fmt: skip
@example(bodies=UNUSUAL, indent=False)
def test_a_view_says_of_a_record_what_the_functions_say(records, bodies, indent):
    """No record stops a guarded view: whatever CAN_JSON_PARSE lets pass, JSON_PARSE takes."""
    if indent:
        bodies = [body.replace(b",", b" ,\n ") for body in bodies]
    cursor = records(bodies)
    said = PARSED.format("kinesis_data")
    cursor.execute(f"SELECT TO_HEX(kinesis_data), JSON_SERIALIZE(payload), JSON_SERIALIZE({said}) "
                   "FROM made.v ORDER BY sequence_number")  # fmt: skip
    rows = cursor.fetchall()
    assert [row[0] for row in rows] == [body.hex() for body in bodies]
    for body, (_, in_view, by_function) in zip(bodies, rows, strict=True):
        assert in_view == by_function, body


def test_a_value_has_at_most_1000_levels(records):
    cursor = records([DEEP[0].encode(), DEEP[1].encode()])
    cursor.execute("SELECT payload IS NULL FROM made.v ORDER BY sequence_number")
    assert cursor.fetchall() == [(True,), (False,)]


def test_a_partition_key_of_any_character_is_taken(records):
    cursor = records([b"1"], key="a\0\t\\\n\u20ac")
    cursor.execute("SELECT partition_key FROM made.v")
    assert cursor.fetchall() == [("a\ufffd\t\\\n\u20ac",)]


@settings(max_examples=15, deadline=None)
@given(values=st.lists(VALUES | st.dictionaries(st.sampled_from("abc"), VALUES), max_size=5))
@example(values=[{"a": "{x", "b": [1], "c": {"d": 1}}, {"a": None, "b": "[", "c": ""}, 3, "x",
                 {"a": "\t\\", "b": 1.50, "c": True}])  # fmt: skip
def test_attributes_that_are_read_together_are_those_read_alone(execute, values):
    """What fills a table reads them together; a query reads each for itself."""
    execute("CREATE TEMP TABLE IF NOT EXISTS given (n INT, v SUPER)")
    execute("CREATE TEMP TABLE IF NOT EXISTS taken (n INT, a VARCHAR, b VARCHAR, c VARCHAR)")
    for table in ("given", "taken"):
        execute(f"DELETE FROM {table}")
    for number, value in enumerate(values):
        execute("INSERT INTO given SELECT %s, JSON_PARSE(%s)", (number, json.dumps(value)))
    query = "SELECT n, g.v.a::VARCHAR, g.v.b::VARCHAR, g.v.c::VARCHAR FROM given g"
    assert "JSON_TO_RECORD" in translate(f"INSERT INTO taken {query}")
    execute(f"INSERT INTO taken {query}")
    assert sorted(execute("SELECT * FROM taken")) == sorted(execute(query))
