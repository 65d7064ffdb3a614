"""A calibration as an HTML page: reliability plots, margins, and what thresholds do."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Final, TypeVar

import numpy as np
from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from clipwarden.calibration.calibrate import Calibrated, LabelReport
from clipwarden.calibration.fit import IDENTITY, confidences_of
from clipwarden.calibration.plots import (
    BARS_PX,
    SIDE_PX,
    Histogram,
    Reliability,
    Tradeoff,
    histogram_of,
    reliability_of,
    tradeoff_of,
)
from clipwarden.calibration.wording import (
    CalibrationFacts,
    alternative_words,
    cautions,
    error_words,
    label_cells,
    link_words,
)
from clipwarden.report.wording import count, short_hash, visible
from prompts.links import Logistic

T = TypeVar("T")

_POLICY: Final = "default-src 'none'; style-src '{style}'; base-uri 'none'; form-action 'none'"


@dataclass(frozen=True)
class _Fact:
    name: str
    value: str
    note: str | None = None


@dataclass(frozen=True)
class _LabelPlots:
    label: str
    summary: str
    reliability: Reliability
    histogram: Histogram | None
    tradeoff: Tradeoff | None
    alternatives: tuple[str, ...]


def render_calibration(
    facts: CalibrationFacts, calibrated: Calibrated, own: Mapping[str, Logistic]
) -> str:
    """Return a whole HTML page that loads nothing, runs nothing and is the same for the same input.

    `own` has each label's uncalibrated link. The page has the looks of the report on a run, and
    its policy admits exactly that style.
    """
    environment = Environment(
        loader=ChoiceLoader(
            [PackageLoader("clipwarden.calibration"), PackageLoader("clipwarden.report")]
        ),
        autoescape=True,
        finalize=_finalize,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    style = _read("clipwarden.report", "report.css") + _read(
        "clipwarden.calibration", "calibration.css"
    )
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode("ascii")
    rows = [(one.label.id, label_cells(one)) for one in calibrated.labels]
    page = environment.get_template("calibration.html").render(
        created=facts.created_at.strftime("%Y-%m-%d %H:%M %Z"),
        version=facts.version,
        facts_of_run=_facts(facts, calibrated),
        cautions=cautions(facts, calibrated),
        columns=[name for name, _ in rows[0][1]],
        rows=[(label, [words for _, words in cells]) for label, cells in rows],
        whole=_whole(calibrated),
        plots=[_plots(one, own[one.label.id]) for one in calibrated.labels],
        side=SIDE_PX,
        bars=BARS_PX,
        style=style,
        policy=_POLICY.format(style=f"sha256-{digest}"),
    )
    return page + "\n"


def _facts(facts: CalibrationFacts, calibrated: Calibrated) -> list[_Fact]:
    made, settings = facts.calibration, facts.settings
    priors = ", ".join(f"{label} {rate:g}" for label, rate in settings.priors.items())
    before, after = calibrated.before, calibrated.after
    return [
        _Fact("Truth", facts.truth, short_hash(facts.truth_sha256)),
        _Fact(
            "Fitted to",
            f"{count(calibrated.frames, 'frame')} of {count(calibrated.scenes, 'scene')}",
        ),
        _Fact("Model", made.model_id, f"key {made.model_key}"),
        _Fact(
            "Prompt set",
            f"{made.prompt_set} {made.prompt_set_version}",
            short_hash(made.prompt_set_sha256),
        ),
        _Fact("Sampling", made.sampling),
        _Fact("Calibration", short_hash(made.sha256)),
        _Fact("Method", settings.method),
        _Fact("Thresholds for", made.target or "nothing in particular: the prompt set's own"),
        _Fact("Rates given", priors or "none"),
        _Fact("Calibration error, all labels", error_words(before, after)),
        _Fact("Brier score", f"{before.brier:.4f} → {after.brier:.4f}"),
        _Fact("Log loss", f"{before.log_loss:.4f} → {after.log_loss:.4f}"),
    ]


def _whole(calibrated: Calibrated) -> Reliability:
    """All labels' examples in one plot."""
    labels = calibrated.labels
    return reliability_of(
        np.concatenate([confidences_of(IDENTITY, one.log_odds) for one in labels]),
        np.concatenate([one.held_out for one in labels]),
        np.concatenate([one.targets for one in labels]),
    )


def _plots(one: LabelReport, own: Logistic) -> _LabelPlots:
    before = confidences_of(IDENTITY, one.log_odds)
    return _LabelPlots(
        label=one.label.id,
        summary=f"{count(one.positives, 'frame')} that show it; link: {link_words(one)}",
        reliability=reliability_of(before, one.held_out, one.targets),
        histogram=histogram_of(one, own),
        tradeoff=tradeoff_of(one),
        alternatives=tuple(
            alternative_words(other.point, other.alarms_per_hour) for other in one.alternatives
        )
        if one.positives
        else (),
    )


def _finalize(value: T) -> T | str:
    """Make unseen characters visible in all that templates write, whoever wrote it."""
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _read(package: str, name: str) -> str:
    return resources.files(package).joinpath("templates", name).read_text("utf-8")
