"""Which options and settings cannot go together: one table, checked before anything is done."""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass
from pathlib import Path

from src.errors import UsageError
from src.json_object import JsonView
from src.settings import Settings

_SIZES = ("artists", "venues", "concerts", "sales", "seed", "as_of", "since", "defect_rate",
          "workers", "generate_on")  # fmt: skip

_WHERE = ("workers", "generate_on")  # of them, those that change no byte


@dataclass(frozen=True)
class Exclusion:
    """An option, or a setting of one value, that leaves no effect to each of `others`.

    `wanted` is a setting's value, wherever it was set; without it the option itself must be
    given. The others count where they are given as options: in the environment they are set
    for every run.
    """

    name: str
    others: tuple[str, ...]
    because: str
    wanted: str | None = None

    def applies(self, given: JsonView, settings: Settings) -> bool:
        """Tell whether the first of the two is set."""
        if self.wanted is not None:
            return str(getattr(settings, self.name)) == self.wanted
        return self.name in given or bool(getattr(settings, self.name, ""))

    @property
    def text(self) -> str:
        """Return the first of the two as it is typed."""
        return option_text(self.name) + (f" {self.wanted}" if self.wanted else "")


EXCLUSIONS = (
    Exclusion("skip_generation", (*_SIZES, "raw_format", "input_dir", "resume"),
              "it takes the data set that is in S3 as it is"),
    Exclusion("resume", (*(n for n in _SIZES if n not in _WHERE), "raw_format", "input_dir", "etl",
                         "load_mode", "raw_bucket", "processed_bucket"),
              "a resumed run keeps its data and how it is loaded"),
    Exclusion("next_day", (*(n for n in _SIZES if n not in _WHERE), "load_mode", "skip_generation",
                           "resume"),
              "it continues the world that is loaded"),
    Exclusion("input_dir", _SIZES, "the data is in the folder: none is generated"),
    Exclusion("generate_on", ("workers",), "the Glue job has workers of its own: GLUE_WORKERS",
              wanted="glue"),
    Exclusion("etl", ("etl_engine",), "no Glue job runs", wanted="direct"),
    Exclusion("target", ("etl_engine",), "AWS Glue runs the job on its own Spark", wanted="aws"),
    Exclusion("validate_only", ("with_challengers", "coverage", "promote", "if_needed"),
              "nothing is trained"),
    Exclusion("rollback", ("validate_only", "with_challengers", "coverage", "promote", "test_size",
                           "random_state", "output_dir", "if_needed"),
              "nothing is trained or checked"),
    Exclusion("quiet", ("verbose", "present"), "it prints errors only"),
    Exclusion("verbose", ("present",), "the log would run through the tables"),
    Exclusion("dry_run", ("present", "open"), "no stage runs"),
    Exclusion("list", ("only", "smoke", "strict", "json", "report"), "no check runs"),
)  # fmt: skip


def check_options(
    arguments: argparse.Namespace, settings: Settings, *, is_resumed: bool = False
) -> None:
    """Raise UsageError for options that cannot go together.

    `is_resumed` means that the settings are those of the resumed run.
    """
    for name, value in vars(arguments).items():
        if value == "" or (isinstance(value, list) and "" in value):
            raise UsageError(
                f"{option_text(name)} is given without a value",
                cause="its value is an empty text, as of a shell variable that is not set",
                hint=f"give {option_text(name)} a value, or leave it out",
            )
    given = {name: value for name, value in vars(arguments).items() if value not in (None, False)
             and value != []}  # fmt: skip
    for rule in EXCLUSIONS:
        if not hasattr(arguments, rule.name) or not rule.applies(given, settings):
            continue
        if rule.name not in given and "resume" in given and not is_resumed:
            continue  # what was set for other runs
        for other in rule.others:
            if other in given:
                raise UsageError(
                    f"{option_text(other)} is not allowed with {_source(rule, given)}",
                    cause=rule.because,
                    hint=f"leave out {option_text(other)}, or {_source(rule, given)}",
                )
    if not {"skip_generation", "resume", "next_day"} & set(given):
        check_format(settings.etl, settings.raw_format)
        _check_changes(settings)
    _check_folders(settings)


def _check_folders(settings: Settings) -> None:
    """Raise UsageError where a file stands in the way of a folder that a run makes."""
    folders = {"--report-dir": settings.report_dir, "--output-dir": settings.output_dir}
    if settings.target == "local":
        folders["DEMO_STATE_DIR"] = settings.state_dir
    for name, folder in folders.items():
        path = Path(folder).absolute()
        found = next(place for place in (path, *path.parents) if os.path.lexists(place))
        if not found.is_dir():
            raise UsageError(
                f"{name} {folder}: that folder cannot be written",
                where=str(found),
                cause="a file, or a link that leads nowhere, stands in its place",
                hint=f"name another folder with {name}",
            )


def _check_changes(settings: Settings) -> None:
    """Raise UsageError where the data would be changes only, and there is nothing they change."""
    if not settings.since or settings.input_dir:
        return
    if not settings.as_of:
        raise UsageError(
            "--since needs the day that the data describes",
            hint=f"--since {settings.since} --as-of DATE",
        )
    if settings.load_mode != "merge":
        raise UsageError(
            "--since makes the sales after that day only; a load that replaces loses the others",
            hint="add --load-mode merge, or leave out --since",
        )


def check_format(etl: str, raw_format: str) -> None:
    """Raise UsageError for raw files that the way of cleaning cannot load."""
    if etl == "direct" and raw_format == "parquet":
        raise UsageError(
            "--etl direct cannot load --raw-format parquet",
            cause="COPY takes a timestamp from Parquet as it is; raw timestamps are text",
            hint="--etl glue, or --raw-format json",
        )


def option_text(name: str) -> str:
    """Return an option as it is typed."""
    return "--" + name.replace("_", "-")


def _source(rule: Exclusion, given: JsonView) -> str:
    if rule.name in given:
        return rule.text
    return f"DEMO_{rule.name.upper()}" + (f"={rule.wanted}" if rule.wanted else "")
