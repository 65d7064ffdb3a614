"""The sampling job: a file becomes chunks of pixels, their evidence, rows and jobs."""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from rq import SimpleWorker

from ingest.arrays import unpack_arrays
from ingest.blobs import BlobRef
from ingest.chunks import CHUNK_FRAMES
from ingest.evidence import evidence_reference, read_picture
from ingest.media.spec import SamplingSpec
from ingest.queue.gate import Gate, Progress
from ingest.queue.payloads import Work
from ingest.sampling import FRAMES_VERSION, frames_version, sampling_key
from ingest.stores import Stores
from ingest.tables import Chunk, Sampling, Status, Submission
from tests.clips import RED, constant_times, read_time_code, write_scenes, write_timed
from tests.ingest.sampling_by_hand import (
    GEOMETRY,
    embed_jobs,
    pixels_of,
    rows,
    run_sampler,
    submit_file,
)


@pytest.fixture(autouse=True)
def no_commands_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep RQ from listening for commands: ceasing to takes it a second now and then."""
    monkeypatch.setattr(SimpleWorker, "subscribe", lambda _worker: None)


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
    assert (sampled.frames, sampled.frames_pictured, sampled.chunks) == (12, 12, 1)
    assert sampled.cuts_us == []
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
        (SamplingSpec("fps", Fraction(2)), "fps-2"),
        (SamplingSpec("fps", Fraction(1, 2)), "fps-1_2"),
        (SamplingSpec.parse("fps:0.50"), "fps-1_2"),
        (SamplingSpec.parse("fps:29.97"), "fps-2997_100"),
        (SamplingSpec.parse("fps:1,fast"), "fps-1-fast"),
        (SamplingSpec.parse("keyframes"), "keyframes"),
        (SamplingSpec.parse("shots"), "shots-1"),
        (SamplingSpec.parse("adaptive:0.5-4"), "adaptive-1_2-4"),
    ],
)
def test_equal_samplings_have_equal_keys_that_are_fit_for_a_path(
    sampling: SamplingSpec, expected: str
) -> None:
    key = sampling_key(sampling, GEOMETRY)
    assert key == f"{expected}.centre-64-bicubic.v{FRAMES_VERSION}"
    Work(tenant="t", media_sha256="a" * 64, sampling_key=key, model_key="b" * 16)


def test_a_key_tells_the_version_of_its_frames() -> None:
    assert frames_version(sampling_key(SamplingSpec.parse("shots:3"), GEOMETRY)) == FRAMES_VERSION
    assert frames_version("fps-2.centre-224-bicubic") == 1


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
