"""Which calibration new results are scored with: the active one, none, or one that is named."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ingest.stores import Stores
from prompts.calibration import MAX_BYTES, Calibration
from prompts.errors import CalibrationUnfit, InvalidCalibration
from prompts.schema import PromptSet
from worker.calibrations import (
    active_calibration,
    list_calibrations,
    load_calibration,
    store_calibration,
)
from worker.models.card import ModelCard

AUTO = "auto"
NONE = "none"

_HASH_DIGITS = 64
_MIN_PREFIX = 6


@dataclass(frozen=True)
class CalibrationChoice:
    """What a user asked for: `auto`, `none`, a file's content, or how a stored hash begins."""

    name: str = AUTO
    calibration: Calibration | None = None

    @classmethod
    def parse(cls, name: str) -> CalibrationChoice:
        """Read a command's option, and the file where it names one; raises InvalidCalibration."""
        if name in (AUTO, NONE) or _is_hash(name):
            return cls(name)
        return cls(name, Calibration.parse(_read(Path(name)), name))

    def resolve(
        self, stores: Stores, tenant: str, model: ModelCard, prompt_sets: Sequence[PromptSet]
    ) -> tuple[Calibration | None, ...]:
        """Find each prompt set's calibration, None for none; one from a file is stored.

        Raises CalibrationUnfit where one that was named is of another model or of none of the sets.
        """
        if self.name == NONE:
            return (None,) * len(prompt_sets)
        if self.name == AUTO:
            return tuple(_active(stores, tenant, model, one) for one in prompt_sets)
        named = self.calibration or _stored(stores, tenant, self.name)
        _check(named, self.name, model, prompt_sets)
        if self.calibration is not None:
            store_calibration(stores, tenant, named, activate=False)
        return tuple(named if named.labels_of(one) else None for one in prompt_sets)


def _active(
    stores: Stores, tenant: str, model: ModelCard, prompt_set: PromptSet
) -> Calibration | None:
    found = active_calibration(stores, tenant, model.key, prompt_set.name)
    # One that speaks of no label as it is now would only make the same result twice.
    return found if found is not None and found.labels_of(prompt_set) else None


def _check(
    calibration: Calibration, name: str, model: ModelCard, prompt_sets: Sequence[PromptSet]
) -> None:
    if calibration.model_key != model.key:
        raise CalibrationUnfit(
            f"calibration {name} was fitted for {calibration.model_id} "
            f"({calibration.model_key}), not for {model.id} ({model.key}).",
            "Fit one for this model: clipwarden calibrate --model ...; or take --calibration none.",
        )
    if not any(calibration.labels_of(one) for one in prompt_sets):
        asked = ", ".join(one.name for one in prompt_sets)
        raise CalibrationUnfit(
            f"calibration {name}, fitted on {calibration.prompt_set}, speaks of no label of "
            f"{asked} as it is scored now.",
            "Fit it again: a label's prompts, contrast and templates decide its margins.",
        )


def _stored(stores: Stores, tenant: str, prefix: str) -> Calibration:
    found = [one for one in list_calibrations(stores, tenant) if one.sha256.startswith(prefix)]
    if len(found) != 1:
        problem = "no stored calibration begins" if not found else "several calibrations begin"
        raise InvalidCalibration(
            f"{problem} with {prefix}.", "`clipwarden calibrations list` shows them."
        )
    return load_calibration(stores, tenant, found[0].sha256)


def _is_hash(name: str) -> bool:
    is_long = _MIN_PREFIX <= len(name) <= _HASH_DIGITS
    return is_long and all(one in "0123456789abcdef" for one in name)


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        raise InvalidCalibration(
            f"calibration {str(path)!r} can't be read: {(error.strerror or str(error)).lower()}.",
            "Give auto, none, a file that `clipwarden calibrate` wrote, or a stored one's hash.",
        ) from error
