"""Statements of other projects' tests for Redshift's dialect, each run alone."""

import ast
import contextlib
import re
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
# What this layer refuses in Redshift's own words or by its own rules: the corpora hold statements
# that their projects only parse. AWS's pages r_CREATE_VIEW, r_CREATE_TABLE_NEW, r_pg_keywords,
# c_Compression_encodings, copy-usage_notes-copy-from-columnar.
_REDSHIFTS_OWN = re.compile(
    "All the relation names inside should be qualified|cannot specify DISTKEY with DISTSTYLE"
    "|invalid encoding type|identity column type must be|REGION is not supported with ORC"
    '|syntax error at or near "table"$'
)
# Kinds that stay refused by name: datashares, Spectrum, machine learning, GEOMETRY, HLLSKETCH,
# and more than one database.
_STAYS_REFUSED = re.compile(
    r"\b(DATASHARES?|EXTERNAL|MODEL|SHAPEFILE|HLLSKETCH|CREATE DATABASE|USAGE ON DATABASE)\b"
    r"|ALTER TABLE \S+ SET (LOCATION|FILE FORMAT|TABLE PROPERTIES)|function st_",
    re.IGNORECASE,
)
_GOOD = ("accepted", "missing objects", "refused as Redshift refuses it")
_APART = "refused by name, of kinds that stay so"
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
    with contextlib.closing(psycopg2.connect(**places.cloud.front_address())) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:  # no corpus finds the other's tables
            cursor.execute("DROP SCHEMA IF EXISTS corpus CASCADE")
            cursor.execute("CREATE SCHEMA corpus")
    for text in statements:
        kind, error = _outcome(text, places)
        kinds[kind] += 1
        if kind == _APART:
            counts.apart += 1
        else:
            shown = " ".join(text.split())[:90]
            counts.add(f"{kind}: {shown}: {error}", "" if kind in _GOOD else error)
    counts.note = ", ".join(f"{number} {kind}" for kind, number in sorted(kinds.items()))
    return counts


def _outcome(text, places):
    connection = psycopg2.connect(**places.cloud.front_address())
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            cursor.execute("SET statement_timeout TO 20000")
            cursor.execute("SET search_path TO corpus")
            cursor.execute(text)
    except psycopg2.Error as error:
        first = str(error).splitlines()[0] if str(error) else repr(error)
        is_missing = "nonexistent table" in first or first.startswith("cross-database references")
        if error.pgcode in _MISSING or is_missing:
            return "missing objects", first
        if "fails on Redshift" in first:
            return "refused as no part of Redshift", first
        if "is not emulated" in first:
            return (_APART if _STAYS_REFUSED.search(first) else "refused by name"), first
        if _REDSHIFTS_OWN.search(first):
            return "refused as Redshift refuses it", first
        return "wrong", first
    finally:
        connection.close()
    return "accepted", ""
