"""Whatever the number of threads: the same models, byte for byte."""

import os
import subprocess
import sys

LEARN = """
import hashlib, sys
from src.services.modelling.model_files import sales_files, venue_files
from src.services.ticket_sales_prediction_service import TicketSalesPredictionService
from src.services.venue_popularity_service import VenuePopularityService
from tests.unit.modelling.sales_rows import sales_rows, venue_quarters

rows = sales_rows(800)
sales = TicketSalesPredictionService(7).fit(rows[:600]).calibrate(rows[600:])
frame = venue_quarters()
venue = VenuePopularityService(1)
panel = venue.complete(frame, last_quarter=frame["quarter"].max())
examples = venue.fit_scale(panel).examples(panel)
known = examples[examples["target"].notna()]
venue.fit(known).calibrate(known)
for files in (sales_files(sales), venue_files(venue)):
    for name in ("model.npz", "state.json"):
        print(name, hashlib.sha256(files[name]).hexdigest())
"""
LIMITS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "LOKY_MAX_CPU_COUNT")


def test_the_models_are_the_same_for_one_thread_and_for_several():
    started = [
        subprocess.Popen(
            [sys.executable, "-c", LEARN], stdout=subprocess.PIPE, text=True,
            env={**os.environ, **dict.fromkeys(LIMITS, str(threads))},
        )
        for threads in (1, 3)
    ]  # fmt: skip
    try:
        alone, side_by_side = (one.communicate(timeout=500)[0] for one in started)
    finally:
        for one in started:
            one.kill()
            one.wait()
    assert alone.count("\n") == 4
    assert alone == side_by_side
