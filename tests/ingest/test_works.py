"""A sampling waits where those who want it are best served, not where its first submitter did."""

from __future__ import annotations

from pathlib import Path

import pytest

from ingest.endings import cancel
from ingest.queue.gate import Gate
from ingest.queue.leases import Outcome, settle, take
from ingest.queue.names import Priority, sample_queue
from ingest.repair import repair
from ingest.stores import Stores
from ingest.submissions import InPlace
from ingest.tables import Media
from ingest.works import place_sampling, sample_job_id
from tests.ingest.submitting import HOST, SAMPLE_QUEUE, WORK, never, queued, submit_to

pytestmark = pytest.mark.every_backend

GONE = InPlace(Path("/videos/a clip.mp4"), "gone:host")
GONE_QUEUE = sample_queue(Priority.NORMAL, GONE.host)


def places(stores: Stores) -> list[str]:
    """The sampling queues on which a job waits."""
    queues = [sample_queue(one, host) for one in Priority for host in (None, HOST, GONE.host)]
    return [queue for queue in queues for _ in queued(stores, queue)]


def test_a_copy_does_not_wait_behind_a_file_on_a_host_that_is_gone(stores: Stores) -> None:
    submit_to(stores, in_place=GONE, priority=Priority.LOW)
    submit_to(stores, in_place=None)
    assert places(stores) == [sample_queue(Priority.NORMAL)]
    [args] = queued(stores, sample_queue(Priority.NORMAL))
    assert args["priority"] == "normal"
    assert Gate(stores.redis, WORK).pending() == (sample_job_id(WORK),)


@pytest.mark.parametrize("in_place", [None, GONE])
def test_who_is_in_a_hurry_hurries_what_others_left_to_its_time(
    stores: Stores, in_place: InPlace | None
) -> None:
    submit_to(stores, in_place=in_place, priority=Priority.LOW)
    submit_to(stores, priority=Priority.HIGH)
    # Where it could be sampled before: nobody is worse off.
    host = None if in_place is None else in_place.host
    assert places(stores) == [sample_queue(Priority.HIGH, host)]


def test_who_is_in_less_of_a_hurry_moves_nothing(stores: Stores) -> None:
    submit_to(stores, in_place=None)
    submit_to(stores, priority=Priority.LOW)
    submit_to(stores, in_place=None, priority=Priority.LOW)
    assert places(stores) == [sample_queue(Priority.NORMAL)]


def test_a_copy_that_is_deleted_draws_nothing_from_where_the_file_is(stores: Stores) -> None:
    submit_to(stores, in_place=None)
    with stores.database.begin() as session:
        session.get_one(Media, (WORK.tenant, WORK.media_sha256)).blob_key = None
    stores.redis.flushall()
    submit_to(stores)
    place_sampling(stores, WORK)
    assert places(stores) == [SAMPLE_QUEUE]


def test_a_sampling_that_runs_is_left_alone(stores: Stores) -> None:
    submit_to(stores, in_place=GONE)
    lease = take(stores.redis, [GONE_QUEUE], "somebody")
    assert lease is not None
    submit_to(stores, in_place=None, priority=Priority.HIGH)
    assert places(stores) == []
    # Its worker dies, and nobody is left on that host who could take it again.
    settle(stores.redis, lease, Outcome.AGAIN)
    assert places(stores) == [GONE_QUEUE]
    repair(stores, never)
    assert places(stores) == [sample_queue(Priority.HIGH)]


def test_a_sampling_does_not_stay_on_the_host_of_one_who_was_cancelled(stores: Stores) -> None:
    first = submit_to(stores, in_place=GONE)
    submit_to(stores)
    assert places(stores) == [GONE_QUEUE]
    cancel(stores, "default", first, never)
    assert places(stores) == [SAMPLE_QUEUE]
