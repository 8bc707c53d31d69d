"""Which module runs which statement."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from src.local_cloud.redshift.copying.copy_command import parse_copy
from src.local_cloud.redshift.copying.copy_runner import CopyRunner
from src.local_cloud.redshift.sql import parsing, trusted_keys
from src.local_cloud.redshift.sql.relations import check_target, deny_provisioned_views
from src.local_cloud.redshift.statements import isolation
from src.local_cloud.redshift.statements.definitions.functions import (
    change_functions,
    is_of_functions,
)
from src.local_cloud.redshift.statements.definitions.grants import (
    change_default_privileges,
    change_grants,
    is_of_default_privileges,
)
from src.local_cloud.redshift.statements.definitions.materialized import (
    append,
    change_materialized,
    create_materialized,
    is_append,
    is_materialized,
    is_of_materialized,
    refresh,
)
from src.local_cloud.redshift.statements.definitions.principals import (
    change_principals,
    is_of_principals,
)
from src.local_cloud.redshift.statements.definitions.procedures import (
    is_of_procedures,
    run_procedures,
)
from src.local_cloud.redshift.statements.maintenance import (
    analyze,
    analyze_compression,
    is_compression,
    vacuum,
)
from src.local_cloud.redshift.statements.merge import merge
from src.local_cloud.redshift.statements.objects import (
    alter_schema,
    check_comment,
    comment,
    create_schema,
    give_owner,
    is_checked_comment,
    is_of_owner,
    is_schema,
    is_schema_change,
    lock,
)
from src.local_cloud.redshift.statements.session_settings import (
    reset_setting,
    set_setting,
    show_setting,
)
from src.local_cloud.redshift.statements.show_objects import is_of_objects, show_objects
from src.local_cloud.redshift.statements.streaming.external_schemas import (
    create_external_schema,
    is_external_schema,
)
from src.local_cloud.redshift.statements.tables import alter_table, create_table
from src.local_cloud.redshift.statements.views import create_late_view, is_late
from src.local_cloud.redshift.unloading.unload_command import parse_unload
from src.local_cloud.redshift.unloading.unload_runner import UnloadRunner
from src.local_cloud.redshift.write_locks import writing, written_table
from src.sql.cursors import Cursor
from src.sql.refusal import SYNTAX, Refusal
from src.sql.scanning import Statement

_QUERIES = ("SELECT", "WITH", "INSERT", "UPDATE", "DELETE", "(")
_OF_CURSORS = frozenset(
    ["NEXT", "ALL", "FORWARD", "FROM", "IN", "PREPARE", "BINARY", "INSENSITIVE", "NO", "SCROLL",
     "CURSOR", "WITH", "WITHOUT", "HOLD"]
)  # fmt: skip


def run(statement: Statement, cursor: Cursor) -> None:
    """Run one Redshift statement on a cursor; refuses by name what is not emulated."""
    runner = runner_of(statement)
    if runner is None:
        text = postgres_text(statement, cursor.connection.is_serverless)
        table = written_table(statement, cursor.connection.prepared_writes)
        with writing(cursor.connection, table):
            cursor.execute_postgres(text)
    else:
        runner(statement, cursor)


def runner_of(statement: Statement) -> Callable[[Statement, Any], None] | None:
    """Return what runs a statement that is more than one of PostgreSQL's, or None."""
    word = statement.leading_word
    for is_meant, found in _SPECIAL:
        if is_meant(statement):
            return found
    if word == "CREATE" and not parsing.creates_table(statement):
        return create_late_view if is_late(statement) else None
    if word == "ALTER" and (is_of_owner(statement) or is_of_default_privileges(statement)):
        return None
    if isolation.is_of_database(statement):
        return isolation.alter_database
    if word == "RESET" and statement.words(1) == ["ALL"]:
        return _reset_all
    if trusted_keys.is_setting(statement):
        return _trust_keys
    return _RUNNERS.get(word)


