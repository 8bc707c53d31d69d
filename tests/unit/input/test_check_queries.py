"""Checks of one source are one query, and each gets the number that it gets alone."""

import sqlite3

from hypothesis import given, settings
from hypothesis import strategies as st

from src.services.check_queries import combined
from src.services.data_quality_service import read_checks
from src.sql.files import read_all
from src.sql.shared_parts import with_shared_parts

VALUES = st.sampled_from([None, -1, 0, 1, 2])
ROWS = st.lists(st.tuples(VALUES, VALUES), max_size=12)
CONDITIONS = ["x < 0", "x IS NULL OR y = 0", "(x = 1 OR y > 1) AND y <> 2", "x IN (1, 2)",
              "EXISTS (SELECT 1 FROM t WHERE y = 2)", "y > -1 -- not all"]  # fmt: skip
CHECKS = st.one_of(
    st.builds("SELECT COUNT(*) FROM {} WHERE {}".format, st.sampled_from("tu"),
              st.sampled_from(CONDITIONS)),
    st.sampled_from([
        "SELECT COUNT(*) FROM t", "SELECT MAX(x) + COUNT(y) FROM t", "SELECT SUM(x) FROM u",
        "SELECT COUNT(*) - COUNT(DISTINCT x) FROM t", "SELECT SUM(y) FROM t WHERE x > 0",
        "SELECT COUNT(*) FROM t GROUP BY x ORDER BY 1 DESC LIMIT 1", "SELECT COUNT(*) FROM t, u",
        "SELECT COUNT(*) FROM t LEFT JOIN u ON u.x = t.x WHERE u.y IS NULL",
        "SELECT COUNT(CASE WHEN u.y = 1 THEN 1 END) FROM t LEFT JOIN u ON u.x = t.x",
        "SELECT COUNT(*) FROM (SELECT x FROM u GROUP BY x HAVING COUNT(*) > 1) AS d",
    ]),
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(ROWS, ROWS, st.lists(CHECKS, min_size=1, max_size=8))
def test_together_they_find_what_each_finds_alone(t_rows, u_rows, checks):
    connection = sqlite3.connect(":memory:")
    try:
        for table, rows in (("t", t_rows), ("u", u_rows)):
            connection.execute(f"CREATE TABLE {table} (x, y)")
            connection.executemany(f"INSERT INTO {table} VALUES (?, ?)", rows)
        named = {f"c{number}": sql for number, sql in enumerate(checks)}
        alone = {name: connection.execute(sql).fetchone() for name, sql in named.items()}
        together = {}
        for query in combined(named):
            row = connection.execute(query.sql).fetchone()
            values = [(value,) for value in row] if row else [None]
            together |= zip(query.names, values, strict=True)
        assert together == alone
    finally:
        connection.close()


def test_the_sales_are_read_three_times_for_all_checks():
    checks = {check.name: check.sql for check in read_checks()}
    queries = [query for query in combined(checks) if "ticket_sales" in query.sql]
    assert len(queries) == 3 and sum(len(query.names) for query in queries) == 9


def test_a_part_that_queries_share_is_taken_out_once():
    parts, rest = with_shared_parts([file.statement for file in read_all("analysis")])
    scans = [sql for sql in (*parts.values(), *rest) if "concert_dw.ticket_sales" in sql]
    assert list(parts) == ["sales_by_concert"] and len(scans) == 3
    kept = with_shared_parts(["WITH a AS (SELECT 1) SELECT 2 FROM a", "SELECT 3"])
    assert kept == ({}, ["WITH a AS (SELECT 1) SELECT 2 FROM a", "SELECT 3"])
    assert with_shared_parts(["WITH a AS (SELECT (1)) SELECT 2 FROM a"] * 2) == (
        {"a": "SELECT (1)"},
        ["SELECT 2 FROM a"] * 2,
    )
