"""One run of `analyze`: inputs go in, result documents come out as they are finished."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr
from sqlalchemy import select

from clipwarden.data_folder import DataFolder
from clipwarden.migrations import migrate
from clipwarden.processes import Role, WorkerProcesses
from clipwarden.queue_server import running_server
from ingest.errors import MediaError, QueueLost
from ingest.identity import identify
from ingest.keys import pixels_root
from ingest.media.check import check_input
from ingest.media.spec import SamplingSpec
from ingest.queue.connection import claim_server
from ingest.queue.gate import Gate, Progress
from ingest.queue.payloads import Work
from ingest.sampling import sampling_key
from ingest.settings import ProcessSettings, StoreSettings
from ingest.stores import Stores
from ingest.submissions import Wish, cancel_unfinished, fail, installation_id, submit
from ingest.tables import DEFAULT_TENANT, Status, Submission
from prompts.errors import ClipwardenError
from prompts.schema import PromptSet
from worker.document import ErrorInfo, ResultDocument, SamplingInfo, VideoInfo
from worker.models.card import ModelCard
from worker.results import is_embedded, model_info, prompt_set_info, read_document
from worker.settings import EmbedderSettings
from worker.texts import request_text_vectors, store_prompt_set

_POLL_S = 0.1
_MAX_WATCHED = 16


@dataclass(frozen=True)
class AnalysisSettings:
    """What to look for, and with what."""

    model: ModelCard
    device: str
    batch_size: int
    sampling: SamplingSpec
    prompt_sets: tuple[PromptSet, ...]
    redis_url: str | None


@dataclass(frozen=True)
class Pending:
    """An input that is being analysed."""

    index: int
    path: Path
    submission_id: str
    work: Work


@dataclass(frozen=True)
class Finished:
    """An input's result; `submission_id` is None where it was refused before submission."""

    index: int
    document: ResultDocument
    submission_id: str | None


class Watcher:
    """Told how a run goes on; the base tells nobody."""

    def starting(self) -> None:
        """Queue server and workers are coming up."""

    def ready(self) -> None:
        """Every worker takes jobs: the model is loaded."""

    def progressed(self, pending: Pending, progress: Progress) -> None:
        """An input is this far."""

    def finished(self, finished: Finished) -> None:
        """An input has its result."""


class Analysis:
    """A running installation on a data folder, ready to analyse inputs."""

    def __init__(
        self, settings: AnalysisSettings, stores: Stores, workers: WorkerProcesses
    ) -> None:
        self._settings = settings
        self._workers = workers
        self._was_ready = False
        self._next_look = 0.0
        self.stores = stores

    def run(self, paths: Sequence[Path], watcher: Watcher) -> Iterator[Finished]:
        """Analyse inputs and yield each one's result when it is there, in no fixed order.

        A bad input gives a failed document and ends nothing else. Raises WorkerFailed when the
        processes can't go on.
        """
        pending: list[Pending] = []
        for index, path in enumerate(paths):
            try:
                entry = self._submit(index, path)
            except MediaError as error:
                yield _announced(watcher, self._refused(index, path, error))
                continue
            pending.append(entry)
            if time.monotonic() >= self._next_look:
                yield from self._collect(pending, watcher)
        while pending:
            time.sleep(_POLL_S)
            yield from self._collect(pending, watcher)

    def _collect(self, pending: list[Pending], watcher: Watcher) -> Iterator[Finished]:
        """Yield what has ended since the last look, and remove it from `pending`."""
        self._workers.check()
        if not self._was_ready and self._workers.all_ready():
            self._was_ready = True
            watcher.ready()
        # The first in the queue are those that move, and more bars fit on no screen.
        for entry in pending[:_MAX_WATCHED]:
            watcher.progressed(entry, Gate(self.stores.redis, entry.work).progress())
        waiting = self._unfinished()
        ended = [entry for entry in pending if entry.submission_id not in waiting]
        for entry in ended:
            pending.remove(entry)
            document = read_document(self.stores, DEFAULT_TENANT, entry.submission_id)
            yield _announced(watcher, Finished(entry.index, document, entry.submission_id))
        self._fail_lost(pending[:_MAX_WATCHED])
        self._next_look = time.monotonic() + _POLL_S

    def _unfinished(self) -> set[str]:
        query = select(Submission.id).where(
            Submission.tenant == DEFAULT_TENANT, Submission.status == Status.QUEUED
        )
        with self.stores.database.read() as session:
            return set(session.scalars(query))

    def _fail_lost(self, pending: Sequence[Pending]) -> None:
        """Fail submissions whose traces are gone from the queue server: nothing will end them.

        A submission leaves the waiting set only after its end is recorded, so one that is in
        neither place was wiped.
        """
        gone = [
            entry
            for entry in pending
            if entry.submission_id not in Gate(self.stores.redis, entry.work).waiting()
        ]
        if not gone:
            return
        still_unfinished = self._unfinished()
        for entry in gone:
            if entry.submission_id in still_unfinished:
                error = QueueLost(
                    "what was queued for this video is gone from the queue server.",
                    "Somebody or something wiped it; analyse the video again.",
                )
                database, redis = self.stores.database, self.stores.redis
                fail(database, redis, entry.work, entry.submission_id, error)

    def _submit(self, index: int, path: Path) -> Pending:
        check_input(path)
        settings = self._settings
        identity = identify(path, _source_name(path))
        work = Work(
            tenant=DEFAULT_TENANT,
            media_sha256=identity.sha256,
            sampling_key=sampling_key(settings.sampling, settings.model.geometry),
            model_key=settings.model.key,
        )
        wish = Wish(
            work=work,
            path=path.absolute(),
            source=_source_name(path),
            size_bytes=identity.size_bytes,
            model_card=settings.model.to_json(),
            sampling=settings.sampling.name,
            geometry=settings.model.geometry.name,
            prompt_set_sha256s=tuple(one.sha256 for one in settings.prompt_sets),
        )
        submission_id = submit(
            self.stores.database,
            self.stores.redis,
            wish,
            is_embedded=is_embedded(self.stores, work),
        )
        return Pending(index, path, submission_id, work)

    def _refused(self, index: int, path: Path, error: ClipwardenError) -> Finished:
        settings = self._settings
        document = ResultDocument(
            status="failed",
            error=ErrorInfo(code=error.code, message=error.message, cure=error.cure),
            video=VideoInfo(id=uuid.uuid4().hex, source=_source_name(path)),
            model=model_info(settings.model, device=None),
            prompt_sets=tuple(prompt_set_info(one) for one in settings.prompt_sets),
            sampling=SamplingInfo(
                strategy=settings.sampling.strategy,
                fps=float(settings.sampling.rate),
                geometry=settings.model.geometry.name,
            ),
        )
        return Finished(index, document, None)


