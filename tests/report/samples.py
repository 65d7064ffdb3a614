"""Small real documents, scores and pictures to make reports from."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Literal

import numpy as np
from PIL import Image

from clipwarden.report.model import ScoreCurves, VideoReport
from clipwarden.report.render import render_report
from ingest.media.spec import SamplingSpec
from prompts.actions import Action, strongest
from tests.report.page import Element, parse_page
from worker.composing import sampling_info
from worker.document import (
    ErrorInfo,
    Flags,
    ModelInfo,
    PromptSetInfo,
    ResultDocument,
    SegmentInfo,
    VideoInfo,
)

CREATED_AT = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)

UNREADABLE = ErrorInfo(code="media.unreadable", message="It is no video.", cure="Convert it.")


def make_jpeg(colour: str = "navy") -> bytes:
    """Encode a real picture of thumbnail size."""
    buffer = io.BytesIO()
    Image.new("RGB", (320, 180), colour).save(buffer, "JPEG")
    return buffer.getvalue()


def make_segment(
    label: str = "fire",
    start_ms: int = 5000,
    end_ms: int = 7500,
    *,
    action: Action = Action.NOTE,
    nsfw: bool = False,
    confidence: float = 0.9,
    evidence: str | None = None,
) -> SegmentInfo:
    """Make a segment whose peak lies in its middle."""
    peak_ms = (start_ms + end_ms) // 2
    return SegmentInfo(
        prompt_set="moderation",
        label=label,
        parent=None,
        start_ms=start_ms,
        end_ms=end_ms,
        confidence=confidence,
        mean_confidence=confidence / 2,
        peak_ms=peak_ms,
        frames=5,
        nsfw=nsfw,
        action=action,
        evidence=f"{label}-{peak_ms}" if evidence is None else evidence,
    )


def make_curves(
    confidences: Mapping[str, Sequence[float]], *, step_ms: int = 500, threshold: float = 0.6
) -> ScoreCurves:
    """Make curves of the set `moderation`, one label per key."""
    columns = np.array(list(confidences.values()), np.float32).T
    return ScoreCurves(
        prompt_set="moderation",
        labels=tuple(confidences),
        thresholds=(threshold,) * len(confidences),
        times_ms=np.arange(len(columns), dtype=np.int64) * step_ms,
        confidences=columns,
    )


def make_video(
    segments: Sequence[SegmentInfo] = (),
    curves: Sequence[ScoreCurves] = (),
    thumbnails: Mapping[str, bytes] | None = None,
    *,
    source: str = "clip.mp4",
    duration_ms: int | None = 10_000,
    status: Literal["done", "partial", "failed"] = "done",
    error: ErrorInfo | None = None,
    warnings: tuple[str, ...] = (),
    model: str = "starter",
    calibration: str | None = None,
    sampling: str = "fps:2",
    cuts_ms: tuple[int, ...] = (),
) -> VideoReport:
    """Make one input; its flags follow from its segments."""
    document = ResultDocument(
        status=status,
        error=error,
        video=VideoInfo(
            id="1",
            source=source,
            sha256="ab" * 32,
            duration_ms=duration_ms,
            width=640,
            height=360,
            codec="h264",
            frames_sampled=20,
            frames_embedded=20,
            cuts_ms=cuts_ms,
            warnings=warnings,
        ),
        model=ModelInfo(
            id=model,
            key="0123456789abcdef",
            weights_sha256="cd" * 32,
            device="cpu",
            precision="float32",
        ),
        prompt_sets=(
            PromptSetInfo(
                name="moderation", version="7", sha256="ef" * 32, calibration=calibration
            ),
        ),
        sampling=sampling_info(SamplingSpec.parse(sampling), "centre-224-bicubic"),
        segments=tuple(segments),
        flags=Flags(
            nsfw=any(segment.nsfw for segment in segments),
            action=strongest(segment.action for segment in segments),
            labels=tuple(sorted({segment.label for segment in segments})),
        ),
    )
    return VideoReport(document, tuple(curves), thumbnails or {})


def make_failed(source: str = "notes.mp4") -> VideoReport:
    """Make an input that could not be read."""
    return make_video(source=source, duration_ms=None, status="failed", error=UNREADABLE)


def make_full_video() -> VideoReport:
    """Make an input with something in every part of the report."""
    segments = (
        make_segment("fire", 1000, 3000),
        make_segment("nudity", 5000, 7500, action=Action.BLOCK, nsfw=True),
    )
    fire = [0.1] * 2 + [0.9] * 4 + [0.1] * 14
    nudity = [0.1] * 10 + [0.95] * 5 + [0.1] * 5
    return make_video(
        segments,
        (make_curves({"fire": fire, "nudity": nudity, "drugs": [0.2] * 20}),),
        {segment.evidence: make_jpeg() for segment in segments},
        warnings=("the last second could not be decoded",),
    )


def render_html(*videos: VideoReport) -> str:
    """Render with a fixed date and version."""
    return render_report(videos, created_at=CREATED_AT, version="1.2.3")


def render_page(*videos: VideoReport) -> Element:
    """Render and read back."""
    return parse_page(render_html(*videos))


def words(element: Element) -> str:
    """Return an element's text, white space made single."""
    return " ".join(element.text.split())
