"""EDL, FCPXML and OTIO, read back by pycmx, by OpenTimelineIO and by an XML parser."""

from __future__ import annotations

import io
from fractions import Fraction
from typing import Any

import opentimelineio as otio
import pycmx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipwarden.errors import ExportImpossible, FrameRateUnknown
from clipwarden.exports.edl import MAX_EVENTS, to_edl
from clipwarden.exports.fcpxml import to_fcpxml
from clipwarden.exports.formats import VideoFormat, export_video
from clipwarden.exports.otio import to_otio
from prompts.actions import Action
from tests.exports.fcpxml_rules import check_fcpxml, seconds
from tests.exports.hostile import hostile_documents
from tests.exports.samples import NTSC_30, RATES, SEGMENTS, by_start, document, rate, segment
from worker.document import ResultDocument

ORDERED = by_start(SEGMENTS)


def read_edl(content: bytes) -> Any:
    return pycmx.parse_cmx3600(io.StringIO(content.decode(), newline="\n"))


def edits(content: bytes) -> list[Any]:
    return [edit for event in read_edl(content).events for edit in event.edits]


def frames(code: str, fps: Fraction) -> int:
    return int(otio.opentime.from_timecode(code, float(fps)).value)


def clip_of(timeline: Any) -> Any:
    [clip] = timeline.find_clips()
    return clip


def read_otio(content: bytes) -> Any:
    return otio.adapters.read_from_string(content.decode(), "otio_json")


def assert_near(frame: float | Fraction, time_ms: int, fps: Fraction) -> None:
    """Within one frame."""
    assert abs(Fraction(frame) / fps - Fraction(time_ms, 1000)) <= 1 / fps


@pytest.mark.parametrize("fps", RATES)
def test_an_edl_is_a_cut_list_of_the_segments(fps: Fraction) -> None:
    found = edits(to_edl(document(), rate(fps)))
    record = 3600 * round(fps) if fps not in (NTSC_30, 2 * NTSC_30) else round(3600 * fps)
    for edit, one in zip(found, ORDERED, strict=True):
        source = (frames(edit.source_in, fps), frames(edit.source_out, fps))
        assert_near(source[0], one.start_ms, fps)
        assert_near(source[1], one.end_ms, fps)
        assert frames(edit.record_in, fps) == record
        record += source[1] - source[0]
        assert frames(edit.record_out, fps) == record
        assert (edit.source, edit.clip_name) == ("MYCLIP", "My clip.mp4")
        assert edit.source_file == "/videos/My clip.mp4"
        assert edit.channels.video


def edl_clips(fps: Fraction) -> list[Any]:
    content = to_edl(document(), rate(fps)).decode()
    timeline = otio.adapters.read_from_string(content, "cmx_3600", rate=float(fps))
    return list(timeline.find_clips())


@pytest.mark.parametrize("fps", RATES)
def test_opentimelineio_reads_the_edl(fps: Fraction) -> None:
    for clip, one in zip(edl_clips(fps), ORDERED, strict=True):
        assert clip.name == "My clip.mp4"
        assert_near(clip.source_range.start_time.value, one.start_ms, fps)
        assert_near(clip.source_range.end_time_exclusive().value, one.end_ms, fps)


@pytest.mark.parametrize("fps", [fps for fps in RATES if fps not in (NTSC_30, 2 * NTSC_30)])
def test_opentimelineio_reads_the_edls_locators(fps: Fraction) -> None:
    """But for drop-frame ones, whose semicolon its reader of locators doesn't know."""
    clips = edl_clips(fps)
    assert [clip.markers[0].name for clip in clips] == [
        "logo 0.25 note",
        "violence 0.50 review",
        "violence.blood 0.93 block",
        "nudity 0.90 block NSFW",
    ]
    assert [clip.markers[0].color for clip in clips] == ["CYAN", "YELLOW", "RED", "RED"]
    record = 3600 * round(fps)
    for clip in clips:
        assert clip.markers[0].marked_range.start_time.value == record
        record += clip.source_range.duration.value


