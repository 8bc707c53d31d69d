"""Functions inside functions: the answer is the one of two steps.

Every function of the conformance list (`test_redshift_functions.ANSWERS`) stands in every other
that takes a value of its type: what is rewritten inside of what is rewritten, too.
"""

import re

import pytest

from tests.conformance import conforms
from tests.integration.redshift.test_redshift_functions import ANSWERS, D

# (type of the answer, expression with a place, type of what stands there)
PLACES = [
    ("text", "DECODE({}, 1, 'one', 3, 'three', 'other')", "int"),
    ("int", "DECODE(7, {}, 1, 2)", "int"),
    ("text", "DECODE(1, 2, 'x', {})", "text"),
    ("int", "NVL({}, 4)", "int"),
    ("text", "NVL(NULL, {})", "text"),
    ("int", "NVL2({}, 1, 2)", "text"),
    ("moment", "NVL2(NULL, SYSDATE, {})", "moment"),
    ("int", "ISNULL({}, 7)", "int"),
    ("moment", "ISNULL(NULL, {})", "moment"),
    ("int", "COALESCE(NULL, {})", "int"),
    ("int", "DATEDIFF(month, {}, CAST('2026-02-01' AS TIMESTAMP))", "moment"),
    ("int", "DATEDIFF(ms, CAST('2023-12-31 23:59:59.5' AS TIMESTAMP), {})", "moment"),
    ("int", "DATEDIFF(week, '2009-01-01', {})", "moment"),
    ("int", "DATEDIFF(day, {}, CAST('2026-02-01' AS TIMESTAMP))", "date"),
    ("moment", "DATEADD(month, {}, CAST('2024-01-31' AS TIMESTAMP))", "small"),
    ("moment", "DATEADD('qtr', 1, {})", "moment"),
    ("moment", "DATEADD(ms, 5, {})", "moment"),
    ("int", "DATE_PART(w, {})", "moment"),
    ("int", "DATE_PART('mon', {})", "moment"),
    ("int", "EXTRACT(qtr FROM {})", "moment"),
    ("moment", "DATE_TRUNC('mon', {})", "moment"),
    ("moment", "DATE_TRUNC('year', {})", "date"),
    ("date", "TRUNC({})", "moment"),
    ("date", "LAST_DAY({})", "moment"),
    ("date", "LAST_DAY({})", "date"),
    ("moment", "ADD_MONTHS({}, 1)", "moment"),
    ("moment", "ADD_MONTHS(CAST('2008-01-31' AS TIMESTAMP), {})", "small"),
    ("double", "MONTHS_BETWEEN({}, '1969-01-18')", "moment"),
    ("double", "MONTHS_BETWEEN('2026-01-18', {})", "date"),
    ("text", "TO_CHAR({}, 'MONTH-DY-DD-YYYY HH12:MIPM')", "moment"),
    ("text", "TO_CHAR({}, '999.99')", "decimal"),
    ("date", "TO_DATE({}, 'YYYYMMDD')", "day text"),
    ("moment", "CAST(TO_TIMESTAMP({}, 'YYYYMMDD') AS TIMESTAMP)", "day text"),
    ("moment", "CONVERT_TIMEZONE('EST', 'PST', {})", "moment"),
    ("int", "STRTOL({}, 16)", "digits"),
    ("int", "LEN({})", "text"),
    ("int", "OCTET_LENGTH({})", "text"),
    ("int", "CHARINDEX({}, 'dog-fish')", "text"),
    ("int", "CHARINDEX('o', {})", "text"),
    ("text", "SPLIT_PART({}, 'a', 1)", "text"),
    ("text", "SPLIT_PART('a$b$c', '$', {})", "small"),
    ("text", "INITCAP({})", "text"),
    ("text", "LPAD({}, 12, '.')", "text"),
    ("text", "LPAD('cat', {}, '.')", "small"),
    ("text", "REVERSE({})", "text"),
    ("text", "REGEXP_SUBSTR({}, '[a-f]+')", "text"),
    ("text", "LOWER({})", "text"),
    ("text", "TO_HEX({})", "int"),
    ("int", "REGEXP_COUNT({}, 'a')", "text"),
    ("text", "REGEXP_REPLACE({}, 'a', 'X')", "text"),
    ("text", "CONCAT({}, 'z')", "text"),
    ("text", "CONCAT('z', {})", "int"),
    ("text", "{} || 'z'", "text"),
    ("text", "JSON_EXTRACT_PATH_TEXT({}, 'a')", "json"),
    ("decimal", "ROUND({}, 1)", "decimal"),
    ("double", "NVL(NULL, {})", "double"),
    ("text", "UPPER({})", "text"),
    ("text", "LEFT('abcdef', {})", "small"),
    ("text", "SUBSTRING('abcdef', {}, 2)", "small"),
    ("text", "REPEAT('ab', {})", "small"),
    ("date", "NEXT_DAY({}, 'Tue')", "moment"),
    ("int", "DATE_CMP({}, '2008-01-02')", "date"),
    ("int", "DATE_PART_YEAR({})", "date"),
    ("date", "DATE({})", "moment"),
    ("int", "CASE WHEN IS_VALID_JSON({}) THEN 1 ELSE 2 END", "json"),
    ("int", "CASE WHEN IS_VALID_JSON_ARRAY({}) THEN 1 ELSE 2 END", "text"),
    ("int", "JSON_ARRAY_LENGTH({}, TRUE)", "text"),
    ("text", "JSON_EXTRACT_ARRAY_ELEMENT_TEXT('[5,6,7]', {})", "small"),
    ("int", "REGEXP_INSTR({}, 'a')", "text"),
    ("int", "REGEXP_INSTR('abab', 'b', {})", "small"),
    ("int", "BPCHARCMP({}, 'b')", "text"),
    ("int", "OCTETINDEX({}, 'dog-fish')", "text"),
    ("int", "CHARLEN({})", "text"),
    ("text", "REPLICATE('ab', {})", "small"),
    ("text", "QUOTE_IDENT({})", "text"),
    ("text", "CRC32({})", "text"),
    ("text", "TO_HEX(FNV_HASH({}))", "text"),
    ("text", "SHA1({})", "text"),
    ("text", "FUNC_SHA1({})", "text"),
    ("text", "SHA2({}, 256)", "text"),
    ("double", "CBRT({})", "double"), ("double", "ATAN2({}, 1)", "int"),
    ("double", "ACOS(SIGN({}))", "double"), ("double", "DLOG10(1 + ABS({}))", "double"),
    ("double", "DEXP(SIGN({}))", "double"),
    ("int", "CASE WHEN {} = 1 THEN 1 ELSE 3 END", "int"),
    ("int", "CAST({} AS BIGINT)", "decimal"),
    ("decimal", "CAST({} AS DECIMAL(20, 2))", "int"),
]  # fmt: skip
AGGREGATES = [
    ("int", "AVG({})", "int"), ("decimal", "AVG({})", "decimal"), ("double", "AVG({})", "double"),
    ("text", "LISTAGG({}, ',')", "text"), ("text", "LISTAGG({}, ',')", "int"),
    ("text", "LISTAGG(DISTINCT {}, ',')", "text"),
    ("text", "LISTAGG({}, ',') WITHIN GROUP (ORDER BY {})", "moment"),
    ("double", "MEDIAN({})", "double"), ("int", "APPROXIMATE COUNT(DISTINCT {})", "text"),
    ("int", "SUM({})", "int"), ("moment", "MAX({})", "moment"),
    ("int", "AVG({}) OVER (PARTITION BY {})", "int"),
    ("double", "RATIO_TO_REPORT({}) OVER ()", "int"),
]  # fmt: skip
# The values that stand inside first, by their types; of each type there is one at least.
VALUES = {
    "int": ["7", "n", "LEN('abc')", f"DATEDIFF(month, {D('2009-01-31')}, {D('2009-02-01')})"],
    "small": ["2", "ISNULL(NULL, 2)", "REGEXP_COUNT('abab', 'a')", "STRTOL('11', 2)",
              "DATEDIFF(day, '2024-01-01', '2024-01-03')", "DATE_PART(mon, '2024-02-07'::DATE)",
              "CHARINDEX('b', 'ab')", "AVG(n)"],
    "text": ["'Abacus dog'", "s", "CONCAT(s, NVL(NULL, 'a'))"],
    "moment": [D("2024-01-31 23:59:59.25"), "GETDATE()", "SYSDATE"],
    "date": ["CAST('2024-02-29' AS DATE)"],
    "decimal": ["12.55", "p", "AVG(p)"],
    "double": ["CAST(n AS DOUBLE PRECISION)"],
    "digits": ["'1abf'", "SPLIT_PART('a$1f', '$', 2)", "REVERSE('f1')", "LPAD('f', 3, '1')",
               "CONCAT('1', 'f')", "REGEXP_REPLACE('1xf', 'x')", "TO_CHAR(SYSDATE, 'YYYY')"],
    "day text": ["'20240229'", "TO_CHAR(GETDATE(), 'YYYYMMDD')", "CONCAT('2024', '0229')",
                 "REGEXP_REPLACE('2024-02-29', '-')"],
    "json": ["'{\"a\": 5}'", "CONCAT('{\"a\":', '\"b\"}')", "REPLACE('{\"b\": 1}', 'b', 'a')"],
}  # fmt: skip


