"""The user's own files in a run: checked before anything starts, and what of them is left out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from src.domain.dataset import DatasetManifest
from src.settings import Settings

if TYPE_CHECKING:
    from src.services.input.input_dataset import InputDataset


def open_input(settings: Settings) -> InputDataset:
    """Return the files of --input-dir; raises InputDataError where one cannot be used."""
    from src.services.input.input_dataset import InputDataset

    own = InputDataset(Path(settings.input_dir))
    own.check()
    return own


def ignored_words(manifest: DatasetManifest, most: int = 5) -> str:
    """Say which columns of the files no table has, after a summary; '' where there is none."""
    names = [
        f"{table}.{name or '(no name)'}"
        for table, t in manifest.tables.items()
        for name in t.ignored_columns
    ]
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return f"; ignored columns: {', '.join(names[:most])}{more}" if names else ""


def describe_input(settings: Settings) -> list[str]:
    """Return what a run would take of the user's own files and what it would leave."""
    from src.services.input.input_errors import shown_all

    own = open_input(settings)
    lines = []
    for name, reader in own.readers.items():
        lines.append(f"{name}: {shown_all(own.names_of(name))}")
        lines.append(f"  columns taken: {', '.join(reader.columns) or 'none'}")
        if reader.missing:
            lines.append(f"  columns missing, loaded as NULL: {', '.join(reader.missing)}")
        if reader.ignored:
            lines.append(f"  columns ignored: {shown_all(reader.ignored)}")
    if own.passed_over:
        lines.append(f"passed over: {shown_all(own.passed_over)}")
    return lines
