"""One list of metrics: what is emitted, shown and watched is in it."""

import json
import math
import re
from datetime import UTC, datetime

import boto3
import cfnlint.api
import pytest
from hypothesis import given
from hypothesis import strategies as st
from moto import mock_aws
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from src.domain.metrics import METRIC_BY_NAME, METRICS, Alarm, alarms, endpoint_alarms
from src.infrastructure.watching.monitoring import alarm_parameters, dashboard_body, template
from src.infrastructure.watching.run_logs import GROUP
from src.operations.__main__ import main as operations
from src.operations.dashboards import TEMPLATE, template_text
from src.orchestration.operations.alerts import Alerts
from src.orchestration.operations.monitoring import record_metrics, update_alarms
from src.reporting.run_metrics import (
    append_events,
    embedded,
    logged_events,
    measured,
    open_metrics,
    prometheus_name,
)
from src.reporting.terminal.console import Console
from src.services.operations.alarm_rules import evaluate, periods_of
from src.settings import Settings

QUIET = Console(quiet=True)


def pipeline(verdict="succeeded", rejected=10, failed=0, end="2026-01-02T06:00:05+00:00"):
    return {
        "report": "pipeline", "run_id": "20260102T060000Z-0001", "verdict": verdict,
        "pipeline_start": "2026-01-02T06:00:00+00:00", "pipeline_end": end,
        "duration_seconds": 5.0, "target": "local",
        "steps": {"glue_etl": {"status": "success", "seconds": 1.5},
                  "data_verification": {"seconds": 0.1, "tally": {"passed": 28, "failed": failed}}},
        "dataset": {"as_of": "2026-01-01T00:00:00+00:00"},
        "rows": {"ticket_sales": {"raw_records": 1000, "rejected": rejected, "loaded": 990},
                 "artists": {"raw_records": None, "rejected": None, "loaded": None}},
    }  # fmt: skip


def training(coverage=0.9, share=0.95, role="champion"):
    model = {
        "test_metrics": {"r2": 0.9, "mae": 400.0},
        "intervals": {"coverage": coverage},
        "ceiling": {"share_of_columns_ceiling": share},
        "role": role,
        "decision": "better",
    }
    return {
        "report": "training", "run_id": "20260102T060100Z-0002", "verdict": "succeeded",
        "training_start": "2026-01-02T06:01:00+00:00", "training_end": "2026-01-02T06:02:00+00:00",
        "duration_seconds": 60.0, "target": "local", "mode": "train",
        "steps": {"sales_model": {"seconds": 40.0}, "retraining_need": {"drifted": ["log_price"]}},
        "models": {"ticket_sales_prediction": model,
                   "venue_popularity": {"test_metrics": {"r2": math.nan, "mae": None}}},
    }  # fmt: skip


def test_a_report_of_another_kind_is_measured_as_far_as_it_is_one():
    live = {**pipeline(), "report": "streaming", "streaming_end": "2026-01-02T06:00:05+00:00",
            "rows": 7, "dataset": None}  # fmt: skip
    assert {one.name for one in measured(live)} >= {"RunSucceeded", "DurationSeconds"}


def events(*reports):
    return [event for report in reports for event in embedded(report, measured(report))]


def test_every_metric_is_emitted_and_nothing_else_is():
    found = {one.name for report in (pipeline(), training()) for one in measured(report)}
    assert found == set(METRIC_BY_NAME)
    for report in (pipeline(), training()):
        for one in measured(report):
            assert tuple(one.dimensions) == METRIC_BY_NAME[one.name].dimensions


def test_an_event_keeps_the_limits_of_the_embedded_metric_format():
    for event in events(pipeline(), training(), pipeline("failed", 0)):
        (directive,) = event["_aws"]["CloudWatchMetrics"]
        assert re.fullmatch(r"[a-zA-Z0-9._#:/-]+", directive["Namespace"])
        assert 1_767_000_000_000 < event["_aws"]["Timestamp"] < 1_768_000_000_000  # milliseconds
        assert 0 < len(directive["Metrics"]) <= 100
        (names,) = directive["Dimensions"]
        assert len(names) <= 30 and "RunId" not in names
        for name in names:
            assert isinstance(event[name], str) and 0 < len(event[name]) <= 1024
        for metric in directive["Metrics"]:
            assert math.isfinite(event[metric["Name"]])
            assert metric["Unit"] in ("Count", "Seconds", "None")
        assert len(json.dumps(event, allow_nan=False)) < 256_000