@pytest.mark.parametrize(
    ("fps", "mode", "time"),
    [
        (NTSC_30, "DROP FRAME", "01:00:00;00"),
        (2 * NTSC_30, "DROP FRAME", "01:00:00;00"),
        (Fraction(24000, 1001), "NON-DROP FRAME", "01:00:00:00"),
        (Fraction(30), "NON-DROP FRAME", "01:00:00:00"),
    ],
)
def test_an_edl_names_its_frame_code_mode(fps: Fraction, mode: str, time: str) -> None:
    content = to_edl(document(), rate(fps)).decode()
    assert content.splitlines()[:2] == ["TITLE: My clip.mp4", f"FCM: {mode}"]
    assert f" {time} " in content


@pytest.mark.parametrize(
    ("source", "reel"),
    [
        ("a.mp4", "A"),
        ("holiday in rome 2019.mov", "HOLIDAYI"),
        ("s3://bucket/some/%41%42.mp4?x=1", "AB"),
        ("/videos/é!.mp4", "AX"),
    ],
)
def test_reel_names_have_eight_plain_characters(source: str, reel: str) -> None:
    for edit in edits(to_edl(document(source=source), rate())):
        assert edit.source == reel


def test_an_edl_of_nothing_has_no_event() -> None:
    assert edits(to_edl(document(()), rate())) == []


def test_an_edl_holds_no_more_events_than_its_numbers_do() -> None:
    many = [segment("fire", index * 1000, index * 1000 + 500) for index in range(MAX_EVENTS + 1)]
    assert len(edits(to_edl(document(many[:-1]), rate()))) == MAX_EVENTS
    with pytest.raises(ExportImpossible, match="1000 segments"):
        to_edl(document(many), rate())


@pytest.mark.parametrize("fps", RATES)
def test_otio_has_one_clip_with_a_marker_per_segment(fps: Fraction) -> None:
    clip = clip_of(read_otio(to_otio(document(), rate(fps))))
    assert clip.media_reference.target_url == "file:///videos/My%20clip.mp4"
    assert clip.source_range == clip.media_reference.available_range
    assert_near(clip.source_range.duration.value, 600_000, fps)
    assert clip.source_range.duration.rate == pytest.approx(float(fps))
    for marker, one in zip(clip.markers, ORDERED, strict=True):
        assert_near(marker.marked_range.start_time.value, one.start_ms, fps)
        assert_near(marker.marked_range.end_time_exclusive().value, one.end_ms, fps)
        assert marker.name == one.label
        assert marker.metadata["clipwarden"]["confidence"] == one.confidence
        assert marker.metadata["clipwarden"]["start_ms"] == one.start_ms
    assert [marker.color for marker in clip.markers] == ["CYAN", "ORANGE", "RED", "RED"]


@pytest.mark.parametrize("fps", RATES)
def test_fcpxml_has_a_keyword_range_and_a_marker_per_segment(fps: Fraction) -> None:
    root = check_fcpxml(to_fcpxml(document(), rate(fps)))
    [clip] = root.iter("asset-clip")
    sequence = root.find("event/project/sequence")
    assert sequence is not None
    is_drop = fps in (NTSC_30, 2 * NTSC_30)
    assert sequence.get("tcFormat") == clip.get("tcFormat") == ("DF" if is_drop else "NDF")
    assert seconds(root.findall("resources/format")[0].attrib["frameDuration"]) == 1 / fps
    [media] = root.iter("media-rep")
    assert media.get("src") == "file:///videos/My%20clip.mp4"
    pairs = zip(clip.iter("keyword"), clip.iter("marker"), ORDERED, strict=True)
    for keyword, marker, one in pairs:
        start = seconds(keyword.attrib["start"])
        end = start + seconds(keyword.attrib["duration"])
        assert_near(start * fps, one.start_ms, fps)
        assert_near(end * fps, one.end_ms, fps)
        assert marker.get("start") == keyword.get("start")
        assert marker.get("value") == keyword.get("value") == one.label
        is_task = one.action in (Action.REVIEW, Action.BLOCK)
        assert marker.get("completed") == ("0" if is_task else None)


