"""SUPER and VARBYTE on the local Redshift: navigation, unnesting, functions, files."""

import json

import psycopg2
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conformance import conforms
from tests.integration.conftest import parquet

_TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)
_NUMBERS = st.integers(-(2**70), 2**70) | st.decimals(-99999, 99999, places=3).map(float)
VALUES = st.recursive(
    st.none() | st.booleans() | _NUMBERS | _TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_TEXTS, inner, max_size=4),
    max_leaves=12,
)
ANN = '{"name":"Ann","items":[{"p":1.5,"Q":2},{"p":3}],"o":{"x":{"y":7}}}'


@pytest.fixture(scope="module")
def run(execute):
    execute("DROP SCHEMA IF EXISTS supers CASCADE")
    execute("CREATE SCHEMA supers")
    execute("CREATE TABLE supers.t (id INT, c SUPER, b VARBYTE(4))")
    execute("INSERT INTO supers.t SELECT 1, JSON_PARSE(%s), 'abc'", (ANN,))
    execute(
        "INSERT INTO supers.t VALUES (2, JSON_PARSE('[10, 20]'), FROM_HEX('ff')), (3, 'x', NULL)"
    )
    return execute


@conforms("SUPER and VARBYTE", "JSON_PARSE and JSON_SERIALIZE give back what went in (random JSON)",
          "JSON_PARSE, JSON_SERIALIZE")  # fmt: skip
@given(value=VALUES, indent=st.sampled_from([None, 2]), is_ascii=st.booleans())
@settings(max_examples=60, deadline=None)
def test_json_comes_back(run, value, indent, is_ascii):
    sent = json.dumps(value, indent=indent, ensure_ascii=is_ascii)
    [(found, can)] = run("SELECT JSON_SERIALIZE(JSON_PARSE(%s)), CAN_JSON_PARSE(%s)", (sent, sent))
    assert can
    assert json.loads(found) == value
    assert found == json.dumps(value, separators=(",", ":"), ensure_ascii=False)


@conforms("SUPER and VARBYTE", "a path leads where the same path in the value does (random JSON)",
          "query-super; missing places are NULL")  # fmt: skip
@given(
    value=VALUES,
    path=st.lists(st.sampled_from(["a", "b", 0, 1, 7]), min_size=1, max_size=3),
)
@settings(max_examples=60, deadline=None)
def test_paths(run, value, path):
    value = {"a": [value, {"a": value}], "b": {"b": value}}
    expected = value
    for step in path:
        is_there = (
            isinstance(expected, dict) if isinstance(step, str) else isinstance(expected, list)
        )
        try:
            expected = expected[step] if is_there else None
        except LookupError:
            expected = None
    steps = "".join(f".{step}" if isinstance(step, str) else f"[{step}]" for step in path)
    [(found,)] = run(
        f"SELECT q.v{steps} FROM (SELECT JSON_PARSE(%s) AS v) AS q", (json.dumps(value),)
    )
    assert (None if found is None else json.loads(found)) == expected


@conforms("SUPER and VARBYTE", "navigation, unnesting and dynamic types", "query-super",
          cases="statement", partly="values that are no array unnest to no row")  # fmt: skip
@pytest.mark.parametrize(
    ("statement", "rows"),
    [
        ("SELECT c.name, t.c.items[0].p, c.o.x.y, c.none.x FROM supers.t WHERE id = 1",
         [('"Ann"', "1.5", "7", None)]),
        ("SELECT c[1], c.name FROM supers.t WHERE id = 2", [("20", None)]),
        ("SELECT i.p, n FROM supers.t, t.c.items AS i AT n", [("1.5", 0), ("3", 1)]),
        ("SELECT i.p FROM supers.t q, q.c.items i WHERE i.p > 2", [("3",)]),
        ("SELECT id, i.p FROM supers.t q LEFT JOIN q.c.items i ON TRUE ORDER BY 1, 2",
         [(1, "1.5"), (1, "3"), (2, None), (3, None)]),
        ("SELECT (SELECT SUM(i.p) FROM q.c.items i) FROM supers.t q WHERE id = 1", [("4.5",)]),
        ("SELECT k, v FROM supers.t q, UNPIVOT q.c.items[0] AS v AT k ORDER BY k",
         [("Q", "2"), ("p", "1.5")]),
        ("SELECT i.q, i.\"Q\" FROM supers.t q, q.c.items i WHERE id = 1", [(None, None)] * 2),
        ("SELECT c.name = 'Ann', c.name || '!', c.items[0].p + 1, c.name < 5 FROM supers.t "
         "WHERE id = 1", [(True, '"Ann!"', "2.5", None)]),
        ("SELECT c.items[0].p::DECIMAL(5,2), c.name::VARCHAR, c.name::INT, c.o::VARCHAR "
         "FROM supers.t WHERE id = 1", [(1.5, "Ann", None, None)]),
        ("SELECT c FROM supers.t WHERE c = 'x'", [('"x"',)]),
        ("SELECT c.o.x.y, COUNT(*) FROM supers.t GROUP BY c.o.x.y ORDER BY 1",
         [("7", 1), (None, 2)]),
        ("SELECT MAX(i.p), MIN(i.p), AVG(i.p) FROM supers.t q, q.c.items i",
         [("3", "1.5", "2.2500")]),
        ("SELECT (c.o.x.y + 0.5) * 7 / 10 FROM supers.t WHERE id = 1", [("5.2500",)]),
    ],
)  # fmt: skip
def test_navigation(run, statement, rows):
    assert run(statement) == rows