def test_prometheus_reads_the_newest_value_of_each():
    text = open_metrics(events(pipeline(rejected=10), training(), pipeline(rejected=30)))
    families = {family.name: family for family in text_string_to_metric_families(text)}
    assert set(families) == {prometheus_name(metric.name) for metric in METRICS}
    (share,) = families["concert_demo_rejected_share"].samples
    assert share.labels == {"script": "pipeline", "target": "local", "table": "ticket_sales"}
    assert share.value == 0.03
    assert list(text_string_to_metric_families(open_metrics([]))) == []


@given(st.text(min_size=1, max_size=30).filter(lambda text: text.isprintable()))
def test_any_name_of_a_stage_survives_prometheus(stage):
    report = pipeline() | {"steps": {stage: {"seconds": 1.0}}}
    families = text_string_to_metric_families(open_metrics(events(report)))
    (sample,) = [s for f in families if f.name == "concert_demo_stage_seconds" for s in f.samples]
    assert sample.labels["stage"] == stage


def test_a_torn_line_of_the_log_is_passed_over(tmp_path):
    append_events(tmp_path, events(pipeline()))
    with (tmp_path / "metrics.ndjson").open("a") as log:
        log.write('{"_aws": {"Timestamp"\n[]\n7\n')
    append_events(tmp_path, events(training()))
    assert logged_events(tmp_path) == events(pipeline(), training())


# -- alarms ------------------------------------------------------------------------------------


def rule(missing, periods=3, to_alarm=3):
    return Alarm("x", "RunFailed", "why", "Sum", "GreaterThanOrEqualToThreshold", 1, missing, (),
                 60, periods, to_alarm)  # fmt: skip


def points(text):
    return [{"0": 0.0, "X": 1.0, "-": None}[mark] for mark in text.replace(" ", "")]


TABLE_3_OF_3 = {
    "0-X-X": ("OK", "OK", "OK", "OK"),
    "0----": ("OK", "OK", "OK", "OK"),
    "-----": ("INSUFFICIENT_DATA", "before", "ALARM", "OK"),
    "0XX-X": ("ALARM", "ALARM", "ALARM", "ALARM"),
    "--X--": ("ALARM", "before", "ALARM", "OK"),
}
TABLE_2_OF_3 = {
    "0-X-X": ("ALARM", "ALARM", "ALARM", "ALARM"),
    "00X0X": ("ALARM", "ALARM", "ALARM", "ALARM"),
    "0-X--": ("OK", "OK", "ALARM", "OK"),
    "----0": ("OK", "OK", "ALARM", "OK"),
    "---X-": ("ALARM", "before", "ALARM", "OK"),
}


@pytest.mark.parametrize("before", ["OK", "ALARM", "INSUFFICIENT_DATA"])
@pytest.mark.parametrize(("table", "to_alarm"), [(TABLE_3_OF_3, 3), (TABLE_2_OF_3, 2)])
def test_missing_data_is_taken_as_aws_documents_it(table, to_alarm, before):
    for marks, states in table.items():
        for missing, state in zip(("missing", "ignore", "breaching", "notBreaching"), states,
                                  strict=True):  # fmt: skip
            wanted = before if state == "before" else state
            found = evaluate(rule(missing, to_alarm=to_alarm), points(marks), before)
            assert found == wanted, (marks, missing)


