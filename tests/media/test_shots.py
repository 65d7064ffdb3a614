"""Where shots are cut, where they are not, and which frames stand for them."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

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
    for middle in middles:
        assert min(abs(time - middle) for time in answers.times_us) <= 260_000
    assert len(answers.frames) <= 2 * len(middles)


def test_cuts_of_a_real_clip_are_those_an_eye_sees() -> None:
    answers = answers_of(clips.real_clip("bikes.mp4"), "shots:1")
    assert answers.cuts_us == [1_200_000, 3_040_000, 5_480_000, 7_480_000, 9_680_000]
    shown_in = [sum(cut <= time for cut in answers.cuts_us) for time in answers.times_us]
    assert set(shown_in) == set(range(6))
    assert len(answers.frames) <= 12
    one_shot = answers_of(clips.real_clip("bigbuckbunny.mp4"), "shots:1")
    assert one_shot.cuts_us == []


def test_frames_of_a_shot_are_spread_evenly(tmp_path: Path) -> None:
    path = write(tmp_path / "c.mp4", [*scene(1, 100), *scene(2, 100)])
    answers = answers_of(path, "shots:4")
    assert answers.cuts_us == [4_000_000]
    wanted = [500_000 + 1_000_000 * index for index in range(8)]
    nearest = [min(abs(time - middle) for time in answers.times_us) for middle in wanted]
    assert max(nearest) <= 160_000
    assert len(answers.frames) <= 12


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


def photo(seed: int) -> Picture:
    """A still picture of soft blobs, unlike any other."""
    coarse = np.random.default_rng(seed).integers(20, 235, (9, 16, 3)).astype(np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((192, 112), Image.Resampling.BICUBIC))


def mixed(before: Picture, after: Picture, part: float) -> Picture:
    return (before * (1 - part) + after * part).astype(np.uint8)


def test_every_photo_of_a_slideshow_with_dissolves_is_sampled(tmp_path: Path) -> None:
    photos = [photo(seed) for seed in range(8)]
    pictures = []
    for before, after in pairwise(photos):
        pictures += [before] * 50 + [mixed(before, after, n / 25) for n in range(25)]
    answers = answers_of(write(tmp_path / "c.mp4", pictures), "shots:1")
    for index in range(7):
        begin, end = index * 3_000_000, index * 3_000_000 + 2_000_000
        assert any(begin <= time < end for time in answers.times_us)
    assert answers.cuts_us == []
    assert len(answers.frames) <= 12


def test_a_large_thing_that_fades_in_before_a_fixed_camera_is_sampled(tmp_path: Path) -> None:
    before = photo(1)
    after = before.copy()
    after[20:90, 60:130] = photo(2)[20:90, 60:130]
    parts = np.interp(range(900), [400, 425, 500, 525], [0, 1, 1, 0])
    pictures = [mixed(before, after, part) for part in parts]
    answers = answers_of(write(tmp_path / "c.mp4", pictures), "shots:1")
    assert any(17_000_000 <= time <= 20_000_000 for time in answers.times_us)
    assert len(answers.frames) <= 7


def test_shots_of_less_than_half_a_second_are_all_sampled(tmp_path: Path) -> None:
    pictures = [photo(index // 10) for index in range(200)]
    answers = answers_of(write(tmp_path / "c.mp4", pictures), "shots:1")
    assert [time // 400_000 for time in answers.times_us] == list(range(20))
    assert all(b - a >= 500_000 for a, b in pairwise([0, *answers.cuts_us]))


def test_pictures_in_quick_succession_give_a_bounded_number_of_frames(tmp_path: Path) -> None:
    pictures = [photo(index // 2) for index in range(250)]
    assert len(answers_of(write(tmp_path / "c.mp4", pictures), "shots:3").frames) <= 40


def test_dark_shots_are_cut(tmp_path: Path) -> None:
    pictures = [photo(index // 75) // 16 + 10 for index in range(450)]
    answers = answers_of(write(tmp_path / "c.mp4", pictures), "shots:1")
    assert answers.cuts_us == [3_000_000 * index for index in range(1, 6)]
    assert [time // 3_000_000 for time in answers.times_us] == list(range(6))


def test_grain_in_the_dark_is_no_cut(tmp_path: Path) -> None:
    random = np.random.default_rng(7)
    dark = photo(1) // 16 + 10
    pictures = [
        (dark + random.normal(0, 6, dark.shape)).clip(0, 255).astype(np.uint8) for _ in range(200)
    ]
    answers = answers_of(write(tmp_path / "c.mp4", pictures), "shots:1")
    assert answers.cuts_us == []
    assert len(answers.frames) == 1


@pytest.mark.parametrize("shown_s", [1, 2, 3])
def test_a_slideshow_of_one_frame_a_second_is_cut(tmp_path: Path, shown_s: int) -> None:
    frames = ((Fraction(index), photo(index // shown_s % 2)) for index in range(12))
    path = clips.write_clip(tmp_path / "c.mp4", frames, FINE)
    answers = answers_of(path, "shots:1")
    starts = range(0, 12, shown_s)
    assert answers.cuts_us == [second * 1_000_000 for second in starts[1:]]
    assert [time // (shown_s * 1_000_000) for time in answers.times_us] == list(range(len(starts)))


@pytest.mark.parametrize("rate", [10, 24, 60, 120])
def test_cuts_are_found_at_any_rate(tmp_path: Path, rate: int) -> None:
    frames = ((Fraction(index, rate), photo(index // rate)) for index in range(4 * rate))
    cuts = answers_of(clips.write_clip(tmp_path / "c.mp4", frames, FINE), "shots:1").cuts_us
    wanted = [1_000_000, 2_000_000, 3_000_000]
    assert len(cuts) == len(wanted)
    assert all(0 <= cut - want <= 33_334 for cut, want in zip(cuts, wanted, strict=True))


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
