"""Decisions turned into examples: the stored vectors of the frames that were decided on."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import select

from clipwarden.heads.decisions import Decision
from ingest.errors import SubmissionNotFound
from ingest.stores import Stores
from ingest.submissions import find_submission
from ingest.tables import DEFAULT_TENANT, Status, Submission
from ingest.works import work_of
from worker.errors import EmbeddingsMissing
from worker.frames import EmbeddedFrames, load_frames

_FURTHEST_US: Final = 2_000_000
"""A frame that is further away than this shows something else."""

_SCENE_US: Final = 10_000_000
"""Frames of one such stretch of a video are taken for one scene."""


@dataclass(frozen=True)
class Example:
    """One picture: its unit vector `[d]`, whether it shows the label, and what it is a part of."""

    vector: NDArray[np.float32]
    shows: bool
    origin: str


@dataclass(frozen=True)
class Passed:
    """A decision that gives no example, and why."""

    video: str
    reason: str


def stored_examples(
    stores: Stores, model_key: str, decisions: Sequence[Decision]
) -> Iterator[Example | Passed]:
    """Find each decision's frame among those embedded with a model, video by video."""
    of_video: dict[str, list[Decision]] = defaultdict(list)
    for decision in decisions:
        of_video[decision.video].append(decision)
    for video, found in of_video.items():
        try:
            submission = _submission(stores, model_key, found[0])
            frames = load_frames(stores, work_of(submission))
        except (SubmissionNotFound, EmbeddingsMissing) as error:
            yield Passed(video, error.message)
            continue
        for decision in found:
            yield _example(submission.media_sha256, frames, decision)


def _submission(stores: Stores, model_key: str, decision: Decision) -> Submission:
    """The latest finished submission of a decision's video with the model."""
    wanted = (
        Submission.tenant == DEFAULT_TENANT,
        Submission.model_key == model_key,
        Submission.status.in_([Status.DONE.value, Status.PARTIAL.value]),
    )
    if decision.submission is not None:
        named = find_submission(stores.database, DEFAULT_TENANT, decision.submission)
        query = select(Submission).where(*wanted, Submission.media_sha256 == named.media_sha256)
    else:
        query = select(Submission).where(*wanted, Submission.source == decision.file)
    with stores.database.read() as session:
        row = session.scalars(query.order_by(Submission.created_at.desc())).first()
        session.expunge_all()
    if row is None:
        raise SubmissionNotFound(
            "it is not embedded with this model.", "Analyse it with the model first."
        )
    return row


def _example(media: str, frames: EmbeddedFrames, decision: Decision) -> Example | Passed:
    distance_us = np.abs(frames.shown_us - decision.time_us)
    nearest = int(distance_us.argmin()) if len(frames) else 0
    if not len(frames) or distance_us[nearest] > _FURTHEST_US:
        return Passed(decision.video, f"no frame near {decision.time_us // 1000} ms was sampled.")
    if frames.count[nearest] > 1:
        # Which of them shows it nobody said.
        return Passed(decision.video, "its frames are cut into several pictures.")
    vector = frames.vectors[int(frames.first[nearest])]
    scene = int(frames.shown_us[nearest]) // _SCENE_US
    return Example(vector, decision.accepted, f"{media}:{scene}")
