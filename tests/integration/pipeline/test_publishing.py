"""Write, audit, publish: what fails its audit is never seen; the user's tables are left alone."""

import itertools
import json
import shlex
import subprocess
import sys
import threading
from contextlib import contextmanager

import pytest

from src.errors import QualityError, UsageError
from src.infrastructure.warehouse.failed_load import redirect
from src.local_cloud.local_cloud import LocalCloud
from src.orchestration.pipeline import verification
from src.orchestration.pipeline.demo_pipeline_orchestrator import DemoPipelineOrchestrator
from src.orchestration.pipeline.resuming import unfinished_run
from src.services.data_quality_service import read_checks
from src.settings import Settings
from tests.aws.scenario import Scenario
from tests.conftest import ROOT
from tests.integration.conftest import end_session

TABLES = ("artists", "venues", "concerts", "ticket_sales")
KINDS = ("raw", "stage", "tidy", "plain", "typed", "judged", "checked", "final", "known")
LEDGER = ("rejected_records", "load_history")
TINY = {"artists": 6, "venues": 4, "concerts": 12, "sales": 60}
METHODS = (
    "ensure_s3_buckets", "generate_and_upload_data", "run_glue_etl_jobs",
    "load_data_to_redshift", "verify_data_quality",
)  # fmt: skip


class Warehouse:
    """A local cloud that stays up, the pipeline on it, and a session of another client."""

    def __init__(self, cloud, folder):
        self.cloud, self.folder = cloud, folder

    def settings(self, **changes):
        given = {
            "state_dir": str(self.folder / ".demo"), "report_dir": str(self.folder / "reports"),
            "workers": 1, "etl": "direct", **TINY,
        }  # fmt: skip
        return Settings(**{**given, **changes})

    def run(self, *, resume=False, skip_generation=False, **changes):
        settings = self.settings(**changes)
        resumed = unfinished_run(settings) if resume else None
        orchestrator = DemoPipelineOrchestrator(
            settings, resumed=resumed, skip_generation=skip_generation
        )
        orchestrator.run_pipeline()
        return json.loads(orchestrator.workflow.report_path.read_text())

    def query(self, sql, arguments=None):
        connection = self.cloud.connect_redshift()
        try:
            with connection.cursor() as cursor:
                cursor.execute(sql, arguments)
                return cursor.fetchall() if cursor.description else None
        finally:
            connection.commit()
            connection.close()

    def content(self, schema="concert_dw", tables=(*TABLES, *LEDGER)):
        return {table: sorted(self.query(f"SELECT * FROM {schema}.{table}")) for table in tables}

    def own_files(self, name, rejected=0, sales=3):
        """Write files of a user's: so many rows are good, so many have no concert."""
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        write = {
            "artists": ["artist_id,name", "a1,Ann"],
            "venues": ["venue_id,name,city,capacity", "v1,Hall,Bonn,100"],
            "concerts": ["concert_id,artist_id,venue_id,starts_at", "c1,a1,v1,2025-01-01"],
            "ticket_sales": ["sale_id,concert_id,purchased_at,quantity,unit_price"]
            + [f"{name}{n},c1,2024-12-01,2,9.99" for n in range(sales)]
            + [f"{name}x{n},none,2024-12-01,2,9.99" for n in range(rejected)],
        }
        for table, lines in write.items():
            (folder / f"{table}.csv").write_text("\n".join(lines) + "\n")
        return str(folder)


@pytest.fixture(scope="module")
def up(tmp_path_factory):
    folder = tmp_path_factory.mktemp("publishing")
    with LocalCloud(folder / ".demo", role="host") as cloud:
        yield Warehouse(cloud, folder)


@pytest.fixture
def warehouse(up):
    """The warehouse, without what an earlier test left."""
    for schema in ("concert_dw", "concert_staging"):
        up.query(f"DROP SCHEMA IF EXISTS {schema} CASCADE")
    yield up
    for schema in ("concert_dw", "concert_staging"):
        up.query(f"DROP SCHEMA IF EXISTS {schema} CASCADE")