def filled(template, inside):
    return template.replace("{}", inside)


def inner_expressions():
    """Return (type, expression): every value, and every function with a value inside."""
    found = [(kind, value) for kind, values in VALUES.items() for value in values]
    for kind, template, place in [*PLACES, *AGGREGATES]:
        if "OVER" not in template:
            found.append((kind, filled(template, VALUES[place][0])))
    return found


def is_aggregate(expression):
    return re.search(r"\b(AVG|LISTAGG|MEDIAN|COUNT|SUM|MAX)\(", expression) is not None


@pytest.fixture(scope="module")
def session(cloud):
    connection = cloud.connect_redshift()
    yield connection
    connection.close()


@pytest.fixture
def run(session):
    cursor = session.cursor()  # one transaction: the time stands still

    def execute(statement):
        cursor.execute(statement)
        return cursor.fetchall() if cursor.description else None

    execute("CREATE TEMP TABLE one (n INTEGER, s VARCHAR(10), p DECIMAL(8, 2))")
    execute("INSERT INTO one VALUES (3, 'cabal', 12.55)")
    yield execute
    session.rollback()


def outer_of(kind, inner):
    kinds = {kind, "text"} if kind in ("digits", "day text", "json") else {kind}
    kinds |= {"int"} if kind == "small" else set()
    kinds |= {"int"} if kind == "int" else set()
    outers = PLACES if is_aggregate(inner) else [*PLACES, *AGGREGATES]
    return [template for _, template, place in outers if place in kinds]


