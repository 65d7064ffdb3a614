"""The model that a user asks for."""

from __future__ import annotations

from dataclasses import dataclass

from clipwarden.errors import ModelNotServed
from worker.models.card import ModelCard, Precision
from worker.models.precision import PrecisionChoice, choose_precision
from worker.models.resolve import resolve_model
from worker.models.starter import STARTER_ID


@dataclass(frozen=True)
class WantedModel:
    """A model by its name, in a precision or in the best for the devices that are to run it.

    Who only asks for results names no devices: others chose them, and with them the precision.
    """

    name: str
    precision: PrecisionChoice = "auto"
    devices: tuple[str, ...] = ("cpu",)

    @property
    def settled(self) -> Precision | None:
        """The precision, where it hangs on no device; None where it does and none is named."""
        if self.precision != "auto" and not self.devices:
            return self.precision
        chosen = {choose_precision(self.precision, self.name, one) for one in self.devices}
        if not chosen:
            # The starter has the same one everywhere.
            return "float32" if self.name == STARTER_ID else None
        # One key for all of them: their embeddings stand in one video's result.
        return "float32" if len(chosen) > 1 else chosen.pop()

    def resolve(self) -> ModelCard:
        """Find the model's files, fetching those of a hub model that are not here.

        Raises UnknownModel, ModelUnavailable, UnsupportedModel, ModelUncalibrated, ModelNotServed
        where nothing settles the precision, and DeviceUnavailable for a precision that one of the
        devices can't compute in.
        """
        precision = self.settled
        if precision is None:
            raise ModelNotServed(
                f"no process of this installation holds {self.name} right now: in which precision "
                "one will is not known.",
                "Wait until one has loaded it (`clipwarden status` shows who is at work), or say "
                "it: --precision float32 or bfloat16; the video then waits for a process that "
                "holds the model in it.",
            )
        return resolve_model(self.name, precision)

    def is_met_by(self, card: ModelCard) -> bool:
        """Whether a model that somebody holds is in the precision asked for."""
        return self.precision in ("auto", card.precision)
