"""Users, groups, roles and their rights, over the wire: what is not granted is denied."""

from contextlib import closing, suppress

import psycopg2
import pytest

from tests.conformance import conforms

PASSWORD = "Secret-123x"
NAMES = ["rights_ann", "rights_bob"]


def entered(cloud, user, password=PASSWORD):
    """Log in through the front."""
    connection = psycopg2.connect(**{**cloud.front_address(), "user": user, "password": password})
    connection.autocommit = True
    return connection


def asked(connection, statement):
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall() if cursor.description else None


@pytest.fixture
def admin(cloud):
    with closing(psycopg2.connect(**cloud.front_address())) as connection:
        connection.autocommit = True
        clean(connection)
        asked(connection, "CREATE SCHEMA rights")
        asked(connection, "CREATE TABLE rights.t (a INT, b INT)")
        asked(connection, "INSERT INTO rights.t VALUES (1, 2)")
        for name in NAMES:
            asked(connection, f"CREATE USER {name} PASSWORD '{PASSWORD}'")
        asked(connection, "CREATE GROUP rights_readers WITH USER rights_ann")
        asked(connection, "CREATE ROLE rights_role")
        yield connection
        clean(connection)


def clean(connection):
    for statement in (
        "DROP SCHEMA IF EXISTS rights CASCADE", "DROP SCHEMA IF EXISTS rights_own CASCADE",
        "ALTER DEFAULT PRIVILEGES REVOKE ALL ON TABLES FROM rights_ann",
        "DROP GROUP rights_readers", "DROP ROLE rights_role",
        *(f"DROP USER IF EXISTS {name}" for name in NAMES),
    ):  # fmt: skip
        with suppress(psycopg2.Error):
            asked(connection, statement)


@pytest.fixture
def ann(cloud, admin):
    with closing(entered(cloud, "rights_ann")) as connection:
        yield connection


def test_a_user_logs_in_with_its_password_only(cloud, admin):
    with closing(entered(cloud, "rights_ann")) as connection:
        assert asked(connection, "SELECT current_user, 1") == [("rights_ann", 1)]
    for user, password in [("rights_ann", "Wrong-123x"), ("rights_ann", ""), ("nobody", PASSWORD),
                           ("rdsdb", PASSWORD), ("rights_readers", PASSWORD),
                           ("rights_ann", cloud.front_address()["password"])]:  # fmt: skip
        with pytest.raises(psycopg2.OperationalError, match="password"):
            entered(cloud, user, password)
    asked(admin, "ALTER USER rights_ann PASSWORD DISABLE")
    with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
        entered(cloud, "rights_ann")


GRANTS = [
    ("GRANT SELECT ON rights.t TO {to}", "SELECT * FROM rights.t",
     "REVOKE SELECT ON rights.t FROM {to}"),
    ("GRANT SELECT (a) ON TABLE rights.t TO {to}", "SELECT a FROM rights.t",
     "REVOKE SELECT (a) ON rights.t FROM {to}"),
    ("GRANT ALL PRIVILEGES ON ALL TABLES IN SCHEMA rights TO {to}", "DELETE FROM rights.t",
     "REVOKE ALL ON ALL TABLES IN SCHEMA rights FROM {to} CASCADE"),
    ("GRANT INSERT, UPDATE ON rights.t TO {to}", "INSERT INTO rights.t VALUES (3, 4)",
     "REVOKE INSERT ON rights.t FROM {to}"),
    ("GRANT CREATE ON SCHEMA rights TO {to}", "CREATE TABLE rights.own_table (a INT)",
     "DROP TABLE rights.own_table"),
    ("GRANT CREATE ON DATABASE dev TO {to}", "CREATE SCHEMA rights_own",
     "REVOKE CREATE ON DATABASE dev FROM {to}"),
]  # fmt: skip


