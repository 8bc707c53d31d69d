"""A small saved model, as a run of the training stores it."""

import hashlib
import json

import pytest

from src.services.modelling import model_files
from src.services.modelling.saved_model_checks import golden_of
from src.serving.predictor import Predictor
from tests.unit.modelling.sales_rows import sales_rows, small_sales_model


def manifest_of(files, version=3):
    hashes = {name: {"sha256": hashlib.sha256(body).hexdigest(), "bytes": len(body)}
              for name, body in files.items()}  # fmt: skip
    return {"name": "ticket_sales", "version": version, "files": hashes}


@pytest.fixture(scope="session")
def saved():
    """The files and the manifest of a saved version."""
    service = small_sales_model()
    files = model_files.sales_files(service)
    golden = golden_of(sales_rows(40), service.predict_frame, ("capacity", "starts_at"))
    files["golden.json"] = json.dumps(golden).encode()
    files["model_card.md"] = b"# A card\n"
    return files, manifest_of(files)


@pytest.fixture(scope="session")
def predictor(saved):
    return Predictor.of_files(*saved)
