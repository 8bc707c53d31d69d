"""CREATE, ALTER and DROP of users, groups and roles: plain roles of the server, by its functions.

A password gets to the server as its SCRAM verifier only, names as parameters; the server's
functions (catalog/62) decide who may do what, and none of them gives a superuser's rights.
"""

from __future__ import annotations

import json

from psycopg2.extensions import encrypt_password

from src.local_cloud.redshift.statements.objects import at_end
from src.local_cloud.redshift.statements.session_settings import user_setting
from src.sql.cursors import Cursor
from src.sql.reading import TokenReader
from src.sql.refusal import SYNTAX, Refusal
from src.sql.scanning import Statement

_KINDS = ("USER", "GROUP", "ROLE")
_SPECIAL = frozenset("'\"\\/@ ")


def is_of_principals(statement: Statement) -> bool:
    """Tell whether a statement creates, alters or drops a user, a group or a role."""
    head = statement.words(0, 2)
    return head[:1] in (["CREATE"], ["ALTER"], ["DROP"]) and head[1:] != [] and head[1] in _KINDS


def change_principals(statement: Statement, cursor: Cursor) -> None:
    """Run CREATE | ALTER | DROP USER | GROUP | ROLE."""
    words = TokenReader(statement)
    verb, kind = words.next().upper(), words.next().upper()
    if verb == "DROP":
        _drop(kind, words, cursor)
        return
    name = words.identifier()
    if verb == "ALTER" and kind == "USER":
        words.take("WITH")
    if verb == "ALTER" and words.take("RENAME"):
        words.expect("TO")
        new = words.identifier()
        at_end(words)
        cursor.execute_postgres(
            "SELECT redshift_local.rename_principal(%s, %s, %s)", (kind.lower(), name, new)
        )
    elif kind == "USER":
        _user(verb, name, words, cursor)
    elif kind == "GROUP":
        _group(verb, name, words, cursor)
    elif verb == "CREATE":
        if words.take("EXTERNALID"):
            raise Refusal.not_emulated("CREATE ROLE ... EXTERNALID")
        at_end(words)
        _create("role", name, cursor)
    elif words.take("OWNER"):
        words.expect("TO")
        owner = words.identifier()
        at_end(words)
        cursor.execute_postgres("SELECT redshift_local.give_role(%s, %s)", (name, owner))
    else:
        raise Refusal.not_emulated(f"ALTER ROLE ... {' '.join(statement.words(3, 2))}".strip())


def _create(kind: str, name: str, cursor: Cursor) -> None:
    cursor.execute_postgres("SELECT redshift_local.create_principal(%s, %s)", (kind, name))


def _drop(kind: str, words: TokenReader, cursor: Cursor) -> None:
    is_lenient = words.take("IF")
    if is_lenient:
        words.expect("EXISTS")
    names = _names(words)
    words.take_any("FORCE", "RESTRICT")
    at_end(words)
    for name in names:
        cursor.execute_postgres(
            "SELECT redshift_local.drop_principal(%s, %s, %s)", (kind.lower(), name, is_lenient)
        )


def _names(words: TokenReader) -> list[str]:
    found = [words.identifier()]
    while words.take(","):
        found.append(words.identifier())
    return found


def _group(verb: str, name: str, words: TokenReader, cursor: Cursor) -> None:
    """CREATE GROUP g [WITH USER u, ...]; ALTER GROUP g ADD | DROP USER u, ..."""
    is_member = True
    users: list[str] = []
    if verb == "CREATE":
        _create("group", name, cursor)
        if not words.is_at_end:
            words.take("WITH")
            words.expect("USER")
            users = _names(words)
    else:
        is_member = not words.take("DROP")
        if is_member:
            words.expect("ADD")
        words.expect("USER")
        users = _names(words)
    at_end(words)
    for user in users:
        cursor.execute_postgres(
            "SELECT redshift_local.set_member('group', %s, 'user', %s, %s, false)",
            (name, user, is_member),
        )


