"""The model that a user asks for."""

from __future__ import annotations

from dataclasses import dataclass

from worker.models.card import ModelCard
from worker.models.precision import PrecisionChoice, choose_precision
from worker.models.resolve import resolve_model


@dataclass(frozen=True)
class WantedModel:
    """A model by its name, in a precision or in the best for the devices that are to run it."""

    name: str
    precision: PrecisionChoice = "auto"
    devices: tuple[str, ...] = ("cpu",)

    def resolve(self) -> ModelCard:
        """Find the model's files, fetching those of a hub model that are not here.

        Raises UnknownModel, ModelUnavailable, UnsupportedModel, and DeviceUnavailable for a
        precision that one of the devices can't compute in.
        """
        chosen = {choose_precision(self.precision, self.name, one) for one in self.devices}
        # One key for all of them: their embeddings stand in one video's result.
        return resolve_model(self.name, "float32" if len(chosen) > 1 else chosen.pop())

    def is_met_by(self, card: ModelCard) -> bool:
        """Whether a model that somebody holds is in the precision asked for."""
        return self.precision in ("auto", card.precision)