@contextmanager
def running_analysis(
    folder: DataFolder, settings: AnalysisSettings, watcher: Watcher
) -> Iterator[Analysis]:
    """Lock the data folder, start queue server and workers, and end them all on the way out."""
    with ExitStack() as stack:
        stack.enter_context(folder.lock())
        watcher.starting()
        redis_url = settings.redis_url or stack.enter_context(running_server(folder))
        store_settings = StoreSettings(
            redis_url=SecretStr(redis_url),
            database_url=SecretStr(folder.database_url),
            blob_url=folder.blob_url,
        )
        stores = Stores.open(store_settings)
        stack.callback(stores.close)
        migrate(stores.database)
        claim_server(stores.redis, installation_id(stores.database))
        # What a killed run left unfinished was never asked for in this one.
        cancel_unfinished(stores.database, stores.redis, DEFAULT_TENANT)
        stores.blobs.delete_tree(pixels_root(DEFAULT_TENANT))
        roles = _roles(settings, store_settings)
        workers = stack.enter_context(WorkerProcesses(roles, folder.logs))
        for prompt_set in settings.prompt_sets:
            store_prompt_set(stores, DEFAULT_TENANT, prompt_set)
            request_text_vectors(stores, DEFAULT_TENANT, settings.model.key, prompt_set.sha256)
        try:
            yield Analysis(settings, stores, workers)
        except BaseException:
            # Nobody will fetch what is still queued; its jobs must find that out by themselves.
            # Where that fails, the error that ended the run is still the one to tell.
            with suppress(ClipwardenError):
                cancel_unfinished(stores.database, stores.redis, DEFAULT_TENANT)
            raise


def _roles(settings: AnalysisSettings, stores: StoreSettings) -> list[Role]:
    cores = os.cpu_count() or 1
    embedder = EmbedderSettings(
        stores=stores,
        model_card=settings.model.to_json(),
        device=settings.device,
        batch_size=settings.batch_size,
    )
    return [
        Role("embed", "worker.embedder", embedder, threads=cores),
        Role("sample", "ingest.sampler", ProcessSettings(stores=stores)),
        Role("finish", "worker.finisher", ProcessSettings(stores=stores)),
    ]


def _announced(watcher: Watcher, finished: Finished) -> Finished:
    watcher.finished(finished)
    return finished


def _source_name(path: Path) -> str:
    """The name as the user wrote it; bytes that are no text are escaped, for JSON has none."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")
