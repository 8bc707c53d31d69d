"""A batch run beside a stream: it replaces its own rows, and no streamed sale is lost."""

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from src.errors import LoadError, QualityError
from src.infrastructure.redshift_client import RedshiftClient
from src.infrastructure.redshift_data_loader import RedshiftDataLoader
from src.infrastructure.storage.s3_storage import S3Storage
from tests.integration.pipeline.test_loader import ROWS, plan
from tests.integration.streaming.conftest import sale

BEFORE = "2024-12-15T12:00:00.000Z"


def event(number, **changes):
    return sale(number, **{"concert_id": "1", "purchased_at": BEFORE, "sent_at": BEFORE, **changes})


@pytest.fixture
def storage(s3):
    storage = S3Storage(s3, "stream-tests")
    storage.ensure_bucket()
    return storage


@pytest.fixture
def loader(live, storage):
    """A loader with a connection of its own, as a batch run has."""
    client = RedshiftClient(live.client._connect, sleep=lambda s: None)
    with contextlib.closing(client):
        found = RedshiftDataLoader(client, storage, iam_role="", sleep=lambda s: None)
        with client.transaction():
            client.execute("DELETE FROM concert_dw.artists")
        found.load(plan(storage))
        live.put(event(1), event(2, quantity=3, total_amount=37.5), event(1), b"{", event(3))
        live.ingest()
        yield found


def state(live):
    return live.sold(), live.rejected(), live.sales.totals()


def test_a_replacement_keeps_the_streamed_sales(live, loader, storage):
    before = state(live)
    assert len(before[0]) == 3
    loader.load(plan(storage, "r2"))
    assert state(live) == before
    assert loader.streamed == before[2]
    assert live.rows("SELECT COUNT(*) FROM concert_dw.ticket_sales WHERE streamed_at IS NULL") == [
        (1,)
    ]
    live.put(event(4), event(2))
    live.ingest()
    assert live.sales.totals().is_balanced
    assert [key for key, _ in live.sold()] == ["live-1", "live-2", "live-3", "live-4"]


def test_a_merge_keeps_them_as_well(live, loader, storage):
    before = state(live)
    loader.load(plan(storage, "r2", "merge"))
    assert state(live) == before


def test_sales_of_concerts_that_are_gone_are_in_the_quarantine(live, loader, storage):
    changed = ROWS["concerts"].replace("\n1,", "\n2,")
    loader.load(plan(storage, "r2", concerts=changed, ticket_sales=ROWS["ticket_sales"].replace(
        "\n1,1,", "\n1,2,")))  # fmt: skip
    assert live.sold() == []
    assert [rule for _, rule in live.rejected()].count("orphan:concert_id") == 4  # the copy too
    assert live.sales.totals().is_balanced


def test_a_load_that_fails_its_audit_leaves_all_as_it_was(live, loader, storage):
    before = state(live)

    def audit(loads):
        raise QualityError("no")

    with pytest.raises(QualityError):
        loader.load(plan(storage, "r2"), audit=audit)
    assert state(live) == before


def test_a_view_that_lost_records_keeps_the_sales_from_being_replaced(live, loader, storage):
    """The view made anew holds what the stream still has: the first two are gone."""
    before = state(live)[0]
    del live.stream.records["shardId-000000000000"][:2]
    live.client.execute("DROP MATERIALIZED VIEW concert_live.sales_stream")
    live.sales.set_up("sales", "")
    live.sales.refresh()
    with pytest.raises(LoadError, match="would lose streamed ones") as caught:
        loader.load(plan(storage, "r2"))
    assert caught.value.hint == "python run_demo_pipeline.py --load-mode merge"
    assert live.sold() == before
    loader.load(plan(storage, "r2", "merge"))
    assert live.sold() == before


EVENTS = st.lists(
    st.builds(
        lambda number, quantity, concert, shard: (
            event(number, quantity=quantity, total_amount=12.5 * quantity, concert_id=concert),
            shard,
        ),
        st.integers(0, 12), st.integers(0, 40), st.sampled_from(["1", "1", "1", "9"]),
        st.integers(0, 1),
    ),
    max_size=25,
)  # fmt: skip


@settings(max_examples=6)
@given(events=EVENTS, cuts=st.sets(st.integers(0, 25)))
def test_however_the_events_were_cut_into_steps_a_rebuild_finds_the_same(
    live, loader, storage, events, cuts
):
    """All events of a concert are in one shard, as the producer sends them."""
    for number, (one, shard) in enumerate(events):
        live.put(one, shard=0 if one["concert_id"] == "1" else shard)
        if number in cuts:
            live.ingest()
    live.ingest()
    sold, rejected, totals = state(live)
    loader.load(plan(storage, "again"))
    assert live.sold() == sold
    assert totals.records == live.sales.totals().records
    assert totals.sales == live.sales.totals().sales
    assert live.sales.totals().is_balanced
