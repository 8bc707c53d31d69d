import os
import subprocess

from calls import DATABASE, HOST, PASSWORD, PORT, USER, call

PSQL = os.environ["CLIENT_PSQL"]
SETUP = """DROP SCHEMA IF EXISTS psql CASCADE; CREATE SCHEMA psql;
CREATE TABLE psql.parent (id INT PRIMARY KEY, name VARCHAR(20) NOT NULL);
CREATE TABLE psql.child (id INT IDENTITY(0, 1), parent_id INT REFERENCES psql.parent (id));
CREATE VIEW psql.seen AS SELECT id FROM psql.child; COMMENT ON TABLE psql.child IS 'children'"""
# Commands with a name that must stand in their output, or ''.
COMMANDS = {
    r"\l": "dev", r"\l+": "dev", r"\dn": "psql", r"\dn+": "psql", r"\dt psql.*": "parent",
    r"\dt+ psql.*": "children", r"\dv psql.*": "seen", r"\d": "", r"\d psql.parent": "name",
    r"\d+ psql.child": "parent_id", r"\d psql.seen": "id", r"\d+ psql.seen": "SELECT",
    r"\du": "demo", r"\dg": "demo", r"\df psql.*": "", r"\df+ psql.*": "", r"\di": "",
    r"\ds psql.*": "", r"\dp psql.*": "parent", r"\z": "", r"\ddp": "", r"\dT": "", r"\db": "",
    r"\dC": "", r"\dD": "", r"\dd": "", r"\dO": "", r"\do": "", r"\sv psql.seen": "seen",
    r"\conninfo": "dev", r"\encoding": "UTF8", r"\dL": "", r"\dE": "",
    r"\da": "", r"\dc": "", r"\dF": "", r"\dm": "", r"\dP": "", r"\drds": "", r"\dx": "",
    r"\dy": "", r"\des": "", r"\dew": "", r"\det": "", r"\dRp": "",
}  # fmt: skip


def psql(*arguments):
    address = {"PGHOST": HOST, "PGPORT": str(PORT), "PGDATABASE": DATABASE, "PGUSER": USER}
    done = subprocess.run(
        [PSQL, "-X", "-v", "ON_ERROR_STOP=1", *arguments],
        env={**os.environ, **address, "PGPASSWORD": PASSWORD},
        capture_output=True,
        check=False,
        text=True,
    )
    if done.returncode or "ERROR" in done.stderr:
        raise RuntimeError(done.stderr.strip())
    return done.stdout


with call("connect, set up"):
    psql("-c", SETUP)
for command, wanted in COMMANDS.items():
    with call(command):
        shown = psql("-c", command)
        if wanted not in shown:
            raise AssertionError(f"{wanted} is not in {shown}")
