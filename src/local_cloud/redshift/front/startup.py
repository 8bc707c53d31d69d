"""The settings of a connection's first message: each is a SET, by the same list."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping

from src.sql.refusal import SYNTAX, Refusal

# What names the user and how it connects; Redshift's own drivers add their versions.
_NOT_SETTINGS = frozenset(
    ["user", "database", "options", "replication", "client_protocol_version", "driver_version",
     "driver_discovery_version", "os_version", "plugin_name", "idp_type", "provider_name",
     "token_type", "identity_namespace", "idc_client_display_name", "driver_token"]
)  # fmt: skip
_ASSIGNED = re.compile(r"([\w.-]+)=(.*)", re.DOTALL)


def startup_settings(wanted: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return (name, value) of what a startup message sets, in order."""
    if wanted.get("replication", "false").lower() not in ("false", "off", "no", "0"):
        raise Refusal.fails_on_redshift("replication")
    found = _of_options(wanted.get("options", ""))
    found += [
        (name, value.strip("'") if name == "client_encoding" else value)
        for name, value in wanted.items()
        if name and name not in _NOT_SETTINGS and not name.startswith("_pq_.")
    ]
    return found


def _of_options(options: str) -> list[tuple[str, str]]:
    """Read `-c name=value` and `--name=value`."""
    words = _split(options)
    found = []
    while words:
        word = words.pop(0)
        if word == "-c" and words:
            word = words.pop(0)
        elif word.startswith(("-c", "--")):
            word = word[2:]
        else:
            raise Refusal(f"invalid command-line argument for server process: {word}", SYNTAX)
        assigned = _ASSIGNED.fullmatch(word)
        if assigned is None:
            raise Refusal(f"{word} requires a value", SYNTAX)
        found.append((assigned[1], assigned[2]))
    return found


def _split(options: str) -> list[str]:
    """Split at blanks; a backslash takes the next character as it is."""
    reader = shlex.shlex(options, posix=True)
    reader.whitespace_split, reader.quotes, reader.commenters = True, "", ""
    try:
        return list(reader)
    except ValueError as error:
        raise Refusal(f"invalid options: {error}", SYNTAX) from error
