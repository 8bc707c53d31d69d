"""Limits that Redshift keeps, as laws over random input; and clients that leave at work."""

import contextlib
import datetime
import math

import psycopg
import psycopg2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conformance import conforms
from tests.integration.conftest import BUCKET, superuser_of
from tests.waiting import wait_until

ROLE = "IAM_ROLE default"
LONGEST = 65_535


@pytest.fixture(scope="module")
def client(cloud):
    with contextlib.closing(psycopg2.connect(**cloud.front_address())) as connection:
        connection.autocommit = True
        yield connection


def value(client, statement, arguments=None):
    with client.cursor() as cursor:
        cursor.execute(statement, arguments)
        return cursor.fetchone()[0] if cursor.description else None


SYSTEM = ("pg_", "stl_", "stv_", "svl_", "svv_", "sys_")


@settings(max_examples=15)
@given(prefix=st.sampled_from(SYSTEM), rest=st.from_regex(r"\A[a-z_]{1,9}\Z"), quotes=st.booleans())
def test_no_table_gets_the_name_of_a_system_relation(client, prefix, rest, quotes):
    value(client, "CREATE TABLE IF NOT EXISTS named (a INT)")
    name = f'"{prefix}{rest}"' if quotes else prefix.upper() + rest
    with pytest.raises(psycopg2.Error) as error:
        value(client, f"ALTER TABLE named RENAME TO {name}")
    assert error.value.pgcode in ("42501", "0A000")
    assert value(client, "SELECT count(*) FROM named") == 0


GROWING = {
    "repeat": "REPEAT('x', {n})",
    "lpad": "LPAD('y', {n})",
    "rpad": "RPAD('y', {n}, 'é')",
    "concat": "CONCAT(REPEAT('x', 40000), REPEAT('x', {n} - 40000))",
    "replace": "REPLACE('ab', 'b', REPEAT('x', {n} - 1))",
    "listagg": "LISTAGG(REPEAT('x', {n} / 2))",
    "nested": "REVERSE(UPPER(REPEAT('x', {n})))",
}


@conforms("Functions", "no text over 65,535 bytes is made", "r_Character_types, r_LISTAGG",
          cases="kind")  # fmt: skip
