"""Matroska that points elsewhere, nests too deep or lies about its lengths."""

from __future__ import annotations

from dataclasses import replace

from tests.media.zoo import matroska
from tests.media.zoo.damaged import MEMORY, WHOLE
from tests.media.zoo.entry import (
    BROKEN,
    TOO_LARGE,
    TWO_SECONDS_MS,
    Entry,
    content,
    done,
    either,
    failed,
    survived,
)
from tests.media.zoo.matroska import Block, Matroska, Track
from tests.media.zoo.packets import vp8_packets

_STEPS = tuple(range(0, 2_000, 40))


def entries() -> list[Entry]:
    """Good pictures, in a file that lies about everything around them."""
    return [*_pointing_elsewhere(), *_odd_lengths()]


def _pointing_elsewhere() -> list[Entry]:
    attachment = matroska.element(
        0x1941A469,
        matroska.element(
            0x61A7,
            matroska.text(0x466E, "../../canary.ts")
            + matroska.text(0x4660, "application/x-shellscript")
            + matroska.element(0x465C, b"#!/bin/sh\nexit 1\n" * 100)
            + matroska.unsigned(0x46AE, 7),
        ),
    )
    linked = matroska.element(0x73A4, bytes(range(16))) + matroska.element(0x3EB923, b"n" * 16)
    next_file = linked + matroska.text(0x3E83BB, "canary.ts") + matroska.text(0x3C83AB, "canary.ts")
    chapter = matroska.element(
        0xB6,
        matroska.unsigned(0x73C4, 1)
        + matroska.unsigned(0x91, 0)
        + matroska.unsigned(0x92, 10**9)
        + matroska.element(0x6E67, b"n" * 16),
    )
    edition = matroska.element(0x45B9, matroska.unsigned(0x45DD, 1) + chapter)
    chapters = matroska.element(0x1043A770, edition)
    return [
        content("attachment.mkv", lambda: hand_written(more=attachment), WHOLE),
        content("linked-to-another-file.mkv", lambda: hand_written(info=next_file), WHOLE),
        content("chapters-of-another-file.mkv", lambda: hand_written(more=chapters), WHOLE),
    ]


def _odd_lengths() -> list[Entry]:
    deep = b""
    for _ in range(2_000):
        deep = matroska.element(0x3373, matroska.element(0x67C8, deep))
    tags = matroska.element(0x1254C367, matroska.element(0x7373, deep))
    huge = b"\x01" + b"\x7f" * 7
    return [
        content("tags-two-thousand-deep.mkv", lambda: hand_written(more=tags), survived()),
        content(
            "clusters-of-unknown-size.mkv",
            lambda: hand_written(cluster_size=matroska.UNKNOWN_SIZE),
            WHOLE,
        ),
        content("clusters-of-huge-size.mkv", lambda: hand_written(cluster_size=huge), survived()),
        content(
            "element-of-huge-size.mkv",
            lambda: hand_written(more=matroska.element(matroska.VOID, b"", huge)),
            survived(),
        ),
        content(
            "settings-of-huge-size.mkv",
            lambda: hand_written(Track(more=matroska.element(0x63A2, b"", huge))),
            survived(MEMORY),
        ),
        content(
            # Two views side by side, each as wide as the file says.
            "stereo.mkv",
            lambda: hand_written(Track(video=matroska.unsigned(0x53B8, 1))),
            done(TWO_SECONDS_MS, size=None),
        ),
        content(
            "cropped-to-nothing.mkv",
            lambda: hand_written(Track(video=matroska.unsigned(0x54CC, 10_000))),
            either(replace(WHOLE, size=None), failed(*BROKEN, *TOO_LARGE)),
        ),
        content(
            "shown-a-pixel-wide.mkv",
            lambda: hand_written(Track(video=_shown_as(1, 60_000))),
            done(size=(320, 240)),
        ),
    ]


def _shown_as(width: int, height: int) -> bytes:
    return matroska.unsigned(0x54B0, width) + matroska.unsigned(0x54BA, height)


def hand_written(
    track: Track | None = None,
    info: bytes = b"",
    more: bytes = b"",
    cluster_size: bytes | None = None,
) -> bytes:
    """Two seconds of VP8 with time codes, with these elements around them."""
    blocks = [
        Block(time, packet.data, packet.keyframe)
        for time, packet in zip(_STEPS, vp8_packets(_STEPS), strict=True)
    ]
    return Matroska(
        blocks, [track or Track()], info=info, more=more, cluster_size=cluster_size
    ).written()
