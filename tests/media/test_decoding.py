"""Facts, times and pictures of good files, through the real decoding process."""

from __future__ import annotations

import io
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.reformatter import Interpolation
from PIL import Image

from ingest.geometry import Geometry
from ingest.media.colour import coding_matrix
from tests import clips
from tests.clips import Encoding
from tests.media.sampled import CENTRE, sample

BARELY_DIFFERENT = 2.0
"""Mean absolute difference, of 255, between libswscale's bicubic and Pillow's."""

H264_GOP_30 = {"preset": "ultrafast", "g": "30"}
TIMED_ENCODINGS = {
    "mp4": Encoding(),
    "mov": Encoding(),
    "mkv": Encoding(),
    "ts": Encoding(),
    "webm": Encoding(codec="libvpx", codec_options={"deadline": "realtime", "cpu-used": "8"}),
    "avi": Encoding(codec="mpeg4", time_base=Fraction(1, 25), codec_options={}),
    "mpg": Encoding(codec="mpeg2video", time_base=Fraction(1, 25), codec_options={}),
    "gif": Encoding(codec="gif", pixel_format="rgb8", time_base=Fraction(1, 100), codec_options={}),
}


@pytest.mark.parametrize(
    ("name", "size", "duration_ms", "frames"),
    [
        ("bikes.mp4", (640, 272), 10_000, 250),
        ("bigbuckbunny.mp4", (1280, 720), 5_280, 132),
        ("carphone_pristine.mp4", (193, 144), 4_004, 120),  # 176 wide, pixels of 128:117
    ],
)
def test_facts_of_real_clips_are_right(
    name: str, size: tuple[int, int], duration_ms: int, frames: int
) -> None:
    sampled = sample(clips.real_clip(name))
    assert (sampled.facts.width, sampled.facts.height) == size
    assert sampled.facts.codec == "h264"
    assert "mp4" in sampled.facts.container
    assert sampled.summary.duration_us == duration_ms * 1000
    assert sampled.summary.frames_shown == frames
    assert sampled.summary.frames_sampled == len(sampled.frames)
    assert sampled.summary.warnings == ()
    assert not sampled.summary.partial
    assert sampled.facts.estimated_frames is not None
    assert abs(sampled.facts.estimated_frames - len(sampled.frames)) <= 1


@pytest.mark.parametrize("container", list(TIMED_ENCODINGS))
def test_constant_rate_times_are_those_written_in_the_pictures(
    tmp_path: Path, container: str
) -> None:
    times = clips.constant_times(25, 3)
    path = clips.write_timed(tmp_path / f"clip.{container}", times, TIMED_ENCODINGS[container])
    sampled = sample(path)
    assert len(sampled.frames) == 6
    for index, frame in enumerate(sampled.frames):
        shown_ms = clips.read_time_code(frame.pictures[0])
        assert abs(frame.pts_us / 1000 - shown_ms) <= 20
        assert abs(frame.pts_us / 1000 - index * 500) <= 20


@pytest.mark.parametrize("container", ["mp4", "mkv", "webm"])
def test_variable_rate_times_are_those_written_in_the_pictures(
    tmp_path: Path, container: str
) -> None:
    stamps_ms = [0, 40, 900, 940, 1000, 1010, 2600, 4100, 4140, 4520, 4560, 9000]
    times = [Fraction(stamp, 1000) for stamp in stamps_ms]
    path = clips.write_timed(tmp_path / f"clip.{container}", times, TIMED_ENCODINGS[container])
    sampled = sample(path)
    assert sampled.times_ms == [0, 900, 1000, 2600, 4100, 4520, 9000]
    assert [clips.read_time_code(frame.pictures[0]) for frame in sampled.frames] == sampled.times_ms
    assert sampled.summary.frames_shown == len(stamps_ms)


@pytest.mark.parametrize("container", ["mkv", "ts"])
def test_times_count_from_the_first_shown_frame(tmp_path: Path, container: str) -> None:
    path = clips.write_timed(
        tmp_path / f"clip.{container}", clips.constant_times(25, 2, start_s=77)
    )
    sampled = sample(path)
    assert sampled.times_ms[0] == 0
    assert sampled.summary.duration_us == pytest.approx(2_000_000, abs=40_000)
    assert not sampled.summary.partial
    for frame in sampled.frames:
        assert abs(frame.pts_us / 1000 - clips.read_time_code(frame.pictures[0])) <= 20


