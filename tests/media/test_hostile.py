"""Files that are no video, are damaged or lie about themselves, and hostile names."""

from __future__ import annotations

import inspect
import io
import os
from fractions import Fraction
from pathlib import Path

import av
import av.error
import pytest
from PIL import Image

from ingest.errors import (
    DecoderOutOfMemory,
    MediaError,
    MediaIsFolder,
    MediaNotFound,
    MediaTruncated,
    MediaUnreadable,
    NoVideoStream,
    TooManyPixels,
)
from ingest.media.limits import DecodeLimits
from ingest.media.opening import opening_error
from ingest.media.spec import SamplingSpec
from ingest.media.wire import DecodeRequest
from tests import clips
from tests.clips import Encoding
from tests.media.sampled import CENTRE, sample

GOP_30 = Encoding(codec_options={"preset": "ultrafast", "g": "30"})
GOP_30_INDEX_FIRST = Encoding(
    codec_options={"preset": "ultrafast", "g": "30"}, container_options={"movflags": "faststart"}
)
TEN_SECONDS = clips.constant_times(25, 10)


def test_a_text_file_named_mp4_is_refused_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "notes.mp4"
    path.write_text("Dear diary, today I was renamed.\n" * 100)
    with pytest.raises(MediaUnreadable) as caught:
        sample(path)
    assert "notes.mp4: not a video we can read" in caught.value.message
    assert "MP4" in caught.value.cure
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("content", [b"x", b"\0" * 100_000, bytes(range(256)) * 1000])
def test_rubbish_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "rubbish.mp4"
    path.write_bytes(content)
    with pytest.raises(MediaUnreadable):
        sample(path)


def test_missing_files_and_folders_are_named_by_the_child_too(tmp_path: Path) -> None:
    with pytest.raises(MediaNotFound):
        sample(tmp_path / "gone.mp4")
    with pytest.raises(MediaIsFolder):
        sample(tmp_path)


@pytest.mark.parametrize("container", ["mp4", "mkv"])
def test_sound_alone_is_no_video(tmp_path: Path, container: str) -> None:
    format_name = "matroska" if container == "mkv" else container
    path = clips.write_sound_only(tmp_path / f"s.{container}", container_format=format_name)
    with pytest.raises(NoVideoStream) as caught:
        sample(path)
    assert caught.value.code == "media.no_video_stream"


def test_cover_art_is_no_video(tmp_path: Path) -> None:
    jpeg = io.BytesIO()
    Image.new("RGB", (64, 64), clips.RED).save(jpeg, "JPEG")
    path = tmp_path / "song.mkv"
    with av.open(str(path), "w") as container:
        container.add_attachment("cover.jpg", "image/jpeg", jpeg.getvalue())
        clips.add_tone(container, 1.0)
    with av.open(str(path)) as container:
        assert len(container.streams.video) == 1, "the cover must pose as a video stream"
    with pytest.raises(NoVideoStream):
        sample(path)


@pytest.mark.parametrize(
    ("container", "codec"), [("ogg", "libvpx"), ("flv", "flv"), ("asf", "mpeg4"), ("nut", "mpeg4")]
)
def test_formats_off_the_list_are_refused_with_the_list(
    tmp_path: Path, container: str, codec: str
) -> None:
    encoding = Encoding(
        codec=codec, codec_options={}, container_format=container, time_base=Fraction(1, 25)
    )
    path = clips.write_timed(tmp_path / "renamed.mp4", TEN_SECONDS[:10], encoding)
    with pytest.raises(MediaUnreadable) as caught:
        sample(path)
    assert "We take MP4" in caught.value.cure


@pytest.mark.parametrize(("container", "encoding"), [("mp4", GOP_30_INDEX_FIRST), ("mkv", GOP_30)])
def test_a_truncated_file_gives_what_it_has_and_says_so(
    tmp_path: Path, container: str, encoding: Encoding
) -> None:
    path = clips.write_timed(tmp_path / f"clip.{container}", TEN_SECONDS, encoding)
    sampled = sample(clips.truncate(path, 0.5))
    assert 3_000_000 < sampled.summary.duration_us < 7_000_000
    assert sampled.summary.partial
    assert any(text.startswith("media.truncated: ") for text in sampled.summary.warnings)
    for frame in sampled.frames:
        assert abs(frame.pts_us / 1000 - clips.read_time_code(frame.pictures[0])) <= 20


def test_a_truncated_avi_is_partial_though_its_header_is_gone(tmp_path: Path) -> None:
    encoding = Encoding(codec="mpeg4", time_base=Fraction(1, 25), codec_options={})
    path = clips.write_timed(tmp_path / "clip.avi", TEN_SECONDS, encoding)
    sampled = sample(clips.truncate(path, 0.5))
    assert sampled.summary.partial
    assert sampled.summary.warnings


@pytest.mark.parametrize(
    ("name", "encoding", "part"),
    [
        ("clip.mp4", GOP_30, 0.5),
        ("clip.mp4", GOP_30_INDEX_FIRST, 0.01),
        ("clip.mkv", GOP_30, 0.001),
        ("clip.mkv", GOP_30, 0.01),
        ("clip.avi", Encoding("mpeg4", time_base=Fraction(1, 25), codec_options={}), 0.001),
    ],
)
def test_a_file_cut_before_its_first_picture_is_truncated(
    tmp_path: Path, name: str, encoding: Encoding, part: float
) -> None:
    path = clips.write_timed(tmp_path / name, TEN_SECONDS, encoding)
    with pytest.raises(MediaTruncated, match="cut off") as caught:
        sample(clips.truncate(path, part))
    assert caught.value.code == "media.truncated"
    assert "again" in caught.value.cure


