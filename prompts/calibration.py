"""A calibration: per label, how margins of one model become confidences that mean something.

It is fitted on labelled frames (`clipwarden calibrate`), kept as a file, and named by its hash in
every result that it had a part in.
"""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Literal, Self

from pydantic import Field, ValidationError, model_validator

from prompts.errors import InvalidCalibration
from prompts.fields import Finite, FrozenModel, LabelId, Line, ModelKey, SetName, Sha256, Threshold
from prompts.label import EXIT_FRACTION, Label
from prompts.links import Link
from prompts.schema import PromptSet

CALIBRATION_SCHEMA: Literal["clipwarden.calibration/1"] = "clipwarden.calibration/1"

MAX_BYTES = 16 * 1024 * 1024


class LabelCalibration(FrozenModel):
    """One label's link, for as long as what its margin depends on stays the same.

    The thresholds, where there are any, take the place of the prompt set's: they were picked for
    the calibration's `target`. `is_shared` says that the link was fitted on all labels together,
    for the label had too few examples of its own.
    """

    link: Link
    scoring_sha256: Sha256
    threshold: Threshold | None = None
    exit_threshold: Threshold | None = None
    positives: Annotated[int, Field(ge=0)] = 0
    negatives: Annotated[int, Field(ge=0)] = 0
    is_shared: bool = False
    measured: dict[str, Finite] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _exits_below(self) -> Self:
        if self.exit_threshold is not None and self.exit_threshold > (self.threshold or 0.0):
            raise ValueError("a segment can't end at a higher confidence than it begins at")
        return self


class Calibration(FrozenModel):
    """What was fitted, for which model and prompt set, and on what."""

    calibration_schema: Literal["clipwarden.calibration/1"] = Field(
        default=CALIBRATION_SCHEMA, alias="schema"
    )
    model_key: ModelKey
    model_id: Line
    prompt_set: SetName
    prompt_set_version: Line
    prompt_set_sha256: Sha256
    sampling: Line
    created_at: Line
    target: Line | None = None
    labels: dict[LabelId, LabelCalibration]

    model_config = FrozenModel.model_config | {"populate_by_name": True}

    @classmethod
    def parse(cls, content: bytes, source: str = "the calibration") -> Self:
        """Read a calibration file; raises InvalidCalibration."""
        if len(content) > MAX_BYTES:
            raise _invalid(source, f"it is larger than {MAX_BYTES // 2**20} MB")
        try:
            return cls.model_validate_json(content)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            place = ".".join(str(part) for part in first["loc"])
            problem = first["msg"].removeprefix("Value error, ")
            raise _invalid(source, f"{place + ': ' if place else ''}{problem}") from error

    @property
    def sha256(self) -> str:
        """64 hex digits over the content; layout doesn't count."""
        content = self.model_dump(mode="json", by_alias=True)
        canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()

    def to_json(self) -> str:
        """The calibration as a file's text."""
        return self.model_dump_json(by_alias=True, indent=1)

    def of(self, prompt_set: PromptSet, label: Label) -> LabelCalibration | None:
        """A label's part of it; None where there is none, or the label is scored otherwise now."""
        found = self.labels.get(label.id)
        if found is None or found.scoring_sha256 != prompt_set.scoring_sha256(label):
            return None
        return found

    def labels_of(self, prompt_set: PromptSet) -> tuple[str, ...]:
        """The ids of the set's labels that it speaks of as they are now."""
        return tuple(one.id for one in prompt_set.labels if self.of(prompt_set, one) is not None)

    def with_thresholds(self, prompt_set: PromptSet, label: Label) -> Label:
        """The label with the calibration's thresholds in place of its own."""
        found = self.of(prompt_set, label)
        if found is None or found.threshold is None:
            return label
        exit_threshold = found.exit_threshold or EXIT_FRACTION * found.threshold
        return label.model_copy(
            update={"threshold": found.threshold, "exit_threshold": exit_threshold}
        )


def labels_in_use(prompt_set: PromptSet, calibration: Calibration | None) -> tuple[Label, ...]:
    """The set's labels with the thresholds that count: a calibration's where it brings some."""
    if calibration is None:
        return prompt_set.labels
    return tuple(calibration.with_thresholds(prompt_set, one) for one in prompt_set.labels)


def _invalid(source: str, problem: str) -> InvalidCalibration:
    return InvalidCalibration(
        f"{source} is no calibration: {problem}.",
        "Give a file that `clipwarden calibrate` wrote; or fit it again.",
    )
