"""Every client: which environment it runs in, and how its calls are counted."""

import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.clients import corpora
from tests.clients.counts import Counts, of_calls, of_junit
from tests.clients.dbt_project import run_project
from tests.clients.places import HERE, Places

_SCRIPTS = HERE / "scripts"
_MINUTES = 20  # a client that takes longer has failed
_JDBC = (Path("/usr/share/java/postgresql.jar"), *sorted(
    Path.home().glob(".m2/repository/org/postgresql/postgresql/*/postgresql-*.jar")))  # fmt: skip
# What needs identity providers, a second cluster or Redshift's own port.
_DRIVER_SUITE = [f"test/integration/test_{name}.py" for name in (
    "query", "cursor", "paramstyle", "dbapi20", "pandas", "unsupported_datatypes",
    "prepared_statements_cache", "connection")]  # fmt: skip
_DRIVER_SETTINGS = """[ci-cluster]
database = dev
host = 127.0.0.1
test_user = demo
test_password = {CLIENT_PASSWORD}
region = us-east-1
cluster_identifier = local
[default-test]
port = {CLIENT_PORT}
ssl = true
sslmode = verify-ca
[cluster-setup]
groups = group1,group2
"""


class CannotRunHereError(Exception):
    """What a client needs is not on this machine."""


@dataclass(frozen=True)
class Client:
    """One client, and whether CI runs it."""

    name: str
    run: Callable[[Places], Counts]
    in_ci: bool = False
    needs: str = ""  # the checkout it needs


def _process(places, name, command, **more):
    """Run a client's process with a fresh record; returns the record's place."""
    results = places.scratch / f"{name}.jsonl"
    results.unlink(missing_ok=True)
    environment = {**places.environment(results), **more.pop("env", {})}
    with (places.scratch / f"{name}.log").open("w") as log:
        subprocess.run([str(part) for part in command], env=environment, stdout=log, check=False,
                       stderr=subprocess.STDOUT, timeout=_MINUTES * 60, **more)  # fmt: skip
    return results


def _script(name, section):
    def run(places):
        command = [places.python(section), _SCRIPTS / f"{name}_calls.py"]
        return of_calls(_process(places, f"{name}-{section}", command))

    return run


def _suite(places, name, section, folder, tests, **env):
    report = places.scratch / f"{name}.xml"
    report.unlink(missing_ok=True)
    command = [places.python(section), "-m", "pytest", "-c", os.devnull, "--rootdir", ".", "-q",
               "-p", "no:cacheprovider", "--timeout", "60",
               "--junitxml", report, *tests]  # fmt: skip
    _process(places, name, command, cwd=folder, env=env)
    return of_junit(report)


def _node(places):
    modules = {"CLIENT_NODE_MODULES": str(places.node_modules())}
    return of_calls(_process(places, "node", ["node", _SCRIPTS / "node_calls.js"], env=modules))


def _psql(places):
    found = shutil.which("psql") or places.cloud.write_client_files()["psql_path"]
    version = subprocess.check_output([found, "--version"], text=True).split()[2]
    command = [places.python("driver"), _SCRIPTS / "psql_calls.py"]
    counts = of_calls(_process(places, "psql", command, env={"CLIENT_PSQL": found}))
    counts.note = f"psql {version}"
    return counts


def _jdbc(places):
    jars = [path for path in _JDBC if path.exists()]
    if not jars or not shutil.which("java"):
        raise CannotRunHereError("java or the driver's jar is missing (libpostgresql-jdbc-java)")
    command = ["java", "-cp", jars[-1], _SCRIPTS / "JdbcCalls.java"]
    counts = of_calls(_process(places, "jdbc", command))
    counts.note = jars[-1].resolve().stem
    return counts


def _dbt_suite(places):
    there = places.environment(os.devnull)
    address = {"HOST": "127.0.0.1", "PORT": there["CLIENT_PORT"], "DBNAME": "dev", "USER": "demo",
               "PASS": there["CLIENT_PASSWORD"], "REGION": "us-east-1"}  # fmt: skip
    env = {f"REDSHIFT_TEST_{name}": value for name, value in address.items()}
    folder = places.source("dbt", "dbt-redshift")
    counts = _suite(places, "dbt-suite", "dbt", folder, ["-k", "not atashar", "tests/functional"],
                    **env, DBT_TEST_USER_1="demo")  # fmt: skip
    counts.note = f"{folder.name}, without the tests of datashares"
    return counts


def _driver_suite(tests):
    def run(places):
        checkout = places.checkouts["redshift_connector"]
        folder = places.scratch / "redshift_connector"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(checkout, folder, ignore=shutil.ignore_patterns(".git"))
        shutil.rmtree(folder / "redshift_connector")  # the installed one is tested
        there = places.environment(os.devnull)
        (folder / "test/config.ini").write_text(_DRIVER_SETTINGS.format(**there))
        for path in (folder / "test/integration/datatype").glob("*.py"):
            path.write_text(path.read_text().replace("5439", there["CLIENT_PORT"]))
        env = {"PGPASSWORD": there["CLIENT_PASSWORD"]}
        counts = _suite(places, "driver-suite", "driver", folder, tests, **env)
        counts.note = f"commit {corpora.commit_of(checkout)}"
        return counts

    return run


def _alchemy_suite(section):
    def run(places):
        folder = places.source(section, "sqlalchemy-redshift")
        tests = sorted(str(path) for path in folder.glob("tests/test_*.py"))
        there = places.environment(os.devnull)
        env = {"PGPASSWORD": there["CLIENT_PASSWORD"]}
        address = ["--dbdriver", "psycopg2"] if section == "sqlalchemy-1" else []
        counts = _suite(places, section, section, folder, [*address, *tests], **env)
        counts.note = f"{folder.name}; its tests of a cluster's reflection need one to connect to"
        return counts

    return run


def _corpus(read, checkout=""):
    def run(places):
        counts = corpora.run(read(places), places)
        if checkout:
            counts.note += f"; commit {corpora.commit_of(places.checkouts[checkout])}"
        return counts

    return run


CLIENTS = (
    Client("awswrangler", _script("awswrangler", "driver"), in_ci=True),
    Client("locopy", _script("locopy", "driver"), in_ci=True),
    Client("psql", _psql, in_ci=True),
    Client("node-postgres", _node),
    Client("jdbc", _jdbc),
    Client("sqlalchemy-1", _script("sqlalchemy", "sqlalchemy-1")),
    Client("sqlalchemy-2", _script("sqlalchemy", "sqlalchemy-2"), in_ci=True),
    Client("sqlalchemy-redshift-suite", _alchemy_suite("sqlalchemy-2")),
    Client("dlt", _script("dlt", "dlt")),
    Client("sqlmesh", _script("sqlmesh", "sqlmesh")),
    Client("dbt-project", run_project),
    Client("dbt-suite", _dbt_suite),
    Client("sqlglot-corpus", _corpus(corpora.sqlglot_statements), in_ci=True),
    Client("redshift_connector-suite", _driver_suite(_DRIVER_SUITE), needs="redshift_connector"),
    Client("redshift_connector-datatypes",
           _driver_suite(["test/integration/datatype"]), needs="redshift_connector"),
    Client("sqlfluff-corpus", _corpus(corpora.sqlfluff_statements, "sqlfluff"), needs="sqlfluff"),
)  # fmt: skip