@given(st.lists(st.tuples(st.floats(0, 3_000), st.floats(0, 5)), max_size=30), st.floats(0, 3_000))
def test_a_period_has_what_was_measured_in_it(measured_points, now):
    alarm = rule("missing")
    found = periods_of(alarm, measured_points, now)
    assert len(found) == 5
    past = [(at, value) for at, value in measured_points if at <= now]
    newest = [value for at, value in past if at // 60 == now // 60]
    assert found[-1] == (pytest.approx(sum(newest)) if newest else None)


def test_every_alarm_is_over_a_metric_and_says_what_missing_data_means():
    for alarm in alarms("local"):
        metric = METRIC_BY_NAME[alarm.metric]
        assert tuple(name for name, _ in alarm.dimensions) == metric.dimensions
        assert alarm.missing != "missing" and alarm.why
        assert 0 < alarm.to_alarm <= alarm.periods
        assert alarm.period_s * alarm.periods <= (7 * 86_400 if alarm.period_s >= 3_600 else 86_400)


def test_a_failed_run_is_an_alert_once_and_a_good_one_ends_it(tmp_path):
    settings = Settings(report_dir=str(tmp_path), state_dir=str(tmp_path / "s"))
    told = []
    for number, verdict in enumerate(["succeeded", "failed", "failed", "succeeded"]):
        at = f"2026-01-02T06:{10 * number:02}:00+00:00"
        append_events(tmp_path, events(pipeline(verdict, end=at)))
        now = events(pipeline(end=at))[0]["_aws"]["Timestamp"] / 1000
        found = update_alarms(settings, QUIET, logged_events(tmp_path), now=lambda now=now: now)
        told.append(found["pipeline-failed"][0])
    assert told == ["OK", "ALARM", "ALARM", "OK"]
    alerts = (tmp_path / "alerts.ndjson").read_text().splitlines()
    assert [json.loads(line)["state"] for line in alerts] == ["ALARM", "OK"]


def test_of_runs_within_a_minute_the_newest_counts(tmp_path):
    settings = Settings(report_dir=str(tmp_path), state_dir=str(tmp_path / "s"))
    told = []
    for second, verdict in enumerate(["failed", "succeeded", "failed"]):
        failed = int(verdict == "failed")
        run = pipeline(verdict, 900 if failed else 10, failed, f"2026-01-02T06:00:{second:02}Z")
        append_events(tmp_path, events(run))
        now = events(run)[0]["_aws"]["Timestamp"] / 1000
        found = update_alarms(settings, QUIET, logged_events(tmp_path), now=lambda now=now: now)
        told.append({found[name][0] for name in ("pipeline-failed", "checks-failed",
                                                 "rejected-share")})  # fmt: skip
    assert told == [{"ALARM"}, {"OK"}, {"ALARM"}]


def test_an_alarm_ends_with_its_schedule_and_that_of_cycles_is_told_too(tmp_path, capsys):
    settings = Settings(report_dir=str(tmp_path), state_dir=str(tmp_path))
    (tmp_path / "index.html").write_text("of the newest run")
    Alerts(settings, QUIET).update({"cycle": ("ALARM", "Pipeline: no space")})
    assert "Pipeline: no space" in (tmp_path / "index.html").read_text()
    (tmp_path / "schedule.json").write_text("{}")
    assert update_alarms(settings, QUIET, [])["no-success"][0] == "ALARM"
    (tmp_path / "schedule.json").unlink()
    found = update_alarms(settings, QUIET, [])
    assert found["no-success"] == ("OK", "there is no schedule")
    assert found["cycle"] == ("ALARM", "Pipeline: no space")
    assert operations(["alarms", "--report-dir", str(tmp_path)]) == 1
    assert "ALARM  cycle            Pipeline: no space" in capsys.readouterr().out


def test_only_what_is_scheduled_can_be_missing(tmp_path):
    settings = Settings(report_dir=str(tmp_path), state_dir=str(tmp_path))
    assert "no-success" not in update_alarms(settings, QUIET, [])
    (tmp_path / "schedule.json").write_text("{}")
    assert update_alarms(settings, QUIET, [])["no-success"][0] == "ALARM"
    recent = events(pipeline())
    now = recent[0]["_aws"]["Timestamp"] / 1000
    found = {h: update_alarms(settings, QUIET, recent, now=lambda h=h: now + 3_600 * h)
             for h in (1, 24, 29)}  # fmt: skip
    assert [found[h]["no-success"][0] for h in found] == ["OK", "OK", "ALARM"]


def test_what_cannot_be_recorded_does_not_change_a_run(tmp_path):
    lines = []
    console = Console(quiet=True)
    console.line = lines.append
    (tmp_path / "file").write_text("")
    record_metrics(pipeline(), Settings(report_dir=str(tmp_path / "file")), console)
    record_metrics({"report": "odd"}, Settings(report_dir=str(tmp_path)), console)
    assert len([line for line in lines if line.startswith("warning: ")]) == 2


# -- on AWS ------------------------------------------------------------------------------------


def test_the_template_is_the_one_that_the_metrics_make():
    assert TEMPLATE.read_text() == template_text(), "python -m src.operations dashboards --write"
    assert not cfnlint.api.lint_file(TEMPLATE)


def test_the_alarm_on_missing_runs_is_there_with_a_schedule_only():
    resources = template(alarms("aws"))["Resources"]
    assert [name for name, one in resources.items() if name.endswith("Alarm")
            and one.get("Condition") == "HasCycle"] == ["NoSuccessAlarm"]  # fmt: skip
    _, with_schedule, without = resources["AnyAlarm"]["Properties"]["AlarmRule"]["Fn::If"]
    assert "NoSuccessAlarm" in str(with_schedule) and "NoSuccessAlarm" not in str(without)
    assert "EndpointErrorsAlarm" in str(without)


def test_the_stack_attaches_the_right_to_write_metrics_so_that_it_can_be_deleted():
    made = json.loads(TEMPLATE.read_text())
    policy = made["Resources"]["RunMetrics"]["Properties"]
    for kind, name in (("Users", "OperatorUserName"), ("Roles", "OperatorRoleName")):
        assert made["Parameters"][name]["Default"] == ""
        assert made["Conditions"][f"Names{name}"] == {
            "Fn::Not": [{"Fn::Equals": [{"Ref": name}, ""]}]
        }
        assert policy[kind] == {
            "Fn::If": [f"Names{name}", [{"Ref": name}], {"Ref": "AWS::NoValue"}]
        }


def test_cloudwatch_takes_the_alarms_and_the_dashboard():
    every = (*alarms("aws"), *endpoint_alarms("concert-demo"))
    with mock_aws():
        client = boto3.client("cloudwatch", region_name="us-east-1", aws_access_key_id="x",
                              aws_secret_access_key="x")  # fmt: skip
        for alarm in every:
            client.put_metric_alarm(**alarm_parameters(alarm, "arn:aws:sns:us-east-1:1:x"))
        client.put_dashboard(DashboardName="d", DashboardBody=json.dumps(
            dashboard_body("us-east-1", every)))  # fmt: skip
        kept = client.describe_alarms()["MetricAlarms"]
    assert {alarm["TreatMissingData"] for alarm in kept} <= {"ignore", "breaching", "notBreaching"}
    assert len(kept) == len(every)


def test_a_run_writes_its_events_to_the_group_of_the_stack(tmp_path, monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "x")
    settings = Settings(report_dir=str(tmp_path), target="aws", cloudwatch="on")
    report = {**pipeline(), "target": "aws", "pipeline_end": datetime.now(UTC).isoformat()}
    lines = []
    console = Console(quiet=True)
    console.line = lines.append
    with mock_aws():
        record_metrics(report, settings, console)
        assert [line for line in lines if "not in CloudWatch" in line]  # there is no such group
        logs = boto3.client("logs", region_name="us-east-1")
        logs.create_log_group(logGroupName=GROUP)
        record_metrics(report, settings, console)
        assert len(lines) == 1
        found = logs.get_log_events(logGroupName=GROUP, logStreamName=report["run_id"])["events"]
    events = embedded(report, measured(report))
    assert [json.loads(event["message"]) for event in found] == events


def test_the_dashboard_shows_every_metric_and_no_widget_covers_another():
    body = dashboard_body("us-east-1", alarms("aws"))
    shown = json.dumps(body)
    assert all(metric.name in shown for metric in METRICS)
    taken = set()
    for widget in body["widgets"]:
        assert widget["x"] + widget["width"] <= 24
        cells = {(x, y) for x in range(widget["x"], widget["x"] + widget["width"])
                 for y in range(widget["y"], widget["y"] + widget["height"])}  # fmt: skip
        assert not cells & taken
        taken |= cells
