"""Where shots are cut, where they are not, and which frames stand for them."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from tests import clips
from tests.clips import Encoding, Picture
from tests.media.whole import answers_of

FPS = 25
FINE = Encoding(codec_options={"preset": "ultrafast", "crf": "18"})


def write(path: Path, pictures: Sequence[Picture]) -> Path:
    frames = ((Fraction(index, FPS), picture) for index, picture in enumerate(pictures))
    return clips.write_clip(path, frames, FINE)


def scene(seed: int, length: int) -> list[Picture]:
    """A texture of its own colours that drifts."""
    shade = np.random.default_rng(seed).integers(-70, 70, 3)
    return [
        (clips.moving(index + 1000 * seed).astype(int) + shade).clip(0, 255).astype(np.uint8)
        for index in range(length)
    ]


def wide(seed: int = 3) -> Picture:
    """A large blocky picture to move a window over: uint8 `[336, 576, 3]`."""
    coarse = np.random.default_rng(seed).integers(0, 255, (21, 36, 3))
    return coarse.repeat(16, 0).repeat(16, 1).astype(np.uint8)


def test_cuts_are_where_scenes_change_and_each_has_its_middle_frame(tmp_path: Path) -> None:
    path = write(tmp_path / "c.mp4", [*scene(1, 50), *scene(2, 75), *scene(3, 25), *scene(4, 60)])
    answers = answers_of(path, "shots:1")
    assert answers.cuts_us == [2_000_000, 5_000_000, 6_000_000]
    middles = [1_000_000, 3_500_000, 5_500_000, 7_200_000]
    assert len(answers.frames) == len(middles)
    for time, middle in zip(answers.times_us, middles, strict=True):
        assert abs(time - middle) <= 260_000


def test_cuts_of_a_real_clip_are_those_an_eye_sees() -> None:
    answers = answers_of(clips.real_clip("bikes.mp4"), "shots:1")
    assert answers.cuts_us == [1_200_000, 3_040_000, 5_480_000, 7_480_000, 9_680_000]
    assert len(answers.frames) == 6
    one_shot = answers_of(clips.real_clip("bigbuckbunny.mp4"), "shots:1")
    assert one_shot.cuts_us == []


def test_frames_of_a_shot_are_spread_evenly(tmp_path: Path) -> None:
    path = write(tmp_path / "c.mp4", [*scene(1, 100), *scene(2, 100)])
    answers = answers_of(path, "shots:4")
    assert answers.cuts_us == [4_000_000]
    wanted = [500_000 + 1_000_000 * index for index in range(8)]
    assert len(answers.frames) == len(wanted)
    assert max(abs(t - w) for t, w in zip(answers.times_us, wanted, strict=True)) <= 160_000


@pytest.mark.parametrize("frames", [1, 2, 4])
def test_a_flash_is_no_cut(tmp_path: Path, frames: int) -> None:
    pictures = scene(1, 100)
    for index in range(50, 50 + frames):
        pictures[index] = (pictures[index].astype(int) + 150).clip(0, 255).astype(np.uint8)
    assert answers_of(write(tmp_path / "c.mp4", pictures), "shots:1").cuts_us == []


def test_a_strobe_is_no_cut(tmp_path: Path) -> None:
    pictures = [clips.plain(clips.WHITE if n % 4 < 2 else clips.BLACK) for n in range(100)]
    assert answers_of(write(tmp_path / "c.mp4", pictures), "shots:1").cuts_us == []


def test_a_fast_pan_is_no_cut(tmp_path: Path) -> None:
    picture = wide()
    offsets = [0] * 20 + list(range(0, 384, 16)) + [384] * 20
    pictures = [picture[:112, left : left + 192] for left in offsets]
    assert answers_of(write(tmp_path / "c.mp4", pictures), "shots:1").cuts_us == []


def test_a_shaking_hand_is_no_cut(tmp_path: Path) -> None:
    picture, random = wide(), np.random.default_rng(5)
    pictures = []
    for _ in range(100):
        left, top = random.integers(150, 180), random.integers(90, 120)
        pictures.append(picture[top : top + 112, left : left + 192])
    assert answers_of(write(tmp_path / "c.mp4", pictures), "shots:1").cuts_us == []


def test_a_dissolve_makes_one_cut_at_most(tmp_path: Path) -> None:
    before, after = scene(1, 60), scene(2, 60)
    mixed = [
        (a * (1 - n / 25) + b * (n / 25)).astype(np.uint8)
        for n, (a, b) in enumerate(zip(before[35:], after[:25], strict=True))
    ]
    path = write(tmp_path / "c.mp4", [*before[:35], *mixed, *after[25:]])
    assert len(answers_of(path, "shots:1").cuts_us) <= 1


def test_no_shot_is_shorter_than_half_a_second(tmp_path: Path) -> None:
    pictures = [picture for seed in range(1, 25) for picture in scene(seed, 8)]
    cuts = answers_of(write(tmp_path / "c.mp4", pictures), "shots:1").cuts_us
    assert all(b - a >= 500_000 for a, b in zip([0, *cuts], cuts, strict=False))
    assert len(cuts) >= 5


def test_a_fixed_camera_gives_a_frame_every_ten_seconds(tmp_path: Path) -> None:
    times = clips.constant_times(5, 47)
    frames = ((time, clips.plain(clips.GREEN)) for time in times)
    path = clips.write_clip(tmp_path / "c.mp4", frames)
    answers = answers_of(path, "shots:1")
    assert answers.cuts_us == []
    assert len(answers.frames) == 5
    assert max(b - a for a, b in zip(answers.times_us, answers.times_us[1:], strict=False)) <= 10e6
    assert len(answers_of(path, "shots:3").frames) == 5
