"""What must hold after a disturbed run: every video once, and nothing left behind."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import func, select

from ingest.keys import pixels_root
from ingest.queue.upkeep import known_queues
from ingest.stores import Stores
from ingest.tables import DEFAULT_TENANT, Status, Submission
from worker.tables import Result, SegmentRow

# Who wrote what must be gone once nothing is unfinished.
_WORK_KEYS = (
    "rq:job:*",
    "clipwarden:pending:*",
    "clipwarden:waiting:*",
    "clipwarden:progress:*",
    "clipwarden:backlog:*",
)


@dataclass(frozen=True)
class Verdict:
    """The counts that decide; `faults` says in words what is wrong, if anything."""

    submissions: int
    done: int
    results: int
    segments: int
    faults: tuple[str, ...]


def judge(stores: Stores, expected: int) -> Verdict:
    """Count what is stored and what is left, against as many videos as were submitted."""
    with stores.database.read() as session:
        counted = session.execute(
            select(Submission.status, func.count()).group_by(Submission.status)
        )
        by_status: dict[str, int] = {status: count for status, count in counted}
        results = session.scalar(select(func.count()).select_from(Result)) or 0
        segments = session.scalar(select(func.count()).select_from(SegmentRow)) or 0
        same = (SegmentRow.result_id, SegmentRow.label, SegmentRow.start_us)
        doubled = len(session.execute(select(*same).group_by(*same).having(func.count() > 1)).all())
    done = by_status.get(Status.DONE, 0)
    faults = []
    if done != expected:
        others = {status: count for status, count in by_status.items() if status != Status.DONE}
        faults.append(f"{done} of {expected} submissions are done; others: {others or 'none'}")
    if results != expected:
        faults.append(f"{results} results for {expected} videos")
    if doubled:
        faults.append(f"{doubled} segments are stored twice")
    faults += _left_on_the_queue(stores)
    if pixels := stores.blobs.children(pixels_root(DEFAULT_TENANT)):
        faults.append(f"pixels of {len(pixels)} videos are left in the blob store")
    return Verdict(sum(by_status.values()), done, results, segments, tuple(faults))


def _left_on_the_queue(stores: Stores) -> list[str]:
    faults = []
    for queue in known_queues(stores.redis):
        waiting = int(stores.redis.llen(f"rq:queue:{queue}"))
        for kind in ("wip", "scheduled", "failed"):
            waiting += int(stores.redis.zcard(f"rq:{kind}:{queue}"))
        if waiting:
            faults.append(f"{waiting} jobs are left on {queue}")
    for pattern in _WORK_KEYS:
        left = list(stores.redis.scan_iter(match=pattern, count=1000))
        if left:
            faults.append(f"{len(left)} keys like {pattern} are left")
    return faults
