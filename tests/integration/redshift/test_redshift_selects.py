"""Forms of SELECT, DELETE and CREATE TABLE AS that PostgreSQL lacks."""

import psycopg2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conformance import conforms


@pytest.fixture(scope="module")
def run(execute):
    execute("DROP SCHEMA IF EXISTS selects CASCADE")
    execute("CREATE SCHEMA selects")
    execute("CREATE TABLE selects.t (x INT, y INT, total INT, v VARCHAR(5))")
    execute("INSERT INTO selects.t VALUES (1, 2, 100, 'a'), (3, 4, 200, 'b')")
    return execute


@conforms(
    "Queries and changes",
    "an alias of the SELECT list in later expressions, WHERE and HAVING; a column goes before it",
    "r_SELECT_list",
    cases="query",
)
@pytest.mark.parametrize(
    ("query", "answer"),
    [
        ("SELECT 1 AS a, a + 1 AS b, b * 2 AS c", [(1, 2, 4)]),
        ("SELECT x * 10 AS ten, ten + y AS z FROM selects.t WHERE ten > 10", [(30, 34)]),
        ("SELECT x AS total, total + 1 FROM selects.t ORDER BY 1", [(1, 101), (3, 201)]),
        ("SELECT UPPER(v) AS v, v || 'x' FROM selects.t ORDER BY 2", [("A", "ax"), ("B", "bx")]),
        ("SELECT v AS n, COUNT(*) AS c, c * 2 AS d, n || '!' FROM selects.t GROUP BY v "
         "HAVING c > 0 ORDER BY 1", [("a", 1, 2, "a!"), ("b", 1, 2, "b!")]),
        ("SELECT SUM(x) AS s, s / 2 AS h FROM selects.t", [(4, 2)]),
        ("SELECT a.x AS xx, xx + b.y FROM selects.t a JOIN selects.t b ON a.x = b.x ORDER BY 1",
         [(1, 3), (3, 7)]),
        ("SELECT ROW_NUMBER() OVER (ORDER BY x) AS rn, rn + 1 AS r2 FROM selects.t",
         [(1, 2), (2, 3)]),
        ("WITH c AS (SELECT x AS m, m + 1 AS o FROM selects.t) SELECT o FROM c ORDER BY 1",
         [(2,), (4,)]),
        ("SELECT x, SUM(y) FROM selects.t GROUP BY ALL ORDER BY 1", [(1, 2), (3, 4)]),
        ("SELECT SUM(y) FROM selects.t GROUP BY ALL", [(6,)]),
        ("(SELECT 1) UNION ALL (SELECT 2)", [(1,), (2,)]),
        ("SELECT INTERVAL '1 month' + '2024-01-31'::TIMESTAMP = '2024-02-29'", [(True,)]),
    ],
    ids=str,
)  # fmt: skip
def test_forms_of_select(run, query, answer):
    assert run(query) == answer


@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_a_chain_of_aliases_is_the_sum_of_its_steps(run, data):
    """Each alias is 1 more than an earlier one; WHERE sees the last."""
    names = data.draw(st.permutations(["a", "b", "total_2", "date_1", "n"]))
    values, parts = [7], [f"x + 6 AS {names[0]}"]
    for name in names[1:]:
        at = data.draw(st.integers(0, len(values) - 1))
        parts.append(f"{names[at].upper()} + 1 AS {name}")
        values.append(values[at] + 1)
    query = f"SELECT {', '.join(parts)} FROM selects.t WHERE {names[-1]} = {values[-1]} AND x = 1"
    assert run(query) == [tuple(values)]


@conforms("Queries and changes", "DELETE without FROM", "r_DELETE")
def test_delete_without_from(run):
    run("CREATE TEMP TABLE few AS SELECT 1 AS a UNION ALL SELECT 2")
    assert run("DELETE few WHERE a = 2") == 1
    assert run("SELECT a FROM few") == [(1,)]
    run("DROP TABLE few")


@conforms("Tables", "CREATE TABLE (names) AS", "r_CREATE_TABLE_AS")
def test_create_table_as_with_names(run):
    run("CREATE TABLE selects.named (a, b) AS SELECT x, v FROM selects.t WHERE x = 1")
    assert run("SELECT a, b FROM selects.named") == [(1, "a")]


@conforms("Tables", "IDENTITY(0, 1)", "r_CREATE_TABLE_NEW")
def test_an_identity_may_begin_with_0(run):
    run("CREATE TABLE selects.zero (id BIGINT IDENTITY(0, 1), a INT)")
    run("INSERT INTO selects.zero (a) VALUES (7), (8)")
    assert run("SELECT id, a FROM selects.zero ORDER BY 1") == [(0, 7), (1, 8)]


_PRICES = "SELECT 1 AS q, 'a' AS n, 5 AS p UNION ALL SELECT 2, 'b', 7 UNION ALL SELECT NULL, 'a', 9"


@conforms("Queries and changes", "EXCLUDE, PIVOT and UNPIVOT", "r_EXCLUDE_list, "
          "r_FROM_clause-pivot-unpivot-examples", cases="query",
          partly="one PIVOT for a relation")  # fmt: skip
