"""Result documents to export, as `analyze --format json` writes them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from clipwarden.exports.frame_rates import TimecodeRate
from prompts.actions import Action
from worker.document import ResultDocument, SegmentInfo

NTSC_30 = Fraction(30000, 1001)
RATES = [Fraction(24000, 1001), Fraction(24), Fraction(25), NTSC_30, Fraction(30), Fraction(50),
         Fraction(60000, 1001), Fraction(60)]  # fmt: skip

FIRST_RELEASE = """{"schema": "clipwarden.result/1", "status": "done", "error": null,
"video": {"id": "3f2a91bc", "source": "/videos/My clip.mp4", "sha256": null,
"duration_ms": 600000, "width": 640, "height": 360, "codec": "h264", "frames_sampled": 1200},
"model": {"id": "starter", "key": "0123", "revision": null, "weights_sha256": "cd", "device": "cpu",
"precision": "float32"},
"prompt_sets": [{"name": "moderation", "version": "7", "sha256": "ef", "calibration": null}],
"sampling": {"strategy": "fps", "spec": "fps:2", "fps": 2.0, "geometry": "centre-224-bicubic",
"version": 1}}"""
"""With the fields that the first release wrote, and no others."""


def segment(
    label: str,
    start_ms: int,
    end_ms: int,
    *,
    action: Action = Action.REVIEW,
    confidence: float = 0.9,
    nsfw: bool = False,
    prompt_set: str = "moderation",
) -> SegmentInfo:
    """A segment whose peak lies at its start."""
    return SegmentInfo(
        prompt_set=prompt_set,
        label=label,
        parent=label.rpartition(".")[0] or None,
        start_ms=start_ms,
        end_ms=end_ms,
        confidence=confidence,
        mean_confidence=confidence / 2,
        peak_ms=start_ms,
        frames=3,
        nsfw=nsfw,
        action=action,
        evidence=f"ev{start_ms}",
    )


SEGMENTS = (
    segment("violence.blood", 61_234, 64_000, action=Action.BLOCK, confidence=0.934),
    segment("violence", 59_900, 66_666, confidence=0.5),
    segment("nudity", 599_000, 600_000, action=Action.BLOCK, nsfw=True),
    segment("logo", 0, 0, action=Action.NOTE, confidence=0.25),
)
"""Out of order, overlapping, up to the last frame, and one of no length."""


def document(
    segments: Sequence[SegmentInfo] = SEGMENTS,
    *,
    frame_rate: Fraction | float | None = NTSC_30,
    **video: Any,
) -> ResultDocument:
    """A result of a video of ten minutes; `video` changes what is said of it."""
    fields = json.loads(FIRST_RELEASE)
    fields["video"] |= {"frame_rate": None if frame_rate is None else float(frame_rate)} | video
    fields["segments"] = [one.model_dump(mode="json") for one in segments]
    return ResultDocument.model_validate_json(json.dumps(fields))


def failed(source: str = "notes.mp4") -> ResultDocument:
    """An input that could not be read."""
    fields = json.loads(document((), source=source).to_json())
    fields["status"] = "failed"
    fields["error"] = {
        "code": "media.unreadable",
        "message": f"{source}: no video.",
        "cure": "Convert it.",
    }
    return ResultDocument.model_validate_json(json.dumps(fields))


def by_start(segments: Sequence[SegmentInfo]) -> list[SegmentInfo]:
    """In the order in which exports have them."""
    return sorted(segments, key=lambda one: (one.start_ms, one.end_ms))


def rate(fps: Fraction = NTSC_30) -> TimecodeRate:
    """A rate that is a standard one."""
    return TimecodeRate(fps)