@conforms("SUPER and VARBYTE", "functions of SUPER", "c_SUPER_functions", cases="expression",
          partly="json_parse_dedup_attributes, json_parse_truncate_strings stay off")  # fmt: skip
@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("ARRAY(1, 'x', NULL, ARRAY(2.5))", '[1,"x",null,[2.5]]'),
        ("ARRAY()", "[]"),
        ("OBJECT('a', 1, 'b', ARRAY('x'))", '{"a":1,"b":["x"]}'),
        ("ARRAY_CONCAT(ARRAY(1), ARRAY(2, 3))", "[1,2,3]"),
        ("ARRAY_FLATTEN(JSON_PARSE('[[1,2],[],3,[[4]]]'))", "[1,2,3,[4]]"),
        ("GET_ARRAY_LENGTH(ARRAY(1, 2))", 2),
        ("SUBARRAY(SPLIT_TO_ARRAY('a,b,c'), 1, 2)", '["b","c"]'),
        ("SPLIT_TO_ARRAY('12|345', '|')", '["12","345"]'),
        ("ARRAY_CONTAINS(ARRAY(1, 2), 2)", True),
        ("ARRAY_POSITION(ARRAY('a', 'b'), 'b')", 1),
        ("ARRAY_DISTINCT(ARRAY(1, 2, 1))", "[1,2]"),
        ("ARRAY_SORT(ARRAY(3, 1, 2))", "[1,2,3]"),
        ("JSON_TYPEOF(ARRAY(1, 2))", "array"),
        ("IS_DECIMAL(JSON_PARSE('1.5'))", True),
        ("IS_INTEGER(JSON_PARSE('10000000000'))", False),
        ("IS_BIGINT(JSON_PARSE('10000000000'))", True),
        ("IS_VARCHAR(JSON_PARSE('\"x\"'))", True),
        ("IS_OBJECT(OBJECT('a', 1))", True),
        ("IS_SCALAR(ARRAY(1))", False),
        ("JSON_SIZE(ARRAY(1, 2))", 5),
        ("ROUND(JSON_PARSE('2.5')) + ABS(JSON_PARSE('-1'))", "4"),
        ("CAST('bla' AS SUPER)", '"bla"'),
        ("CAN_JSON_PARSE('{bad')", False),
        ("CAN_JSON_PARSE(FROM_HEX('ff'))", False),
        ("JSON_PARSE(CAST('{\"a\": 1}' AS VARBYTE))", '{"a":1}'),
        ("JSON_SERIALIZE_TO_VARBYTE(ARRAY(1))", "5b315d"),
    ],
)
def test_functions(run, expression, value):
    assert run(f"SELECT {expression}") == [(value,)]


LONG = "REPEAT('1,', 32767)"  # nearly the longest text of one call


@conforms(
    "SUPER and VARBYTE",
    "what is no JSON, or over 16 MB, is refused",
    "JSON_PARSE, limitations-super",
)
@pytest.mark.parametrize(
    ("expression", "text"),
    [
        ("JSON_PARSE('{bad')", "invalid json object"),
        (f"JSON_PARSE('[' || {' || '.join([LONG] * 257)} || '1]')", "maximum size"),
        ("JSON_SERIALIZE(JSON_PARSE('\"' || REPEAT('x', 65535) || '\"'))", "too long"),
    ],
)
def test_limits(run, expression, text):
    with pytest.raises(psycopg2.Error, match=text):
        run(f"SELECT {expression}")


@conforms("SUPER and VARBYTE", "enable_case_sensitive_super_attribute", "super-configurations")
def test_names_in_quotes_keep_their_case(run):
    run("SET enable_case_sensitive_super_attribute TO on")
    try:
        statement = 'SELECT c.items[0]."Q", c.items[0].Q FROM supers.t WHERE id = 1'
        assert run(statement) == [("2", None)]
    finally:
        run("RESET enable_case_sensitive_super_attribute")


