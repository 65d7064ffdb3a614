"""Several pictures per frame, none, and shots: what becomes of them on the way to the result."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import jsonschema
import pytest

from ingest.arrays import pack_arrays, unpack_arrays
from ingest.evidence import read_picture
from ingest.media.limits import DecodeLimits
from ingest.queue.jobs import EMBED
from ingest.queue.meters import Meter, read_meters
from ingest.sampling import SamplingJobs
from ingest.tables import DEFAULT_TENANT, Chunk, Sampling, Status, Submission
from prompts.label import Label
from tests.clips import BLUE, write_scenes
from tests.worker.chain import EMBED_QUEUE, HOST, SAMPLE_QUEUE, Chain, prompt_set
from tests.worker.fake_encoder import FAKE_CARD, confidence
from tests.worker.frames_by_hand import STEP_MS, decode_by_hand
from worker.document import ResultDocument
from worker.results import read_scores
from worker.tables import Embedding

SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "result-1.schema.json").read_text())

ONE_FRAME = prompt_set(
    *(Label(id=name, prompts=(name,), min_frames=1, max_gap_ms=0) for name in ("blue", "red"))
)
FOUR_FRAMES = prompt_set(
    *(Label(id=name, prompts=(name,), min_frames=4, max_gap_ms=0) for name in ("blue", "red"))
)


@pytest.fixture
def any_file(tmp_path: Path) -> Path:
    path = tmp_path / "any.mp4"
    path.write_bytes(b"its frames are made by hand")
    return path


def found(document: ResultDocument) -> list[tuple[str, int, int, int]]:
    return [(one.label, one.start_ms, one.end_ms, one.frames) for one in document.segments]


def test_a_frame_is_as_sure_as_the_surest_of_its_tiles(
    chain: Chain, any_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decode_by_hand(
        monkeypatch,
        [("grey",) * 3, ("grey", "red", "blue"), ("red", "grey", "grey"), ("green",), ("blue",)],
    )
    submitted = chain.submit(any_file, [ONE_FRAME])
    chain.run()
    document = chain.document(submitted)
    assert found(document) == [("blue", 100, 200, 1), ("red", 100, 300, 2), ("blue", 400, 500, 1)]
    [scores] = read_scores(chain.stores, DEFAULT_TENANT, submitted.id)
    expected = [
        [max(confidence(tile, label) for tile in tiles) for label in ("blue", "red")]
        for tiles in (("grey",), ("grey", "red", "blue"), ("red", "grey"), ("green",), ("blue",))
    ]
    assert scores.confidences.tolist() == [pytest.approx(row, abs=1e-5) for row in expected]
    assert scores.times_us.tolist() == [index * STEP_MS * 1000 for index in range(5)]
    assert (document.video.frames_sampled, document.video.frames_embedded) == (5, 5)
    assert sum(chain.encoder.batches) == 11


def test_tiles_make_more_chunks_of_fewer_frames(
    chain: Chain, any_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decode_by_hand(monkeypatch, [("red", "grey", "grey")] * 70)
    document = chain.analyze(any_file, [ONE_FRAME])
    assert [row.frames for row in chain.rows(Chunk)] == [21, 21, 21, 7]
    assert [row.frames for row in chain.rows(Embedding)] == [21, 21, 21, 7]
    assert found(document) == [("red", 0, 7000, 70)]
    # Batches never span chunks: 63 pictures by 10, three times, and 21.
    assert chain.encoder.batches == [*[*[10] * 6, 3] * 3, 10, 10, 1]
    meters = read_meters(chain.stores.redis)
    assert meters[Meter.FRAMES, "embed"] == meters[Meter.FRAMES, "sample"] == 70
    assert meters[Meter.BATCH_PICTURES, FAKE_CARD.key] == 210


STILLS: list[tuple[str, ...]] = [("red",), *[()] * 80, ("blue",), *[()] * 60, ("red", "grey")]
"""Two scenes in which nothing moves, across two borders of chunks, and one frame more."""


def test_a_frame_like_the_last_one_is_judged_as_that_one(
    chain: Chain, any_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decode_by_hand(monkeypatch, STILLS)
    document = chain.analyze(any_file, [ONE_FRAME], sampling="adaptive")
    assert [row.frames for row in chain.rows(Chunk)] == [64, 64, 15]
    assert found(document) == [
        ("red", 0, 8100, 81),
        ("blue", 8100, 14_200, 61),
        ("red", 14_200, 14_300, 1),
    ]
    assert (document.video.frames_sampled, document.video.frames_embedded) == (143, 3)
    # A picture of its own for the first scene, again for the next chunk, and so on.
    assert chain.encoder.batches == [1, 2, 3]
    for segment in document.segments:
        picture = read_picture(chain.stores.blobs, segment.evidence)
        assert picture == f"jpeg {segment.peak_ms // STEP_MS}".encode()


def test_every_chunk_stands_by_itself_whoever_embeds_it(
    chain: Chain, any_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decode_by_hand(monkeypatch, STILLS)
    submitted = chain.submit(any_file, [ONE_FRAME], sampling="adaptive")
    chain.sample()
    jobs = chain.payloads(EMBED_QUEUE)
    pixels = [unpack_arrays(chain.stores.blobs.read(key)) for key in sorted(chain.pixels())]
    assert [len(one["pixels"]) for one in pixels] == [1, 2, 3]
    assert [one["first"].tolist()[0] for one in pixels] == [0, 0, 0]
    chain.stores.redis.flushall()
    # Sampled again after everything was lost: the same bits.
    chain.repair()
    chain.sample()
    again = chain.payloads(EMBED_QUEUE)
    assert [job["pixels_sha256"] for job in again] == [job["pixels_sha256"] for job in jobs]
    chain.run()
    assert chain.status(submitted) == Status.DONE


def test_a_still_counts_for_as_many_frames_as_it_stood(
    chain: Chain, any_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decode_by_hand(monkeypatch, [("red",), (), (), (), ("blue",), (), ("grey",)])
    assert found(chain.analyze(any_file, [FOUR_FRAMES], "adaptive")) == [("red", 0, 400, 4)]


def scenes(names: Sequence[str]) -> list[tuple[str, ...]]:
    return [(name,) for name in names]


def test_segments_begin_and_end_at_cuts(
    chain: Chain, any_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decode_by_hand(monkeypatch, scenes(["grey", "red", "red", "blue", "grey"]), [60, 240, 310, 700])
    document = chain.analyze(any_file, [ONE_FRAME], "shots:2")
    jsonschema.validate(json.loads(document.to_json()), SCHEMA)
    assert found(document) == [("red", 60, 240, 2), ("blue", 240, 310, 1)]
    assert document.video.cuts_ms == (60, 240, 310, 700)
    red, blue = document.segments
    assert (red.peak_ms, blue.peak_ms) == (100, 300)
    assert read_picture(chain.stores.blobs, blue.evidence) == b"jpeg 3"
    assert document.sampling.model_dump() == {
        "strategy": "shots",
        "spec": "shots:2",
        "fps": None,
        "geometry": "squash-32-bicubic",
        "version": 2,
    }
    [sampled] = chain.rows(Sampling)
    assert sampled.cuts_us == [60_000, 240_000, 310_000, 700_000]


def test_one_frame_of_a_shot_is_enough_where_it_is_the_only_one(
    chain: Chain, any_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decode_by_hand(monkeypatch, scenes(["grey", "red", "grey", "blue"]), [60, 150, 250])
    assert found(chain.analyze(any_file, [FOUR_FRAMES], "shots")) == [
        ("red", 60, 150, 1),
        ("blue", 250, 400, 1),
    ]
    # At a steady rate a single frame is a doubt.
    assert found(chain.analyze(any_file, [FOUR_FRAMES], "fps:10")) == []


def test_one_of_three_frames_of_a_shot_is_not_enough(
    chain: Chain, any_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ["red", "grey", "grey", "blue", "blue", "blue", "grey", "red", "grey"]
    decode_by_hand(monkeypatch, scenes(names), [300, 600])
    assert found(chain.analyze(any_file, [FOUR_FRAMES], "shots:3")) == [("blue", 300, 600, 3)]


@pytest.mark.parametrize("sampling", ["fps:2", "adaptive"])
def test_a_video_of_one_frame_is_flagged_by_it(chain: Chain, tmp_path: Path, sampling: str) -> None:
    clip = write_scenes(tmp_path / "one.mp4", [(BLUE, 0.04)], width=64, height=48)
    document = chain.analyze(clip, [FOUR_FRAMES], sampling)
    [segment] = document.segments
    assert (segment.label, segment.start_ms, segment.peak_ms, segment.frames) == ("blue", 0, 0, 1)
    assert segment.end_ms == document.video.duration_ms
    assert (document.video.frames_sampled, document.video.frames_embedded) == (1, 1)


def test_results_of_frames_that_were_made_otherwise_are_out_of_reach(
    chain: Chain, any_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decode_by_hand(monkeypatch, scenes(["red"] * 4))
    old = chain.submit(any_file, [FOUR_FRAMES], version="")
    chain.run()
    assert chain.document(old).sampling.version == 1
    new = chain.submit(any_file, [FOUR_FRAMES])
    assert not chain.is_embedded(new.work)
    chain.run()
    assert chain.document(new).sampling.version == 2
    assert [row.sampling_key for row in chain.rows(Sampling)] == [
        "fps-25.squash-32-bicubic",
        "fps-25.squash-32-bicubic.v2",
    ]


def test_what_an_earlier_release_had_under_way_is_made_anew(
    chain: Chain, any_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decode_by_hand(monkeypatch, scenes(["red"] * 4))
    submitted = chain.submit(any_file, [FOUR_FRAMES], version="")
    chain.sample()
    [key], [job] = chain.pixels(), chain.payloads(EMBED_QUEUE)
    arrays = unpack_arrays(chain.stores.blobs.read(key))
    outdated = pack_arrays(pts_us=arrays["pts_us"], pixels=arrays["pixels"])
    job["pixels_sha256"] = chain.stores.blobs.put(key, outdated).sha256
    chain.deliver(EMBED_QUEUE, EMBED, [job])
    # As the migration does, while jobs of the earlier release wait.
    with chain.stores.database.begin() as session:
        row = session.get_one(Submission, (DEFAULT_TENANT, submitted.id))
        row.sampling_key += ".v2"
    chain.run()
    assert chain.status(submitted) == Status.QUEUED
    assert chain.encoder.batches == []
    chain.repair()
    chain.run()
    assert chain.status(submitted) == Status.DONE
    assert chain.document(submitted).sampling.version == 2
    assert chain.traces() == []
    assert chain.pixels() == []


def test_the_decoder_is_told_its_limits(
    chain: Chain, any_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoder = decode_by_hand(monkeypatch, scenes(["red"]))
    chain.analyze(any_file, [ONE_FRAME])
    assert decoder.limits == DecodeLimits()
    chain.submit(any_file, [ONE_FRAME], "fps:1")
    limits = DecodeLimits(max_pixels=1000)
    jobs = SamplingJobs(chain.stores, host=HOST, max_queued_bytes=2**30, limits=limits)
    taken = chain.take(SAMPLE_QUEUE)
    jobs.handler.run(taken.job.args[0], taken.claim)
    taken.end()
    assert decoder.limits == limits