@conforms(
    "Sessions and transactions", "GRANT and REVOKE, enforced", "r_GRANT, r_REVOKE", cases="grant"
)
@pytest.mark.parametrize("to", ["rights_ann", "GROUP rights_readers", "ROLE rights_role", "PUBLIC"])
@pytest.mark.parametrize("grant, use, revoke", GRANTS, ids=lambda text: text[:24])
def test_a_right_is_denied_until_it_is_granted_and_after_it_is_revoked(
    admin, ann, grant, use, revoke, to
):
    asked(admin, "GRANT ROLE rights_role TO rights_ann")
    asked(admin, "GRANT USAGE ON SCHEMA rights TO rights_ann, rights_bob")
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        asked(ann, use)
    asked(admin, grant.format(to=to))
    asked(ann, use)
    asked(admin, revoke.format(to=to))
    if "CREATE TABLE" in use:
        asked(admin, f"REVOKE CREATE ON SCHEMA rights FROM {to}")
    asked(admin, "DROP SCHEMA IF EXISTS rights_own")
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        asked(ann, use)


def test_grant_option_default_privileges_and_what_is_shown(cloud, admin, ann):
    asked(admin, "GRANT USAGE ON SCHEMA rights TO PUBLIC")
    asked(admin, "GRANT SELECT ON rights.t TO rights_ann WITH GRANT OPTION")
    asked(ann, "GRANT SELECT ON rights.t TO rights_bob")
    with closing(entered(cloud, "rights_bob")) as bob:
        assert asked(bob, "SELECT COUNT(*) FROM rights.t") == [(1,)]
        asked(admin, "REVOKE SELECT ON rights.t FROM rights_ann")
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            asked(bob, "SELECT COUNT(*) FROM rights.t")
    asked(admin, "ALTER DEFAULT PRIVILEGES IN SCHEMA rights GRANT SELECT ON TABLES TO rights_ann")
    asked(admin, "CREATE TABLE rights.later (a INT)")
    assert asked(ann, "SELECT * FROM rights.later") == []
    question = "SELECT has_table_privilege('{}', 'rights.later', 'select')"
    assert [asked(admin, question.format(name)) for name in NAMES] == [[(True,)], [(False,)]]
    asked(admin, "GRANT INSERT ON rights.t TO GROUP rights_readers")
    shown = "SELECT identity_name, identity_type FROM svv_relation_privileges"
    found = asked(admin, f"{shown} WHERE namespace_name = 'rights' AND identity_type <> 'user'")
    assert found == [("rights_readers", "group")]
    asked(admin, "GRANT ROLE rights_role TO rights_ann WITH ADMIN OPTION")
    asked(ann, "GRANT ROLE rights_role TO rights_bob")
    grants = asked(admin, "SELECT user_name, role_name, admin_option FROM svv_user_grants "
                   "WHERE role_name = 'rights_role' ORDER BY 1")  # fmt: skip
    assert grants == [("rights_ann", "rights_role", True), ("rights_bob", "rights_role", False)]
    assert asked(admin, "SELECT groname FROM pg_group WHERE groname LIKE 'rights%'") == [
        ("rights_readers",)
    ]
    for view in ("roles", "role_grants", "database_privileges", "column_privileges",
                 "function_privileges", "default_privileges", "schema_privileges"):  # fmt: skip
        asked(ann, f"SELECT * FROM svv_{view}")


ATTACKS = [
    "SELECT * FROM rights.t", "DROP TABLE rights.t", "TRUNCATE rights.t", "ALTER TABLE rights.t "
    "ADD COLUMN c INT", "DROP SCHEMA rights CASCADE", "CREATE TABLE rights.x (a INT)",
    "CREATE SCHEMA mine", f"CREATE USER eve PASSWORD '{PASSWORD}'",
    "CREATE GROUP eves", "CREATE ROLE eves", "DROP USER rights_bob",
    f"ALTER USER rights_bob PASSWORD '{PASSWORD}'", f"ALTER USER demo PASSWORD '{PASSWORD}'",
    f"ALTER USER rdsdb PASSWORD '{PASSWORD}'", "ALTER USER rights_ann CREATEUSER",
    "ALTER USER rights_ann VALID UNTIL '2100-01-01'", "ALTER USER rights_ann RENAME TO x",
    "ALTER GROUP rights_readers ADD USER rights_bob", "GRANT ROLE rights_role TO rights_ann",
    "GRANT ROLE rdsdb TO rights_ann", "GRANT ROLE pg_read_server_files TO rights_ann",
    "GRANT ROLE demo TO rights_ann", "GRANT SELECT ON rights.t TO rights_ann",
    "GRANT SELECT ON pg_catalog.pg_authid TO rights_ann",
    "GRANT SELECT ON ALL TABLES IN SCHEMA redshift_local TO rights_ann",
    "GRANT USAGE ON SCHEMA redshift_local TO rights_ann", "GRANT rdsdb TO rights_ann",
    "GRANT EXECUTE ON FUNCTION pg_catalog.pg_read_file(text) TO rights_ann",
    "SET ROLE demo", "SET SESSION AUTHORIZATION demo", "RESET ROLE; SET ROLE rdsdb",
    "CREATE SCHEMA mine AUTHORIZATION demo", "CREATE SCHEMA AUTHORIZATION rdsdb",
    "SELECT * FROM pg_authid", "SELECT pg_read_file('/etc/passwd')",
    "SELECT redshift_local.create_principal('user', 'eve')",
    "ALTER SCHEMA rights OWNER TO rights_ann", "ALTER TABLE rights.t OWNER TO rights_ann",
    "ALTER DEFAULT PRIVILEGES FOR USER demo GRANT SELECT ON TABLES TO rights_ann",
    "LOCK rights.t", "COMMENT ON TABLE rights.t IS 'x'",
    "COPY rights.t FROM 's3://x/y' IAM_ROLE 'arn:aws:iam::123456789012:role/x'",
    "UNLOAD ('SELECT * FROM rights.t') TO 's3://x/y' IAM_ROLE 'arn:aws:iam::123456789012:role/x'",
]  # fmt: skip


