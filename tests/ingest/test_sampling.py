"""The sampling job: a file becomes chunks of pixels, their evidence, rows and jobs."""

from __future__ import annotations

import hashlib
import os
import threading
from fractions import Fraction
from pathlib import Path

import numpy as np
import psutil
import pytest
from rq import SimpleWorker
from sqlalchemy import select

from ingest.arrays import unpack_arrays
from ingest.blobs import BlobRef
from ingest.database import Base
from ingest.endings import cancel
from ingest.evidence import evidence_reference, read_picture
from ingest.geometry import Geometry
from ingest.keys import pixels_key
from ingest.media.spec import SamplingSpec
from ingest.queue.backlog import Backlog
from ingest.queue.claims import Claim, Interrupted, Reason, Stopwatch
from ingest.queue.connection import open_queue
from ingest.queue.enqueueing import EMBED_TIMEOUT_S, enqueue_once
from ingest.queue.gate import Gate, Progress
from ingest.queue.identity import WorkerIdentity
from ingest.queue.jobs import EMBED, SAMPLE, fetch_job
from ingest.queue.leases import Outcome, settle, take
from ingest.queue.names import Priority, embed_queue, embed_queues, sample_queue, sample_queues
from ingest.queue.payloads import EmbedJob, Work
from ingest.queue.worker import build_worker
from ingest.sampling import CHUNK_FRAMES, SamplingJobs, sampling_key
from ingest.settings import WorkerLimits
from ingest.stores import Stores
from ingest.submissions import InPlace, Wish, submit
from ingest.tables import Chunk, Sampling, Status, Submission
from prompts.errors import ClipwardenError
from tests.clips import RED, constant_times, read_time_code, write_scenes, write_timed
from tests.clipwarden.command import wait_for
from tests.ingest.submitting import embed_job, never

HOST = "here"
MODEL_KEY = "0123456789abcdef"
GEOMETRY = Geometry(crop="centre", size_px=64)


