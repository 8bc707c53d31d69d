"""Into how many rows of ticket sales each concert's tickets are cut."""

from __future__ import annotations

import numpy as np

from src.services.arrays import Ints


def cut_rows(tickets: Ints, rows: int) -> Ints:
    """Spread exactly `rows` rows over the concerts: one at least, never more than tickets."""
    result = (tickets > 0).astype(np.int64)
    spare, headroom = rows - int(result.sum()), tickets - result
    total = int(headroom.sum())
    if spare <= 0 or total == 0:
        return result
    # Largest remainder, in integers: exact at any size.
    exact = headroom.astype(object) * spare if total > 2**31 else headroom * spare
    whole = np.asarray(exact // total, dtype=np.int64)
    remainder = np.asarray(exact % total, dtype=np.int64)
    result += whole
    left = rows - int(result.sum())
    room = np.where(result < tickets, remainder, -1)
    result[np.argsort(-room, kind="stable")[:left]] += 1
    return result
