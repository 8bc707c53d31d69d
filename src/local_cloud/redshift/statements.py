"""Which module runs which statement."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from src.local_cloud.redshift import dialect
from src.local_cloud.redshift.copy_command import parse_copy
from src.local_cloud.redshift.copy_runner import CopyRunner
from src.local_cloud.redshift.ddl import alter_table, create_table
from src.local_cloud.redshift.failures import SYNTAX, fail, fails_on_redshift, not_emulated
from src.local_cloud.redshift.merge import merge
from src.local_cloud.redshift.unload_command import parse_unload
from src.local_cloud.redshift.unload_runner import UnloadRunner

# Session settings that are Redshift's own: kept, shown, and without effect here.
_KEPT = {
    "query_group": "unset", "enable_result_cache_for_session": "on",
    "enable_case_sensitive_identifier": "off", "analyze_threshold_percent": "10",
    "wlm_query_slot_count": "1", "describe_field_name_in_uppercase": "off",
    "json_parse_truncate_strings": "off", "enable_numeric_rounding": "on",
}  # fmt: skip
_POSTGRES = ("statement_timeout", "search_path", "timezone", "datestyle", "extra_float_digits",
             "client_encoding", "application_name")  # fmt: skip
_OF_CATALOG = re.compile(r"\bpg_catalog\s*\.", re.IGNORECASE)
_SET = re.compile(
    r"^\s*SET\s+(?:SESSION\s+|LOCAL\s+)?(?P<name>\w+)\s*(?:=|TO)\s*(?P<value>.+?)\s*$",
    re.IGNORECASE | re.DOTALL,
)
_AROUND = re.compile(
    r"^\s*(?P<around>EXPLAIN(\s+VERBOSE)?|DECLARE\b.+?\bFOR|PREPARE\b.+?\bAS)\s+"
    r"(?P<inside>(SELECT|WITH|INSERT|UPDATE|DELETE)\b.+)$",
    re.IGNORECASE | re.DOTALL,
)


def run(statement: str, cursor: Any) -> None:
    """Run one Redshift statement on a cursor of ours; refuses by name what is not emulated."""
    runner = runner_of(statement)
    if runner is None:
        cursor.plain(postgres_text(statement, cursor.plain, cursor.connection.is_serverless))
    else:
        runner(statement, cursor)


def runner_of(statement: str) -> Callable[[str, Any], None] | None:
    """Return what runs a statement that is more than one of PostgreSQL's, or None."""
    word = dialect.leading_word(statement)
    if word == "CREATE" and not dialect.creates_table(statement):
        return None
    return _RUNNERS.get(word)


def postgres_text(statement: str, execute: Any, serverless: bool = False) -> str:
    """Return the one PostgreSQL statement that does what a Redshift statement says.

    Refuses by name what is not emulated; `execute` is the plain cursor's execute method.
    """
    if serverless:
        _deny_provisioned_views(statement, execute)
    word = dialect.leading_word(statement)
    if word in ("SELECT", "WITH") and _OF_CATALOG.search(statement):
        return statement  # what tools ask of PostgreSQL's catalog, in PostgreSQL's words
    translator = _TRANSLATORS.get(word)
    if word in _POSTGRES_STATEMENTS:
        fails_on_redshift(execute, word)
    if translator is None:
        not_emulated(execute, f"{word} statements: {statement[:60]!r}")
    return translator(statement, execute)


def _deny_provisioned_views(statement: str, execute: Any) -> None:
    """On Serverless the views of a provisioned cluster's own log are closed."""
    for token in dialect.tokens(statement):
        name = token.text.lower()
        if name.startswith(("stl_", "stv_", "svl_")):
            fail(execute, f"permission denied for relation {name}", "42501")


# -- statements of several steps -----------------------------------------------------------------


def _copy(statement: str, cursor: Any) -> None:
    CopyRunner(cursor, cursor.connection, parse_copy(statement, cursor.plain)).run()


def _unload(statement: str, cursor: Any) -> None:
    UnloadRunner(cursor, cursor.connection, parse_unload(statement, cursor.plain)).run()


def _truncate(statement: str, cursor: Any) -> None:
    cursor.plain(dialect.translate(statement, cursor.plain))
    cursor.connection.end_transaction()  # as Redshift does


def _create(statement: str, cursor: Any) -> None:
    create_table(statement, cursor.plain, cursor)


def _alter(statement: str, cursor: Any) -> None:
    alter_table(statement, cursor.plain, cursor)