@pytest.mark.parametrize("fps", [Fraction(24), Fraction(25), Fraction(30), Fraction(60)])
def test_opentimelineio_reads_the_fcpxml(fps: Fraction) -> None:
    """At whole rates: at others its reader counts 29 frames a second of 29.97."""
    content = to_fcpxml(document(), rate(fps)).decode()
    found = otio.adapters.read_from_string(content, "fcpx_xml")
    [clip] = {
        id(one): one for one in found.find_children(descended_from_type=otio.schema.Clip)
    }.values()
    assert clip.name == "My clip.mp4"
    assert_near(clip.source_range.duration.value, 600_000, fps)
    for marker, one in zip(clip.markers, ORDERED, strict=True):
        assert marker.name == one.label
        assert_near(marker.marked_range.start_time.value, one.start_ms, fps)


def test_a_comma_makes_no_two_keywords() -> None:
    root = check_fcpxml(to_fcpxml(document([segment("a,b", 0, 1000)]), rate()))
    assert [keyword.get("value") for keyword in root.iter("keyword")] == ["a;b"]


@pytest.mark.parametrize(
    ("source", "url"),
    [
        ("/videos/a b#1.mp4", "file:///videos/a%20b%231.mp4"),
        ("clips/a.mp4", "./clips/a.mp4"),
        ("https://example.org/a%20b.mp4?x=1", "https://example.org/a%20b.mp4?x=1"),
        ("s3://bucket/a.mp4", "s3://bucket/a.mp4"),
    ],
)
def test_sources_become_urls(source: str, url: str) -> None:
    one = document(source=source)
    assert clip_of(read_otio(to_otio(one, rate()))).media_reference.target_url == url
    [media] = check_fcpxml(to_fcpxml(one, rate())).iter("media-rep")
    assert media.get("src") == url


@pytest.mark.parametrize("duration_ms", [None, 0, 40])
def test_a_clip_is_as_long_as_its_last_segment_at_least(duration_ms: int | None) -> None:
    one = document(duration_ms=duration_ms, frame_rate=25)
    clip = clip_of(read_otio(export_video(VideoFormat.OTIO, one)))
    assert clip.source_range.duration.value == 15_000
    empty = document((), duration_ms=duration_ms, frame_rate=25)
    assert (
        clip_of(read_otio(export_video(VideoFormat.OTIO, empty))).source_range.duration.value == 1
    )


@pytest.mark.parametrize("name", ["edl", "fcpxml", "otio"])
def test_what_counts_frames_needs_a_rate(name: str) -> None:
    one = document(frame_rate=None)
    with pytest.raises(FrameRateUnknown, match=r"My clip\.mp4: its frame rate is not known"):
        export_video(VideoFormat(name), one)
    assert export_video(VideoFormat(name), one, Fraction(25))


@given(one=hostile_documents(), fps=st.sampled_from(RATES))
def test_no_name_breaks_an_edl(one: ResultDocument, fps: Fraction) -> None:
    content = to_edl(one, rate(fps))
    text = content.decode()
    assert all(line.isprintable() for line in text.split("\n"))
    found = read_edl(content)
    assert list(found.unrecognized_statements) == []
    for edit, segment_ in zip(edits(content), by_start(one.segments), strict=True):
        assert_near(frames(edit.source_in, fps), segment_.start_ms, fps)
        assert len(edit.source) <= 8
    assert text.count("\nFCM:") == 1
    assert sum(line.startswith("* LOC: ") for line in text.split("\n")) == len(one.segments)


@given(one=hostile_documents(), fps=st.sampled_from(RATES))
def test_no_name_breaks_fcpxml_or_otio(one: ResultDocument, fps: Fraction) -> None:
    root = check_fcpxml(to_fcpxml(one, rate(fps)))
    clip = clip_of(read_otio(to_otio(one, rate(fps))))
    segments = by_start(one.segments)
    markers = zip(root.iter("marker"), clip.markers, segments, strict=True)
    for xml_marker, otio_marker, segment_ in markers:
        assert xml_marker.get("value") == otio_marker.name
        assert_near(otio_marker.marked_range.start_time.value, segment_.start_ms, fps)
