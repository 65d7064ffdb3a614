"""Versions of results: one work is scored by several prompt sets and calibrations, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ingest.tables import Submission
from worker.tables import NO_CALIBRATION


@dataclass(frozen=True, order=True)
class Version:
    """What a result depends on besides its work: prompt set and calibration, by their hashes."""

    prompt_set_sha256: str
    calibration_sha256: str = NO_CALIBRATION


def versions_of(submission: Submission) -> list[Version]:
    """The versions that a submission's document shows, one for each of its prompt sets."""
    # Submissions of earlier releases know of no calibration.
    calibrations: Sequence[str] = submission.calibrations or [NO_CALIBRATION] * len(
        submission.prompt_sets
    )
    return [
        Version(prompt_set, calibration)
        for prompt_set, calibration in zip(submission.prompt_sets, calibrations, strict=True)
    ]
