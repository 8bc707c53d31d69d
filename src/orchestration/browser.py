"""Opens a page where there is a desktop."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path


def open_in_browser(page: Path) -> str:
    """Open a page where there is a desktop; returns the program's name, or nothing."""
    opener = _opener()
    if opener is None:
        return ""
    # The program that opens pages may stay: it is neither waited for nor listened to.
    subprocess.Popen([opener, str(page.resolve())], start_new_session=True,
                     stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                     stderr=subprocess.DEVNULL)  # fmt: skip
    return Path(opener).name


def show_page(page: Path) -> str:
    """Open a page where there is a desktop; returns what was done, elsewhere the page's link."""
    opener = open_in_browser(page)
    return f"opened with {opener}" if opener else page.resolve().as_uri()


def _opener() -> str | None:
    """Return the desktop's program that opens pages; None where there is no desktop."""
    if sys.platform == "darwin":
        return shutil.which("open")
    has_desktop = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    return shutil.which("xdg-open") if has_desktop else None
