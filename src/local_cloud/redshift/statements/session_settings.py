"""SET, RESET and SHOW: the settings a session has, by a list."""

from __future__ import annotations

from src.local_cloud.redshift.statements.identity import SERVER_VERSION
from src.local_cloud.redshift.statements.isolation import set_level
from src.sql import scanning
from src.sql.quoting import identifier, literal, redshift_literal
from src.sql.refusal import SYNTAX, Refusal
from src.sql.scanning import Statement, Token

# Session settings that are Redshift's own: kept, shown, and without effect here.
_KEPT = {
    "query_group": "unset", "enable_result_cache_for_session": "on",
    "enable_case_sensitive_identifier": "off", "analyze_threshold_percent": "10",
    "wlm_query_slot_count": "1", "describe_field_name_in_uppercase": "off",
    "json_parse_truncate_strings": "off", "enable_numeric_rounding": "on",
    "enable_case_sensitive_super_attribute": "off", "cast_super_null_on_error": "on",
    "navigate_super_null_on_error": "on", "parse_super_null_on_error": "off",
    "json_parse_dedup_attributes": "off",
}  # fmt: skip
# Those of them whose other value would change what statements mean.
_ONE_WAY = frozenset(
    ["enable_case_sensitive_identifier", "cast_super_null_on_error",
     "navigate_super_null_on_error", "parse_super_null_on_error", "json_parse_dedup_attributes",
     "json_parse_truncate_strings", "enable_numeric_rounding"]
)  # fmt: skip
_POSTGRES = frozenset(["statement_timeout", "search_path", "timezone", "datestyle",
                       "extra_float_digits", "client_encoding", "application_name"])  # fmt: skip
_SHOWN = _POSTGRES | {"standard_conforming_strings", "is_superuser",
                      "server_encoding", "integer_datetimes", "lc_collate", "intervalstyle",
                      "session_authorization", "max_index_keys"}  # fmt: skip
_UTF8 = frozenset(["utf8", "utf-8", "unicode", "default"])


def set_setting(statement: Statement) -> str:
    """Translate SET [SESSION | LOCAL] name = | TO value."""
    words = statement.words()
    if _is_of_transaction(words):
        return set_level(statement)
    if words[1:] == ["SESSION", "AUTHORIZATION", "DEFAULT"]:
        return statement.code
    start = 2 if words[1:2] in (["SESSION"], ["LOCAL"]) else 1
    if words[start + 1 : start + 2] not in (["="], ["TO"]) or len(words) < start + 3:
        raise Refusal.not_emulated(statement.code[:60])
    values = [t for t in statement.tokens[start + 2 :] if t.text != ","]
    name = statement.tokens[start].name
    scope = "LOCAL " if words[1] == "LOCAL" else ""
    return f"SET {scope}{_assigned(name, values)}"


def _is_of_transaction(words: list[str]) -> bool:
    """Tell whether SET is about this transaction, or the session's later ones."""
    if words[1:4] == ["SESSION", "CHARACTERISTICS", "AS"]:
        words = words[3:]
    return words[1:2] == ["TRANSACTION"]


def startup_setting(name: str, value: str) -> Statement:
    """Return the SET statement that a setting of a connection's start stands for."""
    named = name.replace("-", "_")
    if named.lower() in ("search_path", "datestyle"):  # a list, not one name
        return scanning.read(f"SET {identifier(named)} TO {value}")
    return scanning.read(f"SET {identifier(named)} TO {redshift_literal(value)}")


def reset_setting(statement: Statement) -> str:
    """Translate RESET name."""
    name = _argument(statement)
    if name in _KEPT:
        return f"SET redshift.{name} = '{_KEPT[name]}'"
    if name not in _POSTGRES:
        raise Refusal.not_emulated(f"RESET {name}")
    return f"RESET {name}"


def show_setting(statement: Statement) -> str:
    """Translate SHOW name."""
    name = _argument(statement)
    if name in _KEPT:
        return f"SELECT redshift_local.setting('{name}', '{_KEPT[name]}') AS {name}"
    if name == "all":
        return "SELECT * FROM redshift_local.settings()"
    if name == "server_version":
        return f"SELECT '{SERVER_VERSION}' AS server_version"
    if name in ("transaction_isolation", "transaction isolation level"):
        return "SELECT 'serializable' AS transaction_isolation"  # also where it is SNAPSHOT
    if name not in _SHOWN:
        raise Refusal.not_emulated(f"SHOW {name}")
    return f"SHOW {name}"


def user_setting(name: str) -> str:
    """Return the server's name of a setting that ALTER USER changes."""
    if name not in _KEPT and name not in _POSTGRES:
        raise Refusal(f'unrecognized configuration parameter "{name}"', "42704")
    return f"redshift.{name}" if name in _KEPT else name


def _argument(statement: Statement) -> str:
    """Return what stands behind a statement's first word."""
    if len(statement.tokens) < 2:
        raise Refusal("syntax error at end of input", SYNTAX)
    return " ".join(token.name for token in statement.tokens[1:])


def _assigned(name: str, values: list[Token]) -> str:
    """Return name = value, written anew from its parts."""
    for token in values:
        if token.kind not in ("word", "quoted", "string", "number") and token.text != "-":
            raise Refusal(f'syntax error at or near "{token.text}"', SYNTAX)
    texts = [_value(token) for token in values]
    if name in _KEPT:
        value = "".join(texts)
        is_on = value.lower() in ("on", "true", "1")
        if name in _ONE_WAY and is_on != (_KEPT[name] == "on"):
            raise Refusal.not_emulated(f"SET {name} TO {'on' if is_on else 'off'}")
        return f"redshift.{name} = {literal(value)}"
    if name not in _POSTGRES:
        raise Refusal.not_emulated(f"SET {name}")
    if name == "client_encoding" and "".join(texts).lower().strip("'\"") not in _UTF8:
        raise Refusal.not_emulated(f"SET client_encoding TO {''.join(texts)[:40]} (UTF8 is)")
    if [token.word for token in values] == ["DEFAULT"]:
        return f"{name} = DEFAULT"
    if name in ("search_path", "datestyle"):
        return f"{name} = {', '.join(literal(text) for text in texts)}"
    return f"{name} = {literal(''.join(texts))}"


def _value(token: Token) -> str:
    if token.kind == "string":
        return token.value
    return token.name if token.kind == "quoted" else token.text
