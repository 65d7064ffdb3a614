"""From a submitted file to segments: every job runs, on real stores, with a fake model."""

from __future__ import annotations

import io
import math
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ingest.arrays import unpack_arrays
from ingest.blobs import BlobRef
from ingest.evidence import read_picture
from ingest.queue.gate import Gate
from ingest.stores import Stores
from ingest.tables import DEFAULT_TENANT, Chunk, Sampling, Status
from prompts.label import Label
from tests.clips import BLUE, GREEN, RED, Encoding, truncate, write_clip, write_scenes
from tests.worker.chain import COLOUR_SET, Chain, prompt_set
from tests.worker.fake_encoder import COLOURS, FAKE_CARD, confidence
from worker.results import read_scores
from worker.tables import Embedding, Result, SegmentRow


def blobs_under(stores: Stores, tmp_path: Path, kind: str) -> list[Path]:
    return [path for path in (tmp_path / "data").rglob(f"{kind}/**/*") if path.is_file()]


@pytest.mark.every_backend
def test_segments_lie_where_the_scenes_do(chain: Chain, three_scenes: Path) -> None:
    document = chain.analyze(three_scenes)
    assert document.status == "done"
    assert [(one.label, one.start_ms, one.end_ms, one.frames) for one in document.segments] == [
        ("red", 0, 2000, 50),
        ("green", 2000, 4000, 50),
        ("blue", 4000, 6000, 50),
    ]
    for segment in document.segments:
        # Chroma is rounded on the way through the codec, so the colours are not quite ours.
        expected = confidence(segment.label, segment.label)
        assert segment.confidence == pytest.approx(expected, abs=0.01)
        assert segment.mean_confidence == pytest.approx(expected, abs=0.01)
        assert segment.start_ms <= segment.peak_ms < segment.end_ms
    assert document.video.duration_ms == 6000
    assert (document.video.width, document.video.height) == (64, 48)
    assert document.video.frames_sampled == document.video.frames_embedded == 150
    assert document.video.warnings == ()
    assert document.model.device == "cpu"


@pytest.mark.every_backend
def test_evidence_shows_the_scene_of_each_segments_peak(chain: Chain, three_scenes: Path) -> None:
    for segment in chain.analyze(three_scenes).segments:
        picture = Image.open(io.BytesIO(read_picture(chain.stores.blobs, segment.evidence)))
        assert segment.evidence.endswith(f"#{segment.peak_ms * 1000:013d}us.jpg")
        assert np.asarray(picture).mean(axis=(0, 1)) == pytest.approx(
            np.array(COLOURS[segment.label]), abs=12
        )


def test_every_chunk_is_embedded_once_in_as_many_runs_as_its_batches_need(
    chain: Chain, three_scenes: Path
) -> None:
    chain.analyze(three_scenes)
    embeddings = chain.rows(Embedding)
    assert [(row.chunk, row.frames) for row in embeddings] == [(0, 64), (1, 64), (2, 22)]
    assert [row.batches for row in embeddings] == [math.ceil(n / 10) for n in (64, 64, 22)]
    assert chain.encoder.batches == [*[10] * 6, 4, *[10] * 6, 4, 10, 10, 2]
    assert chain.encoder.texts == [COLOUR_SET.texts()]
    assert {row.batch_size for row in embeddings} == {10}


@pytest.mark.every_backend
def test_stored_embeddings_give_the_stored_scores_again(chain: Chain, three_scenes: Path) -> None:
    submitted = chain.submit(three_scenes)
    chain.run()
    arrays = [
        unpack_arrays(chain.stores.blobs.get(BlobRef(row.blob_key, row.blob_sha256)))
        for row in chain.rows(Embedding)
    ]
    vectors = np.concatenate([array["vectors"] for array in arrays])
    times_us = np.concatenate([array["pts_us"] for array in arrays])
    assert vectors.dtype == np.float32
    assert times_us.tolist() == list(range(0, 6_000_000, 40_000))
    directions = {
        name: np.array(colour) / np.linalg.norm(colour) for name, colour in COLOURS.items()
    }
    margins = [vectors @ directions[label.id] - vectors @ directions["grey"]
               for label in COLOUR_SET.labels]  # fmt: skip
    expected = 1 / (1 + np.exp(-FAKE_CARD.score_scale.scale * np.stack(margins, axis=1)))
    [scores] = read_scores(chain.stores, DEFAULT_TENANT, submitted.id)
    assert scores.prompt_set == COLOUR_SET
    assert scores.times_us.tolist() == times_us.tolist()
    np.testing.assert_allclose(scores.confidences, expected, atol=1e-6)