_RUNNERS: dict[str, Callable[[str, Any], None]] = {
    "COPY": _copy,
    "UNLOAD": _unload,
    "TRUNCATE": _truncate,
    "CREATE": _create,
    "ALTER": _alter,
    "MERGE": merge,
}


# -- statements with one of PostgreSQL's for each ------------------------------------------------


def _transaction(statement: str, execute: Any) -> str:
    if "SAVEPOINT" in statement.upper().split():
        fails_on_redshift(execute, "ROLLBACK TO SAVEPOINT")
    return statement


def _vacuum(statement: str, _: Any) -> str:
    """VACUUM, however it was told to: PostgreSQL's own does all of it."""
    options = ("FULL", "SORT", "DELETE", "ONLY", "REINDEX", "RECLUSTER", "BOOST")
    before_percent = re.split(r"\bTO\b", statement, flags=re.IGNORECASE)[0]
    names = [word for word in before_percent.split()[1:] if word.upper() not in options]
    return f"VACUUM {' '.join(names).lower()}"


def _analyze(statement: str, execute: Any) -> str:
    if re.search(r"\bCOMPRESSION\b", statement, re.IGNORECASE):
        not_emulated(execute, "ANALYZE COMPRESSION")
    return re.sub(r"\b(PREDICATE|ALL)\s+COLUMNS\b|\bVERBOSE\b", "", statement, flags=re.IGNORECASE)


def _argument(statement: str, execute: Any) -> str:
    """Return what stands behind a statement's first word."""
    parts = statement.split(None, 1)
    if len(parts) < 2:
        fail(execute, "syntax error at end of input", SYNTAX)
    return parts[1].strip().lower()


def _set(statement: str, execute: Any) -> str:
    found = _SET.match(statement)
    name = found["name"].lower() if found else ""
    if found and name in _KEPT:
        value = found["value"].strip(" '\"")
        if name == "enable_case_sensitive_identifier" and value.lower() in ("on", "true", "1"):
            not_emulated(execute, "SET enable_case_sensitive_identifier TO on")
        quoted = value.replace("'", "''")
        return f"SET redshift.{name} = '{quoted}'"
    if name not in _POSTGRES and statement.upper().split()[1:2] != ["TRANSACTION"]:
        not_emulated(execute, f"SET {name or statement[:40]}")
    return statement


def _reset(statement: str, execute: Any) -> str:
    name = _argument(statement, execute)
    if name in _KEPT:
        return f"SET redshift.{name} = '{_KEPT[name]}'"
    if name not in _POSTGRES:
        not_emulated(execute, f"RESET {name}")
    return statement


def _show(statement: str, execute: Any) -> str:
    name = _argument(statement, execute)
    if name in _KEPT:
        return (
            f"SELECT coalesce(nullif(current_setting('redshift.{name}', true), ''), "
            f"'{_KEPT[name]}') AS {name}"
        )
    if name not in (
        *_POSTGRES,
        "server_version",
        "transaction_isolation",
        "transaction isolation level",
    ):
        not_emulated(execute, f"SHOW {name}")
    return f"SHOW {name}"


def _around(statement: str, execute: Any) -> str:
    """Translate the query inside of EXPLAIN, DECLARE ... FOR or PREPARE ... AS."""
    found = _AROUND.match(statement)
    if found is None:
        fail(execute, f"syntax error in {dialect.leading_word(statement)}", SYNTAX)
    return f"{found['around']} {dialect.translate(found['inside'], execute)}"


def _as_it_is(statement: str, _: Any) -> str:
    return statement


# Statements that PostgreSQL has and Redshift has not.
_POSTGRES_STATEMENTS = frozenset(
    ["SAVEPOINT", "RELEASE", "LISTEN", "NOTIFY", "UNLISTEN", "DO", "CLUSTER", "REINDEX",
     "CHECKPOINT", "DISCARD", "SECURITY", "REASSIGN"]
)  # fmt: skip
_TRANSLATORS: dict[str, Callable[[str, Any], str]] = {
    **dict.fromkeys(
        ("SELECT", "WITH", "INSERT", "UPDATE", "DELETE", "DROP", "LOCK", "CREATE"),
        dialect.translate,
    ),
    **dict.fromkeys(("BEGIN", "START", "COMMIT", "END", "ROLLBACK", "ABORT"), _transaction),
    **dict.fromkeys(("EXPLAIN", "DECLARE", "PREPARE"), _around),
    **dict.fromkeys(("FETCH", "CLOSE", "EXECUTE", "DEALLOCATE"), _as_it_is),
    "VACUUM": _vacuum,
    "ANALYZE": _analyze,
    "SET": _set,
    "RESET": _reset,
    "SHOW": _show,
}
