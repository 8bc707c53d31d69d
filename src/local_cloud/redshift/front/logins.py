"""Logins with temporary passwords: the server behind knows its users by their own ones.

For the moment of connecting, the user's password there is another one; its own comes back at once,
and after a crash with the next start.
"""

from __future__ import annotations

import contextlib
import secrets
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import psycopg2
from psycopg2.extensions import encrypt_password


class TemporaryLogin(Protocol):
    """A user that a temporary password stands for."""

    @property
    def user(self) -> str:
        """The user's name."""

    @property
    def may_create(self) -> bool:
        """Whether the user is created where there is none."""

    @property
    def groups(self) -> Sequence[str]:
        """The groups that the user is in for as long as the session lasts."""


@dataclass(frozen=True)
class Login:
    """Who enters the server behind, and with which password."""

    user: str
    own_password: str
    temporary: TemporaryLogin | None = None


class Logins:
    """Connects users of the server at `address`, whose own user administers the others."""

    def __init__(self, address: Mapping[str, Any]) -> None:
        self._address = dict(address)
        self._lock = threading.Lock()  # no login while the user's password is another

    @contextlib.contextmanager
    def password(self, login: Login) -> Iterator[str]:
        """Yield a password that the user of a login can connect with."""
        if login.temporary is not None:
            with self._temporary(login.temporary) as password:
                yield password
        elif login.user == self._address["user"]:
            yield login.own_password
        else:
            with self._lock:
                yield login.own_password

    @contextlib.contextmanager
    def _temporary(self, login: TemporaryLogin) -> Iterator[str]:
        password = secrets.token_urlsafe(32)
        with self._lock, self._administrator() as cursor:
            kind = "scram-sha-256"
            verifier = encrypt_password(password, login.user, cursor.connection, kind)
            arguments = (login.user, verifier, login.may_create)
            cursor.execute("SELECT redshift_local.lend_login(%s, %s, %s)", arguments)
            try:
                yield password
            finally:
                cursor.execute("SELECT redshift_local.end_login(%s)", (login.user,))

    def join(self, login: TemporaryLogin) -> list[str]:
        """Put the user into the login's groups; returns those that it was not in."""
        if not login.groups:
            return []
        with self._administrator() as cursor:
            cursor.execute(
                "SELECT redshift_local.join_groups(%s, %s, %s)",
                (login.user, list(login.groups), login.may_create),
            )
            found: list[str] = cursor.fetchone()[0]
        return found

    def leave(self, user: str, groups: Sequence[str]) -> None:
        """Take the user out of groups again."""
        with contextlib.suppress(psycopg2.Error), self._administrator() as cursor:
            for group in groups:
                cursor.execute(
                    "SELECT redshift_local.set_member('group', %s, 'user', %s, false, false)",
                    (group, user),
                )

    @contextlib.contextmanager
    def _administrator(self) -> Iterator[Any]:
        with contextlib.closing(psycopg2.connect(**self._address)) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                yield cursor
