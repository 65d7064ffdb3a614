"""A fit as the calibration that is stored, and named in every result made with it."""

from __future__ import annotations

from datetime import datetime

from clipwarden.calibration.calibrate import Calibrated, LabelReport, Settings
from clipwarden.calibration.fit import on_margins, with_prior
from prompts.calibration import Calibration, LabelCalibration
from prompts.label import EXIT_FRACTION
from prompts.links import Logistic
from prompts.schema import PromptSet
from worker.models.card import ModelCard
from worker.scored import link_of


def own_links(prompt_set: PromptSet, card: ModelCard) -> dict[str, Logistic]:
    """The links of labels that nothing was fitted to, by their ids."""
    found = {}
    for label in prompt_set.labels:
        link = link_of(prompt_set, label, card, None)
        assert isinstance(link, Logistic)
        found[label.id] = link
    return found


def to_calibration(
    calibrated: Calibrated,
    settings: Settings,
    prompt_set: PromptSet,
    card: ModelCard,
    *,
    sampling: str,
    created_at: datetime,
) -> Calibration:
    """Put together what is stored; labels that nothing was fitted to are left out."""
    own = own_links(prompt_set, card)
    return Calibration(
        model_key=card.key,
        model_id=card.id,
        prompt_set=prompt_set.name,
        prompt_set_version=prompt_set.version,
        prompt_set_sha256=prompt_set.sha256,
        sampling=sampling,
        created_at=created_at.isoformat(timespec="seconds"),
        target=None if settings.wish is None else settings.wish.text,
        labels={
            one.label.id: _label(one, settings, prompt_set, own[one.label.id])
            for one in calibrated.labels
            if one.fitted is not None
        },
    )


def _label(
    one: LabelReport, settings: Settings, prompt_set: PromptSet, own: Logistic
) -> LabelCalibration:
    assert one.fitted is not None
    link, label_id = one.fitted.link, one.label.id
    if label_id in settings.priors:
        link = with_prior(link, one.fitted.rate, settings.priors[label_id])
    return LabelCalibration(
        link=on_margins(link, own),
        scoring_sha256=prompt_set.scoring_sha256(one.label),
        threshold=one.threshold,
        exit_threshold=None if one.threshold is None else EXIT_FRACTION * one.threshold,
        positives=one.positives,
        negatives=one.negatives,
        is_shared=one.fitted.is_shared,
        measured=_measured(one),
    )


def _measured(one: LabelReport) -> dict[str, float]:
    """Figures on held-out scenes, as far as there are any."""
    found: dict[str, float | None] = {
        "precision": one.point.precision,
        "recall": one.point.recall,
        "false_alarms_per_hour": one.alarms_per_hour,
    }
    for name, quality in (("before", one.before), ("after", one.after)):
        if quality is not None:
            found |= {
                f"calibration_error_{name}": quality.ece,
                f"brier_{name}": quality.brier,
                f"log_loss_{name}": quality.log_loss,
            }
    return {name: round(value, 6) for name, value in found.items() if value is not None}
