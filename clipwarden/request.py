"""What a command asks for: models, samplings and prompt sets for any number of inputs."""

from __future__ import annotations

from dataclasses import dataclass, field

from clipwarden.calibration_choice import CalibrationChoice
from ingest.geometry import Crop, Geometry
from ingest.media.spec import SamplingSpec
from ingest.queue.names import Priority
from ingest.sources.limits import FetchLimits
from prompts.calibration import Calibration
from prompts.schema import PromptSet
from worker.models.card import ModelCard
from worker.tables import NO_CALIBRATION


@dataclass(frozen=True)
class Request:
    """What to look for in files, with what, and how urgently.

    `in_place_on` names the host whose sampling processes read a file where it is; None has its
    content copied into the blob store, as what is fetched always has. `run_id` names the run of a
    command that waits. Without a `crop` pictures are cut as the model's own settings say.
    `once_per_content` makes a request token of the content and of everything else that is asked
    for, so that a restart asks for nothing twice but what failed or was cancelled.
    `calibrations` has one or None for each prompt set, once `prepare` has found them.
    """

    model: ModelCard
    sampling: SamplingSpec
    prompt_sets: tuple[PromptSet, ...]
    calibration: CalibrationChoice = field(default_factory=CalibrationChoice)
    calibrations: tuple[Calibration | None, ...] = ()
    crop: Crop | None = None
    priority: Priority = Priority.NORMAL
    in_place_on: str | None = None
    request_token: str | None = None
    run_id: str | None = None
    run_host: str | None = None
    fetching: FetchLimits = field(default_factory=FetchLimits)
    once_per_content: bool = False

    @property
    def geometry(self) -> Geometry:
        """How frames become the squares that the model takes."""
        own = self.model.geometry
        return own if self.crop is None else own.with_crop(self.crop)

    @property
    def classifiers(self) -> tuple[str, ...]:
        """The frame classifiers whose scores its prompt sets need."""
        return tuple(sorted({name for one in self.prompt_sets for name in one.classifiers}))

    @property
    def calibration_sha256s(self) -> tuple[str, ...]:
        """The hash of each prompt set's calibration."""
        return tuple(NO_CALIBRATION if one is None else one.sha256 for one in self.calibrations)