@pytest.fixture(autouse=True)
def no_commands_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep RQ from listening for commands: ceasing to takes it a second now and then."""
    monkeypatch.setattr(SimpleWorker, "subscribe", lambda _worker: None)


def submit_file(
    stores: Stores,
    path: Path,
    sampling: str = "fps:25",
    *,
    priority: Priority = Priority.NORMAL,
    host: str = HOST,
) -> tuple[str, Work]:
    work = Work(
        tenant="default",
        media_sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        sampling_key=sampling_key(SamplingSpec.parse(sampling), GEOMETRY),
        model_key=MODEL_KEY,
    )
    wish = Wish(
        work=work,
        in_place=InPlace(path, host),
        source="the clip",
        size_bytes=path.stat().st_size,
        model_card="{}",
        sampling=sampling,
        geometry=GEOMETRY.name,
        prompt_set_sha256s=(),
        priority=priority,
    )
    return submit(stores, wish, never).id, work


def sampling_jobs(stores: Stores, max_queued_bytes: int = 2**30) -> SamplingJobs:
    return SamplingJobs(stores, host=HOST, max_queued_bytes=max_queued_bytes)


def run_sampler(stores: Stores, max_queued_bytes: int = 2**30, max_jobs: int | None = None) -> None:
    worker = build_worker(
        WorkerIdentity("sample", HOST),
        sample_queues(HOST),
        {SAMPLE: sampling_jobs(stores, max_queued_bytes).handler},
        stores.redis,
        WorkerLimits(),
    )
    worker.work(burst=True, max_jobs=max_jobs, logging_level="CRITICAL")


def embed_jobs(stores: Stores) -> list[EmbedJob]:
    queues = [open_queue(name, stores.redis) for name in embed_queues(MODEL_KEY)]
    return [EmbedJob.from_args(job.args[0]) for queue in queues for job in queue.jobs]


def pixels_of(job: EmbedJob) -> BlobRef:
    return BlobRef(pixels_key(job.work, job.attempt, job.chunk), job.pixels_sha256)


def rows(stores: Stores, table: type[Base]) -> list[Base]:
    with stores.database.read() as session:
        found = list(session.scalars(select(table)))
        session.expunge_all()
    return found


@pytest.fixture
def timed(tmp_path: Path) -> Path:
    """Six seconds at 25 fps, each picture showing its own time."""
    return write_timed(tmp_path / "timed.mp4", constant_times(25, 6.0))


def test_every_frame_lies_in_one_chunk_with_its_time_and_its_picture(
    stores: Stores, timed: Path
) -> None:
    _, work = submit_file(stores, timed)
    run_sampler(stores)
    jobs = embed_jobs(stores)
    assert [(job.chunk, job.frames) for job in jobs] == [(0, 64), (1, 64), (2, 22)]
    assert {job.work for job in jobs} == {work}
    times_us: list[int] = []
    for job in jobs:
        chunk = unpack_arrays(stores.blobs.get(pixels_of(job)))
        assert chunk["pixels"].shape == (job.frames, 64, 64, 3)
        assert chunk["pixels"].dtype == np.uint8
        times_us += chunk["pts_us"].tolist()
        for pts_us, pixels in list(zip(chunk["pts_us"], chunk["pixels"], strict=True))[::21]:
            assert read_time_code(pixels) == pts_us // 1000
    assert times_us == list(range(0, 6_000_000, 40_000))


def test_every_chunk_has_a_row_and_a_picture_per_frame(stores: Stores, timed: Path) -> None:
    submit_file(stores, timed)
    run_sampler(stores)
    chunks = [row for row in rows(stores, Chunk) if isinstance(row, Chunk)]
    assert [(row.number, row.frames, row.first_us, row.last_us) for row in chunks] == [
        (0, CHUNK_FRAMES, 0, 63 * 40_000),
        (1, CHUNK_FRAMES, 64 * 40_000, 127 * 40_000),
        (2, 150 - 2 * CHUNK_FRAMES, 128 * 40_000, 149 * 40_000),
    ]
    for row in chunks:
        stores.blobs.get(BlobRef(row.evidence_key, row.evidence_sha256))
        for time_us in range(row.first_us, row.last_us + 1, 40_000):
            jpeg = read_picture(stores.blobs, evidence_reference(row.evidence_key, time_us))
            assert jpeg.startswith(b"\xff\xd8")


def test_the_facts_are_kept_and_progress_is_told(stores: Stores, timed: Path) -> None:
    _, work = submit_file(stores, timed, "fps:2")
    run_sampler(stores)
    [sampled] = rows(stores, Sampling)
    assert isinstance(sampled, Sampling)
    assert (sampled.frames, sampled.chunks) == (12, 1)
    assert (sampled.width, sampled.height, sampled.codec) == (320, 240, "h264")
    assert sampled.duration_us == 6_000_000
    assert (sampled.partial, sampled.warnings) == (False, [])
    progress = Gate(stores.redis, work).progress()
    assert progress == Progress(sampled=12, embedded=0, estimated=12)


def test_sampling_again_gives_the_same_rows_and_the_same_bytes(stores: Stores, timed: Path) -> None:
    submit_file(stores, timed)
    run_sampler(stores)
    first = [(job.chunk, job.pixels_sha256) for job in embed_jobs(stores)]
    evidence = [row.evidence_sha256 for row in rows(stores, Chunk) if isinstance(row, Chunk)]
    stores.redis.flushall()
    submit_file(stores, timed)
    run_sampler(stores)
    assert [(job.chunk, job.pixels_sha256) for job in embed_jobs(stores)] == first
    assert [
        row.evidence_sha256 for row in rows(stores, Chunk) if isinstance(row, Chunk)
    ] == evidence
    assert len(rows(stores, Sampling)) == 1


@pytest.mark.parametrize(
    "name",
    [
        "with space.mp4",
        "per%41cent?#fragment;a=b&c.mp4",
        "Ünïcödé 🎬.mp4",
        "new\nline\ttab.mp4",
        os.fsdecode(b"bytes\xff\xfe.mp4"),
        "file:%2F%2Fx.mp4",
        "-rf.mp4",
    ],
)
def test_a_file_is_found_whatever_its_name(stores: Stores, tmp_path: Path, name: str) -> None:
    path = write_scenes(tmp_path / "plain.mp4", [(RED, 0.2)], width=64, height=48)
    submit_file(stores, path.rename(tmp_path / name))
    run_sampler(stores)
    [submission] = rows(stores, Submission)
    assert isinstance(submission, Submission)
    assert (submission.status, submission.error_message) == (Status.QUEUED, None)
    assert [job.frames for job in embed_jobs(stores)] == [5]


def test_a_cancelled_submission_is_not_decoded(stores: Stores, timed: Path) -> None:
    submission_id, _ = submit_file(stores, timed)
    # Its end is recorded, and its job is still there.
    with stores.database.begin() as session:
        session.get_one(Submission, ("default", submission_id)).status = Status.CANCELLED
    run_sampler(stores)
    assert embed_jobs(stores) == []
    assert rows(stores, Sampling) == rows(stores, Chunk) == []


@pytest.mark.parametrize(
    ("sampling", "expected"),
    [
        (SamplingSpec("fps", Fraction(2)), "fps-2.centre-64-bicubic"),
        (SamplingSpec("fps", Fraction(1, 2)), "fps-1_2.centre-64-bicubic"),
        (SamplingSpec.parse("fps:0.50"), "fps-1_2.centre-64-bicubic"),
        (SamplingSpec.parse("fps:29.97"), "fps-2997_100.centre-64-bicubic"),
    ],
)
def test_equal_samplings_have_equal_keys_that_are_fit_for_a_path(
    sampling: SamplingSpec, expected: str
) -> None:
    assert sampling_key(sampling, GEOMETRY) == expected


def test_a_file_replaced_after_its_submission_is_not_analysed_as_what_it_was(
    stores: Stores, timed: Path, tmp_path: Path
) -> None:
    submit_file(stores, timed)
    write_scenes(tmp_path / "other.mp4", [(RED, 2.0)]).replace(timed)
    run_sampler(stores)
    [submission] = rows(stores, Submission)
    assert isinstance(submission, Submission)
    assert (submission.status, submission.error_code) == (Status.FAILED, "media.changed")
    assert rows(stores, Sampling) == []
    assert embed_jobs(stores) == []


def test_a_file_written_to_while_it_is_decoded_leaves_no_sampling(
    stores: Stores, timed: Path
) -> None:
    # Sampling waits for room on the queue, which gives the time to write.
    fill_backlog(stores)
    submit_file(stores, timed)
    sampling = Sampler(stores, max_queued_bytes=1)
    wait_for(decoding)
    with timed.open("ab") as handle:
        handle.write(b"more")
    Backlog(stores.redis).remove("theirs")
    keep_empty(stores, sampling)
    [submission] = rows(stores, Submission)
    assert isinstance(submission, Submission)
    assert submission.error_code == "media.changed"
    assert rows(stores, Sampling) == []


def test_sampling_waits_for_room_and_ends_when_nobody_waits_any_more(
    stores: Stores, timed: Path
) -> None:
    fill_backlog(stores)
    submission_id, _ = submit_file(stores, timed)
    sampling = Sampler(stores, max_queued_bytes=1)
    wait_for(decoding)
    assert rows(stores, Chunk) == []
    cancelling = threading.Thread(target=cancel, args=(stores, "default", submission_id, never))
    cancelling.start()
    sampling.join()
    assert sampling.error is None
    cancelling.join()
    assert [row.chunk for row in embed_jobs(stores)] == []
    assert rows(stores, Sampling) == rows(stores, Chunk) == []
    assert not decoding()


def test_a_video_goes_on_when_there_is_room_again(stores: Stores, timed: Path) -> None:
    _, work = submit_file(stores, timed)
    sampling = Sampler(stores, max_queued_bytes=1)
    for number in range(3):
        wait_for(lambda: len(rows(stores, Chunk)) == number + 1)  # noqa: B023 - called at once
        [waiting] = stores.redis.hkeys("clipwarden:backlog:normal")
        Backlog(stores.redis).remove(waiting.decode())
    sampling.join()
    assert sampling.error is None
    assert [job.chunk for job in embed_jobs(stores)] == [0, 1, 2]
    assert Gate(stores.redis, work).progress().sampled == 150


def test_what_waits_for_room_makes_way_for_a_more_urgent_video(
    stores: Stores, timed: Path, tmp_path: Path
) -> None:
    fill_backlog(stores, Priority.LOW)
    _, low = submit_file(stores, timed, priority=Priority.LOW)
    sampling = Sampler(stores, max_queued_bytes=1, priority=Priority.LOW)
    wait_for(decoding)
    urgent_file = write_scenes(tmp_path / "red.mp4", [(RED, 0.2)], width=64, height=48)
    _, urgent = submit_file(stores, urgent_file, priority=Priority.HIGH)
    sampling.join()
    assert isinstance(sampling.error, Interrupted)
    assert sampling.error.reason is Reason.HANDED_BACK
    assert settle(stores.redis, sampling.lease, Outcome.AGAIN)
    # What waits at a lower priority is no reason to hold it back.
    run_sampler(stores, max_queued_bytes=1, max_jobs=1)
    assert {job.work for job in embed_jobs(stores)} == {urgent}
    Backlog(stores.redis).remove("theirs")
    run_sampler(stores)
    assert {job.work for job in embed_jobs(stores)} == {urgent, low}


def test_a_sampling_whose_lease_is_lost_in_the_middle_queues_no_more(
    stores: Stores, timed: Path
) -> None:
    submit_file(stores, timed)
    sampling = Sampler(stores, max_queued_bytes=1)
    wait_for(lambda: rows(stores, Chunk))
    assert settle(stores.redis, sampling.lease, Outcome.AGAIN)
    [waiting] = stores.redis.hkeys("clipwarden:backlog:normal")
    Backlog(stores.redis).remove(waiting.decode())
    sampling.join()
    assert isinstance(sampling.error, Interrupted)
    assert sampling.error.reason is Reason.LOST
    assert len(rows(stores, Chunk)) == 1
    assert rows(stores, Sampling) == []
    run_sampler(stores)
    assert len(rows(stores, Chunk)) == 3
    assert len(rows(stores, Sampling)) == 1


def test_who_has_the_file_on_another_host_is_sampled_there(stores: Stores, timed: Path) -> None:
    first, work = submit_file(stores, timed)
    second, _ = submit_file(stores, timed, host="elsewhere")
    timed.unlink()
    run_sampler(stores)
    statuses = {row.id: row.status for row in rows(stores, Submission)}  # type: ignore[attr-defined]
    assert statuses == {first: Status.FAILED, second: Status.QUEUED}
    assert Gate(stores.redis, work).waiting() == (second,)
    assert len(open_queue("finish", stores.redis)) == 1


class Sampler(threading.Thread):
    """Does the one queued job here: RQ's worker wants the main thread for its signals."""

    def __init__(
        self, stores: Stores, max_queued_bytes: int, priority: Priority = Priority.NORMAL
    ) -> None:
        super().__init__()
        lease = take(stores.redis, [sample_queue(priority, HOST)], "by hand")
        assert lease is not None
        self.lease = lease
        self.error: BaseException | None = None
        self._args = fetch_job(stores.redis, lease.job_id).args[0]
        self._claim = Claim(stores.redis, lease, Stopwatch())
        self._handler = sampling_jobs(stores, max_queued_bytes).handler
        self._stores = stores
        self.start()

    def run(self) -> None:
        """Do it, keep what it raised, and end it where it raised nothing."""
        try:
            self._handler.run(self._args, self._claim)
            settle(self._stores.redis, self.lease, Outcome.DONE)
        except ClipwardenError as error:
            self._handler.give_up(self._args, error)
            settle(self._stores.redis, self.lease, Outcome.DONE)
            self.error = error
        except BaseException as error:
            self.error = error


def fill_backlog(stores: Stores, priority: Priority = Priority.NORMAL) -> None:
    """Let somebody else's pixels take all the room that there is."""
    Backlog(stores.redis).add(priority, "theirs", 2**30)
    enqueue_once(
        stores.redis,
        embed_queue("f" * 16, Priority.LOW),
        EMBED,
        embed_job(),
        job_id="theirs",
        timeout_s=EMBED_TIMEOUT_S,
    )


def keep_empty(stores: Stores, sampling: Sampler) -> None:
    """Make room for every chunk until the sampling has ended."""
    while sampling.is_alive():
        for waiting in stores.redis.hkeys("clipwarden:backlog:normal"):
            Backlog(stores.redis).remove(waiting.decode())


def decoding() -> bool:
    """Whether a decoding process of these tests is at work."""
    children = psutil.Process().children(recursive=True)
    return any("ingest.media.child" in child.cmdline() for child in children)