def failed_names(step):
    return [check["name"] for check in step["checks"] if check["verdict"] == "failed"]


# -- a failed audit --------------------------------------------------------------------------


@pytest.mark.parametrize("etl", ["glue", "direct"])
@pytest.mark.parametrize("mode", ["replace", "merge"])
def test_a_failed_audit_leaves_all_as_it_was_and_keeps_the_rows(warehouse, etl, mode):
    good = warehouse.run(input_dir=warehouse.own_files("good"), etl=etl)
    assert good["verdict"] == "succeeded", good["error"]
    before = warehouse.content()
    for attempt in ("bad", "worse"):  # the second replaces what the first left
        own = warehouse.own_files(attempt, rejected=5, sales=2)
        report = warehouse.run(input_dir=own, etl=etl, load_mode=mode)
        assert report["exit_code"] == 1 and report["error"]["type"] == "QualityError"
        assert "nothing was published" in report["error"]["message"]
        assert warehouse.content() == before
        load = report["steps"]["redshift_load"]
        assert load["status"] == "failed" and failed_names(load) == ["rejected_share"]
        assert "kept in schema concert_staging" in load["error"]["where"]
        checks = report["steps"]["data_verification"]
        assert checks["status"] == "not_run" and failed_names(checks) == ["rejected_share"]
        assert report["rows"]["ticket_sales"]["warehouse"] is None
        kept = warehouse.content("concert_staging")
        assert {row[0] for row in kept["load_history"]} == {report["run_id"]}
        assert len(kept["rejected_records"]) == 5
        assert len(kept["ticket_sales"]) == (2 if mode == "replace" else 5)
    again = warehouse.run(input_dir=warehouse.own_files("good"), etl=etl, load_mode=mode)
    assert again["verdict"] == "succeeded", again["error"]
    assert not any(warehouse.content("concert_staging").values())


def test_the_hint_of_a_failed_audit_is_a_command_that_shows_its_rows(warehouse):
    shown = []
    for sales, rejected in ((3, 9), (60, 0)):  # too many rejects; more tickets than seats
        own = warehouse.own_files("bad", rejected=rejected, sales=sales)
        error = warehouse.run(input_dir=own)["error"]
        command = error["hint"].replace("python ", shlex.quote(sys.executable) + " ", 1)
        done = subprocess.run(
            command, shell=True, cwd=ROOT, capture_output=True, text=True, check=True,
            env={"DEMO_STATE_DIR": str(warehouse.folder / ".demo"), "PATH": "/usr/bin:/bin"},
        )  # fmt: skip
        shown.append(done.stdout.split())
    assert "orphan:concert_id" in shown[0] and "9" in shown[0]
    assert "1" in shown[1] and "sed" in command


KEPT = ("artists", "venues", "concerts", "ticket_sales", "rejected_records", "load_history")


@pytest.mark.parametrize("after_a_failed_load", [False, True])
def test_a_users_own_concert_staging_is_left_alone(warehouse, after_a_failed_load):
    """Tables are the demo's by what it wrote of them, not by their names."""
    good = {"input_dir": warehouse.own_files("good"), "etl": "direct"}
    bad = {"input_dir": warehouse.own_files("bad", rejected=9), "etl": "direct"}
    assert warehouse.run(**good)["verdict"] == "succeeded"
    for names in (["artists"], ["kept_tables"], [*KEPT, "kept_tables"], ["artists", *KEPT[-2:]]):
        warehouse.query("DROP SCHEMA IF EXISTS concert_staging CASCADE")
        warehouse.query("CREATE SCHEMA concert_staging")
        if after_a_failed_load:
            assert warehouse.run(**bad)["exit_code"] == 1
        for name in names:
            warehouse.query(f"DROP TABLE IF EXISTS concert_staging.{name}")
            source = "SELECT 7 AS mine"
            if name != "kept_tables":
                source = f"SELECT * FROM concert_dw.{name}"
            warehouse.query(f"CREATE TABLE concert_staging.{name} AS {source}")
        warehouse.query("CREATE TABLE concert_staging.mine AS SELECT 1 AS n")
        own = (*names, "mine")
        before = {name: warehouse.query(f"SELECT * FROM concert_staging.{name}") for name in own}
        report = warehouse.run(**bad)
        assert report["exit_code"] == 1 and failed_names(report["steps"]["redshift_load"]), names
        assert "could not be kept" in report["error"]["cause"], names
        assert warehouse.run(**good)["verdict"] == "succeeded", names
        after = {name: warehouse.query(f"SELECT * FROM concert_staging.{name}") for name in own}
        assert after == before, names


