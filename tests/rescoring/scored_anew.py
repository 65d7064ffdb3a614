"""Scoring what the chain has embedded anew, as `clipwarden rescore` does."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from sqlalchemy import select

from clipwarden.calibration_choice import CalibrationChoice
from clipwarden.data_folder import DataFolder
from clipwarden.rescoring.conditions import Conditions
from clipwarden.rescoring.rescorer import Rescorer
from clipwarden.rescoring.run import Rescoring, Watcher
from clipwarden.rescoring.works import StoredWork, stored_models
from ingest.arrays import pack_arrays
from ingest.database import Base
from ingest.keys import embedding_key
from ingest.queue.payloads import Work
from ingest.sampling import FRAMES_VERSION
from ingest.stores import Stores
from ingest.tables import DEFAULT_TENANT, Chunk, Sampling, Status, Submission
from prompts.actions import Action
from prompts.label import Label
from prompts.schema import PromptSet
from tests.worker.chain import COLOUR_SET, Chain, Submitted
from tests.worker.fake_encoder import COLOURS, FAKE_CARD, unit
from worker.rescoring import store_version
from worker.tables import Embedding, Result, SegmentRow
from worker.texts import request_text_vectors, store_prompt_set


def colours(version: str, *labels: Label) -> PromptSet:
    """Another version of the set that the chain analyses by."""
    return COLOUR_SET.model_copy(update={"version": version, "labels": labels})


_STEP_US = 40_000

WARM = colours("2", Label(id="warm", prompts=("red", "green"), nsfw=True))
ONLY_RED = colours("3", Label(id="red", prompts=("red",), action=Action.BLOCK))


class Silent:
    """Hears how a run goes on, and tells nobody."""

    def begin(self, what: str, works: int) -> None:
        """A pass begins."""

    def advanced(self) -> None:
        """One more."""


def embed_texts(chain: Chain, prompt_set: PromptSet) -> None:
    """Have a set's texts embedded, as a service would."""
    store_prompt_set(chain.stores, DEFAULT_TENANT, prompt_set)
    request_text_vectors(chain.stores, DEFAULT_TENANT, FAKE_CARD.key, prompt_set.sha256)
    chain.embed()


def rescorer(
    stores: Stores,
    prompt_set: PromptSet,
    choice: CalibrationChoice | None = None,
    folder: Path = Path("nowhere"),
) -> Rescorer:
    """The set made ready for whatever models the stores hold."""
    return Rescorer.prepare(
        stores,
        DataFolder(folder),
        DEFAULT_TENANT,
        prompt_set,
        choice or CalibrationChoice(),
        stored_models(stores, DEFAULT_TENANT),
        lambda _: None,
    )


def rescoring(
    stores: Stores,
    prompt_set: PromptSet,
    where: Sequence[str] = (),
    choice: CalibrationChoice | None = None,
    watcher: Watcher | None = None,
) -> Rescoring:
    """A run over all that meets the conditions."""
    conditions = Conditions.parse(where, datetime.now(UTC))
    ready = rescorer(stores, prompt_set, choice)
    return Rescoring(stores, DEFAULT_TENANT, ready, conditions, watcher or Silent(), "mine.yaml")


def result_of(chain: Chain, prompt_set: PromptSet, calibration: str = "") -> Result:
    """The one result of a version."""
    [row] = [
        row
        for row in chain.rows(Result)
        if (row.prompt_set_sha256, row.calibration_sha256) == (prompt_set.sha256, calibration)
    ]
    return row


def segments_of(chain: Chain, result: Result) -> list[tuple[object, ...]]:
    """A result's segments, every column but whose they are."""
    columns = [one for one in SegmentRow.__table__.columns if one.name != "result_id"]
    with chain.stores.database.read() as session:
        query = select(*columns).where(SegmentRow.result_id == result.id)
        return [tuple(row) for row in session.execute(query.order_by(SegmentRow.number))]


