"""Gather what a run's HTML report shows, and write it."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from clipwarden import __version__
from clipwarden.analysis import Finished
from clipwarden.errors import OutputFailed
from clipwarden.report.model import ScoreCurves, VideoReport
from clipwarden.report.render import render_report
from ingest.errors import BlobError
from ingest.evidence import read_picture
from ingest.stores import Stores
from ingest.tables import DEFAULT_TENANT
from worker.results import Scores, read_scores


def write_report(
    stores: Stores, finished: Sequence[Finished], target: Path, created_at: datetime
) -> Path:
    """Write the report of a run's results to `target` and return it; raises OutputFailed."""
    page = render_report(
        [_video(stores, one) for one in finished], created_at=created_at, version=__version__
    )
    try:
        target.write_text(page, encoding="utf-8")
    except OSError as error:
        raise OutputFailed(
            f"{target} can't be written: {error.strerror or error}.", "Choose another --report."
        ) from error
    return target


def _video(stores: Stores, finished: Finished) -> VideoReport:
    document = finished.document
    if finished.submission_id is None or document.status == "failed":
        return VideoReport(document, curves=(), thumbnails={})
    pictures = {}
    for segment in document.segments:
        # Retention may have deleted it: a report without a picture is still a report.
        with contextlib.suppress(BlobError):
            pictures[segment.evidence] = read_picture(stores.blobs, segment.evidence)
    scores = read_scores(stores, DEFAULT_TENANT, finished.submission_id)
    return VideoReport(document, curves=tuple(map(_curves, scores)), thumbnails=pictures)


def _curves(scores: Scores) -> ScoreCurves:
    labels = scores.prompt_set.labels
    return ScoreCurves(
        prompt_set=scores.prompt_set.name,
        labels=tuple(label.id for label in labels),
        thresholds=scores.thresholds,
        times_ms=scores.times_us // 1000,
        confidences=scores.confidences,
    )
