"""What clients ask of the catalog: Redshift's relations and columns, answered truly or empty."""

import subprocess

import psycopg
import psycopg2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from src.local_cloud.redshift.sql.parsing import translate
from tests.conformance import conforms

SCHEMA = "catalog_tests"
EMPTY = ["svv_external_databases", "svv_external_schemas", "svv_external_tables",
         "svv_external_columns", "svv_external_partitions", "svv_datashares", "stv_mv_info",
         "svv_mv_info", "svl_query_summary", "stl_undone"]  # fmt: skip
FILLED = ["svv_all_tables", "svv_all_columns", "svv_all_schemas", "svv_redshift_tables",
          "svv_redshift_columns", "svv_redshift_schemas", "svv_redshift_databases",
          "svv_redshift_functions", "stv_sessions", "pg_user_info", "pg_attribute_info",
          "pg_proc_info", "svv_user_info", "svv_relation_privileges",
          "svv_schema_privileges", "svv_table_info"]  # fmt: skip


@pytest.fixture
def ask(cloud):
    with psycopg.connect(**cloud.front_address(), autocommit=True) as connection:
        connection.execute(f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE")
        connection.execute(f"CREATE SCHEMA {SCHEMA}")
        connection.execute(
            f"CREATE TABLE {SCHEMA}.p (a INT PRIMARY KEY, v VARCHAR(20) NOT NULL UNIQUE, "
            "c CHAR(3)) DISTKEY(a) SORTKEY(v, a)"
        )
        connection.execute(
            f"CREATE TABLE {SCHEMA}.q (b INT REFERENCES {SCHEMA}.p, z VARCHAR, "
            "CONSTRAINT both UNIQUE (b, z))"
        )

        def ask(query):
            cursor = connection.execute(query)
            return cursor.fetchall() if cursor.description else cursor.statusmessage

        yield ask
        connection.execute(f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE")


@conforms("System views", "answered without a row, with Redshift's columns", "the view's own page",
          cases="relation")  # fmt: skip
@pytest.mark.parametrize("relation", EMPTY)
def test_what_there_is_none_of_is_empty(ask, relation):
    assert ask(f"SELECT * FROM {relation}") == []


@conforms("System views", "answered truly", "the view's own page", cases="relation")
@pytest.mark.parametrize("relation", FILLED)
def test_what_there_is_has_rows(ask, relation):
    assert ask(f"SELECT * FROM {relation}")
    assert ask(f"SELECT * FROM pg_catalog.{relation}")


@conforms("System views", "pg_class, pg_attribute, pg_proc and pg_attrdef have Redshift's columns",
          "AWS's admin views")  # fmt: skip
def test_columns_of_the_catalog(ask):
    assert ask(
        "SELECT c.reldiststyle, c.releffectivediststyle, c.relhasoids, c.relhaspkey "
        f"FROM pg_catalog.pg_class c WHERE c.oid = '{SCHEMA}.p'::regclass"
    ) == [(1, 1, False, True)]
    columns = ask(
        "SELECT attname, format_type(atttypid, atttypmod), attisdistkey, attsortkeyord, "
        "format_encoding(attencodingtype::integer) FROM pg_attribute "
        f"WHERE attrelid = '{SCHEMA}.p'::regclass AND attnum > 0 ORDER BY attnum"
    )
    assert columns == [("a", "integer", True, 2, "none"),
                       ("v", "character varying(20)", False, 1, "none"),
                       ("c", "character(3)", False, 0, "none")]  # fmt: skip
    assert ask("SELECT proisagg FROM pg_catalog.pg_proc WHERE proname = 'stddev_pop' LIMIT 1") == [
        (True,)
    ]


@conforms("System views", "declared keys and VARCHAR lengths in pg_constraint and "
          "information_schema", "r_CREATE_TABLE_NEW")  # fmt: skip
def test_declared_keys_are_shown(ask):
    of_schema = f"table_schema = '{SCHEMA}'"
    assert ask(
        f"SELECT conname, contype, conkey, pg_get_constraintdef(oid) FROM pg_constraint "
        f"WHERE conrelid IN ('{SCHEMA}.p'::regclass, '{SCHEMA}.q'::regclass) ORDER BY 1"
    ) == [("both", "u", [1, 2], "UNIQUE (b, z)"), ("p_pkey", "p", [1], "PRIMARY KEY (a)"),
          ("p_v_key", "u", [2], "UNIQUE (v)"),
          ("q_b_fkey", "f", [1], f"FOREIGN KEY (b) REFERENCES {SCHEMA}.p(a)")]  # fmt: skip
    assert ask(
        "SELECT t.constraint_type, k.column_name FROM information_schema.table_constraints t "
        "JOIN information_schema.key_column_usage k ON k.constraint_name = t.constraint_name "
        f"WHERE t.{of_schema} AND t.table_name = 'p' ORDER BY 1"
    ) == [("PRIMARY KEY", "a"), ("UNIQUE", "v")]
    assert ask(
        "SELECT unique_constraint_name FROM information_schema.referential_constraints "
        f"WHERE constraint_schema = '{SCHEMA}'"
    ) == [("p_pkey",)]
    assert ask(
        "SELECT column_name, character_maximum_length FROM information_schema.columns "
        f"WHERE {of_schema} AND character_maximum_length IS NOT NULL ORDER BY 1"
    ) == [("c", 3), ("v", 20), ("z", 256)]


@conforms("Tables", "views WITH NO SCHEMA BINDING, also of relations that are not there yet",
          "r_CREATE_VIEW")  # fmt: skip
def test_a_late_view_reads_what_is_there(ask):
    assert ask(f"CREATE VIEW {SCHEMA}.late(n) AS SELECT m FROM dev.{SCHEMA}.missing "
               "WITH NO SCHEMA BINDING") == "CREATE VIEW"  # fmt: skip
    with pytest.raises(psycopg.errors.UndefinedTable, match="missing"):
        ask(f"SELECT * FROM {SCHEMA}.late")
    for kind, value in (("int", 4), ("varchar(5)", "four")):
        ask(f"CREATE TABLE {SCHEMA}.missing (m {kind})")
        ask(f"INSERT INTO {SCHEMA}.missing VALUES ('{value}')")
        assert ask(f"SELECT n FROM {SCHEMA}.late") == [(value,)]
        ask(f"DROP TABLE {SCHEMA}.missing")
    found = ask(
        "SELECT * FROM pg_get_late_binding_view_cols() cols(view_schema name, view_name name, "
        "col_name name, col_type varchar, col_num int)"
    )
    assert (SCHEMA, "late", "n", "character varying(5)", 1) in found
    [(shown,)] = ask(f"SHOW VIEW {SCHEMA}.late")
    assert shown.endswith("WITH NO SCHEMA BINDING;")


def test_a_late_view_names_schemas(ask):
    with pytest.raises(psycopg.Error, match="should be qualified"):
        ask(f"CREATE VIEW {SCHEMA}.late AS SELECT 1 FROM p WITH NO SCHEMA BINDING")


@conforms("Sessions and transactions", "SHOW DATABASES, SCHEMAS, TABLES, COLUMNS, TABLE and VIEW",
          "r_SHOW_TABLES, r_SHOW_COLUMNS, r_SHOW_TABLE, r_SHOW_VIEW")  # fmt: skip
def test_show_objects(ask):
    assert [row[0] for row in ask("SHOW DATABASES")] == ["dev"]
    assert SCHEMA in [row[1] for row in ask("SHOW SCHEMAS FROM DATABASE dev LIKE 'catalog%'")]
    assert [row[2] for row in ask(f"SHOW TABLES FROM SCHEMA dev.{SCHEMA}")] == ["p", "q"]
    assert [row[3] for row in ask(f"SHOW COLUMNS FROM TABLE {SCHEMA}.p LIMIT 2")] == ["a", "v"]
    [(definition,)] = ask(f"SHOW TABLE {SCHEMA}.p")
    ask(f"DROP TABLE {SCHEMA}.p")
    ask(definition)
    assert ask(f"SHOW TABLE {SCHEMA}.p") == [(definition,)]


@conforms("Tables", "COMMENT, LOCK, OWNER TO, CREATE SCHEMA AUTHORIZATION, names of three parts",
          "r_COMMENT, r_LOCK, r_ALTER_TABLE, r_CREATE_SCHEMA",
          partly="a QUOTA with a limit is refused by name")  # fmt: skip
def test_statements_about_objects(ask):
    ask(f"COMMENT ON TABLE dev.{SCHEMA}.p IS 'it''s \\\\ one'")
    ask(f"COMMENT ON COLUMN {SCHEMA}.p.a IS 'key'")
    assert ask(f"SELECT remarks FROM svv_tables WHERE table_schema = '{SCHEMA}' ORDER BY 1")[0] == (
        "it's \\ one",
    )
    assert ("a", "key") in ask(
        f"SELECT column_name, remarks FROM svv_columns WHERE table_schema = '{SCHEMA}'"
    )
    ask("BEGIN")
    ask(f"LOCK dev.{SCHEMA}.p, {SCHEMA}.q")
    ask("COMMIT")
    ask(f"ALTER TABLE {SCHEMA}.p OWNER TO demo")
    ask(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA} AUTHORIZATION demo QUOTA UNLIMITED")


@pytest.mark.parametrize(("statement", "message"), [
    ("/* a comment */ CREATE DATABASE other", "CREATE DATABASE: 'CREATE DATABASE other' is not"),
    ("/* a comment */ GRANT DROP ON t TO u", "the privilege DROP is not emulated"),
    ("COMMENT ON TABLE pg_catalog.pg_class IS 'x'", "permission denied"),
    ("COMMENT ON COLUMN redshift_local.sessions.pid IS 'x'", "permission denied"),
    ("LOCK pg_class", "permission denied"),
    ("ALTER SCHEMA redshift_local OWNER TO demo", "permission denied"),
    ("CREATE VIEW public.l AS SELECT * FROM redshift_local.sessions WITH NO SCHEMA BINDING",
     "permission denied"),
    ("SELECT * FROM redshift_local.pg_class", "permission denied"),
    ("SELECT redshift_local.late_rows('SELECT 1')", "not emulated"),
])  # fmt: skip
def test_refusals(ask, statement, message):
    with pytest.raises(psycopg.Error, match=message):
        ask(statement)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.sampled_from([" ", "\n", "/* pg_class */", "-- pg_class\n", "/* ' */"]), max_size=4
    ),
    st.sampled_from(["pg_class", "PG_CLASS", '"pg_class"']),
    st.sampled_from(["", "pg_catalog.", '"pg_catalog" . ']),
)
def test_only_the_place_of_a_relation_is_replaced(gaps, name, schema):
    """A string, a comment or a column of a relation's name stays as it is."""
    gap = " " + "".join(gaps)
    found = translate(
        f"SELECT{gap}'pg_class FROM pg_class', c.relname AS pg_class FROM{gap}{schema}{name}{gap}"
        f"AS c WHERE{gap}pg_catalog.pg_table_is_visible(c.oid)"
    )
    assert found.count("redshift_local") == 1
    assert "'pg_class FROM pg_class'" in found


