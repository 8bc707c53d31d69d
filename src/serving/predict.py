"""Predict for one concert, for a range of prices, or for a file of concerts."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from src.domain.tables import SCHEMA
from src.errors import CannotRunError, UsageError
from src.json_object import JsonObject
from src.orchestration.command_line import console_from, print_answer
from src.reporting.terminal.console import Console
from src.serving.explanation import moved_by, price_curve
from src.serving.files import ConcertFile
from src.serving.formats import Record
from src.serving.lookup import WarehouseLookup
from src.serving.models import champion, load_predictor
from src.serving.prediction_text import prediction_text
from src.serving.predictor import FIELDS, Predictor
from src.settings import Settings

_NEEDED = ("artist", "venue", "date")
_DESCRIBING = {
    "popularity": "popularity of an artist that is new, 0 to 100",
    "genre": "its genre",
    "capacity": "capacity of a venue that is new",
    "city": "its city",
    "venue_type": "its kind: club, theatre, hall, amphitheatre, arena or stadium",
}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument("--artist", metavar="NAME", help="name or key of the artist")
    parser.add_argument("--venue", metavar="NAME", help="name or key of the venue")
    parser.add_argument("--date", help="start of the show: 2026-05-01, or '2026-05-01 19:30'")
    parser.add_argument("--price", metavar="P|LOW:HIGH", help="price of a ticket; a range gives "
                        "tickets, revenue and the chance to sell out by price")  # fmt: skip
    parser.add_argument("--on-sale", metavar="DATE", help="when its tickets go on sale "
                        "(default: at the end of the data)")  # fmt: skip
    for name, text in _DESCRIBING.items():
        parser.add_argument(f"--{name.replace('_', '-')}", metavar="X", help=text)
    parser.add_argument("--file", type=Path, metavar="FILE", help="predict for each concert of a "
                        "CSV, JSON, JSON Lines or Parquet file; - reads stdin")  # fmt: skip
    parser.add_argument("--output", type=Path, metavar="FILE",
                        help="write the rows of --file there (default: stdout)")  # fmt: skip
    parser.add_argument("--model", type=Path, metavar="PATH", help="folder or model.tar.gz of a "
                        "saved version (default: the champion)")  # fmt: skip


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Predict; returns the exit code."""
    console = console_from(arguments)
    if arguments.file is not None:
        return _predict_file(arguments, settings, console)
    missing = [f"--{name}" for name in _NEEDED if getattr(arguments, name) is None]
    if missing:
        raise UsageError(f"{', '.join(missing)} or --file is missing",
                         hint="python -m src.serving predict --help")  # fmt: skip
    prices = _prices(arguments.price)
    given: Record = {
        "artist": arguments.artist,
        "venue": arguments.venue,
        "starts_at": _moment("--date", arguments.date, hour=20),
        "base_price": str(sum(prices) / len(prices)) if prices else None,
        "on_sale_at": arguments.on_sale and _moment("--on-sale", arguments.on_sale, hour=10),
        **{name: getattr(arguments, name) for name in _DESCRIBING},
    }
    with _looking_up(arguments.model, settings) as (predictor, lookup):
        concert = lookup.fill_in(given)
        record = {name: concert[name] for name in FIELDS if name in concert}
        answer = {"concert": concert, **_answer(predictor, lookup, record, prices)}
    text = json.dumps(answer, allow_nan=False) if arguments.json else prediction_text(answer)
    print_answer(text)
    return 0


def _answer(
    predictor: Predictor, lookup: WarehouseLookup, record: Record, prices: list[float]
) -> JsonObject:
    answer: JsonObject = {
        "prediction": predictor.one(record),
        "moved_by": moved_by(predictor, record),
        "similar_shows": lookup.similar(record),
    }
    if len(prices) == 2:
        seen = lookup.prices()
        answer["prices_seen"] = list(seen)
        answer["price_curve"] = price_curve(predictor, record, prices, seen)
    return answer


def _predict_file(arguments: argparse.Namespace, settings: Settings, console: Console) -> int:
    given = [f"--{name}" for name in (*_NEEDED, "price") if getattr(arguments, name) is not None]
    if given:
        raise UsageError(f"--file does not go with {', '.join(given)}",
                         hint="put them into the file's columns")  # fmt: skip
    file = ConcertFile.read(arguments.file)
    if file.has_names:
        with _looking_up(arguments.model, settings) as (predictor, lookup):
            answers = file.scored(predictor, lookup.fill_in)
    else:
        predictor = load_predictor(arguments.model, settings)
        answers = file.scored(predictor, dict)
    _write(file.joined(answers), arguments.output, is_text=file.kind != "parquet")
    console.line(f"{len(answers):,} concerts by ticket_sales version {predictor.version}")
    return 0


def _write(body: bytes, path: Path | None, *, is_text: bool) -> None:
    try:
        if path is not None:
            path.write_bytes(body)
        elif is_text:
            print_answer(body.decode(), end="")
        elif sys.stdout.isatty():
            raise UsageError("Parquet is not for a terminal", hint="name a file with --output")
        else:
            sys.stdout.buffer.write(body)
            sys.stdout.buffer.flush()
    except OSError as error:
        raise CannotRunError("the rows cannot be written", where=str(path) if path else None,
                             cause=str(error), hint="--output FILE")  from error  # fmt: skip


@contextmanager
def _looking_up(
    model: Path | None, settings: Settings
) -> Iterator[tuple[Predictor, WarehouseLookup]]:
    """Give the model, and the warehouse with its artists and venues."""
    from src.orchestration.environment import DemoEnvironment
    from src.orchestration.training.extraction import known_until, newest_load

    with DemoEnvironment(settings, needs_glue=False) as environment:
        if "load_history" not in environment.redshift.table_names(SCHEMA):
            raise _empty()
        until = known_until(environment, newest_load(environment))
        if until is None:
            raise _empty()
        predictor = champion(environment) if model is None else Predictor.load(model)
        yield predictor, WarehouseLookup(environment.redshift, until.to_pydatetime())


def _empty() -> CannotRunError:
    return CannotRunError(
        "the warehouse has no sales: no artist or venue can be looked up",
        where=f"schema {SCHEMA}", hint="python run_demo_pipeline.py --input-dir DIR, or without it",
    )  # fmt: skip


def _moment(option: str, text: str, hour: int) -> str:
    """Return a date as a moment: a day without a time gets an hour."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError(f"{option} is {text!r:.40}; it is no date", cause=str(error)[:100],
                         hint=f"{option} 2026-05-01") from error  # fmt: skip
    is_day = len(text) <= len("2026-05-01")
    return str(found.replace(hour=hour) if is_day else found)


def _prices(text: str | None) -> list[float]:
    """Return one price, or the two ends of a range."""
    if text is None:
        return []
    try:
        found = [float(part) for part in text.split(":")]
    except ValueError:
        found = []
    if (
        len(found) not in (1, 2)
        or not all(0 < p <= 100_000 for p in found)
        or sorted(found) != found
    ):
        raise UsageError(f"--price is {text!r:.40}; it is no price above 0 and no range",
                         hint="--price 60, or --price 30:120")  # fmt: skip
    return found