@pytest.mark.parametrize(
    ("query", "names", "rows"),
    [
        ("SELECT * EXCLUDE x FROM selects.t WHERE x = 1", "y total v", [(2, 100, "a")]),
        ("SELECT '@' AS a, '|/' b, '||/', 'EXCLUDE' FROM selects.t WHERE x = 1 AND '@' <> '#'",
         "a b ?column? ?column?", [("@", "|/", "||/", "EXCLUDE")]),
        ('SELECT x AS "EXCLUDE" FROM selects.t WHERE x = 1', "exclude", [(1,)]),
        ("""SELECT "EXCLUDE" FROM (SELECT x AS "exclude" FROM selects.t WHERE x = 1)""",
         "exclude", [(1,)]),
        ("SELECT *, 1 AS z EXCLUDE (x, z) FROM selects.t WHERE x = 1",
         "y total v", [(2, 100, "a")]),
        ("SELECT a.x, b.* EXCLUDE (y) FROM selects.t a JOIN selects.t b ON a.x = b.x "
         "WHERE a.x = 1", "x x total v", [(1, 1, 100, "a")]),
        ("WITH c AS (SELECT * EXCLUDE (v, total) FROM selects.t), d AS (SELECT * EXCLUDE x FROM c) "
         "SELECT * FROM d WHERE y = 2", "y", [(2,)]),
        (f"SELECT * FROM ({_PRICES}) PIVOT (AVG(p) FOR n IN ('a', 'b')) ORDER BY q",
         "q a b", [(1, 5, None), (2, None, 7), (None, 9, None)]),
        (f"SELECT * FROM (SELECT q, n FROM ({_PRICES})) PIVOT (COUNT(*) AS count FOR q IN "
         "(1 AS one, 2, NULL AS none)) ORDER BY n", "n one_count 2_count none_count",
         [("a", 1, 0, 1), ("b", 0, 1, 0)]),
        (f"WITH w AS ({_PRICES}) SELECT * FROM w UNPIVOT (value FOR name IN (q AS first, p)) "
         "ORDER BY 3", "n name value",
         [("a", "first", 1), ("b", "first", 2), ("a", "p", 5), ("b", "p", 7), ("a", "p", 9)]),
        (f"SELECT * EXCLUDE n FROM ({_PRICES}) UNPIVOT INCLUDE NULLS (v FOR k IN (q)) AS u "
         "ORDER BY p", "p k v", [(5, "q", 1), (7, "q", 2), (9, "q", None)]),
    ],
)  # fmt: skip
def test_columns_by_name(cloud, run, query, names, rows):
    assert run(query) == rows
    with cloud.connect_redshift() as connection, connection.cursor() as cursor:
        cursor.execute(query)
        assert [column.name for column in cursor.description] == names.split()
    connection.close()


@conforms("Queries and changes", "EXCLUDE of a name that is not there", "r_EXCLUDE_list")
def test_an_excluded_name_exists(run):
    with pytest.raises(psycopg2.errors.UndefinedColumn):
        run("SELECT * EXCLUDE nope FROM selects.t")


@conforms(
    "Queries and changes",
    "forms that PostgreSQL has and Redshift has not: {}",
    "r_Window_function_synopsis, r_UNION, r_TRUNCATE, r_INSERT_30",
    cases="statement",
    refused=True,
)
@pytest.mark.parametrize(
    "statement",
    [
        "SELECT SUM(x) OVER (ORDER BY x RANGE BETWEEN 1 PRECEDING AND CURRENT ROW) FROM selects.t",
        "SELECT SUM(x) OVER (ORDER BY x GROUPS UNBOUNDED PRECEDING) FROM selects.t",
        "SELECT SUM(x) OVER w FROM selects.t WINDOW w AS (ORDER BY x)",
        "SELECT x FROM selects.t INTERSECT ALL SELECT x FROM selects.t",
        "SELECT x FROM selects.t EXCEPT ALL SELECT x FROM selects.t",
        "SELECT ctid FROM selects.t", "SELECT t.xmin FROM selects.t", "DELETE FROM ONLY selects.t",
        "TRUNCATE selects.t, selects.t", "TRUNCATE selects.t CASCADE",
        "SELECT x FROM selects.t WHERE x BETWEEN SYMMETRIC 2 AND 1",
    ],
)  # fmt: skip
def test_forms_that_redshift_has_not(run, statement):
    with pytest.raises(psycopg2.Error, match="works on PostgreSQL, fails on Redshift"):
        run(statement)
    with pytest.raises(psycopg2.errors.SyntaxError, match="cannot be empty"):
        run("SELECT FROM selects.t")
    assert run("SELECT SUM(x) OVER (ORDER BY x ROWS UNBOUNDED PRECEDING) FROM selects.t") == [
        (1,), (4,)
    ]  # fmt: skip


@conforms("Queries and changes", "INSERT ... DEFAULT VALUES", "r_INSERT_30")
def test_default_values_are_inserted(run):
    run('DROP TABLE IF EXISTS "#seen"')
    run('CREATE TABLE "#seen" (n INT DEFAULT 7, v VARCHAR(5))')
    run('INSERT INTO "#seen" DEFAULT VALUES')
    assert run('SELECT * FROM "#seen"') == [(7, None)]


def test_merge_names_the_table_that_is_missing(run):
    statement = (
        "MERGE INTO selects.none USING selects.t ON selects.none.x = t.x WHEN MATCHED THEN "
        "UPDATE SET x = t.x WHEN NOT MATCHED THEN INSERT VALUES (t.x, t.y)"
    )
    with pytest.raises(psycopg2.errors.UndefinedTable, match="none"):
        run(statement)
