"""The reader of SQL text: comments and the words in strings change no verdict."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from src.local_cloud.redshift.statements import dispatch
from src.sql import scanning
from src.sql.refusal import Refusal
from tests.integration.redshift.test_redshift_attacks import COMMENTS, QUERIES, STATEMENTS
from tests.integration.redshift.test_redshift_functions import ANSWERS

PLAIN = [
    "SELECT a FROM t WHERE b = 'x' AND c IN (1, 2)",
    "INSERT INTO s.t (a, b) VALUES (1, 'it''s'), (2, E'a\\nb')",
    "UPDATE t SET a = a + 1 WHERE b = $1",
    "DELETE FROM t USING u WHERE t.a = u.a",
    "SET query_group TO 'a'", "SHOW query_group", "RESET query_group", "SET search_path TO a, b",
    "EXPLAIN SELECT NVL(a, 1) FROM t", "DECLARE c CURSOR FOR SELECT a FROM t",
    "PREPARE p AS SELECT NVL(a, 1) FROM t", "EXECUTE p (1, 'a')", "FETCH 5 FROM c", "CLOSE c",
    "BEGIN", "START TRANSACTION READ ONLY", "ROLLBACK", "DROP TABLE IF EXISTS s.t",
    "CREATE VIEW v AS SELECT 1 AS a", "SELECT c.relname FROM pg_catalog.pg_class c",
    *(f"SELECT {expression}" for expression, _ in ANSWERS),
]  # fmt: skip


def verdict(text):
    try:
        return [dispatch.postgres_text(s) for s in scanning.split(text)]
    except Refusal as refusal:
        return refusal.code


def with_gaps(statement, gaps):
    """Write a statement's words with something between each two."""
    tokens = scanning.read(statement).tokens
    return "".join(f" {gaps[at % len(gaps)]} {token.text}" for at, token in enumerate(tokens))


@pytest.mark.parametrize("statement", PLAIN)
def test_a_statement_is_taken(statement):
    assert isinstance(verdict(statement), list)


@settings(max_examples=300, deadline=None)
@given(
    statement=st.sampled_from([*PLAIN, *QUERIES, *STATEMENTS]),
    gaps=st.lists(st.sampled_from(["", *COMMENTS]), min_size=1, max_size=7),
)
def test_a_comment_anywhere_changes_no_verdict(statement, gaps):
    if "\\'" in statement:  # the words of an UNLOAD are a string's here
        return
    normal = verdict(with_gaps(statement, [""]))
    changed = verdict(with_gaps(statement, gaps))
    if isinstance(changed, list):
        changed = [" ".join(text.split()) for text in changed]
        normal = [" ".join(text.split()) for text in normal]
    assert changed == normal


@settings(max_examples=200, deadline=None)
@given(
    word=st.sampled_from(["pg_catalog.", "SAVEPOINT", "ADD", "COMPRESSION", "distkey", "stl_x",
                          "--", "/*", "'", ";", "$$", "$1", '"', "COPY", "redshift_local.x",
                          "pg_read_file(", "\\"]),
    around=st.text(alphabet="ab '\\\n\"$;-*/", max_size=6),
)  # fmt: skip
def test_a_string_is_a_value_whatever_stands_in_it(word, around):
    value = around + word + around[::-1]
    escaped = value.replace("\\", "\\\\").replace("'", "''")
    for written in (f"'{escaped}'", f"E'{escaped}'"):
        (token,) = scanning.read(written).tokens
        assert token.kind == "string"
        (text,) = verdict(f"SELECT {written} AS a, 'b' AS b")
        assert text == "SELECT '" + value.replace("'", "''") + "' AS a, 'b' AS b"


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="aeE'\"$t-/*;\\\n 1.,()nNuU&xX", max_size=30))
def test_what_is_written_anew_reads_the_same(text):
    try:
        found = scanning.split(text)
    except Refusal:
        return
    for statement in found:
        (again,) = scanning.split(statement.code)
        assert [(t.kind, t.text) for t in again.tokens] == [
            (t.kind, t.text) for t in statement.tokens
        ]


@pytest.mark.parametrize(
    "text",
    ["'a", '"a', "$$a", "$a$ $b$", "/* /* */", "E'\\'", "a\x00", "E'\\000'", "U&'a'", "X'1'"],
)
def test_what_does_not_end_is_refused(text):
    with pytest.raises(Refusal):
        scanning.split(text)
