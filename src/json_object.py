"""The shape of what is read from or written as JSON: reports, documents, AWS's answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

JsonObject = dict[str, Any]
JsonView = Mapping[str, Any]  # one that is read only
