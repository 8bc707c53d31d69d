"""The models' script on the aws target: UNLOAD, S3 and the warehouse, and each of them failing."""

import copy

import pytest

from src.orchestration import environment
from src.orchestration.training.demo_model_trainer import DemoModelTrainer
from src.services.modelling import sales_training, venue_training
from tests.aws.scenario import Account, ImpatientEnvironment, Scenario
from tests.integration.aws.test_aws_faults import failing

CALLS = [
    "sts.GetCallerIdentity", "s3.ListObjectsV2", "s3.GetObject", "s3.PutObject", "s3.DeleteObjects"
]  # fmt: skip


SLOW = (
    (venue_training, "train_venue_model"),
    (sales_training, "train_sales_model"),
    (sales_training, "importance_table"),
)


def remembered(function):
    """Return what the function returned of its first call, as new objects."""
    results = []

    def remember(*arguments, **options):
        if not results:
            results.append(function(*arguments, **options))
        return copy.deepcopy(results[0])

    return remember


@pytest.fixture(scope="module")
def scenario(cloud, tmp_path_factory):
    """An account in which a pipeline has run; what one test saves the next may read."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(environment, "CURSOR_ROWS", 10)  # so that every extract goes through UNLOAD
        scenario = Scenario(cloud, patch, tmp_path_factory.mktemp("aws"), {})
        with scenario.account():
            scenario.empty_warehouse()
            size = {"artists": 60, "venues": 30, "concerts": 700, "sales": 3_000}
            scenario.world = size
            assert scenario.run(**size)["verdict"] == "succeeded"
            scenario.calls.clear()
            for module, name in SLOW:  # later trainings on the same data find the same
                patch.setattr(module, name, remembered(getattr(module, name)))
            yield scenario


def train(scenario, *, validate_only=False):
    settings = scenario.settings(**scenario.world, output_dir=str(scenario.folder / "models"))
    played = ImpatientEnvironment(settings, needs_glue=False)
    played.account = Account(settings.aws_region, scenario._heard)
    trainer = DemoModelTrainer(settings, environment=played, validate_only=validate_only)
    return trainer.run_training_pipeline()


def keys(scenario, prefix):
    found = scenario.s3.list_objects_v2(Bucket="concert-demo-processed", Prefix=prefix)
    return [o["Key"] for o in found.get("Contents", [])]


@pytest.fixture(scope="module")
def trained_once(scenario):
    """What the first training called, and which extracts it left."""
    report = train(scenario)
    assert report["verdict"] == "succeeded", report["error"]
    return sorted(set(scenario.calls)), keys(scenario, "unload/")


def test_training_reads_by_unload_and_saves_to_s3(scenario, trained_once):
    calls, extracts = trained_once
    assert calls == sorted(CALLS) and extracts == []
    assert "models/ticket_sales/versions/1/manifest.json" in keys(scenario, "models/")
    assert train(scenario, validate_only=True)["verdict"] == "succeeded"


@pytest.mark.parametrize("fault", ["throttled", "denied", "timeout", "expired"])
@pytest.mark.parametrize("call", CALLS)
def test_a_fault_of_any_call_is_an_error_and_saves_no_version(scenario, trained_once, call, fault):
    saved = keys(scenario, "models/")
    assert saved
    scenario.hear = failing(call, fault)
    try:  # all but saving is done without training, too
        report = train(scenario, validate_only=call != "s3.PutObject")
    finally:
        scenario.hear = lambda **_: None
    assert report["verdict"] == "failed"
    error = report["error"]
    assert report["exit_code"] in (1, 2) and "internal error" not in error["message"]
    assert error["where"] and error["cause"] and error["hint"]
    assert keys(scenario, "models/") == saved
