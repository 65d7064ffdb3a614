"""Look at all media of a truth file as `analyze` does, and set scores beside the truth."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from clipwarden.analysis import AnalysisSettings, running_analysis
from clipwarden.data_folder import DataFolder
from clipwarden.following import Watcher
from clipwarden.truth.model import Judged, JudgedTruth
from ingest.sources.naming import LocalPath
from ingest.submissions import find_submission
from ingest.tables import DEFAULT_TENANT
from ingest.works import work_of
from prompts.calibration import Calibration
from worker.document import ErrorInfo, ResultDocument
from worker.frames import load_frames
from worker.scored import ScoredWork, Scorer
from worker.texts import require_text_vectors


@dataclass(frozen=True, eq=False)
class Examined:
    """One file of the truth with its scores; without them (`scored` None) `error` says why.

    `columns` tells which column of the scores a label of the prompt set has.
    """

    media: Judged
    document: ResultDocument
    scored: ScoredWork | None
    columns: Mapping[str, int] = field(repr=False)
    calibration: Calibration | None = None

    @property
    def error(self) -> ErrorInfo | None:
        """Why there are no scores."""
        return self.document.error


def examine(
    folder: DataFolder,
    settings: AnalysisSettings,
    truth: JudgedTruth,
    watcher: Watcher,
) -> Iterator[Examined]:
    """Analyse what of the truth's media is not stored yet, and yield each file with its scores.

    Files come as they are finished, in no fixed order. `settings` names exactly one prompt set; the
    data folder's running service does the work, else one is started for the run, as for
    `analyze`. Frames and vectors go with each `Examined`: keep what you need of it, for all of a
    long truth may not fit in memory. A file that can't be analysed ends nothing else. Raises what
    `running_analysis` raises.
    """
    [prompt_set] = settings.prompt_sets
    columns = {label.id: column for column, label in enumerate(prompt_set.labels)}
    sources = [LocalPath(one.path) for one in truth.media]
    with running_analysis(folder, settings, watcher) as analysis:
        stores, model = analysis.stores, settings.model
        [used] = analysis.calibrations
        scorer: Scorer | None = None
        for finished in analysis.run(sources):
            media = truth.media[finished.index]
            if finished.submission_id is None or finished.document.status == "failed":
                yield Examined(media, finished.document, None, columns, used)
                continue
            if scorer is None:
                # Only now: the texts are embedded before anything is finished.
                texts = require_text_vectors(stores, DEFAULT_TENANT, model.key, prompt_set)
                scorer = Scorer.of(model, prompt_set, used, texts)
            found = find_submission(stores.database, DEFAULT_TENANT, finished.submission_id)
            work = work_of(found)
            frames = load_frames(stores, work, prompt_set.classifiers)
            scored = scorer.score(work, frames, settings.sampling)
            yield Examined(media, finished.document, scored, columns, used)