@conforms(
    "Functions",
    "a function inside of another answers as the two steps do",
    "c_SQL_functions",
)
@pytest.mark.parametrize(("kind", "inner"), inner_expressions(), ids=str)
def test_nested_calls_answer_as_two_steps_do(run, kind, inner):
    outers = outer_of(kind, inner)
    assert outers
    run(f"CREATE TEMP TABLE step AS SELECT {inner} AS x FROM one")
    for places in (
        [o for o in outers if not is_aggregate(o)],
        [o for o in outers if is_aggregate(o) and "OVER" not in o],
        [o for o in outers if "OVER" in o],
    ):
        if places:
            in_one = run(f"SELECT {', '.join(filled(o, inner) for o in places)} FROM one")
            in_two = run(f"SELECT {', '.join(filled(o, 'x') for o in places)} FROM step")
            assert list(zip(places, *in_one, strict=True)) == list(
                zip(places, *in_two, strict=True)
            )


def test_every_function_of_the_conformance_list_is_nested():
    def names(expressions):
        return {n for e in expressions for n in re.findall(r"\b([A-Z][A-Z0-9_]*)\(", e)}

    nested = names(template for _, template, _ in [*PLACES, *AGGREGATES])
    assert names(e for e, _ in ANSWERS) - nested == set()