def test_frames_come_in_order_of_showing_when_coded_in_another(tmp_path: Path) -> None:
    encoding = Encoding(codec_options={"preset": "medium", "bf": "3"})
    path = clips.write_timed(tmp_path / "clip.mp4", clips.constant_times(25, 2), encoding)
    sampled = sample(path, "fps:25")
    assert len(sampled.frames) == 50
    assert [clips.read_time_code(frame.pictures[0]) for frame in sampled.frames] == sampled.times_ms


def test_joined_recordings_are_counted_on_with_a_warning(tmp_path: Path) -> None:
    path = clips.write_timed(tmp_path / "clip.ts", clips.constant_times(25, 2))
    path.write_bytes(path.read_bytes() * 2)
    sampled = sample(path)
    assert sampled.times_ms == sorted(sampled.times_ms)
    assert sampled.summary.duration_us == pytest.approx(4_000_000, abs=80_000)
    assert any("media.times_jump_back: 1 time" in text for text in sampled.summary.warnings)


def test_a_frame_is_sampled_once_however_high_the_rate(tmp_path: Path) -> None:
    path = clips.write_timed(tmp_path / "clip.mp4", clips.constant_times(10, 1))
    sampled = sample(path, "fps:60")
    assert sampled.times_ms == [index * 100 for index in range(10)]


def test_a_single_frame_is_a_video_of_one_short_frame(tmp_path: Path) -> None:
    path = clips.write_timed(tmp_path / "clip.mp4", [Fraction(0)])
    sampled = sample(path)
    assert sampled.times_ms == [0]
    assert 0 < sampled.summary.duration_us <= 100_000


def test_of_several_videos_the_first_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "two.mp4"
    with av.open(str(path), "w") as container:
        streams = [container.add_stream("mpeg4", rate=25) for _ in range(2)]
        pictures = [clips.plain(clips.RED, 320), clips.plain(clips.BLUE, 640)]
        for stream, picture in zip(streams, pictures, strict=True):
            stream.height, stream.width = picture.shape[:2]
            stream.pix_fmt = "yuv420p"
        for stream, picture in zip(streams, pictures, strict=True):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            container.mux([*stream.encode(frame), *stream.encode()])
    sampled = sample(path)
    assert sampled.facts.width == 320
    assert np.abs(sampled.frames[0].pictures[0].mean((0, 1)) - clips.RED).max() < 20


def test_scenes_change_where_they_were_cut(tmp_path: Path) -> None:
    scenes = [(clips.RED, 1.0), (clips.GREEN, 2.0), (clips.BLUE, 1.0)]
    path = clips.write_scenes(tmp_path / "clip.mp4", scenes)
    colours = [frame.pictures[0].mean((0, 1)) for frame in sample(path).frames]
    expected = [clips.RED] * 2 + [clips.GREEN] * 4 + [clips.BLUE] * 2
    assert len(colours) == len(expected)
    assert np.abs(np.array(colours) - np.array(expected)).max() < 12


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_a_turned_video_is_made_upright(tmp_path: Path, quarters: int) -> None:
    stored = clips.plain(clips.BLUE)
    stored[:120, :160] = clips.RED
    path = clips.write_clip(tmp_path / "clip.mp4", [(Fraction(0), stored)])
    clips.rotate_mp4(path, quarters)
    sampled = sample(path, geometry=Geometry("squash", 224))
    upright = np.rot90(stored, -quarters)
    assert (sampled.facts.height, sampled.facts.width) == upright.shape[:2]
    for picture in (sampled.frames[0].pictures[0], _thumbnail(sampled.frames[0].thumbnail_jpeg)):
        height, width = picture.shape[:2]
        for row, column in ((0.25, 0.25), (0.25, 0.75), (0.75, 0.25), (0.75, 0.75)):
            wanted = upright[int(row * upright.shape[0]), int(column * upright.shape[1])]
            seen = picture[int(row * height), int(column * width)]
            assert np.abs(seen.astype(int) - wanted.astype(int)).max() < 16


def test_pixels_that_are_not_square_are_stretched(tmp_path: Path) -> None:
    encoding = Encoding(pixel_aspect=Fraction(2, 1))
    stored = clips.plain(clips.BLACK, 240, 240)
    stored[:, 60:180] = clips.WHITE  # displayed 480 wide, its white the middle 240
    path = clips.write_clip(tmp_path / "clip.mp4", [(Fraction(0), stored)], encoding)
    sampled = sample(path)
    assert (sampled.facts.width, sampled.facts.height) == (480, 240)
    assert sampled.frames[0].pictures[0][:, 4:-4].min() > 200
    thumbnail = _thumbnail(sampled.frames[0].thumbnail_jpeg)
    assert thumbnail.shape == (160, 320, 3)
    assert thumbnail[:, :70].max() < 60