def test_an_interrupt_in_the_audit_leaves_all_as_it_was(warehouse, monkeypatch):
    assert warehouse.run()["verdict"] == "succeeded"
    before = warehouse.content()

    def interrupted(self, judged="before_commit"):
        self._environment.redshift.query_value("SELECT COUNT(*) FROM concert_dw.artists")
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(verification.Verifier, "audit", interrupted)
        report = warehouse.run(seed=7, artists=9)
    assert report["exit_code"] == 130 and report["verdict"] == "interrupted"
    assert warehouse.content() == before
    resumed = warehouse.run(resume=True)
    assert resumed["verdict"] == "succeeded", resumed["error"]
    assert len(warehouse.content()["artists"]) == 9


@pytest.mark.parametrize("times", [1, 9], ids=["once", "always"])
def test_a_connection_lost_in_the_audit_repeats_the_load_or_leaves_all(
    warehouse, monkeypatch, times
):
    assert warehouse.run()["verdict"] == "succeeded"
    before = warehouse.content()
    audit, seen = verification.Verifier.audit, []

    def killed(self, judged="before_commit"):
        seen.append(1)
        if len(seen) <= times:
            end_session(warehouse.cloud, self._environment.redshift.connection.get_backend_pid())
        return audit(self, judged)

    monkeypatch.setattr(verification.Verifier, "audit", killed)
    monkeypatch.setattr("src.infrastructure.redshift_data_loader.PAUSES_S", (0.0,))
    report = warehouse.run(seed=8, artists=9)
    if times == 1:
        assert report["verdict"] == "succeeded" and len(seen) == 2
        assert len(warehouse.content()["artists"]) == 9
    else:
        assert report["error"]["message"] == "the connection to Redshift was lost"
        assert warehouse.content() == before


def test_no_other_session_sees_a_load_before_it_is_audited(warehouse, monkeypatch):
    assert warehouse.run()["verdict"] == "succeeded"
    audit, seen, stop = verification.Verifier.audit, set(), threading.Event()
    counts = ", ".join(f"(SELECT COUNT(*) FROM concert_dw.{table})" for table in TABLES)

    def reader():
        while not stop.is_set():
            seen.update(warehouse.query(f"SELECT {counts}"))

    def looked_at(self, judged="before_commit"):
        seen.update(warehouse.query(f"SELECT {counts}"))
        return audit(self, judged)

    monkeypatch.setattr(verification.Verifier, "audit", looked_at)
    thread = threading.Thread(target=reader)
    thread.start()
    try:
        report = warehouse.run(artists=9, venues=5, concerts=20, sales=90)
    finally:
        stop.set()
        thread.join()
    assert report["verdict"] == "succeeded"
    seen.update(warehouse.query(f"SELECT {counts}"))
    assert seen == {(6, 4, 12, 60), (9, 5, 20, 90)}


def test_what_was_published_is_looked_at_again_after_the_commit(warehouse):
    report = warehouse.run()
    checks = report["steps"]["data_verification"]["checks"]
    after = {check["name"] for check in checks if check["judged"] == "after_commit"}
    assert after == {*(f"rows_{table}" for table in TABLES), "fresh_load"}
    expected = [check.name for check in read_checks()] + ["defects_found"]
    assert [check["name"] for check in checks] == expected


# -- merges, and tables without rows ---------------------------------------------------------