@pytest.mark.parametrize("container", ["mp4", "mkv", "ts"])
def test_damage_in_the_middle_costs_frames_and_not_the_rest(tmp_path: Path, container: str) -> None:
    path = clips.write_timed(tmp_path / f"clip.{container}", TEN_SECONDS, GOP_30)
    sampled = sample(clips.damage(path, 0.40, 0.45))
    assert sampled.summary.frames_shown >= 200
    assert sampled.summary.duration_us == pytest.approx(10_000_000, abs=100_000)
    assert sampled.summary.partial
    assert any(text.startswith("media.damaged: ") for text in sampled.summary.warnings)
    last = sampled.frames[-1]
    assert abs(last.pts_us / 1000 - clips.read_time_code(last.pictures[0])) <= 20


def test_rubbish_after_the_end_is_ignored(tmp_path: Path) -> None:
    path = clips.write_timed(tmp_path / "clip.mp4", TEN_SECONDS, GOP_30)
    path.write_bytes(path.read_bytes() + b"\xde\xad\xbe\xef" * 10_000)
    sampled = sample(path)
    assert sampled.summary.frames_shown == 250
    assert not sampled.summary.partial


def test_pictures_over_the_pixel_limit_are_refused(tmp_path: Path) -> None:
    path = clips.write_scenes(tmp_path / "clip.mp4", [(clips.RED, 0.2)], width=640, height=480)
    with pytest.raises(TooManyPixels, match="640x480") as caught:
        sample(path, limits=DecodeLimits(max_pixels=640 * 480 - 1))
    assert caught.value.code == "media.too_many_pixels"
    assert sample(path, limits=DecodeLimits(max_pixels=640 * 480)).frames


def test_pictures_that_grow_over_the_pixel_limit_are_not_shown(tmp_path: Path) -> None:
    parts = [
        clips.write_scenes(tmp_path / "a.ts", [(clips.RED, 2.0)]),
        clips.write_scenes(tmp_path / "b.ts", [(clips.BLUE, 2.0)], width=640, height=480),
    ]
    path = tmp_path / "clip.ts"
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    assert sample(path).summary.frames_shown == 100
    try:
        limited = sample(path, limits=DecodeLimits(max_pixels=320 * 240))
    except TooManyPixels:
        return
    assert limited.summary.frames_shown == 50
    assert limited.summary.partial


def test_decoding_that_takes_too_much_memory_is_ended_with_a_cure(
    tmp_path: Path,
) -> None:
    scenes = [(clips.RED, 0.2)]
    limits = DecodeLimits(memory_bytes=320 * 1024**2)
    path = clips.write_scenes(tmp_path / "large.mp4", scenes, width=6400, height=4800)
    with pytest.raises(DecoderOutOfMemory, match="320 MiB") as caught:
        sample(path, limits=limits)
    assert caught.value.code == "media.out_of_memory"
    assert "smaller picture" in caught.value.cure
    assert sample(path).frames
    assert sample(clips.write_scenes(tmp_path / "small.mp4", scenes), limits=limits).frames


@pytest.mark.parametrize("name", ["concat:a.mp4", "http:x.mp4", "%03d.mp4", "-i.mp4", "a:b|c.mp4"])
def test_a_name_that_looks_like_something_else_is_only_a_name(tmp_path: Path, name: str) -> None:
    path = clips.write_timed(tmp_path / "plain.mp4", TEN_SECONDS[:25]).rename(tmp_path / name)
    assert len(sample(path).frames) == 2


def test_a_name_that_is_no_text_is_opened_and_shown_escaped(tmp_path: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9\n.mp4"))
    clips.write_timed(tmp_path / "plain.mp4", TEN_SECONDS[:25]).rename(path)
    assert len(sample(path).frames) == 2
    path.write_bytes(b"no video")
    with pytest.raises(MediaUnreadable, match=r"caf\\udce9\\n\.mp4"):
        sample(path)


def test_messages_show_the_source_and_not_the_stored_path(tmp_path: Path) -> None:
    path = tmp_path / "3f2a.bin"
    path.write_bytes(b"no video")
    with pytest.raises(MediaUnreadable) as caught:
        sample(path, source="holiday\x1b[2J.mp4")
    assert str(caught.value).startswith("holiday\\x1b[2J.mp4: ")
    assert "3f2a" not in str(caught.value)


FFMPEG_ERRORS = [
    error
    for _, error in inspect.getmembers(av.error, inspect.isclass)
    if issubclass(error, av.FFmpegError)
]


@pytest.mark.parametrize("error", FFMPEG_ERRORS)
def test_every_error_of_pyav_is_translated(error: type[av.FFmpegError]) -> None:
    request = DecodeRequest(
        path="/stored/as/this",
        source="clip.mp4",
        sampling=SamplingSpec.parse("fps:2"),
        geometry=CENTRE,
        limits=DecodeLimits(),
    )
    translated = opening_error(error(1, "What FFmpeg says", "/stored/as/this"), request)
    assert isinstance(translated, MediaError)
    assert translated.code != MediaError.code
    assert translated.message.startswith("clip.mp4: ")
    assert "/stored" not in str(translated)
    assert translated.cure


def test_pyav_has_the_errors_that_test_walks() -> None:
    assert len(FFMPEG_ERRORS) > 30
