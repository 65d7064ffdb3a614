"""WebVTT and SRT, read back by webvtt-py, by srt, and by FFmpeg."""

from __future__ import annotations

import html
import io
from pathlib import Path

import av
import pytest
import srt
import webvtt
from hypothesis import given

from clipwarden.exports.subtitles import to_srt, to_vtt
from clipwarden.exports.words import one_line
from tests.exports.hostile import hostile_documents
from tests.exports.samples import SEGMENTS, by_start, document, segment
from worker.document import ResultDocument

TIMES_MS = [(one.start_ms, max(one.end_ms, one.start_ms + 1)) for one in by_start(SEGMENTS)]
"""A cue is shown for a millisecond at least."""


def read_vtt(content: bytes) -> webvtt.WebVTT:
    return webvtt.from_buffer(io.BytesIO(content))


def vtt_times_ms(content: bytes) -> list[tuple[int, int]]:
    return [
        (_ms(cue.start_time), _ms(cue.end_time))
        for cue in read_vtt(content).captions
    ]  # fmt: skip


def srt_times_ms(content: bytes) -> list[tuple[int, int]]:
    return [
        (round(cue.start.total_seconds() * 1000), round(cue.end.total_seconds() * 1000))
        for cue in srt.parse(content.decode())
    ]


def ffmpeg_cues(path: Path) -> list[tuple[int, int, str]]:
    """Start and end in ms and the raw text of each packet that FFmpeg's demuxer makes."""
    with av.open(str(path)) as container:
        [stream] = container.streams.subtitles
        assert stream.time_base is not None
        found = []
        for packet in container.demux(stream):
            if packet.pts is None or packet.duration is None:
                continue
            start, end = (
                round(at * stream.time_base * 1000)
                for at in (packet.pts, packet.pts + packet.duration)
            )
            found.append((start, end, bytes(packet).decode()))
        return found


def test_vtt_has_a_cue_per_segment_in_order_of_time() -> None:
    cues = read_vtt(to_vtt(document())).captions
    assert vtt_times_ms(to_vtt(document())) == TIMES_MS
    assert [cue.identifier for cue in cues] == ["1", "2", "3", "4"]
    assert cues[1].text == "violence 0.50 review"
    assert cues[2].text == "violence.blood 0.93 block"
    assert cues[3].text == "nudity 0.90 block NSFW"


def test_vtt_says_how_it_was_made() -> None:
    head = to_vtt(document()).decode().split("\n\n")[:2]
    assert head[0] == "WEBVTT - My clip.mp4"
    assert head[1].startswith("NOTE\nSource: /videos/My clip.mp4\n")
    assert "moderation 7 (uncalibrated, ef)" in head[1]


def test_srt_has_a_cue_per_segment_in_order_of_time() -> None:
    cues = list(srt.parse(to_srt(document()).decode()))
    assert srt_times_ms(to_srt(document())) == TIMES_MS
    assert [cue.index for cue in cues] == [1, 2, 3, 4]
    assert cues[2].content == "violence.blood 0.93 block"


@pytest.mark.parametrize("suffix", ["vtt", "srt"])
def test_ffmpeg_reads_the_same_cues(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"c.{suffix}"
    path.write_bytes({"vtt": to_vtt, "srt": to_srt}[suffix](document()))
    cues = ffmpeg_cues(path)
    assert [cue[:2] for cue in cues] == TIMES_MS
    assert [cue[2].split(" ")[0] for cue in cues] == [
        "logo",
        "violence",
        "violence.blood",
        "nudity",
    ]


def test_a_video_with_nothing_found_has_no_cues() -> None:
    assert read_vtt(to_vtt(document(()))).captions == []
    assert to_srt(document(())) == b""


def test_a_cue_after_a_hundred_hours_keeps_its_time() -> None:
    late = [segment("fire", 360_000_000, 360_001_000)]
    assert vtt_times_ms(to_vtt(document(late))) == [(360_000_000, 360_001_000)]
    assert srt_times_ms(to_srt(document(late))) == [(360_000_000, 360_001_000)]


@given(one=hostile_documents())
def test_no_name_breaks_vtt(one: ResultDocument) -> None:
    content = to_vtt(one)
    cues = read_vtt(content).captions
    for cue, found in zip(cues, by_start(one.segments), strict=True):
        assert (_ms(cue.start_time), _ms(cue.end_time)) == (
            found.start_ms,
            max(found.end_ms, found.start_ms + 1),
        )
        assert html.unescape(cue.raw_text).startswith(one_line(found.label))
        assert "<" not in cue.raw_text
        assert cue.raw_text.count("\n") == 0
    assert content.count(b"-->") == len(cues)


@given(one=hostile_documents())
def test_no_name_breaks_srt(one: ResultDocument) -> None:
    content = to_srt(one)
    cues = list(srt.parse(content.decode()))
    segments = by_start(one.segments)
    assert [round(cue.start.total_seconds() * 1000) for cue in cues] == [
        found.start_ms for found in segments
    ]
    for cue in cues:
        assert not set("<>{}\\\n") & set(cue.content)
        assert cue.content.endswith("review")


def _ms(time: webvtt.models.Timestamp) -> int:
    return ((time.hours * 60 + time.minutes) * 60 + time.seconds) * 1000 + time.milliseconds
