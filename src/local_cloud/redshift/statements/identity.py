"""What the server tells a client it is: drivers choose tags, resets and queries by it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

SERVER_VERSION = "8.0.2"
# The parameters a client gets with its connection, beside the version.
_REPORTED = ("server_encoding", "client_encoding", "DateStyle", "TimeZone", "integer_datetimes",
             "standard_conforming_strings", "IntervalStyle", "is_superuser",
             "session_authorization")  # fmt: skip


def reported_parameters(
    wanted: Mapping[str, str], real: Mapping[str, str | None]
) -> Iterator[tuple[str, str]]:
    """Yield the parameters for a client whose startup message is `wanted`."""
    yield "server_version", SERVER_VERSION
    if "client_protocol_version" in wanted:
        yield "server_protocol_version", "0"  # results as PostgreSQL sends them
    for name in _REPORTED:
        value = real[name]
        if value is not None:
            yield name, value


NAMES = _REPORTED
