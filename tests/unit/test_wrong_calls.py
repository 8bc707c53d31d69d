"""Calls that cannot run: each ends with exit code 2, and nothing is made: no folder, no server."""

import importlib

import pytest

from src.errors import DemoError

MODULES = {
    "run": "src.orchestration.pipeline.command",
    "train": "src.orchestration.training.command",
    "validate": "src.orchestration.validation.command",
    "open": "src.orchestration.open_command",
    "serving": "src.serving.__main__",
    "streaming": "src.streaming.__main__",
    "operations": "src.operations.__main__",
}
CALLS = [
    "run --input-dir nosuch",
    "run --input-dir empty",
    "run --input-dir file",
    "run --artists 0",
    "run --sales many",
    "run --defect-rate 0.9",
    "run --consert 5",
    "run --report-dir file",
    "run --report-dir file/below",
    "run --as-of 2020-01-01",
    "run --as-of tomorrow",
    "run --as-of 2025-10-01 --since 2025-10-07 --load-mode merge",
    "run --since 2025-09-30",
    "run --etl direct --raw-format parquet",
    "run --raw-bucket BAD_NAME",
    "run --etl-engine spak",
    "run --target aws",
    "run --target AWS",
    "run --resume",
    "run --resume --seed 3",
    "run --dry-run --input-dir nosuch",
    "run --quiet --verbose",
    "train --coverage 90",
    "train --test-size 1",
    "train --promote maybe",
    "train --output-dir file",
    "train --report-dir dangling",
    "train --validate-only --coverage 0.8",
    "train --rollback nosuch:3",
    "validate --only nope",
    "validate --list --smoke",
    "validate --report-dir file --only python",
    "open nosuch",
    "serving predit",
    "streaming wach",
    "operations nosuch",
]


@pytest.mark.parametrize("call", CALLS)
def test_a_wrong_call_leaves_nothing(call, tmp_path, monkeypatch):
    for name in ("DEMO_STATE_DIR", "DEMO_REPORT_DIR", "DEMO_TARGET"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    (tmp_path / "empty").mkdir()
    (tmp_path / "dangling").symlink_to("nowhere")
    before = sorted(path.name for path in tmp_path.rglob("*"))
    name, *words = call.split()
    with pytest.raises(DemoError) as found:
        importlib.import_module(MODULES[name]).main(words)
    assert found.value.exit_code == 2
    assert found.value.hint or found.value.cause
    assert sorted(path.name for path in tmp_path.rglob("*")) == before
