"""A prompt set and calibration made ready to score the works of any number of models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from clipwarden.calibration_choice import CalibrationChoice
from clipwarden.data_folder import DataFolder
from clipwarden.rescoring.document import VersionInfo
from clipwarden.rescoring.texts import Tell, TextNeeds, Vectors, store_text_vectors, text_vectors
from clipwarden.rescoring.versions import version_info
from clipwarden.rescoring.works import StoredWork
from ingest.media.spec import SamplingSpec
from ingest.stores import Stores
from prompts.calibration import Calibration
from prompts.compiling import CompiledSet, compile_set, require_heads
from prompts.schema import PromptSet
from worker.frames import load_frames
from worker.models.card import ModelCard
from worker.scored import ScoredWork, Scorer
from worker.texts import store_prompt_set


@dataclass(frozen=True, eq=False)
class Prepared:
    """What scoring the works of one model takes."""

    needs: TextNeeds
    vectors: Vectors
    compiled: CompiledSet
    calibration: Calibration | None


@dataclass(frozen=True, eq=False)
class Rescorer:
    """Scores stored works by one prompt set; `models` has what that takes by the models' keys."""

    prompt_set: PromptSet
    choice: CalibrationChoice
    models: Mapping[str, Prepared]

    @classmethod
    def prepare(
        cls,
        stores: Stores,
        folder: DataFolder,
        tenant: str,
        prompt_set: PromptSet,
        choice: CalibrationChoice,
        models: Mapping[str, ModelCard],
        tell: Tell,
    ) -> Rescorer:
        """Find calibrations and text vectors; nothing is stored but what a service makes of texts.

        Raises HeadMissing, CalibrationUnfit, and what `text_vectors` raises.
        """
        calibrations = {}
        for key, card in models.items():
            require_heads(prompt_set, key, card.id)
            calibrations[key] = _calibration(stores, tenant, card, prompt_set, choice)
        prepared = {}
        for key, card in models.items():
            needs = TextNeeds(stores, folder, tenant, card, prompt_set)
            vectors = text_vectors(needs, tell)
            by_text = dict(zip(prompt_set.texts(), vectors, strict=True))
            compiled = compile_set(prompt_set, by_text, key)
            prepared[key] = Prepared(needs, vectors, compiled, calibrations[key])
        return cls(prompt_set, choice, prepared)

    def score(self, stores: Stores, stored: StoredWork) -> ScoredWork:
        """Score a work's stored vectors; raises EmbeddingsMissing, ClassifierUnavailable."""
        ready, newest = self.models[stored.work.model_key], stored.newest
        # The submission's own card: by it the document explains what it shows.
        card = ModelCard.from_json(newest.model_card)
        scorer = Scorer(card, self.prompt_set, ready.calibration, ready.compiled)
        frames = load_frames(stores, stored.work, self.prompt_set.classifiers)
        return scorer.score(stored.work, frames, SamplingSpec.parse(newest.sampling))

    def keep(self, stores: Stores, tenant: str) -> None:
        """Store what results are going to name: prompt set, text vectors, a file's calibration."""
        store_prompt_set(stores, tenant, self.prompt_set)
        for ready in self.models.values():
            store_text_vectors(ready.needs, ready.vectors)
            self.choice.resolve(stores, tenant, ready.needs.card, (self.prompt_set,))

    @property
    def versions(self) -> tuple[VersionInfo, ...]:
        """The versions of the results: one, or one for each calibration that models have."""
        found = {
            info.calibration: info
            for info in (
                version_info(self.prompt_set, one.calibration) for one in self.models.values()
            )
        }
        return tuple(found.values())


def _calibration(
    stores: Stores, tenant: str, card: ModelCard, prompt_set: PromptSet, choice: CalibrationChoice
) -> Calibration | None:
    given = choice.calibration
    if given is not None and given.model_key == card.key and given.labels_of(prompt_set):
        # Resolving one from a file stores it, which a preview must not.
        return given
    [found] = choice.resolve(stores, tenant, card, (prompt_set,))
    return found