@pytest.mark.parametrize("kind", GROWING)
@settings(max_examples=6)
@given(n=st.integers(40_002, 90_000) | st.sampled_from([LONGEST - 1, LONGEST, LONGEST + 1]))
def test_no_function_makes_a_longer_text(client, kind, n):
    rows = "SELECT 1 AS a UNION ALL SELECT 2" if kind == "listagg" else "SELECT 1 AS a"
    size = {"rpad": 1 + 2 * (n - 1), "listagg": n // 2 * 2}.get(kind, n)
    statement = f"SELECT OCTET_LENGTH({GROWING[kind].format(n=n)}) FROM ({rows}) t"
    if size <= LONGEST:
        assert value(client, statement) == size
        return
    with pytest.raises(psycopg2.errors.InternalError_) as error:
        value(client, statement)
    expected = "Result size exceeds LISTAGG limit" if kind == "listagg" else "Value too long for"
    assert error.value.diag.message_primary.startswith(expected)


@conforms("Functions", "SPLIT_PART counts from 1", "SPLIT_PART")
@settings(max_examples=15)
@given(parts=st.lists(st.text("abc ", max_size=3), min_size=1, max_size=4), at=st.integers(-3, 6))
def test_a_part_is_counted_from_one(client, parts, at):
    arguments = ("SELECT SPLIT_PART(%s, ',', %s)", (",".join(parts), at))
    if at > 0:
        assert value(client, *arguments) == (parts[at - 1] if at <= len(parts) else "")
        return
    with pytest.raises(psycopg2.errors.InvalidParameterValue, match="greater than zero"):
        value(client, *arguments)


@conforms("Functions", "DATEDIFF of TIME values", "r_DATEDIFF_function")
@settings(max_examples=15)
@given(early=st.times(), late=st.times())
def test_times_are_as_far_from_each_other_as_their_clocks_show(client, early, late):
    seconds = [(t.hour * 60 + t.minute) * 60 + t.second for t in (early, late)]
    for part, length in (("hour", 3600), ("minute", 60), ("second", 1)):
        found = value(client, f"SELECT DATEDIFF({part}, %s::TIME, %s::TIME)", (early, late))
        assert found == seconds[1] // length - seconds[0] // length
    day = datetime.datetime(2024, 2, 29)
    moments = (datetime.datetime.combine(day, early), datetime.datetime.combine(day, late))
    sql = "SELECT DATEDIFF(minute, %s::{0}, %s::{0})"
    assert value(client, sql.format("TIMESTAMP"), moments) == value(
        client, sql.format("TIMESTAMPTZ"), moments
    )


@settings(max_examples=10)
@given(letter=st.characters(min_codepoint=128, exclude_categories=["Cs"]), csv=st.booleans())
def test_a_delimiter_is_ascii(client, letter, csv):
    with pytest.raises(psycopg2.errors.SyntaxError, match="ASCII"):
        value(client, f"COPY named FROM 's3://b/k' {ROLE} {'CSV' * csv} DELIMITER '{letter}'")


@conforms("COPY: what loads", "numbers with exponents of any length", "r_Numeric_types201")
@settings(max_examples=8)
@given(
    digits=st.from_regex(r"\A-?[1-9][0-9]{0,3}(\.[0-9]{1,3})?\Z"),
    exponent=st.integers(-420, 420) | st.sampled_from([-(10**9), -99_999, 99_999, 10**9, 10**20]),
    form=st.sampled_from(["e{}", "E{}", "e{:+}", "e{:+04}"]),
    kind=st.sampled_from(["CSV", "JSON 'auto'"]),
)
def test_a_number_with_an_exponent_loads_or_is_refused(
    bucket, client, digits, exponent, form, kind
):
    text = digits + form.format(exponent)
    for column in ("FLOAT8", "DECIMAL(38,4)", "INT"):
        body = text if kind == "CSV" else f'{{"a": {text}}}'
        bucket.put_object(Bucket=BUCKET, Key="exponents/a", Body=body.encode())
        value(client, f"DROP TABLE IF EXISTS exponents; CREATE TABLE exponents (a {column})")
        load = f"COPY exponents FROM 's3://{BUCKET}/exponents/a' {ROLE} {kind} MAXERROR 5"
        value(client, load)
        found = value(client, "SELECT max(a) FROM exponents")
        refused = "SELECT count(*) FROM stl_load_errors WHERE query = pg_last_copy_id()"
        assert value(client, refused) == int(found is None)
        wanted = float(text)
        if column == "FLOAT8" and 1e-300 < abs(wanted) < math.inf:
            assert found == wanted
        elif column.startswith("DECIMAL") and 1 <= abs(wanted) < 1e33:
            assert math.isclose(float(found), wanted, rel_tol=1e-3)


NESTED = {
    "brackets": ("(", ")"),
    "calls": ("abs(", ")"),
    "sums": ("1+(", ")"),
    "cases": ("CASE WHEN TRUE THEN ", " END"),
}


@conforms("Queries and changes", "200 brackets within each other", "this project", cases="kind")
@pytest.mark.parametrize("kind", NESTED)
def test_deep_statements_run_and_deeper_ones_are_refused(client, kind):
    opening, closing = NESTED[kind]
    for depth in (45, 100, 200):
        wanted = depth + 1 if kind == "sums" else 1
        assert value(client, f"SELECT {opening * depth}1{closing * depth}") == wanted
    for depth in (1_000, 4_000):
        with pytest.raises(psycopg2.errors.StatementTooComplex):
            value(client, f"SELECT {opening * depth}1{closing * depth}")
    assert value(client, "SELECT 1") == 1


@pytest.mark.parametrize("work", ["COPY", "UPDATE"])
def test_what_a_vanished_client_has_begun_is_stopped(cloud, bucket, client, work):
    bucket.put_object(Bucket=BUCKET, Key="vanished/a", Body=b"1\n2\n")
    value(client, "DROP TABLE IF EXISTS vanished; CREATE TABLE vanished (a INT)")
    waits = "SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'relation'"
    lives = "SELECT count(*) FROM pg_stat_activity WHERE pid = %s"
    # A COPY that has loaded its rows writes its log; an UPDATE begins with the table's lock.
    table = "redshift_local.load_files" if work == "COPY" else "vanished"
    statement = {"UPDATE": "UPDATE vanished SET a = 1",
                 "COPY": f"COPY vanished FROM 's3://{BUCKET}/vanished/a' {ROLE}"}[work]  # fmt: skip
    with superuser_of(cloud) as holding, superuser_of(cloud) as watching:
        holder, watcher = holding.cursor(), watching.cursor()

        def first(query, *arguments):
            watcher.execute(query, arguments)
            return watcher.fetchone()[0]

        holder.execute(f"BEGIN; LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
        gone = psycopg.connect(**cloud.front_address(), autocommit=True)
        pid = gone.info.backend_pid
        gone.pgconn.send_query(statement.encode())
        wait_until(lambda: first(waits) > 0, "the client's work is under way")
        gone.close()  # no answer was read
        wait_until(lambda: first(lives, pid) == 0, "the client's session ends")
        holder.execute("ROLLBACK")
    assert value(client, "SELECT count(*) FROM vanished") == 0
