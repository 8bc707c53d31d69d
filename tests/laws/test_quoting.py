"""Names and texts survive their way through SQL, whatever characters they have."""

import duckdb
from hypothesis import given
from hypothesis import strategies as st

from src.sql import quoting
from src.sql.reading import TokenReader

TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=30)
NAMES = TEXTS.filter(lambda name: 0 < len(name.encode()) <= 127)


@given(name=NAMES)
def test_a_quoted_name_is_one_token(name):
    reader = TokenReader(quoting.qualified("s", name))
    assert reader.identifier() == "s"
    assert reader.take(".")
    assert reader.identifier() == name.lower()
    assert reader.is_at_end


@given(name=NAMES, text=TEXTS)
def test_duckdb_reads_names_and_literals(name, text):
    found = duckdb.sql(f"SELECT {quoting.literal(text)} AS {quoting.identifier(name)}")
    assert (found.columns, found.fetchall()) == ([name], [(text,)])