@pytest.mark.parametrize("geometry", [CENTRE, Geometry("squash", 256)])
@pytest.mark.parametrize(
    ("width", "height", "pixel_format"),
    [(321, 241, "yuv444p"), (162, 318, "yuv420p"), (64, 48, "yuv420p"), (640, 48, "yuv420p10le")],
)
def test_any_size_and_format_gives_the_square_asked_for(
    tmp_path: Path, geometry: Geometry, width: int, height: int, pixel_format: str
) -> None:
    encoding = Encoding(pixel_format=pixel_format)
    picture = clips.plain(clips.GREEN, width, height)
    path = clips.write_clip(tmp_path / "clip.mp4", [(Fraction(0), picture)], encoding)
    sampled = sample(path, geometry=geometry)
    pixels = sampled.frames[0].pictures[0]
    assert (sampled.facts.width, sampled.facts.height) == (width, height)
    assert pixels.shape == (geometry.size_px, geometry.size_px, 3)
    assert pixels.dtype == np.uint8
    assert np.abs(pixels.mean((0, 1)) - clips.GREEN).max() < 8


def test_white_is_white_and_black_is_black(tmp_path: Path) -> None:
    path = clips.write_scenes(tmp_path / "clip.mp4", [(clips.WHITE, 0.5), (clips.BLACK, 0.5)])
    white, black = sample(path).frames
    assert white.pictures[0].min() >= 254
    assert black.pictures[0].max() <= 1


def test_a_picture_size_that_changes_on_the_way_is_followed(tmp_path: Path) -> None:
    parts = [
        clips.write_scenes(tmp_path / "a.ts", [(clips.RED, 1.0)]),
        clips.write_scenes(tmp_path / "b.ts", [(clips.BLUE, 1.0)], width=480, height=200),
    ]
    path = tmp_path / "clip.ts"
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    frames = sample(path).frames
    assert np.abs(frames[0].pictures[0].mean((0, 1)) - clips.RED).max() < 12
    assert np.abs(frames[-1].pictures[0].mean((0, 1)) - clips.BLUE).max() < 12
    assert _thumbnail(frames[-1].thumbnail_jpeg).shape == (133, 320, 3)


@pytest.mark.parametrize("name", ["bikes.mp4", "bigbuckbunny.mp4"])
@pytest.mark.parametrize("geometry", [CENTRE, Geometry("squash", 224)])
def test_pictures_match_a_full_size_conversion_scaled_by_pillow(
    name: str, geometry: Geometry
) -> None:
    path = clips.real_clip(name)
    by_time = {frame.pts_us: frame.pictures[0] for frame in sample(path, "fps:1", geometry).frames}
    exact = Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT
    compared = 0
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            pixels = by_time.get(round(frame.time * 1_000_000))
            if pixels is None:
                continue
            rgb = frame.reformat(
                format="rgb24", interpolation=exact, src_colorspace=coding_matrix(frame)
            )
            full = Image.fromarray(rgb.to_ndarray())
            size = geometry.scaled_size(frame.width, frame.height)
            scaled = full.resize(size, Image.Resampling.BICUBIC)
            wanted = np.asarray(scaled.crop(geometry.square_in(*size)), np.int16)
            assert np.abs(pixels - wanted).mean() < BARELY_DIFFERENT
            compared += 1
    assert compared == len(by_time) >= 5


def test_thumbnails_are_jpegs_of_the_whole_picture_320_wide() -> None:
    for frame in sample(clips.real_clip("bikes.mp4"), "fps:1").frames:
        assert _thumbnail(frame.thumbnail_jpeg).shape == (136, 320, 3)


def test_pixels_can_be_kept_after_the_session(tmp_path: Path) -> None:
    path = clips.write_timed(tmp_path / "clip.mp4", clips.constant_times(25, 2))
    codes = [clips.read_time_code(frame.pictures[0]) for frame in sample(path).frames]
    assert codes == [0, 520, 1000, 1520]


def _thumbnail(jpeg: bytes) -> clips.Picture:
    with Image.open(io.BytesIO(jpeg)) as picture:
        assert picture.format == "JPEG"
        return np.asarray(picture.convert("RGB"))