@conforms("SUPER and VARBYTE", "clients see types 4000 and 6551", "redshift_connector, JDBC")
def test_type_numbers(cloud):
    connection = cloud.connect_redshift()
    try:
        cursor = connection.cursor()
        cursor.execute("SELECT JSON_PARSE('1'), FROM_HEX('61'), '12:00+02'::TIMETZ")
        assert [column[1] for column in cursor.description] == [4000, 6551, 1266]
    finally:
        connection.close()


@conforms("SUPER and VARBYTE", "VARBYTE: functions and order are the bytes' (random bytes)",
          "r_VARBYTE_type, varbyte-functions")  # fmt: skip
@given(early=st.binary(max_size=9), late=st.binary(max_size=9))
@settings(max_examples=40, deadline=None)
def test_varbyte(run, early, late):
    found = run(
        "SELECT TO_HEX(e), OCTET_LENGTH(e), e || l, e < l, e = l, SUBSTRING(e, 2, 3), "
        "FROM_VARBYTE(e, 'hex'), TO_VARBYTE(FROM_VARBYTE(e, 'binary'), 'binary') = e "
        "FROM (SELECT FROM_HEX(%s) AS e, TO_VARBYTE(%s, 'hex') AS l) AS v",
        (early.hex(), late.hex()),
    )
    assert found == [(early.hex(), len(early), (early + late).hex(), early < late, early == late,
                      early[1:4].hex(), early.hex(), True if early else None)]  # fmt: skip


@conforms("SUPER and VARBYTE", "a VARBYTE of a length holds it; a cast cuts", "r_VARBYTE_type")
def test_varbyte_length(run):
    assert run("SELECT CAST('abcdef' AS VARBYTE(3)), CAST(CAST('é' AS VARBYTE) AS VARCHAR)") == [
        ("616263", "é")
    ]
    with pytest.raises(psycopg2.Error, match="too long"):
        run("INSERT INTO supers.t (b) VALUES ('abcde')")


@pytest.mark.parametrize(
    ("options", "body"),
    [
        ("FORMAT JSON 'auto'", b'{"id": 1, "c": {"k": [1, "x"]}}'),
        ("CSV", b'1,"{""k"": [1, ""x""]}"\n'),
        ("DELIMITER '|'", b'1|{"k": [1, "x"]}\n'),
    ],
)
@conforms("SUPER and VARBYTE", "COPY into SUPER, UNLOAD of SUPER", "ingest-super, r_UNLOAD",
          cases="options")  # fmt: skip
def test_super_in_files(run, table, options, body):
    table.run("CREATE TEMP TABLE loaded (id INT, c SUPER)")
    source, role = table.put(body), "IAM_ROLE default"
    table.run(f"COPY loaded FROM '{source}' {role} {options}")
    assert table.run("SELECT id, c, c.k[1] FROM loaded") == [(1, '{"k":[1,"x"]}', '"x"')]
    written = source.rsplit("/", 1)[0] + "/written_"
    form = "FORMAT JSON" if "JSON" in options else options
    table.run(f"UNLOAD ('SELECT id, c FROM loaded') TO '{written}' {role} {form}")
    table.run("DELETE FROM loaded")
    table.run(f"COPY loaded FROM '{written}' {role} {options}")
    assert table.run("SELECT id, c FROM loaded") == [(1, '{"k":[1,"x"]}')]
    table.connection.rollback()


@conforms("SUPER and VARBYTE", "COPY of Parquet into SUPER and VARBYTE; COPY JSON 'noshred'",
          "copy-usage_notes-copy-from-columnar, ingest-super")  # fmt: skip
def test_nested_parquet(table):
    nested = pa.array([{"k": [1, None], "t": "é"}, None])
    body = parquet(c=nested, s=pa.array(["x", "5"]), b=pa.array([b"ab", None]))
    role = "IAM_ROLE default"
    table.run("CREATE TEMP TABLE loaded (c SUPER, s SUPER, b VARBYTE)")
    table.run(f"COPY loaded FROM '{table.put(body)}' {role} FORMAT PARQUET SERIALIZETOJSON")
    assert table.run("SELECT c, c.k[0], s, b FROM loaded ORDER BY b") == [
        ('{"k":[1,null],"t":"é"}', "1", '"x"', "6162"),
        (None, None, '"5"', None),
    ]
    table.run("CREATE TEMP TABLE whole (d SUPER)")
    source = table.put(b'{"a": 1}\n{"b": [2]}', "w.json")
    table.run(f"COPY whole FROM '{source}' {role} FORMAT JSON 'noshred'")
    assert table.run("SELECT d FROM whole ORDER BY d.a") == [('{"a":1}',), ('{"b":[2]}',)]
    table.connection.rollback()


@pytest.mark.parametrize("table", ["(c SUPER SORTKEY)", "(c SUPER) DISTKEY (c)"])
def test_a_super_is_no_key(run, table):
    with pytest.raises(psycopg2.errors.SyntaxError, match="super cannot be"):
        run(f"CREATE TABLE supers.k {table}")
