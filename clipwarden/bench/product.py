"""One video through the whole product, on a data folder of its own: queue, stores and all."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from clipwarden.analysis import Analysis, AnalysisSettings, running_analysis
from clipwarden.bench.clips import ClipSpec, write_clip
from clipwarden.bench.pipeline_report import Way
from clipwarden.data_folder import DataFolder
from clipwarden.following import Watcher
from clipwarden.installation import StoreEnvironment, host_name
from ingest.media.limits import DecodeLimits
from ingest.media.spec import SamplingSpec
from ingest.sources.naming import LocalPath
from prompts.errors import ClipwardenError
from prompts.loader import load_prompt_set
from worker.document import ResultDocument
from worker.models.card import ModelCard

_FIRST_CLIP = ClipSpec(192, 108, 1.0)
_PROMPT_SET = "moderation"


def analyse_once(
    clip: Path, card: ModelCard, way: Way, *, decode_threads: int, folder: Path
) -> dict[str, Any]:
    """Run queue server and workers, and time a video from its submission to its result.

    Another one goes first, a second long: with it the model is loaded and the prompts are embedded,
    as they are where a service runs. Returns a `reason` where that failed.
    """
    settings = AnalysisSettings(
        sampling=SamplingSpec.parse(way.sampling),
        # Nobody that it is compared with looks at the pictures twice.
        prompt_sets=(load_prompt_set(_PROMPT_SET).without_classifiers(),),
        model=card,
        device=way.device,
        batch_size=way.batch,
        environment=StoreEnvironment(),
        host_name=host_name(),
        decoding=replace(DecodeLimits(), threads=decode_threads),
    )
    folder.mkdir()
    first = write_clip(folder / "first.mp4", _FIRST_CLIP)
    try:
        with running_analysis(DataFolder(folder / "data"), settings, Watcher()) as analysis:
            _document(analysis, first)
            began_s = time.perf_counter()
            document = _document(analysis, clip)
            wall_s = time.perf_counter() - began_s
    except ClipwardenError as error:
        return {"reason": error.message}
    if document.error is not None:
        return {"reason": document.error.message}
    return {
        "samples": document.video.frames_embedded,
        "wall_s": wall_s,
        "decode_s": document.timings.decode_s,
        "embed_s": document.timings.embed_s,
    }


def _document(analysis: Analysis, clip: Path) -> ResultDocument:
    (finished,) = analysis.run([LocalPath(clip)])
    return finished.document
