"""Operators, divisions and windows of the local Redshift, against what they are defined as."""

import contextlib
from decimal import ROUND_DOWN, Context, Decimal

import psycopg2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from src.local_cloud.local_cloud import LocalCloud
from src.local_cloud.redshift.connection import prepare
from tests.conformance import conforms

WIDE = Context(prec=120, rounding=ROUND_DOWN)


@pytest.fixture(scope="module")
def run(execute):
    execute("DROP SCHEMA IF EXISTS expressions CASCADE")
    execute("CREATE SCHEMA expressions")
    execute("CREATE TABLE expressions.t (n INT, v VARCHAR(5), g INT)")
    execute("INSERT INTO expressions.t VALUES (1, 'a', 1), (2, NULL, 1), (3, 'c', 1), (4, NULL, 2)")
    execute("CREATE TABLE expressions.d (w INT, s SMALLINT, b BIGINT, d DECIMAL(8, 2))")
    execute("INSERT INTO expressions.d VALUES (7, 7, 7, 7)")
    return execute


@st.composite
def decimals(draw):
    """Return (precision, scale, value): a type, and a number of it that is not 0."""
    precision = draw(st.integers(1, 12))
    scale = draw(st.integers(0, precision))
    digits = draw(st.integers(1, 10**precision - 1)) * draw(st.sampled_from([1, -1]))
    return precision, scale, Decimal(digits).scaleb(-scale)


@conforms(
    "Functions",
    "the scale of +, -, * and / of decimals is the documented formula's (random types)",
    "r_numeric_computations201",
    partly="PostgreSQL's scale where an aggregate or a subquery's column divides",
)
@given(early=decimals(), late=decimals())
@settings(max_examples=50, deadline=None)
def test_scales(run, early, late):
    (_, s1, a), (p2, s2, b) = early, late
    one, two = f"CAST({a} AS DECIMAL({early[0]}, {s1}))", f"CAST({b} AS DECIMAL({p2}, {s2}))"
    [found] = run(f"SELECT {one} + {two}, {one} - {two}, {one} * {two}, {one} / {two}")
    scale = max(4, s1 + p2 - s2 + 1)
    quotient = WIDE.quantize(WIDE.divide(a, b), Decimal(1).scaleb(-scale))
    assert list(found) == [a + b, a - b, a * b, quotient]
    scales = [-value.as_tuple().exponent for value in found]
    assert scales == [max(s1, s2), max(s1, s2), s1 + s2, scale]


@conforms("Functions", "division: literals, whole numbers, columns", "r_numeric_computations201",
          cases="expression")  # fmt: skip
@pytest.mark.parametrize(
    ("expression", "text"),
    [
        ("7 / 2", "3"), ("7 / 2.0", "3.5000"), ("1.0 / 3.0", "0.3333"),
        ("2.0 / -3", "-0.666666666666"),
        ("d / d", "1.000000000"), ("d / w", "1.0000000000000"), ("d / s", "1.00000000"),
        ("d / b", "1.0000000000000000000000"), ("w / d", "1.0000000"), ("w / (s * 2)", "0"),
        ("d / NULLIF(d, 0)", "1.000000000"), ("1.00 / (2.0 + 1.0)", "0.33333"),
        ("d / CAST(2 AS FLOAT)", "3.5"),
    ],
)  # fmt: skip
def test_division(run, expression, text):
    assert run(f"SELECT CAST({expression} AS VARCHAR) FROM expressions.d") == [(text,)]


@conforms("Functions", "operators: {}", "r_OPERATOR_SYMBOLS", cases="expression")
@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("@ -5", 5), ("@n - 3", 2), ("5 # 3", 6), ("5 & 3 | 8", 9), ("~ 1", -2),
        ("1 << 3 >> 1", 4),
        ("|/ 25 - 9", 4), ("||/ 27", 3), ("2 ^ 3", 8), ("7 % 4", 3),
        ("'abc' SIMILAR TO '(a|b)%'", True),
        ("'b' ~ '^[a-c]$'", True), ("(1 AS one) + 1", 2), ("CHECKSUM(n) = CHECKSUM(n)", True),
        ("NVL(TRY_CAST('x' AS INT), 7) + TRY_CAST('5' AS INT)", 12),
        ("TRY_CAST('1.555' AS DECIMAL(5, 2))", Decimal("1.56")), ("'2024-01-02'::DATETIME::DATE - "
         "'2024-01-01'::DATE", 1),
    ],
)  # fmt: skip
def test_operators(run, expression, value):
    [(found,)] = run(f"SELECT {expression} FROM expressions.t WHERE n = 1")
    assert found == pytest.approx(value)


