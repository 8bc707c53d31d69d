"""What the server tells a client it is: drivers choose tags, resets and queries by it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

SERVER_VERSION = "8.0.2"
HIGHEST_PROTOCOL = 1  # 2 would have NUMERIC in binary: front/driver_forms.py
# The parameters a client gets with its connection, beside the version.
_REPORTED = ("server_encoding", "client_encoding", "DateStyle", "TimeZone", "integer_datetimes",
             "standard_conforming_strings", "IntervalStyle", "is_superuser",
             "session_authorization")  # fmt: skip


def reported_parameters(
    wanted: Mapping[str, str], real: Mapping[str, str | None]
) -> Iterator[tuple[str, str]]:
    """Yield the parameters for a client whose startup message is `wanted`."""
    yield "server_version", SERVER_VERSION
    version = protocol_version(wanted)
    if version is not None:
        yield "server_protocol_version", str(version)
    for name in _REPORTED:
        value = real[name]
        if value is not None:
            yield name, value


def protocol_version(wanted: Mapping[str, str]) -> int | None:
    """Return the version of the results' forms for one of AWS's drivers; None for other clients."""
    if "client_protocol_version" not in wanted:
        return None
    asked = wanted["client_protocol_version"]
    return min(int(asked), HIGHEST_PROTOCOL) if asked.isdecimal() else 0


NAMES = _REPORTED