@pytest.mark.parametrize("etl", ["glue", "direct"])
def test_a_merge_may_refer_to_what_the_warehouse_holds(warehouse, etl):
    assert warehouse.run(input_dir=warehouse.own_files("first"), etl=etl)["exit_code"] == 0
    folder = warehouse.folder / f"more-{etl}"
    folder.mkdir()
    more = {
        "artists": ["artist_id,name", "a2,Bob"],
        "venues": ["venue_id,name,city,capacity", "v2,Club,Bonn,50"],
        "concerts": ["concert_id,artist_id,venue_id,starts_at", "c2,a1,v2,2025-02-01",
                     "c3,nobody,v1,2025-02-01"],
        "ticket_sales": ["sale_id,concert_id,purchased_at,quantity,unit_price",
                         "m1,c1,2024-12-02,1,5", "m2,c2,2024-12-02,1,5", "m3,c3,2024-12-02,1,5"],
    }  # fmt: skip
    for table, lines in more.items():
        (folder / f"{table}.csv").write_text("\n".join(lines) + "\n")
    report = warehouse.run(
        input_dir=str(folder), etl=etl, load_mode="merge", max_rejected_share=0.9
    )
    assert report["verdict"] == "succeeded", report["error"]
    content = warehouse.content()
    assert {row[0] for row in content["ticket_sales"]} == {"first0", "first1", "first2", "m1", "m2"}
    rejected = {(row[1], row[2], row[3]) for row in content["rejected_records"]}
    assert rejected == {
        ("concerts", "c3", "orphan:artist_id"), ("ticket_sales", "m3", "orphan:concert_id")
    }  # fmt: skip


@pytest.mark.parametrize("etl", ["glue", "direct"])
@pytest.mark.parametrize("empty", [("ticket_sales",), ("ticket_sales", "concerts")], ids=len)
def test_a_table_without_rows_is_loaded_where_its_children_have_none(warehouse, etl, empty):
    own = warehouse.own_files("full")
    assert warehouse.run(input_dir=own)["exit_code"] == 0
    for table in empty:
        file = warehouse.folder / "full" / f"{table}.csv"
        file.write_text(file.read_text().splitlines()[0] + "\n")
    report = warehouse.run(input_dir=own, etl=etl)
    assert report["verdict"] == "succeeded", report["error"]
    content = warehouse.content()
    assert [len(content[t]) for t in TABLES] == [1, 1, int("concerts" not in empty), 0]
    assert report["steps"]["data_verification"]["tally"]["failed"] == 0


# -- the user's own tables -------------------------------------------------------------------


@contextmanager
def users_tables(warehouse):
    """Put tables and views under every name of a load into two schemas; gives what reads them."""
    names = [
        f"{kind}_{table}" for kind in KINDS for table in (*TABLES, "rejected_records", "rejected")
    ]
    names += [*TABLES, *LEDGER, "venue_rankings", "redshift_copy_lines",
              "redshift_copy_stage"]  # fmt: skip
    things = [f"{schema}.{name}" for schema in ("public", "demo_users_own") for name in names]
    views = [f"{thing}_v" for thing in things] + [f"public.{kind}_shows" for kind in KINDS]
    make = ["CREATE SCHEMA demo_users_own"]
    for number, thing in enumerate(things):
        make.append(f"CREATE TABLE {thing} AS SELECT {number} AS mine")
        make.append(f"CREATE VIEW {thing}_v AS SELECT * FROM {thing}")
    make += [f"CREATE VIEW public.{kind}_shows AS SELECT 1 AS mine" for kind in KINDS]
    connection = warehouse.cloud.connect_redshift()
    try:
        with connection.cursor() as cursor:
            for statement in make:
                cursor.execute(statement)
            connection.commit()
            every = " UNION ALL ".join(f"SELECT '{t}', mine FROM {t}" for t in (*things, *views))
            yield lambda: sorted(warehouse.query(every))
            for view in views:
                cursor.execute(f"DROP VIEW {view}")
            for thing in things:
                cursor.execute(f"DROP TABLE {thing}")
            cursor.execute("DROP SCHEMA demo_users_own")
        connection.commit()
    finally:
        connection.close()


