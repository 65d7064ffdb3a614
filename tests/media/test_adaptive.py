"""Which frames look like the last embedded one, so that they come without pictures."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from ingest.media import wire
from tests import clips
from tests.clips import Encoding, Picture
from tests.media.whole import Answers, answers_of

LENGTH_S = 8
ROUGH = Encoding(codec_options={"preset": "ultrafast", "crf": "30", "g": "25"})


def still() -> NDArray[np.int64]:
    """A textured picture, 320 by 180."""
    coarse = np.random.default_rng(2).integers(40, 215, (9, 16, 3))
    return coarse.repeat(20, 0).repeat(20, 1)


def write(path: Path, change: Callable[[NDArray[np.int64], float], None]) -> Path:
    """Write eight seconds of the still, with what `change` makes of it at each second."""

    def picture(time_s: Fraction) -> Picture:
        pixels = still()
        change(pixels, float(time_s))
        return pixels.clip(0, 255).astype(np.uint8)

    frames = ((time, picture(time)) for time in clips.constant_times(10, LENGTH_S))
    return clips.write_clip(path, frames, ROUGH)


def embedded_us(answers: Answers) -> list[int]:
    headers = [wire.FRAME_HEADER.unpack_from(frame) for frame in answers.frames]
    return [pts_us for pts_us, pictures in headers if pictures]


def test_a_fixed_camera_is_embedded_at_the_lowest_rate_through_grain(tmp_path: Path) -> None:
    random = np.random.default_rng(1)

    def grain(pixels: NDArray[np.int64], _: float) -> None:
        pixels += random.normal(0, 12, pixels.shape).astype(int)

    answers = answers_of(write(tmp_path / "c.mp4", grain), "adaptive:0.5-4")
    assert len(answers.frames) == 4 * LENGTH_S
    assert embedded_us(answers) == [0, 2_000_000, 4_000_000, 6_000_000]


def test_a_small_object_that_appears_is_embedded_at_once(tmp_path: Path) -> None:
    def appear(pixels: NDArray[np.int64], time_s: float) -> None:
        if time_s >= 3.0:
            pixels[61:103, 71:112] = (150, 90, 60)  # 3% of the area

    answers = answers_of(write(tmp_path / "c.mp4", appear), "adaptive:1/60-4")
    assert embedded_us(answers) == [0, 3_000_000]


@pytest.mark.parametrize(
    ("width", "height", "levels"), [(200, 12, -80), (30, 30, 100), (100, 30, -60), (80, 80, 30)]
)
def test_thin_and_small_things_that_appear_are_embedded_at_once(
    tmp_path: Path, width: int, height: int, levels: int
) -> None:
    coarse = np.random.default_rng(3).integers(60, 180, (9, 16, 3)).astype(np.uint8)
    before = np.asarray(Image.fromarray(coarse).resize((1920, 1080), Image.Resampling.BICUBIC))
    after = before.astype(int)
    after[500 : 500 + height, 500 : 500 + width] += levels
    pictures = [before] * 2 + [after.clip(0, 255).astype(np.uint8)] * 3
    frames = ((Fraction(index, 4), picture) for index, picture in enumerate(pictures))
    path = clips.write_clip(tmp_path / "c.mp4", frames, ROUGH)
    assert embedded_us(answers_of(path, "adaptive:1/60-4")) == [0, 500_000]


def test_slow_change_adds_up(tmp_path: Path) -> None:
    def fade(pixels: NDArray[np.int64], time_s: float) -> None:
        pixels += int(time_s * 6)

    embedded = embedded_us(answers_of(write(tmp_path / "c.mp4", fade), "adaptive:1/60-4"))
    assert 4 <= len(embedded) <= 16
    assert embedded[0] == 0


def test_moving_video_is_embedded_at_the_highest_rate(tmp_path: Path) -> None:
    path = clips.write_moving(tmp_path / "c.mp4", clips.constant_times(25, 4))
    answers = answers_of(path, "adaptive:0.5-4")
    assert len(embedded_us(answers)) == len(answers.frames) == 16


def test_its_times_are_those_of_the_higher_rate(tmp_path: Path) -> None:
    path = clips.write_moving(tmp_path / "c.mp4", clips.constant_times(25, 4))
    assert answers_of(path, "adaptive:1-3").times_us == answers_of(path, "fps:3").times_us
