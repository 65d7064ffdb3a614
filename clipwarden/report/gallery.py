"""Choose the evidence pictures of one video, and which of them are shown blurred."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from clipwarden.report.wording import clock, score
from prompts.actions import Action, strongest
from worker.document import SegmentInfo

JPEG_START: Final = b"\xff\xd8\xff"
"""The first bytes of every JPEG file (ISO/IEC 10918-1: start of image, then a marker)."""


@dataclass(frozen=True)
class Caption:
    """A label that a picture is evidence for."""

    label: str
    confidence: str


@dataclass(frozen=True)
class Picture:
    """One evidence frame; `data_uri` is None where the picture is no longer stored."""

    data_uri: str | None
    at: str
    captions: tuple[Caption, ...]
    blurred: bool


@dataclass(frozen=True)
class Gallery:
    """The pictures in order of time, and how many more there would be."""

    pictures: tuple[Picture, ...]
    left_out: int

    @property
    def has_blurred(self) -> bool:
        """Is there a picture to unblur?"""
        return any(picture.blurred and picture.data_uri for picture in self.pictures)


def choose_pictures(
    segments: Sequence[SegmentInfo], thumbnails: Mapping[str, bytes], max_pictures: int
) -> Gallery:
    """Take the frames of the strongest actions, then of the highest confidence.

    A frame that is evidence for several labels is one picture.
    """
    grouped: dict[str, list[SegmentInfo]] = {}
    for segment in segments:
        grouped.setdefault(segment.evidence, []).append(segment)
    ranked = sorted(grouped.values(), key=_rank)
    chosen = sorted(ranked[:max_pictures], key=lambda members: members[0].peak_ms)
    sensitive = [segment for segment in segments if is_sensitive(segment)]
    return Gallery(
        pictures=tuple(_picture(members, sensitive, thumbnails) for members in chosen),
        left_out=len(ranked) - len(chosen),
    )


def is_sensitive(segment: SegmentInfo) -> bool:
    """Should its pictures be seen only by those who ask for them?"""
    return segment.nsfw or segment.action in (Action.REVIEW, Action.BLOCK)


def _rank(members: Sequence[SegmentInfo]) -> tuple[int, float, str]:
    action = strongest(segment.action for segment in members)
    return -action.strength, -max(s.confidence for s in members), members[0].evidence


def _picture(
    members: Sequence[SegmentInfo],
    sensitive: Sequence[SegmentInfo],
    thumbnails: Mapping[str, bytes],
) -> Picture:
    position_ms = members[0].peak_ms
    ordered = sorted(members, key=lambda segment: (-segment.confidence, segment.label))
    return Picture(
        data_uri=_data_uri(thumbnails.get(members[0].evidence)),
        at=clock(position_ms),
        captions=tuple(Caption(s.label, score(s.confidence)) for s in ordered),
        # A frame taken for a harmless label shows what a sensitive label found at that time.
        # A segment ends where the next frame begins; a frame of no length is all of its segment.
        blurred=any(s.start_ms <= position_ms < max(s.end_ms, s.start_ms + 1) for s in sensitive),
    )


def _data_uri(jpeg: bytes | None) -> str | None:
    if jpeg is None or not jpeg.startswith(JPEG_START):
        return None
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode("ascii")