def test_no_table_of_the_users_is_read_changed_or_dropped(warehouse):
    with users_tables(warehouse) as content:
        before = content()
        for etl, mode in itertools.product(("glue", "direct"), ("replace", "merge")):
            good = warehouse.run(etl=etl, load_mode=mode)
            assert good["verdict"] == "succeeded", good["error"]
            own = warehouse.own_files("bad", rejected=9)
            bad = warehouse.run(etl=etl, load_mode=mode, input_dir=own)
            assert bad["exit_code"] == 1
            resumed = warehouse.run(resume=True, etl=etl, load_mode=mode, max_rejected_share=0.9)
            assert resumed["verdict"] == "succeeded", resumed["error"]
            assert content() == before


def test_no_table_of_the_users_is_touched_on_aws(warehouse, monkeypatch, tmp_path):
    scenario = Scenario(warehouse.cloud, monkeypatch, tmp_path, {})
    with scenario.account(), users_tables(warehouse) as content:
        before = content()
        for etl, mode in itertools.product(("glue", "direct"), ("replace", "merge")):
            report = scenario.run(etl=etl, load_mode=mode)
            assert report["verdict"] == "succeeded", report["error"]
            assert content() == before


def test_a_redirected_statement_names_the_schema_and_leaves_texts_alone():
    assert redirect("COPY concert_dw.a FROM 's3://x/concert_dw.b' IAM_ROLE 'r/concert_dw.c'") == (
        "COPY concert_staging.a FROM 's3://x/concert_dw.b' IAM_ROLE 'r/concert_dw.c'"
    )
    assert redirect(r"SELECT '\'', concert_dw.a.b, 'it''s concert_dw.x'") == (
        r"SELECT '\'', concert_staging.a.b, 'it''s concert_dw.x'"
    )
    for check in read_checks():
        assert "concert_dw" not in redirect(check.sql), check.name


# -- stages out of order ---------------------------------------------------------------------


def test_every_order_of_the_stages_works_or_names_the_one_to_call_first(warehouse):
    """Each order is a way through these states: so many stages are done, and any other is called.

    All orders of the refused calls come before each stage, so that one which did change something
    would be seen by those behind it.
    """
    with DemoPipelineOrchestrator(
        warehouse.settings(etl="glue", **dict.fromkeys(TINY, 2))
    ) as orchestrator:
        for at, method in enumerate(METHODS):
            for order in itertools.permutations(METHODS[at + 1 :]):
                for refused in order:
                    with pytest.raises(UsageError) as caught:
                        getattr(orchestrator, refused)()
                    assert caught.value.hint == f"call {method}() first"
            assert getattr(orchestrator, method)().status == "success"


def test_what_belongs_to_other_data_is_no_stage_done(warehouse):
    settings = warehouse.settings(etl="glue", **dict.fromkeys(TINY, 2))
    with DemoPipelineOrchestrator(settings) as orchestrator:
        for method in METHODS:
            getattr(orchestrator, method)()
        orchestrator.load_data_to_redshift()  # again, and it is no second load to the checks
        assert orchestrator.verify_data_quality().status == "success"
        orchestrator.generate_and_upload_data()
        for method, first in (
            ("verify_data_quality", "run_glue_etl_jobs"),
            ("load_data_to_redshift", "run_glue_etl_jobs"),
        ):
            with pytest.raises(UsageError) as caught:
                getattr(orchestrator, method)()
            assert caught.value.hint == f"call {first}() first"


def test_a_stage_that_failed_its_audit_is_not_done(warehouse):
    settings = warehouse.settings(etl="glue", input_dir=warehouse.own_files("bad", rejected=9))
    with DemoPipelineOrchestrator(settings) as orchestrator:
        for method in METHODS[:3]:
            getattr(orchestrator, method)()
        with pytest.raises(QualityError):
            orchestrator.load_data_to_redshift()
        with pytest.raises(UsageError, match="not loaded"):
            orchestrator.verify_data_quality()
