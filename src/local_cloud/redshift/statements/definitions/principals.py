"""CREATE, ALTER and DROP of users, groups and roles: plain roles of the server, by its functions.

A password gets to the server as its SCRAM verifier only, names as parameters; the server's
functions (catalog/62) decide who may do what, and none of them gives a superuser's rights.
"""

from __future__ import annotations

from psycopg2.extensions import encrypt_password

from src.local_cloud.redshift.statements.objects import at_end
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
    if options.settings or options.has_password or options.limit is not None or options.until:
        cursor.execute_postgres(
            "SELECT redshift_local.alter_user(%s, %s, %s, %s, %s, %s)",
            (name, options.has_password, options.verifier, options.until, options.limit, verb),
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
        self.settings = False
        while not words.is_at_end:
            self._option(words.next().upper())

    def _option(self, word: str) -> None:
        words = self._words
        if word == "PASSWORD":
            self.has_password = True
            self.verifier = None if words.take("DISABLE") else self._verifier(words.string())
        elif word in ("NOCREATEDB", "NOCREATEUSER"):
            self.settings = False
        elif word in ("CREATEDB", "CREATEUSER"):
            raise Refusal.not_emulated(f"{word} of a user: there is one database and one superuser")
        elif word == "VALID":
            words.expect("UNTIL")
            self.until = words.string()
        elif word == "CONNECTION":
            words.expect("LIMIT")
            self.limit = -1 if words.take("UNLIMITED") else words.number(0, 500, "CONNECTION LIMIT")
        elif word == "SYSLOG":
            words.expect("ACCESS")
            if not words.take("RESTRICTED"):
                raise Refusal.not_emulated("SYSLOG ACCESS UNRESTRICTED")
        elif word == "IN":
            words.expect("GROUP")
            self.groups = _names(words)
        else:
            raise Refusal.not_emulated(f"option {word} of a user")

    def _verifier(self, password: str) -> str:
        """Return what the server keeps of a password; Redshift's rules for it hold."""
        if password.startswith("sha256|") or (password.startswith("md5") and len(password) == 35):
            raise Refusal.not_emulated("a password that is hashed already")
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
