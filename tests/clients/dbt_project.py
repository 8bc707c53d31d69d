"""A dbt project of every kind of model, built twice, with its snapshots and its documentation."""

import json
import os
import shutil
import subprocess

from tests.clients.counts import Counts
from tests.clients.places import HERE

_RUNS = ("debug", "build", "build", "snapshot", "docs generate", "source freshness", "test")
_PROFILE = {
    "type": "redshift",
    "host": "127.0.0.1",
    "user": "demo",
    "dbname": "dev",
    "schema": "dbt_demo",
    "threads": 2,
}


def run_project(places):
    """Return the counts: one for each command, and one for each node of each command."""
    python, scratch = places.python("dbt"), places.scratch / "dbt_project"
    shutil.rmtree(scratch, ignore_errors=True)
    shutil.copytree(HERE / "dbt_project", scratch)
    environment = places.environment(os.devnull)
    target = {
        **_PROFILE,
        "port": int(environment["CLIENT_PORT"]),
        "password": environment["CLIENT_PASSWORD"],
    }
    profile = {"demo": {"target": "local", "outputs": {"local": target}}}
    (scratch / "profiles.yml").write_text(json.dumps(profile))
    environment |= {"DBT_PROFILES_DIR": str(scratch), "DBT_SEND_ANONYMOUS_USAGE_STATS": "false"}
    counts = Counts()
    for number, words in enumerate(_RUNS, 1):
        results = scratch / "target/run_results.json"
        results.unlink(missing_ok=True)
        log = places.scratch / f"dbt-{number}-{words.split()[0]}.log"
        with log.open("w") as file:
            done = subprocess.run([python.with_name("dbt"), *words.split()], cwd=scratch,
                                  env=environment, stdout=file, stderr=subprocess.STDOUT,
                                  timeout=600, check=False)  # fmt: skip
        counts.add(f"{number} {words}", done.returncode)
        if not results.exists():
            continue
        for node in json.loads(results.read_text())["results"]:
            is_good = node["status"] in ("success", "pass")
            counts.add(f"{number} {words}: {node['unique_id'].split('.', 2)[2]}", not is_good)
    return counts
