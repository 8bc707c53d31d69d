"""VARCHAR values are compared without their trailing blanks, and cut blanks on their way in."""

from contextlib import closing

import psycopg2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from src.sql import quoting
from tests.conformance import conforms

TEXTS = st.text(alphabet="aB \u00e9", max_size=5)


@pytest.fixture(scope="module")
def run(execute):
    execute("CREATE SCHEMA IF NOT EXISTS comparisons")
    execute("DROP TABLE IF EXISTS comparisons.t")
    execute("CREATE TABLE comparisons.t (v VARCHAR(20), w VARCHAR(20), c CHAR(10))")
    return execute


@conforms(
    "Queries and changes",
    "trailing blanks of VARCHAR and CHAR count in no comparison, join, group, set or sort",
    "r_Character_types, r_Examples_with_character_types",
    partly="two texts that functions made of other types than VARCHAR keep theirs",
)
@settings(max_examples=25, deadline=None)
@given(rows=st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=6))
def test_trailing_blanks_are_not_compared(run, rows):
    run("DELETE FROM comparisons.t")
    for v, w in rows:
        run("INSERT INTO comparisons.t (v, w) VALUES (%s, %s)", (v, w))
    left, right = [v.rstrip(" ") for v, _ in rows], [w.rstrip(" ") for _, w in rows]
    pairs = sum(a == b for a in left for b in right)
    first = rows[0][0].rstrip(" ") + "  "
    for query, answer in [
        ("SELECT COUNT(*) FROM comparisons.t WHERE v = w", sum(map(str.__eq__, left, right))),
        ("SELECT COUNT(*) FROM comparisons.t WHERE v <> w", sum(map(str.__ne__, left, right))),
        (f"SELECT COUNT(*) FROM comparisons.t WHERE v = '{first}'", left.count(left[0])),
        (f"SELECT COUNT(*) FROM comparisons.t WHERE v IN ('{first}', 'z')", left.count(left[0])),
        (f"SELECT COUNT(*) FROM comparisons.t WHERE v || '' = '{first}'", left.count(left[0])),
        ("SELECT COUNT(*) FROM comparisons.t WHERE LOWER(v) = LOWER(w)",
         sum(a.lower() == b.lower() for a, b in zip(left, right, strict=True))),
        ("SELECT COUNT(*) FROM comparisons.t a JOIN comparisons.t b ON a.v = b.w", pairs),
        ("SELECT COUNT(*) FROM comparisons.t WHERE NULLIF(v, w) IS NULL",
         sum(map(str.__eq__, left, right))),
        ("SELECT COUNT(DISTINCT v) FROM comparisons.t", len(set(left))),
        ("SELECT COUNT(*) FROM (SELECT v FROM comparisons.t GROUP BY v) AS g", len(set(left))),
        ("SELECT COUNT(*) FROM (SELECT v FROM comparisons.t UNION SELECT w FROM comparisons.t) x",
         len({*left, *right})),
    ]:  # fmt: skip
        assert run(query) == [(answer,)], query


def test_char_and_varchar_are_compared_and_joined(run):
    run("DELETE FROM comparisons.t")
    run("INSERT INTO comparisons.t VALUES ('a  ', 'b', 'a'), ('b', 'b', 'x')")
    assert run("SELECT COUNT(*) FROM comparisons.t WHERE v = c AND c = v") == [(1,)]
    joined = "SELECT COUNT(*) FROM comparisons.t x JOIN comparisons.t y ON x.v = y.c"
    assert run(joined) == [(1,)]
    assert run("SELECT 'x' IN ('x ', 'y'), 'a' = 'a ', 'a' < 'a ', 'b' BETWEEN 'a' AND 'b '") == [
        (True, True, False, True)
    ]


@conforms("Tables", "blanks that are too many are cut", "r_Character_types")
@given(text=TEXTS, blanks=st.integers(0, 8))
@settings(max_examples=25, deadline=None)
def test_blanks_that_are_too_many_are_cut(run, text, blanks):
    run("CREATE TEMP TABLE narrow (v VARCHAR(3))")
    try:
        value = text.replace("\u00e9", "e") + " " * blanks
        if len(value.rstrip(" ")) <= 3:
            run("INSERT INTO narrow VALUES (%s)", (value,))
            assert run("SELECT v FROM narrow") == [(value[:3],)]
        else:
            with pytest.raises(psycopg2.Error, match="(?i)value too long"):
                run("INSERT INTO narrow VALUES (%s)", (value,))
    finally:
        run("DROP TABLE narrow")


def test_a_declared_length_is_the_columns_own(run):
    run("CREATE TEMP TABLE lengths AS SELECT v FROM comparisons.t")
    query = """SELECT data_type, character_maximum_length FROM information_schema.columns
                WHERE table_name = 'lengths'"""
    assert run(query) == [("character varying", 20)]


ANY_TEXT = st.text(
    st.characters(exclude_characters="\0", exclude_categories=["Cs"], max_codepoint=0x2FFF),
    max_size=20,
)


@settings(max_examples=25, deadline=None)
@given(text=ANY_TEXT)
def test_a_text_written_as_a_literal_is_read_back(run, cloud, text):
    assert run(f"SELECT {quoting.redshift_literal(text)}") == [(text,)]
    with closing(psycopg2.connect(**cloud.redshift_address())) as plain, plain.cursor() as cursor:
        cursor.execute(f"SELECT {quoting.postgres_literal(text)}, {quoting.coded_literal(text)}")
        assert cursor.fetchone() == (text, text)
