"""What a Glue job needs besides its script: modules of this project, and versions of others'."""

from __future__ import annotations

import io
import zipfile
from importlib.metadata import version
from pathlib import Path

# All that the generator imports; a test runs it from the packed file alone.
_GENERATOR = ("*.py", "domain/*.py", "services/*.py", "services/encoding/*.py",
              "services/generation/*.py")  # fmt: skip
_COMPUTES_WITH = ("numpy", "scipy", "pyarrow", "faker", "isal")
_SOME_DAY = (2020, 1, 1, 0, 0, 0)  # the same modules are the same file


def generator_library(package: Path) -> bytes:
    """Return the modules of the generator as a zip file that Python imports from."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(path for pattern in _GENERATOR for path in package.glob(pattern)):
            name = f"{package.name}/{file.relative_to(package).as_posix()}"
            archive.writestr(zipfile.ZipInfo(name, _SOME_DAY), file.read_bytes())
    return packed.getvalue()


def generator_modules() -> tuple[str, ...]:
    """Return the libraries whose versions decide the bytes, as they are installed here."""
    return tuple(f"{name}=={version(name)}" for name in _COMPUTES_WITH)
