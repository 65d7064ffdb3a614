"""What a user types to have made what is missing."""

from __future__ import annotations

import shlex

from ingest.geometry import Geometry
from ingest.tables import Submission
from worker.models.card import ModelCard
from worker.models.starter import STARTER_ID


def model_name(card: ModelCard) -> str:
    """By which name the model was found: a hub id with its revision, a folder, or the starter."""
    if card.revision is not None:
        return f"{card.id}@{card.revision}"
    return card.id if card.id == STARTER_ID else str(card.folder)


def analysing(row: Submission, prompts: str) -> str:
    """The command that analyses a submission's video by a prompt set, the way it was analysed."""
    card = ModelCard.from_json(row.model_card)
    words = ["clipwarden", "analyze", "--prompts", prompts, "--model", model_name(card)]
    if card.precision != "float32":
        words += ["--precision", card.precision]
    words += ["--sample", row.sampling]
    crop = Geometry.parse(row.geometry).crop
    if crop != card.geometry.crop:
        words += ["--crop", crop]
    return shlex.join([*words, row.source])