def test_pixels_go_when_they_are_embedded_and_evidence_stays(
    chain: Chain, three_scenes: Path, tmp_path: Path
) -> None:
    submitted = chain.submit(three_scenes)
    chain.sample()
    assert len(blobs_under(chain.stores, tmp_path, "pixels")) == 3
    chain.embed()
    chain.finish()
    assert blobs_under(chain.stores, tmp_path, "pixels") == []
    assert len(blobs_under(chain.stores, tmp_path, "evidence")) == 3
    assert Gate(chain.stores.redis, submitted.work).waiting() == ()


@pytest.mark.every_backend
def test_a_second_prompt_set_is_scored_without_decoding_or_embedding(
    chain: Chain, three_scenes: Path
) -> None:
    first = chain.analyze(three_scenes)
    sampled, runs = chain.rows(Sampling), len(chain.encoder.batches)
    warm = prompt_set(Label(id="warm", prompts=("red", "green")), name="warm")
    second = chain.analyze(three_scenes, [COLOUR_SET, warm])
    assert len(chain.encoder.batches) == runs
    assert [row.finished_at for row in chain.rows(Sampling)] == [row.finished_at for row in sampled]
    by_set = {name: [one for one in second.segments if one.prompt_set == name]
              for name in ("colours", "warm")}  # fmt: skip
    assert by_set["colours"] == list(first.segments)
    [segment] = by_set["warm"]
    assert (segment.label, segment.start_ms, segment.end_ms) == ("warm", 0, 4000)
    assert len(chain.rows(Result)) == 2


def test_a_scene_shorter_than_the_labels_minimum_is_no_segment(
    chain: Chain, tmp_path: Path
) -> None:
    clip = write_scenes(tmp_path / "flash.mp4", [(GREEN, 1.0), (RED, 0.2), (GREEN, 1.0)],
                        width=64, height=48)  # fmt: skip
    strict = prompt_set(Label(id="red", prompts=("red",), min_frames=6), name="strict")
    lenient = prompt_set(Label(id="red", prompts=("red",), min_frames=5), name="lenient")
    document = chain.analyze(clip, [strict, lenient])
    [segment] = document.segments
    assert (segment.prompt_set, segment.start_ms, segment.end_ms) == ("lenient", 1000, 1200)


def test_a_picture_is_a_segment_of_no_more_than_its_time(chain: Chain, tmp_path: Path) -> None:
    clip = write_scenes(tmp_path / "one.mp4", [(BLUE, 0.04)], width=64, height=48)
    one = prompt_set(Label(id="blue", prompts=("blue",), min_frames=1))
    document = chain.analyze(clip, [one])
    [segment] = document.segments
    assert (segment.start_ms, segment.peak_ms, segment.frames) == (0, 0, 1)
    assert segment.end_ms == document.video.duration_ms


def test_times_come_from_timestamps_where_the_rate_varies(chain: Chain, tmp_path: Path) -> None:
    times = [Fraction(n, 25) for n in range(25)] + [1 + Fraction(n, 10) for n in range(20)]
    pictures = [
        np.full((48, 64, 3), RED if time < Fraction(17, 10) else BLUE, np.uint8) for time in times
    ]
    clip = write_clip(tmp_path / "vfr.mkv", zip(times, pictures, strict=True))
    red, blue = chain.analyze(clip).segments
    assert (red.label, red.start_ms, red.end_ms, red.frames) == ("red", 0, 1700, 32)
    assert (blue.label, blue.start_ms) == ("blue", 1700)


def test_a_truncated_video_is_partial_and_says_so(chain: Chain, tmp_path: Path) -> None:
    encoding = Encoding(codec_options={"preset": "ultrafast", "g": "25"})
    clip = tmp_path / "cut.mkv"
    write_scenes(clip, [(RED, 4.0), (BLUE, 4.0)], width=64, height=48, encoding=encoding)
    submitted = chain.submit(truncate(clip, 0.4))
    chain.run()
    assert chain.submission(submitted).status == Status.PARTIAL
    document = chain.document(submitted)
    assert document.status == "partial"
    assert document.error is None
    assert any(words.startswith("media.truncated: ") for words in document.video.warnings)
    assert document.video.duration_ms is not None
    assert document.video.duration_ms < 7000
    assert document.segments[0].label == "red"
    assert max(one.end_ms for one in document.segments) <= document.video.duration_ms


def test_chunks_and_segments_are_stored_under_what_they_depend_on(
    chain: Chain, three_scenes: Path
) -> None:
    submitted = chain.submit(three_scenes)
    chain.run()
    work = submitted.work
    keys = {(row.tenant, row.media_sha256, row.sampling_key) for row in chain.rows(Chunk)}
    assert keys == {(work.tenant, work.media_sha256, work.sampling_key)}
    assert work.sampling_key == "fps-25.squash-32-bicubic.v2"
    assert [row.number for row in chain.rows(SegmentRow)] == [0, 1, 2]
