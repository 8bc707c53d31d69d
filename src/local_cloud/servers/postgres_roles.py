"""The two roles of the local warehouse: the superuser, and the plain one that clients have."""

from __future__ import annotations

import os
import secrets
from contextlib import closing
from pathlib import Path
from typing import Any

from src.json_object import JsonObject

_RIGHTS = "LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS"
_HELPER = "rdsdb_renaming"


def superuser_password(folder: Path) -> str:
    """Return the superuser's password, which stays in the server's folder; made once."""
    file = folder / "superuser"
    try:
        return file.read_text()
    except FileNotFoundError:
        pass
    aside = folder / f"superuser.{os.getpid()}"
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as target:
        target.write(secrets.token_urlsafe(24))
    aside.replace(file)
    return file.read_text()


def ensure(client: JsonObject, superuser: JsonObject) -> None:
    """Make the clients' role and database where they are missing; both are reachable then.

    Raises psycopg2.OperationalError where the server refuses the client's password.
    """
    import psycopg2

    administration = {**superuser, "dbname": "postgres"}
    try:
        connection = psycopg2.connect(**administration)
    except psycopg2.OperationalError as error:
        if "authentication failed" not in str(error):
            raise
        _rename_superuser(client, administration)
        connection = psycopg2.connect(**administration)
    with closing(connection):
        connection.autocommit = True
        with connection.cursor() as cursor:
            _ensure_role(cursor, client)
    psycopg2.connect(**client).close()


def _ensure_role(cursor: Any, client: JsonObject) -> None:
    role, database = client["user"], client["dbname"]
    cursor.execute(f"DROP ROLE IF EXISTS {_HELPER}")
    cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", (database,))
    if cursor.fetchone() is None:
        cursor.execute(f"CREATE DATABASE {database}")
    cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (role,))
    if cursor.fetchone() is not None:
        return
    cursor.execute(  # one transaction: the role exists with all of its rights, or not at all
        f"BEGIN; CREATE ROLE {role} {_RIGHTS} PASSWORD %s; "
        "REVOKE ALL ON DATABASE postgres, template1 FROM PUBLIC; "
        f"REVOKE ALL ON DATABASE {database} FROM PUBLIC; "
        f"GRANT CONNECT, CREATE, TEMPORARY ON DATABASE {database} TO {role}; COMMIT",
        (client["password"],),
    )


def _rename_superuser(client: JsonObject, superuser: JsonObject) -> None:
    """Give the superuser of an earlier version, which had the client's name, its own.

    The first superuser of a server cannot become a plain role, and not rename itself.
    """
    import psycopg2

    with closing(psycopg2.connect(**{**client, "dbname": "postgres"})) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(f"DROP ROLE IF EXISTS {_HELPER}")
            cursor.execute(
                f"CREATE ROLE {_HELPER} LOGIN SUPERUSER PASSWORD %s", (superuser["password"],)
            )
    helper = psycopg2.connect(**{**superuser, "user": _HELPER})
    with closing(helper), helper, helper.cursor() as cursor:
        cursor.execute(f"ALTER ROLE {client['user']} RENAME TO {superuser['user']}")
        cursor.execute(f"ALTER ROLE {superuser['user']} PASSWORD %s", (superuser["password"],))
