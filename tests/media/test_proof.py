"""B-frames are left out where that is proven to change nothing, and only there."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from ingest.media.proof import AnchorProof
from tests import clips
from tests.clips import Encoding
from tests.media.whole import Answers, answers_of

TWENTY_SECONDS = clips.constant_times(25, 20)


def encoding(**options: str) -> Encoding:
    """x264 with B-frames that others refer to."""
    return Encoding(
        codec_options={
            "preset": "veryfast",
            "g": "250",
            "sc_threshold": "0",
            "bf": "3",
            "b_strategy": "0",
        }
        | options
    )


def without_proof(path: Path, sampling: str, threads: int = 1) -> Answers:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(AnchorProof, "take", lambda self, packet: None)
        return answers_of(path, sampling, threads=threads)


@pytest.mark.parametrize("threads", [1, 2])
def test_where_no_anchor_needs_them_b_frames_are_left_out_and_nothing_changes(
    tmp_path: Path, threads: int
) -> None:
    path = clips.write_moving(tmp_path / "x.mp4", TWENTY_SECONDS, encoding())
    proven = answers_of(path, "fps:1,fast", threads=threads)
    careful = without_proof(path, "fps:1,fast", threads)
    assert proven.decoded < 0.75 * careful.decoded
    assert proven.frames == careful.frames
    assert proven.said == careful.said


def test_where_anchors_need_them_b_frames_are_decoded(tmp_path: Path) -> None:
    several = encoding(refs="4", preset="medium")
    path = clips.write_moving(tmp_path / "x.mp4", TWENTY_SECONDS, several)
    tried, careful = answers_of(path, "fps:1,fast"), without_proof(path, "fps:1,fast")
    assert tried.frames == careful.frames
    assert tried.decoded >= careful.decoded


def test_a_still_proves_nothing(tmp_path: Path) -> None:
    """What is lost in a still does not show, and later frames may need it."""
    still = clips.moving(0)
    path = clips.write_clip(
        tmp_path / "x.mp4", ((time, still) for time in TWENTY_SECONDS), encoding()
    )
    tried = answers_of(path, "fps:1,fast")
    assert tried.decoded >= without_proof(path, "fps:1,fast").decoded


def test_dense_samples_are_not_taken_from_anchors_alone(tmp_path: Path) -> None:
    path = clips.write_moving(tmp_path / "x.mp4", TWENTY_SECONDS, encoding())
    dense, careful = answers_of(path, "fps:10,fast"), without_proof(path, "fps:10,fast")
    assert dense.frames == careful.frames
    assert dense.decoded == careful.decoded


def test_a_long_video_is_tried_anew_and_nothing_changes(tmp_path: Path) -> None:
    times = [Fraction(n, 25) for n in range(4096 + 1000)]
    path = clips.write_moving(tmp_path / "x.mp4", times, encoding(g="50"))
    long, careful = answers_of(path, "fps:1/2,fast"), without_proof(path, "fps:1/2,fast")
    assert long.frames == careful.frames
    assert long.decoded < 0.75 * careful.decoded
