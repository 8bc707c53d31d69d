"""Regular rows take a short way: what is kept, refused and counted is what all steps give."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from src.domain import cleaning
from src.domain.table_counts import table_counts
from src.domain.tables import CONCERTS, TICKET_SALES

duckdb = pytest.importorskip("duckdb")

UNUSUAL = [
    "",
    " ",
    "\\N",
    "x|y",
    " 7",
    "7\n",
    "7.0",
    "1e2",
    "-1",
    "007",
    "n/a",
    "9" * 30,
    "é",
    None,
]
TIMES = ["2025-02-28 10:00:00", "2025-02-28T10:00:00Z", "2024-02-29 23:59:59.123456",
         "2025-02-29 10:00:00", "2025-04-31 10:00:00", "1799-12-31 23:59:59", "2025-01-01",
         "2199-12-31 23:59:59.1", "2025-01-01 10:00:00+02:00",
         "2025-01-01 10:00:00.1234567"]  # fmt: skip
USUAL = {
    "key": ["1", "2", "a-1", "a_1"],
    "text": ["vip", "box office", "VIP", "web ", "on_sale"],
    "integer": ["1", "2", "500000", "500001", "0", "999999999"],
    "decimal": ["1", "2.5", "2.50", "2.505", "100000", "100000.01", "5", "5.00"],
    "timestamp": TIMES,
}


def rows_of(spec):
    row = [
        st.one_of(*[st.sampled_from(USUAL[c.kind])] * 6, st.sampled_from(UNUSUAL))
        for c in spec.columns
    ]
    return st.lists(st.tuples(*row), min_size=1, max_size=25)


@pytest.fixture(scope="module")
def translated():
    pytest.importorskip("sqlglot")
    from src.local_cloud.glue.spark_sql import translated

    return translated


@pytest.fixture(scope="module")
def statements(translated):
    """Return, for each table, the steps and the three results, with and without the short way."""
    made = {}
    for spec in (CONCERTS, TICKET_SALES):
        for is_short in (True, False):
            rules = cleaning.Cleaning(spec, "{}_{}".format, "known_{}".format, ("", "\\N", "n/a"))
            steps = [(name, translated(query)) for name, query in rules.steps()]
            if not is_short:
                name, query = steps[0]
                steps[0] = name, re.sub(r"CASE WHEN .* END AS is_usual", "FALSE AS is_usual", query)
            results = [translated(q) for q in (rules.accepted(), rules.rejected(), rules.counts())]
            made[spec.name, is_short] = steps, results
    return made


def outcome(spec, rows, statements):
    steps, (accepted, rejected, counts) = statements
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        for _, parent in spec.references:
            key = f"{parent[:-1]}_id"
            connection.execute(
                f"CREATE TABLE known_{parent} AS SELECT unnest(['1', '2', 'a-1']) AS {key}"
            )
        columns = ", ".join(f"{name} VARCHAR" for name in (*spec.column_names, "record_number"))
        connection.execute(f"CREATE TABLE raw_{spec.name} ({columns})")
        marks = ", ".join("?" * (len(spec.columns) + 1))
        numbered = [[*row, str(number)] for number, row in enumerate(rows)]
        connection.executemany(f"INSERT INTO raw_{spec.name} VALUES ({marks})", numbered)
        for name, query in steps:
            connection.execute(f"CREATE TABLE {name} AS {query}")
        # With their types: a count must not become a text, nor an amount a float.
        found = [
            sorted(map(repr, connection.execute(query).fetchall()))
            for query in (accepted, rejected)
        ]
        kinds = [str(c[1]) for c in connection.execute(f"DESCRIBE {accepted}").fetchall()]
        result = connection.execute(counts)
        names = [column[0] for column in result.description]
        counted = table_counts(dict(zip(names, row, strict=True)) for row in result.fetchall())
        (short,) = connection.execute(
            f"SELECT COUNT(*) FROM read_{spec.name} WHERE is_regular"
        ).fetchone()
    return (*found, kinds, counted), short


@pytest.mark.parametrize("spec", [CONCERTS, TICKET_SALES], ids=lambda spec: spec.name)
def test_a_regular_row_gets_what_all_steps_give_it(spec, statements):
    taken = []

    @settings(max_examples=25, deadline=None)
    @given(rows_of(spec))
    def law(rows):
        short, count = outcome(spec, rows, statements[spec.name, True])
        long, none = outcome(spec, rows, statements[spec.name, False])
        assert short == long and none == 0
        taken.append(count)

    law()
    assert sum(taken), "no row took the short way"