@conforms("Any client", "psql's backslash commands, under Redshift's version", "psql")
def test_backslash_commands(cloud, ask):
    address = cloud.front_address()
    target = (f"host={address['host']} port={address['port']} user={address['user']} "
              f"password={address['password']} dbname={address['dbname']}")  # fmt: skip
    commands = ["\\d", f"\\d {SCHEMA}.p", f"\\d+ {SCHEMA}.q", "\\df", "\\l", f"\\dt {SCHEMA}.*",
                "\\dn", "\\du", "\\dv", "\\dp", "\\di", "\\da"]  # fmt: skip
    call = [str(cloud.write_client_files()["psql_path"]), target, "-At"]
    for command in commands:
        call += ["-c", command]
    done = subprocess.run(call, check=False, capture_output=True, text=True, timeout=60)
    assert "ERROR" not in done.stderr
    assert "v|character varying(20)" in done.stdout


def test_reserved_names_are_not_a_way_in(connection):
    """A client's own relation of such a name is its own, and no system view changes."""
    with connection.cursor() as cursor:
        cursor.execute("WITH columns AS (SELECT 5 AS x) SELECT x FROM columns")
        assert cursor.fetchall() == [(5,)]
        with pytest.raises(psycopg2.Error):
            cursor.execute("INSERT INTO information_schema.columns VALUES (1)")


@conforms("System views", "pg_settings: what Redshift has as well", "PostgreSQL's JDBC driver")
def test_settings_are_shown_without_the_servers_own(ask):
    found = dict(ask("SELECT name, setting FROM pg_catalog.pg_settings"))
    assert found["max_index_keys"] == "32"
    assert not {"data_directory", "hba_file", "config_file"} & set(found)
