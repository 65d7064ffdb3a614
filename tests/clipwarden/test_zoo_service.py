"""The zoo in front of the whole product: each file ends itself alone, and nothing else ends."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ingest.media.check import displayed_name
from tests.clips import RED, write_scenes
from tests.clipwarden.command import Product
from tests.media.zoo.bait import Watch, laid
from tests.media.zoo.entry import ANY_WARNING, Entry, Outcome
from tests.media.zoo.every_entry import every_entry

SUBMITTED = (
    # nothing at all
    "empty.mp4", "text.mp4", "noise.mp4", "zeros.ts", "only-ftyp.mp4", "only-ebml.mkv",
    # every kind of container, and those we refuse
    "libx264-yuv420p.mp4", "libx265-yuv420p10le.mp4", "prores_ks-yuva444p10le.mov",
    "libvpx-vp9-yuva420p.webm", "mpeg4-yuv420p.avi", "mpeg2video-yuv420p.vob", "gif-rgb8.gif",
    "refused-libvpx-yuv420p.ogg", "refused-flv-yuv420p.flv", "refused-wmv2-yuv420p.asf",
    # images
    "photo.jpg", "alpha.png", "moving.gif", "bomb.png", "bomb.gif", "half.jpg",
    # damaged
    "first-10-percent.index-first.mp4", "first-50-percent.mkv", "first-90-percent.avi",
    "index-missing.mp4", "index-only.index-first.mp4", "zeros-in-the-middle.index-first.mp4",
    "many-bit-errors.webm", "offsets-behind-the-end.mp4", "every-tenth-packet-lost.ts",
    "twice.ts", "rubbish-behind.mkv",
    # mistimed
    "clock-wraps.ts", "fifty-minutes-missing.mkv", "one-frame.mkv", "all-at-once.mkv",
    "edit-leaves-out-a-second-reordered.mp4", "says-a-thousand-times-longer.mkv",
    "no-ticks-in-a-second.mp4", "three-hundred-million-years.mkv",
    # oversized
    "says-it-is-huge.mkv", "png-bomb.mkv", "vp8-grows-huge.webm", "grows-to-4k.ts",
    "hundred-thousand-tiny.mkv", "programs-by-the-thousand.ts", "packed-bomb.mkv",
    # lying
    "really-mkv.mp4", "pixels-flat-as-a-line.mp4", "turned-a-quarter.mp4", "encrypted.mp4",
    "sound-only.mp4", "sound-with-cover.m4a", "subtitles-only.mkv", "linked-to-another-file.mkv",
    # malicious
    "hls-absolute.mp4", "hls-http.mp4", "concat-relative.mp4", "dash-http.mp4",
    "sdp-absolute.mp4", "svg-http.mp4", "hls-called.m3u8", "concat-behind-ftyp.mp4",
    "hls-behind-a-video.ts", "reference-to-an-address.mov", "concat:canary.ts|canary.ts",
    "%03d.mp4", "picture%d.png", "two\nlines.mp4", "bell\a\x1b]0;title\a\x1b[2J.mp4",
    "gpj.\u202e4pm.mp4", "$(touch canary.txt).mp4",
)  # fmt: skip


@pytest.fixture
def watch(tmp_path: Path) -> Iterator[Watch]:
    """The bait, in the folder of the submitted files."""
    folder = tmp_path / "zoo"
    folder.mkdir()
    with laid(folder) as watch:
        yield watch


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_service_outlives_the_zoo(product: Product, watch: Watch) -> None:
    entries = {entry.name: entry for entry in every_entry() if entry.name in SUBMITTED}
    assert set(entries) == set(SUBMITTED)
    paths = [_made(entries[name], watch) for name in SUBMITTED]
    good = write_scenes(watch.bait.video.with_name("good.mp4"), [(RED, 1.0)])
    watch.touched()

    done = product.run("analyze", "--model", "starter", "--format", "json", *paths, good)

    assert done.returncode == 3, done.stderr
    assert "Traceback" not in done.stderr
    documents = json.loads(done.stdout)
    assert len(documents) == len(SUBMITTED) + 1
    *zoo, last = documents
    assert last["status"] == "done", last
    wrong = [
        f"{name!r}: {found}; {document['error']} {document['video']}"
        for name, document in zip(SUBMITTED, zoo, strict=True)
        for found in _differences(document, entries[name].outcome, watch, name)
    ]
    assert not wrong, "\n".join(wrong)
    assert watch.touched() == []
    assert _files_with(product.data, watch.bait.text.read_bytes()) == []


def _made(entry: Entry, watch: Watch) -> Path:
    path = watch.bait.video.with_name(entry.name)
    entry.make(path, watch.bait)
    return path


def _differences(document: dict[str, Any], right: Outcome, watch: Watch, name: str) -> list[str]:
    found = []
    source = str(watch.bait.video.with_name(name))
    if document["video"]["source"] not in {source, displayed_name(source)}:
        found.append(f"the source {document['video']['source']}")
    if document["status"] not in right.statuses:
        found.append(f"{document['status']} instead of {' or '.join(sorted(right.statuses))}")
    elif document["status"] == "failed":
        error = document["error"]
        if error["code"] not in right.codes:
            found.append(f"{error['code']} instead of {' or '.join(sorted(right.codes))}")
        if document["segments"] or not (error["message"] + error["cure"]).isprintable():
            found.append("segments of a failure, or a message that is not one line")
    else:
        found += _differences_of_a_result(document["video"], right)
    return found


def _differences_of_a_result(video: dict[str, Any], right: Outcome) -> list[str]:
    found = []
    given = {warning.partition(":")[0] for warning in video["warnings"]}
    wanted = given if right.warnings == ANY_WARNING else right.warnings
    if right.warnings and not given & wanted:
        found.append(f"none of the warnings {sorted(right.warnings)}")
    frames = (len(right.times_ms), len(right.times_ms)) if right.times_ms else right.frames
    if frames and not frames[0] <= video["frames_sampled"] <= frames[1]:
        found.append(f"{video['frames_sampled']} frames instead of {frames}")
    if video["frames_embedded"] != video["frames_sampled"]:
        found.append("frames that were not embedded")
    if right.duration_ms and not right.duration_ms[0] <= video["duration_ms"]:
        found.append("too short")
    if right.duration_ms and not video["duration_ms"] <= right.duration_ms[1]:
        found.append("too long")
    if right.size and (video["width"], video["height"]) != right.size:
        found.append(f"size {video['width']}x{video['height']}")
    return found


def _files_with(folder: Path, secret: bytes) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and secret in path.read_bytes()]