def postgres_text(statement: Statement, serverless: bool = False) -> str:
    """Return the one PostgreSQL statement that does what a Redshift statement does.

    Refuses by name what is not emulated.
    """
    word = statement.leading_word
    if word in _POSTGRES_STATEMENTS:
        raise Refusal.fails_on_redshift(word)
    translator = _TRANSLATORS.get(word)
    if translator is None:
        raise Refusal.not_emulated(f"{word} statements: {statement.code[:60]!r}")
    if serverless and word in _QUERIES:
        deny_provisioned_views(parsing.parse(statement))
    return translator(statement)


def tag(statement: Statement) -> str:
    """Return the command tag of a statement that is more than one of PostgreSQL's."""
    word = statement.leading_word
    if is_of_principals(statement):
        return " ".join(statement.words(0, 2))
    if is_of_functions(statement):
        return f"{word} FUNCTION"
    if is_of_procedures(statement) and word != "CALL":
        return f"{word} PROCEDURE"
    if is_materialized(statement) or is_of_materialized(statement) or word == "REFRESH":
        return f"{word} MATERIALIZED VIEW"
    if is_external_schema(statement) or is_schema(statement):
        return "CREATE SCHEMA"
    if is_schema_change(statement):
        return "ALTER SCHEMA"
    if word == "CREATE":
        return "CREATE VIEW" if is_late(statement) else "CREATE TABLE"
    if isolation.is_of_database(statement):
        return "ALTER DATABASE"
    return {"TRUNCATE": "TRUNCATE TABLE", "ALTER": "ALTER TABLE"}.get(word, word)


# -- statements of several steps -----------------------------------------------------------------


def _copy(statement: Statement, cursor: Cursor) -> None:
    command = parse_copy(statement)
    schema, _, _ = command.table.rpartition(".")
    check_target(schema.strip('"'), command.shown)
    CopyRunner(cursor, cursor.connection, command).run()


def _unload(statement: Statement, cursor: Cursor) -> None:
    UnloadRunner(cursor, cursor.connection, parse_unload(statement)).run()


def _truncate(statement: Statement, cursor: Cursor) -> None:
    cursor.execute_postgres(parsing.translate(statement))
    cursor.connection.end_transaction()  # as Redshift does


def _trust_keys(statement: Statement, cursor: Cursor) -> None:
    cursor.connection.trusts_keys = trusted_keys.setting(statement)


def _reset_all(_: Statement, cursor: Cursor) -> None:
    """Reset all settings to those of the session's start."""
    cursor.connection.trusts_keys = False
    for text in ("RESET ALL", *cursor.connection.start_settings):
        cursor.execute_postgres(text)


# What the first word alone does not tell, in the order in which it is asked.
_SPECIAL: tuple[
    tuple[Callable[[Statement], bool], Callable[[Statement, Any], None] | None], ...
] = (
    (is_of_principals, change_principals),
    (is_materialized, create_materialized),
    (is_of_materialized, change_materialized),
    (is_external_schema, create_external_schema),
    (is_append, append),
    (is_of_functions, change_functions),
    (is_of_procedures, run_procedures),
    (is_schema, create_schema),
    (is_schema_change, alter_schema),
    (is_checked_comment, check_comment),
    (is_compression, None),
)
_RUNNERS: dict[str, Callable[[Statement, Any], None]] = {
    "COPY": _copy,
    "UNLOAD": _unload,
    "TRUNCATE": _truncate,
    "CREATE": create_table,
    "ALTER": alter_table,
    "GRANT": change_grants,
    "REVOKE": change_grants,
    "REFRESH": refresh,
    "MERGE": merge,
    "VACUUM": vacuum,
    "ANALYZE": analyze,
    "ANALYSE": analyze,
}


# -- statements with one of PostgreSQL's for each ------------------------------------------------


