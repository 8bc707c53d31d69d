"""What a client sends, however odd, is answered: the session goes on, and values are right."""

import contextlib
import json

import psycopg2
import pytest
from botocore.exceptions import ClientError
from hypothesis import given, settings
from hypothesis import strategies as st

NUMBERS = ["²", "٣", "9" * 5000, "-1", "1e3", "½"]


@pytest.fixture
def session(cloud):
    connection = psycopg2.connect(**cloud.front_address())
    connection.autocommit = True
    with contextlib.suppress(ClientError):
        cloud.s3_client().create_bucket(Bucket="survival")
    yield connection
    connection.close()


def answer(session, statement):
    with session.cursor() as cursor:
        try:
            cursor.execute(statement)
        except psycopg2.Error as error:
            assert not session.closed, statement[:100]
            assert "internal error" not in str(error), str(error)[:300]
            return error
        return cursor.fetchall() if cursor.description else cursor.statusmessage


@pytest.mark.parametrize("number", NUMBERS, ids=lambda text: text[:8] or "nothing")
@pytest.mark.parametrize(
    "form",
    ["SELECT CAST(1 AS VARCHAR({}))", "SELECT 1::NUMERIC({})", "SELECT 1::NUMERIC(5,{})",
     "CREATE TEMP TABLE z (a CHAR({}))", "CREATE TEMP TABLE z (a DECIMAL({}))",
     "COPY public.none FROM 's3://b/x' IAM_ROLE default MAXERROR {}",
     "COPY public.none FROM 's3://b/x' IAM_ROLE default FIXEDWIDTH '0:{}'",
     "COPY public.none FROM 's3://b/x' IAM_ROLE default IGNOREHEADER {}",
     "UNLOAD ('SELECT 1') TO 's3://b/x' IAM_ROLE default MAXFILESIZE {} MB"],
    ids=lambda form: form.replace(" ", "_")[:24],
)  # fmt: skip
def test_a_number_that_is_none_is_an_error_and_ends_no_session(session, form, number):
    assert isinstance(answer(session, form.format(number)), psycopg2.Error)
    assert answer(session, "SELECT 1") == [(1,)]


@settings(max_examples=60)
@given(
    head=st.sampled_from(
        ["SELECT ", "COPY t ", "UNLOAD (", "CREATE TABLE ", "SET ", "SHOW ", "ALTER "]
    ),
    text=st.text("\"'()[]{},.;:$\\²٣é \n09azCSVJON*-+/=<>", max_size=40),
)
def test_any_text_is_answered(session, head, text):
    answer(session, head + text)
    assert answer(session, "ROLLBACK") is not None
    assert answer(session, "SELECT 1") == [(1,)]


def test_averages_of_averages_cost_no_more_than_their_text(session):
    for depth in (2, 3, 8, 15):
        query = "SELECT " + "(SELECT AVG(" * depth + "1" + "))" * depth
        found = answer(session, query)
        assert (found == [(1,)]) if depth <= 2 else isinstance(found, psycopg2.NotSupportedError)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("AVG(COALESCE(price, 100))", "34.66"),
        ("AVG(CASE WHEN g = 1 THEN 0.25 ELSE 1 END)", "0.50"),
        ("AVG(NVL(price, 100))", "34.66"),
        ("AVG(GREATEST(price, 2))", "2.16"),
        ("AVG(g)", "1"),
        ("AVG(price)", "2.00"),
        ("AVG(DISTINCT price)", "2.00"),
        ("AVG(price::float8)", "2"),
    ],
)
def test_an_average_keeps_the_scale_of_its_argument(session, expression, expected):
    rows = (
        "(SELECT 1 AS g, 1.50::NUMERIC(7,2) AS price UNION ALL SELECT 1, 2.50 "
        "UNION ALL SELECT 2, NULL)"
    )
    assert [str(v) for (v,) in answer(session, f"SELECT ({expression})::text FROM {rows} r")] == [
        expected
    ]
    windowed = f"SELECT DISTINCT ({expression} OVER ())::text FROM {rows} r"
    if "DISTINCT" not in expression:
        assert [str(v) for (v,) in answer(session, windowed)] == [expected]


NESTED = st.recursive(
    st.one_of(st.integers(), st.floats(allow_nan=False, allow_infinity=False),
              st.text("aé\"\\/ \n", max_size=5), st.booleans(), st.none()),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.text("kK\"é ", max_size=3), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


@settings(max_examples=40)
@given(values=st.lists(NESTED.filter(lambda v: isinstance(v, (dict, list))),
                       min_size=1, max_size=4),
       option=st.sampled_from(["auto", "auto ignorecase"]), indent=st.sampled_from([None, 2]),
       joined=st.sampled_from(["\n", " ", ""]))  # fmt: skip
def test_a_nested_value_loads_as_its_own_text(cloud, session, values, option, indent, joined):
    """However its file is laid out: numbers stay numbers, and each digit stays."""
    texts = [json.dumps(value, ensure_ascii=False, indent=indent) for value in values]
    body = joined.join(f'{{"ID": {n}, "V": {text}}}' for n, text in enumerate(texts))
    if option == "auto":
        body = body.replace('"ID"', '"id"').replace('"V"', '"v"')
    cloud.s3_client().put_object(Bucket="survival", Key="a.json", Body=body.encode())
    answer(session, "CREATE TEMP TABLE IF NOT EXISTS nested (id INT, v VARCHAR(65535))")
    answer(session, "DELETE FROM nested")
    done = answer(
        session, f"COPY nested FROM 's3://survival/a.json' IAM_ROLE default JSON '{option}'"
    )
    assert done == "COPY", done
    assert answer(session, "SELECT v FROM nested ORDER BY id") == [(text,) for text in texts]
