"""Statements of other projects' tests for Redshift's dialect, each run alone."""

import ast
import subprocess
from collections import Counter

import psycopg2

from src.sql import scanning
from tests.clients.counts import Counts

# What an object that the statement needs and this database has not answers with.
_MISSING = frozenset(
    ["42P01", "42703", "3F000", "42883", "42P07", "42704", "34000", "26000", "3D000", "42P06",
     "42710", "42701", "42P02", "55000", "2BP01", "25001", "25P01", "42P03", "42P05", "42723"]
)  # fmt: skip
_STATEMENTS = frozenset(
    ["SELECT", "WITH", "(", "INSERT", "UPDATE", "DELETE", "MERGE", "CREATE", "ALTER", "DROP",
     "COPY", "UNLOAD", "TRUNCATE", "VACUUM", "ANALYZE", "GRANT", "REVOKE", "COMMENT", "SHOW",
     "SET", "CALL", "DECLARE"]
)  # fmt: skip


def sqlglot_statements(places):
    """Return the Redshift texts of sqlglot's tests that are statements."""
    path = places.source("driver", "sqlglot") / "tests/dialects/test_redshift.py"
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        if node.func.attr in ("validate_identity", "validate_all") and node.args:
            found.append(node.args[0])
        found += [
            value
            for keyword in node.keywords
            if keyword.arg in ("write", "read") and isinstance(keyword.value, ast.Dict)
            for key, value in zip(keyword.value.keys, keyword.value.values, strict=True)
            if isinstance(key, ast.Constant) and key.value == "redshift"
        ]
    texts = [n.value for n in found if isinstance(n, ast.Constant) and isinstance(n.value, str)]
    return [_as_statement(text) for text in dict.fromkeys(texts)]


def _as_statement(text):
    """Return a text of the tests that is an expression as a query of it."""
    is_statement = scanning.read(text).leading_word in _STATEMENTS
    return text if is_statement else f"SELECT {text}"


def sqlfluff_statements(places):
    """Return the statements of sqlfluff's Redshift fixtures."""
    folder = places.checkouts["sqlfluff"] / "test/fixtures/dialects/redshift"
    return [
        statement.code
        for path in sorted(folder.glob("*.sql"))
        for statement in scanning.split(path.read_text())
    ]


def commit_of(checkout):
    """Return the commit that a checkout is of."""
    command = ["git", "-C", str(checkout), "rev-parse", "--short=9", "HEAD"]
    return subprocess.check_output(command, text=True).strip()


def run(statements, places):
    """Run each statement in a session of its own; a refusal by name is none of the accepted."""
    counts, kinds = Counts(), Counter()
    for text in statements:
        kind, error = _outcome(text, places)
        kinds[kind] += 1
        counts.add(f"{kind}: {' '.join(text.split())[:90]}: {error}",
                   "" if kind in ("accepted", "missing objects") else error)  # fmt: skip
    counts.note = ", ".join(f"{number} {kind}" for kind, number in sorted(kinds.items()))
    return counts


def _outcome(text, places):
    connection = psycopg2.connect(**places.cloud.front_address())
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            cursor.execute("SET statement_timeout TO 20000")
            cursor.execute(text)
    except psycopg2.Error as error:
        first = str(error).splitlines()[0] if str(error) else repr(error)
        if error.pgcode in _MISSING or "nonexistent table" in first:
            return "missing objects", first
        if "fails on Redshift" in first:
            return "refused as no part of Redshift", first
        if "is not emulated" in first:
            return "refused by name", first
        return "wrong", first
    finally:
        connection.close()
    return "accepted", ""