def _alter(statement: Statement) -> str:
    if is_of_owner(statement):
        return give_owner(statement)
    if is_of_default_privileges(statement):
        return change_default_privileges(statement)
    raise _syntax(statement)


def _show(statement: Statement) -> str:
    return show_objects(statement) if is_of_objects(statement) else show_setting(statement)


def _transaction(statement: Statement) -> str:
    words = statement.words()
    if "SAVEPOINT" in words:
        raise Refusal.fails_on_redshift("ROLLBACK TO SAVEPOINT")
    return isolation.begin(statement)


def _explain(statement: Statement) -> str:
    start = 2 if statement.words(1, 1) == ["VERBOSE"] else 1
    return f"EXPLAIN {'VERBOSE ' if start == 2 else ''}{_query(statement, start)}"


def _declare(statement: Statement) -> str:
    """Translate DECLARE name CURSOR ... FOR query."""
    words = statement.words()
    end = words.index("FOR") if "FOR" in words else 0
    if end < 3 or not _OF_CURSORS.issuperset(words[2:end]):
        raise _syntax(statement)
    return f"{statement.since(0, end).code} FOR {_query(statement, end + 1)}"


def _prepare(statement: Statement) -> str:
    """Translate PREPARE name (types) AS query."""
    words = statement.words()
    end = words.index("AS") if "AS" in words else 0
    if end < 2 or any(token.kind == "string" for token in statement.tokens[:end]):
        raise _syntax(statement)
    return f"{statement.since(0, end).code} AS {_query(statement, end + 1)}"


def _execute(statement: Statement) -> str:
    """Translate EXECUTE name (values)."""
    if len(statement.tokens) < 2 or statement.words(2, 1) not in ([], ["("]):
        raise _syntax(statement)
    head = statement.since(0, 2).code
    if len(statement.tokens) == 2:
        return head
    values = parsing.translate(f"SELECT {statement.since(3, -1).code}")
    return f"{head} ({values.removeprefix('SELECT ')})"


def _query(statement: Statement, start: int) -> str:
    inside = statement.since(start)
    if inside.leading_word not in _QUERIES:
        raise _syntax(statement)
    return parsing.translate(inside)


def _of_cursor(statement: Statement) -> str:
    """FETCH, CLOSE and DEALLOCATE hold words, names and numbers only."""
    if any(token.kind in ("string", "parameter") for token in statement.tokens):
        raise _syntax(statement)
    if any(token.kind == "mark" for token in statement.tokens):
        raise _syntax(statement)
    return statement.code


def _syntax(statement: Statement) -> Refusal:
    return Refusal(f"syntax error in {statement.leading_word}", SYNTAX)


# Statements that PostgreSQL has and Redshift has not.
_POSTGRES_STATEMENTS = frozenset(
    ["SAVEPOINT", "RELEASE", "LISTEN", "NOTIFY", "UNLISTEN", "DO", "CLUSTER", "REINDEX",
     "CHECKPOINT", "DISCARD", "SECURITY", "REASSIGN", "LOAD"]
)  # fmt: skip
_TRANSLATORS: dict[str, Callable[[Statement], str]] = {
    **dict.fromkeys((*_QUERIES, "DROP"), parsing.translate),
    **dict.fromkeys(("BEGIN", "START", "COMMIT", "END", "ROLLBACK", "ABORT"), _transaction),
    **dict.fromkeys(("FETCH", "CLOSE", "DEALLOCATE"), _of_cursor),
    "EXPLAIN": _explain,
    "DECLARE": _declare,
    "PREPARE": _prepare,
    "EXECUTE": _execute,
    "SET": set_setting,
    "RESET": reset_setting,
    "SHOW": _show,
    "CREATE": parsing.translate,
    "ALTER": _alter,
    "COMMENT": comment,
    "LOCK": lock,
    **dict.fromkeys(("ANALYZE", "ANALYSE"), analyze_compression),
}
