"""Everything the templates write down, worked out beforehand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import numpy as np

from clipwarden.report.axis import TimeAxis
from clipwarden.report.facts import (
    Fact,
    input_facts,
    is_uncalibrated,
    method_facts,
    uses_starter,
)
from clipwarden.report.gallery import Gallery, choose_pictures
from clipwarden.report.model import ScoreCurves, VideoReport
from clipwarden.report.plot import Plot, lay_out_plot
from clipwarden.report.timeline import Timeline, lay_out_timeline
from clipwarden.report.wording import clock, count, rule_words, score, why
from prompts.actions import Action
from worker.document import ErrorInfo, ResultDocument, SegmentInfo

MAX_ROWS: Final = 500
"""Segments listed per video; no one reads on, and the JSON has them all."""

RUN_PICTURES: Final = 1200
"""Pictures in a whole report: at some 12 kB each they are 19 MB once written as base64."""

RUN_POINTS: Final = 50_000
"""Points of one line over all videos; eight lines of them are 5 MB."""


@dataclass(frozen=True)
class Detail:
    """How much of each video is shown, so that a run of many stays a file that opens."""

    pictures: int
    points: int

    @classmethod
    def for_run(cls, videos: int) -> Detail:
        """Share the run's pictures and points among its videos."""
        share = max(videos, 1)
        return cls(
            pictures=min(24, max(2, RUN_PICTURES // share)),
            points=min(1000, max(100, RUN_POINTS // share)),
        )


@dataclass(frozen=True)
class Row:
    """A segment as the table says it."""

    prompt_set: str
    label: str
    start: str
    end: str
    confidence: str
    mean_confidence: str
    frames: int
    action: Action
    nsfw: bool
    why: str


@dataclass(frozen=True)
class Highest:
    """The most confident frame where nothing was found; `reached` if it passed its threshold."""

    prompt_set: str
    label: str
    confidence: float
    at: str
    threshold: str
    reached: bool


@dataclass(frozen=True)
class VideoView:
    """One input; `judged` is false where it failed, and then there is no verdict to show."""

    number: int
    name: str
    source: str
    status: str
    judged: bool
    duration: str | None
    action: Action
    nsfw: bool
    flagged_labels: tuple[str, ...]
    error: ErrorInfo | None
    warnings: tuple[str, ...]
    input_facts: tuple[Fact, ...]
    method_facts: tuple[Fact, ...]
    several_sets: bool
    timeline: Timeline | None
    highest: Highest | None
    rows: tuple[Row, ...]
    rows_left_out: int
    gallery: Gallery
    plots: tuple[Plot, ...]
    rules: tuple[str, ...]

    @property
    def tells_why(self) -> bool:
        """Whether any of its segments says what decided; results of earlier releases don't."""
        return any(row.why for row in self.rows)


@dataclass(frozen=True)
class RunView:
    """The whole report."""

    created: str
    created_iso: str
    version: str
    facts: tuple[Fact, ...]
    cautions: tuple[str, ...]
    videos: tuple[VideoView, ...]
    actions: tuple[Action, ...] = tuple(reversed(Action))


def view_run(videos: Sequence[VideoReport], created_at: datetime, version: str) -> RunView:
    """Work out a report; raises ValueError where `created_at` has no time zone."""
    if created_at.tzinfo is None:
        raise ValueError("created_at has no time zone")
    created = created_at.astimezone(UTC).replace(microsecond=0)
    documents = [video.document for video in videos]
    detail = Detail.for_run(len(videos))
    return RunView(
        created=f"{created:%Y-%m-%d %H:%M:%S} UTC",
        created_iso=created.isoformat(),
        version=version,
        facts=_run_facts(documents),
        cautions=_cautions(documents),
        videos=tuple(
            _view_video(video, number, detail) for number, video in enumerate(videos, start=1)
        ),
    )


def _run_facts(documents: Sequence[ResultDocument]) -> tuple[Fact, ...]:
    judged = [document for document in documents if document.status != "failed"]
    verdicts = Counter(document.flags.action for document in judged)
    shown_ms = sum(document.video.duration_ms or 0 for document in judged)
    facts = [
        Fact("Inputs", f"{count(len(documents), 'input')}, {len(documents) - len(judged)} failed"),
        Fact(
            "Verdicts",
            ", ".join(f"{verdicts[a]} {a}" for a in reversed(Action) if verdicts[a]) or "none",
        ),
        Fact("NSFW", count(sum(document.flags.nsfw for document in judged), "video")),
        Fact("Video time", clock(shown_ms)),
    ]
    models = sorted({document.model.id for document in documents})
    sets = sorted({s.name for document in documents for s in document.prompt_sets})
    return (*facts, Fact("Model", ", ".join(models)), Fact("Prompt sets", ", ".join(sets)))


def _cautions(documents: Sequence[ResultDocument]) -> tuple[str, ...]:
    cautions = []
    if any(map(uses_starter, documents)):
        cautions.append(
            "Made with the starter model, a small stand-in for trying Clipwarden out: it knows "
            "everyday objects and knows nothing of nudity. Don't moderate with it."
        )
    if any(map(is_uncalibrated, documents)):
        cautions.append(
            "Confidences are uncalibrated: a higher one is a better match, but 0.90 doesn't mean "
            "right nine times in ten."
        )
    return tuple(cautions)


def _view_video(video: VideoReport, number: int, detail: Detail) -> VideoView:
    document = video.document
    segments = document.segments
    scored = [curves for curves in video.curves if len(curves.times_ms) and curves.labels]
    axis = TimeAxis.covering(
        document.video.duration_ms,
        (*(segment.end_ms for segment in segments), *(int(c.times_ms[-1]) for c in scored)),
    )
    shown = _strongest_in_order(segments)
    duration_ms = document.video.duration_ms
    return VideoView(
        number=number,
        name=document.video.source.rstrip("/").rpartition("/")[2] or document.video.source,
        source=document.video.source,
        status=document.status,
        judged=document.status != "failed",
        duration=None if duration_ms is None else clock(duration_ms),
        action=document.flags.action,
        nsfw=document.flags.nsfw,
        flagged_labels=document.flags.labels,
        error=document.error,
        warnings=document.video.warnings,
        input_facts=input_facts(document),
        method_facts=method_facts(document),
        several_sets=len(document.prompt_sets) > 1,
        timeline=lay_out_timeline(segments, axis, document.video.cuts_ms) if segments else None,
        highest=None if segments else _highest(scored),
        rows=tuple(map(_row, shown)),
        rows_left_out=len(segments) - len(shown),
        gallery=choose_pictures(segments, video.thumbnails, detail.pictures),
        plots=tuple(lay_out_plot(curves, segments, axis, detail.points) for curves in scored),
        rules=tuple(
            f"{reason.rule}: {rule_words(reason)}"
            for reason in document.flags.reasons
            if reason.rule is not None
        ),
    )


def _strongest_in_order(segments: Sequence[SegmentInfo]) -> list[SegmentInfo]:
    """Leave out the weakest where there are too many; the order of time stays."""
    ranked = sorted(
        range(len(segments)),
        key=lambda index: (-segments[index].action.strength, -segments[index].confidence),
    )
    return [segments[index] for index in sorted(ranked[:MAX_ROWS])]


def _row(segment: SegmentInfo) -> Row:
    return Row(
        prompt_set=segment.prompt_set,
        label=segment.label,
        start=clock(segment.start_ms),
        end=clock(segment.end_ms),
        confidence=score(segment.confidence),
        mean_confidence=score(segment.mean_confidence),
        frames=segment.frames,
        action=segment.action,
        nsfw=segment.nsfw,
        why=why(segment),
    )


def _highest(scored: Sequence[ScoreCurves]) -> Highest | None:
    if not scored:
        return None
    peaks = [_peak(curves, column) for curves in scored for column in range(len(curves.labels))]
    # A label that passed its own threshold was nearer to a finding than one that is merely high.
    return max(peaks, key=lambda peak: (peak.reached, peak.confidence))


def _peak(curves: ScoreCurves, column: int) -> Highest:
    values, threshold = curves.confidences[:, column], curves.thresholds[column]
    frame = int(np.argmax(values))
    return Highest(
        prompt_set=curves.prompt_set,
        label=curves.labels[column],
        confidence=float(values[frame]),
        at=clock(int(curves.times_ms[frame])),
        threshold=score(threshold),
        reached=bool(values[frame] >= threshold),
    )