def _user(verb: str, name: str, words: TokenReader, cursor: Cursor) -> None:
    words.take("WITH")
    options = _UserOptions(name, words, cursor)
    if verb == "CREATE":
        if not options.has_password:
            raise Refusal("PASSWORD is required: CREATE USER ... PASSWORD 'text' | DISABLE", SYNTAX)
        _create("user", name, cursor)
    if options.has_password or options.limit is not None or options.until:
        cursor.execute_postgres(
            "SELECT redshift_local.alter_user(%s, %s, %s, %s, %s, %s)",
            (name, options.has_password, options.verifier, options.until, options.limit, verb),
        )
    if options.kept:
        cursor.execute_postgres(
            "SELECT redshift_local.set_user_options(%s, %s)", (name, json.dumps(options.kept))
        )
    for setting, value in options.settings:
        cursor.execute_postgres(
            "SELECT redshift_local.set_user_setting(%s, %s, %s)",
            (name, user_setting(setting), value),
        )
    for group in options.groups:
        cursor.execute_postgres(
            "SELECT redshift_local.set_member('group', %s, 'user', %s, true, false)", (group, name)
        )


class _UserOptions:
    """The options of CREATE USER and ALTER USER."""

    def __init__(self, name: str, words: TokenReader, cursor: Cursor) -> None:
        self._name, self._words, self._cursor = name, words, cursor
        self.has_password = False
        self.verifier: str | None = None
        self.until: str | None = None
        self.limit: int | None = None
        self.groups: list[str] = []
        self.kept: dict[str, str | int] = {}
        self.settings: list[tuple[str, str | None]] = []
        while not words.is_at_end:
            word = words.next().upper()
            if word != "NOCREATEUSER":  # what every user is
                self._option(word)

    def _option(self, word: str) -> None:
        words = self._words
        if word == "PASSWORD":
            self.has_password = True
            self.verifier = None if words.take("DISABLE") else self._verifier(words.string())
        elif word in ("CREATEDB", "NOCREATEDB"):
            self.kept["createdb"] = word == "CREATEDB"
        elif word == "CREATEUSER":
            raise Refusal.not_emulated("CREATEUSER of a user: there is one superuser")
        elif word == "VALID":
            words.expect("UNTIL")
            self.until = words.string()
        elif word == "CONNECTION":
            words.expect("LIMIT")
            self.limit = -1 if words.take("UNLIMITED") else words.number(0, 500, "CONNECTION LIMIT")
        elif word == "SYSLOG":
            words.expect("ACCESS")
            self.kept["syslog"] = "unrestricted" if words.take("UNRESTRICTED") else "restricted"
            if self.kept["syslog"] == "restricted":
                words.expect("RESTRICTED")
        elif word == "IN":
            words.expect("GROUP")
            self.groups = _names(words)
        else:
            self._session_option(word)

    def _session_option(self, word: str) -> None:
        """Read SESSION TIMEOUT n, SET name TO value, RESET name."""
        words = self._words
        if word == "SESSION":
            words.expect("TIMEOUT")
            self.kept["timeout"] = words.number(60, 1_728_000, "SESSION TIMEOUT")
        elif word == "RESET" and words.take("SESSION"):
            words.expect("TIMEOUT")
            self.kept["timeout"] = 0
        elif word == "RESET":
            self.settings.append((words.identifier(), None))
        elif word == "SET":
            self.settings.append((words.identifier(), self._setting()))
        else:
            raise Refusal.not_emulated(f"option {word} of a user")

    def _setting(self) -> str | None:
        """Read TO value, or = value; DEFAULT is None."""
        words = self._words
        if not words.take_any("TO", "="):
            words.syntax(words.next())
        if words.take("DEFAULT"):
            return None
        found = []
        while not words.is_at_end:
            is_string = words.peek_kind() == "string"
            found.append(words.string() if is_string else words.next().strip('"'))
            words.take(",")
        return ", ".join(found)

    def _verifier(self, password: str) -> str:
        """Return what the server keeps of a password; Redshift's rules for it hold."""
        if password.startswith("sha256|") and password.count("|") == 1:
            password = password.removeprefix("sha256|")  # in clear: the hash is made here
        elif password.startswith("sha256|"):
            raise Refusal.not_emulated("a password that is hashed already, with sha256")
        elif password.startswith("md5") and len(password) == 35:
            return password
        if not 8 <= len(password) <= 64:
            raise Refusal("password must be between 8 and 64 characters in length", SYNTAX)
        for test, what in ((str.isupper, "uppercase letter"), (str.islower, "lowercase letter"),
                           (str.isdigit, "number")):  # fmt: skip
            if not any(test(letter) for letter in password):
                raise Refusal(f"password must contain at least one {what}", SYNTAX)
        if not password.isascii() or not password.isprintable() or _SPECIAL & set(password):
            text = "password must not contain the characters ' \" \\ / @ or a blank"
            raise Refusal(text, SYNTAX)
        verifier: str = encrypt_password(
            password, self._name, self._cursor.connection, "scram-sha-256"
        )
        return verifier