@conforms("Functions", "IGNORE NULLS and RESPECT NULLS", "r_WF_LAG, r_WF_LEAD, r_WF_first_value, "
          "r_WF_NTH", cases="expression")  # fmt: skip
@pytest.mark.parametrize(
    ("expression", "values"),
    [
        ("LAG(v) IGNORE NULLS OVER (ORDER BY n)", [None, "a", "a", "c"]),
        ("LAG(v, 1) RESPECT NULLS OVER (ORDER BY n)", [None, "a", None, "c"]),
        ("LEAD(v, 1) IGNORE NULLS OVER (ORDER BY n)", ["c", "c", None, None]),
        ("LAST_VALUE(v IGNORE NULLS) OVER (PARTITION BY g ORDER BY n ROWS BETWEEN UNBOUNDED "
         "PRECEDING AND UNBOUNDED FOLLOWING)", ["c", "c", "c", None]),
        ("FIRST_VALUE(v IGNORE NULLS) OVER (ORDER BY n DESC ROWS UNBOUNDED PRECEDING)",
         ["c", "c", "c", None]),
        ("NTH_VALUE(v, 2) IGNORE NULLS OVER (ORDER BY n ROWS BETWEEN UNBOUNDED PRECEDING AND "
         "UNBOUNDED FOLLOWING)", ["c"] * 4),
    ],
)  # fmt: skip
def test_windows_without_nulls(run, expression, values):
    assert run(f"SELECT {expression} FROM expressions.t ORDER BY n") == [(v,) for v in values]


@conforms(
    "Queries and changes", "relations in parentheses; outer joins with (+)", "r_FROM_clause30"
)
@pytest.mark.parametrize(
    ("query", "rows"),
    [
        ("SELECT COUNT(t.n) FROM ((expressions.t))", [(4,)]),
        ("SELECT COUNT(x.n) FROM (expressions.t) AS x", [(4,)]),
        ("SELECT a.n, b.n FROM expressions.t a, (SELECT 1 AS n) b WHERE a.n = b.n (+) "
         "ORDER BY a.n", [(1, 1), (2, None), (3, None), (4, None)]),
    ],
)  # fmt: skip
def test_relations(run, query, rows):
    assert run(query) == rows


@conforms("Tables", "ALTER COLUMN ... ENCODE, ALTER ENCODE AUTO", "r_ALTER_TABLE",
          partly="checked; everything is stored without compression")  # fmt: skip
def test_encodings(run):
    run("ALTER TABLE expressions.t ALTER COLUMN n ENCODE az64, ALTER COLUMN v ENCODE zstd")
    run("ALTER TABLE expressions.t ALTER ENCODE AUTO")
    for change in ("v ENCODE az64", "n ENCODE nonsense", "nope ENCODE raw"):
        with pytest.raises(psycopg2.Error, match="encod|exist"):
            run(f"ALTER TABLE expressions.t ALTER COLUMN {change}")


def test_a_table_is_no_query(run):
    with pytest.raises(psycopg2.errors.FeatureNotSupported, match="fails on Redshift"):
        run("CREATE TABLE expressions.u AS (TABLE expressions.t)")


def test_merge_into_no_table_names_it(run):
    with pytest.raises(psycopg2.errors.UndefinedTable, match="nope"):
        run("MERGE INTO expressions.nope USING expressions.t ON nope.n = t.n WHEN MATCHED THEN "
            "DELETE WHEN NOT MATCHED THEN INSERT VALUES (t.n)")  # fmt: skip


@conforms("Tables", "CREATE LOCAL TEMPORARY TABLE", "r_CREATE_TABLE_NEW")
def test_local_temporary_tables(run):
    run("CREATE LOCAL TEMPORARY TABLE passing AS SELECT 1 AS a")
    assert run("SELECT a FROM passing") == [(1,)]


def test_a_warehouse_of_an_earlier_version_is_renewed(tmp_path):
    """What is made anew finds what an earlier version made, its comparisons among it."""
    with LocalCloud(tmp_path / ".demo") as cloud:
        address = cloud._servers._postgres.superuser_address()
        superuser = psycopg2.connect(**address)
        with contextlib.closing(superuser), superuser, superuser.cursor() as cursor:
            cursor.execute("COMMENT ON SCHEMA redshift_local IS 'earlier'")
        prepare(address, "demo")
        client = cloud.connect_redshift()
        with contextlib.closing(client), client.cursor() as cursor:
            cursor.execute("SELECT JSON_PARSE('1') = 1, 'a'::VARCHAR = 'a '")
            assert cursor.fetchall() == [(True, True)]
