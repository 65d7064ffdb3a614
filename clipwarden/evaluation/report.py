"""An evaluation with all it depends on, as a document for programs: `clipwarden.evaluation/1`."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from clipwarden.evaluation.estimate import LEVEL, RESAMPLES, SEED, Estimate
from clipwarden.evaluation.run import Figures
from worker.document import ErrorInfo, ModelInfo, PromptSetInfo, SamplingInfo

EVALUATION_SCHEMA: Final = "clipwarden.evaluation/1"


@dataclass(frozen=True)
class Failure:
    """A file of the truth that has no result, and so no part in any figure."""

    file: str
    error: ErrorInfo


@dataclass(frozen=True)
class Evaluation:
    """What was measured, with what, and what came out; `labels` are those the truth speaks of.

    `thresholds` has, for each label that is scored, the confidence its segments begin at.
    """

    created_at: datetime
    version: str
    truth: str
    truth_sha256: str
    model: ModelInfo
    prompt_set: PromptSetInfo
    sampling: SamplingInfo
    labels: tuple[str, ...]
    thresholds: dict[str, float]
    figures: Figures
    failures: tuple[Failure, ...]

    def to_json(self) -> str:
        """The evaluation as JSON text; figures are objects of value, interval and cases."""
        figures = self.figures
        content = {
            "schema": EVALUATION_SCHEMA,
            "created_at": self.created_at.isoformat(timespec="seconds"),
            "version": self.version,
            "truth": {"file": self.truth, "sha256": self.truth_sha256},
            "model": self.model.model_dump(mode="json"),
            "prompt_set": self.prompt_set.model_dump(mode="json"),
            "sampling": self.sampling.model_dump(mode="json"),
            "judged_labels": self.labels,
            "thresholds": self.thresholds,
            "intervals": {
                "level": LEVEL,
                "method": "bootstrap percentiles",
                "resamples": RESAMPLES,
                "seed": SEED,
                "unit": figures.unit,
            },
            "videos": figures.videos,
            "pictures": figures.pictures,
            "footage_ms": round(figures.footage_us / 1000),
            "failed": [
                {"file": one.file, "error": one.error.model_dump()} for one in self.failures
            ],
            "overall": _plain(figures.overall),
            "labels": [_plain(one) for one in figures.labels],
            "mistakes": [_plain(one) for one in figures.mistakes],
        }
        return json.dumps(content, indent=2, allow_nan=False) + "\n"


def _plain(value: Any) -> Any:
    """Dataclasses as objects, estimates with rounded figures."""
    if isinstance(value, Estimate):
        return {
            name: None if figure is None else round(figure, 6)
            for name, figure in dataclasses.asdict(value).items()
        }
    if dataclasses.is_dataclass(value):
        names = [field.name for field in dataclasses.fields(value)]
        return {name: _plain(getattr(value, name)) for name in names}
    if isinstance(value, tuple | list):
        return [_plain(one) for one in value]
    return round(value, 6) if isinstance(value, float) else value
