"""A live sale: one event of the stream, and what is wrong on purpose with some of them."""

from __future__ import annotations

from dataclasses import dataclass

ID_PREFIX = "live-"  # of sale_id: a live sale never has the key of a batch sale
# `late` was bought hours before it was sent, and is a sale; of a `duplicate` the first is kept and
# the other dropped, of a `conflict` the other is rejected, and so are all the rest.
DEFECTS = ("late", "malformed", "no_tickets", "future", "unknown_concert", "wrong_amount",
           "conflict", "duplicate")  # fmt: skip


@dataclass(frozen=True)
class LiveSale:
    """One event: when it is due, in seconds from the start, and what is put on the stream.

    Its JSON has the columns of ticket_sales and `sent_at`, the seller's clock when it was sent.
    Both times are of the data's own world, so what is late or in the future does not depend on
    when the stream is read.
    """

    number: int
    due_s: float
    concert_id: str
    data: bytes
    defect: str = ""
