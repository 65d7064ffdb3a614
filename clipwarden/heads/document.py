"""A trained head as the file that a prompt set names, and what it is worth."""

from __future__ import annotations

from datetime import datetime

import numpy as np

from clipwarden.heads.measuring import Measured, measure
from clipwarden.heads.training import Examples, train
from prompts.heads import Head, TrainedOn
from worker.models.card import ModelCard


def trained_head(
    label: str, card: ModelCard, examples: Examples, *, source: str, created_at: datetime
) -> tuple[Head, Measured]:
    """Train a head on a model's vectors, and measure it on what it was held off.

    `source` names what the examples are from. Raises TooFewHeadExamples.
    """
    trained = train(examples)
    measured = measure(trained.held_out, examples.shows, examples.groups, threshold=0.0)
    figures = {
        "auc": measured.auc.value,
        "average_precision": measured.average_precision.value,
        "precision": measured.precision.value,
        "recall": measured.recall.value,
        "folds": float(trained.folds),
        "inverse_regularisation": trained.strength,
    }
    head = Head(
        label=label,
        model_key=card.key,
        model_id=card.id,
        weights=tuple(float(np.float32(one)) for one in trained.weights),
        bias=trained.bias,
        trained_on=TrainedOn(
            positives=int(examples.shows.sum()),
            negatives=int((~examples.shows).sum()),
            source=source,
        ),
        created_at=created_at.isoformat(timespec="seconds"),
        measured={name: round(one, 6) for name, one in figures.items() if one is not None},
    )
    return head, measured