def refusal_of(connection, statement):
    """Return the error's text; empty where the statement ran."""
    try:
        asked(connection, statement)
    except psycopg2.Error as error:
        return str(error)
    return ""


def test_a_user_without_rights_gets_nowhere(admin, ann):
    answers = {attack: refusal_of(ann, attack) for attack in ATTACKS}
    assert [attack for attack, text in answers.items() if not text] == []
    assert [text for text in answers.values() if "internal error" in text or PASSWORD in text] == []
    assert asked(ann, "SELECT current_user, 1") == [("rights_ann", 1)]
    assert asked(admin, "SELECT COUNT(*) FROM rights.t") == [(1,)]


OF_ADMINISTRATOR = ["CREATE USER rdsdb PASSWORD DISABLE", "CREATE USER pg_x PASSWORD DISABLE",
    "CREATE USER redshift_local_x PASSWORD DISABLE", "CREATE USER demo PASSWORD DISABLE",
    "CREATE USER eve", "CREATE USER eve PASSWORD 'short1A'",
    "CREATE USER eve PASSWORD 'nodigitsAA'",
    "CREATE USER eve PASSWORD 'Quote''1234'", f"CREATE USER eve CREATEUSER PASSWORD '{PASSWORD}'",
    "ALTER USER rdsdb PASSWORD 'Secret-123x'", "DROP USER demo", "DROP USER rdsdb",
    "DROP ROLE pg_monitor", "GRANT ROLE pg_monitor TO rights_ann",
    "GRANT ROLE pg_execute_server_program TO demo", "DROP USER rights_readers",
    "CREATE USER \"x\"\" SUPERUSER\" SUPERUSER PASSWORD DISABLE"]  # fmt: skip


def test_the_administrator_makes_no_superuser(admin):
    answers = {statement: refusal_of(admin, statement) for statement in OF_ADMINISTRATOR}
    assert [statement for statement, text in answers.items() if not text] == []
    assert asked(admin, "SELECT usename FROM pg_user WHERE usesuper") == [("rdsdb",)]


def test_names_are_never_code(cloud, admin):
    name = '"rights"" SUPERUSER; --"'
    asked(admin, f"CREATE USER {name} PASSWORD '{PASSWORD}'")
    assert asked(admin, "SELECT usename FROM pg_user WHERE usesuper") == [("rdsdb",)]
    with closing(entered(cloud, 'rights" superuser; --')) as connection:
        assert asked(connection, "SELECT 1") == [(1,)]
    asked(admin, f"DROP USER {name}")


def test_a_user_owns_its_schema_and_is_not_dropped_with_it(admin, ann):
    asked(admin, "CREATE SCHEMA rights_own AUTHORIZATION rights_ann")
    asked(ann, "CREATE TABLE rights_own.t (a INT PRIMARY KEY)")
    assert asked(admin, "SELECT * FROM rights_own.t") == []  # as a superuser of Redshift
    with pytest.raises(psycopg2.errors.DependentObjectsStillExist, match="cannot be dropped"):
        asked(admin, "DROP USER rights_ann")