def everything_stored(chain: Chain) -> tuple[list[tuple[object, ...]], list[str]]:
    """All rows of all tables, and the keys of all blobs."""
    with chain.stores.database.read() as session:
        rows = [
            tuple(row)
            for table in Base.metadata.sorted_tables
            for row in session.execute(select(table))
        ]
    return rows, sorted(chain.blobs_under("default"))


def finished_by_hand(
    chain: Chain,
    name: str,
    frames: Sequence[str],
    prompt_set: PromptSet = COLOUR_SET,
    ready: Rescorer | None = None,
) -> Submitted:
    """A video that was analysed, made of rows and blobs alone: a frame of each colour, 40 ms apart.

    Its results are those of `prompt_set`, whose texts must be embedded; `ready` is made for it.
    """
    work = Work(
        tenant=DEFAULT_TENANT,
        media_sha256=hashlib.sha256(name.encode()).hexdigest(),
        sampling_key=f"fps-25.{FAKE_CARD.geometry.name}.v{FRAMES_VERSION}",
        model_key=FAKE_CARD.key,
    )
    row = _submission(work, name, prompt_set)
    submission_id = row.id
    with chain.stores.database.begin() as session:
        session.add_all(_sampled(work, len(frames)))
        session.add(_embedded(chain.stores, work, frames))
        session.add(row)
    ready = ready or rescorer(chain.stores, prompt_set, CalibrationChoice("none"))
    submitted = Submitted(submission_id, work)
    stored = StoredWork(work, (chain.submission(submitted),))
    assert store_version(chain.stores, ready.score(chain.stores, stored))
    return submitted


def _sampled(work: Work, frames: int) -> list[Base]:
    of_work = {
        "tenant": work.tenant,
        "media_sha256": work.media_sha256,
        "sampling_key": work.sampling_key,
    }
    sampling = Sampling(
        **of_work, duration_us=frames * _STEP_US, width=64, height=48, codec="h264",
        frame_rate="25", frames=frames, frames_pictured=frames, cuts_us=[], chunks=1, warnings=[],
        partial=False, decode_s=0.1, sampled_by="hand", finished_at=datetime.now(UTC),
    )  # fmt: skip
    chunk = Chunk(
        **of_work, number=0, frames=frames, first_us=0, last_us=(frames - 1) * _STEP_US,
        evidence_key=f"default/evidence/{work.media_sha256}/0", evidence_sha256="0" * 64,
    )  # fmt: skip
    return [sampling, chunk]


def _embedded(stores: Stores, work: Work, frames: Sequence[str]) -> Embedding:
    content = pack_arrays(
        pts_us=np.arange(len(frames), dtype=np.int64) * _STEP_US,
        first=np.arange(len(frames), dtype=np.int32),
        count=np.ones(len(frames), np.int32),
        vectors=unit(np.array([COLOURS[one] for one in frames], np.float32)),
    )
    blob = stores.blobs.put(embedding_key(work, 0, hashlib.sha256(content).hexdigest()), content)
    return Embedding(
        tenant=work.tenant, media_sha256=work.media_sha256, sampling_key=work.sampling_key,
        model_key=work.model_key, chunk=0, frames=len(frames), blob_key=blob.key,
        blob_sha256=blob.sha256, pixels_sha256="0" * 64, batches=1, batch_size=10, embed_s=0.1,
        device="cpu", embedded_by="hand",
    )  # fmt: skip


def _submission(work: Work, name: str, prompt_set: PromptSet) -> Submission:
    now = datetime.now(UTC)
    return Submission(
        tenant=work.tenant, id=work.media_sha256[:32], priority="normal", source=name,
        media_sha256=work.media_sha256, size_bytes=1, model_key=work.model_key,
        model_card=FAKE_CARD.to_json(), sampling="fps:25", geometry=FAKE_CARD.geometry.name,
        sampling_key=work.sampling_key, prompt_sets=[prompt_set.sha256], calibrations=[],
        classifiers=[], status=Status.DONE, created_at=now, finished_at=now,
    )  # fmt: skip
