"""One run of `analyze`: inputs go in, result documents come out as they are finished."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Protocol

from clipwarden.calibration_choice import CalibrationChoice
from clipwarden.child import Role
from clipwarden.data_folder import DataFolder
from clipwarden.errors import SamplerMissing, ServiceNotRunning
from clipwarden.following import Follower, Pending, Watcher
from clipwarden.installation import StoreEnvironment, resolve_stores, served_queue
from clipwarden.intake import Input, accept_source, prepare
from clipwarden.joining import joined_stores
from clipwarden.migrations import migrate, require_current
from clipwarden.processes import WorkerProcesses
from clipwarden.queue_server import running_server
from clipwarden.request import Request
from clipwarden.roles import embedder, finisher, keeper, sampler, usable_cores
from clipwarden.sampling_hosts import samples_on
from ingest.claiming import claim_stores, join_stores
from ingest.endings import cancel_runs
from ingest.errors import MediaError
from ingest.geometry import Crop
from ingest.media.limits import DecodeLimits
from ingest.media.spec import SamplingSpec
from ingest.queue.names import Priority
from ingest.settings import ProcessSettings, StoreSettings
from ingest.sources.limits import FetchLimits
from ingest.stores import Stores
from ingest.tables import DEFAULT_TENANT
from ingest.works import IsEmbedded
from prompts.calibration import Calibration
from prompts.errors import ClipwardenError
from prompts.schema import PromptSet
from worker.classifiers.load import require_classifier
from worker.composing import model_info, prompt_set_info, sampling_info
from worker.document import ErrorInfo, ResultDocument, VideoInfo
from worker.errors import ResultMissing
from worker.models.card import ModelCard
from worker.results import is_embedded, read_document

_POLL_S = 0.1


@dataclass(frozen=True)
class AnalysisSettings:
    """What to look for, and with what; device and batch size are for processes of our own."""

    model: ModelCard
    sampling: SamplingSpec
    prompt_sets: tuple[PromptSet, ...]
    device: str
    batch_size: int | None
    environment: StoreEnvironment
    host_name: str
    calibration: CalibrationChoice = field(default_factory=CalibrationChoice)
    crop: Crop | None = None
    fetching: FetchLimits = field(default_factory=FetchLimits)
    decoding: DecodeLimits = field(default_factory=DecodeLimits)


@dataclass(frozen=True)
class Finished:
    """An input's result; `submission_id` is None where it was refused before submission."""

    index: int
    document: ResultDocument
    submission_id: str | None


class Workers(Protocol):
    """Processes that analyse."""

    def check(self) -> None:
        """Raise where they can't go on."""

    def all_ready(self) -> bool:
        """Whether every one of them takes jobs."""


class _Service:
    """The processes of the service that works on a data folder."""

    def __init__(self, folder: DataFolder) -> None:
        self._folder = folder

    def check(self) -> None:
        if served_queue(self._folder) is None:
            raise ServiceNotRunning(
                f"the service on {self._folder.root}, which this run had joined, has ended.",
                "Run the command again: what is stored by now is not computed again.",
            )

    def all_ready(self) -> bool:
        # It holds the model: that was asked for before the run began.
        return True


class Analysis:
    """An installation that is running, ready to analyse inputs.

    `workers` are the processes that do the work, this run's own or a service's.
    """

    def __init__(
        self, request: Request, stores: Stores, watcher: Watcher, workers: Workers
    ) -> None:
        self._request = request
        self._watcher = watcher
        self._workers = workers
        self._follower = Follower(stores, watcher)
        self._was_ready = False
        self._next_look_s = 0.0
        self._pending: list[Pending] = []
        self.stores = stores

    @property
    def calibrations(self) -> tuple[Calibration | None, ...]:
        """What each prompt set is scored with, None for none."""
        return self._request.calibrations

    def run(self, sources: Sequence[Input]) -> Iterator[Finished]:
        """Analyse inputs and yield each one's result when it is there, in no fixed order.

        A bad input gives a failed document and ends nothing else. Raises WorkerFailed when the
        processes can't go on.
        """
        for index, source in enumerate(sources):
            try:
                accepted = accept_source(self.stores, self._request, source)
            except MediaError as error:
                self._watcher.finished(index)
                yield self._refused(index, source.shown, error)
                continue
            self._pending.append(
                Pending(index, accepted.source, accepted.submission_id, accepted.work)
            )
            if time.monotonic() >= self._next_look_s:
                yield from self._collect()
        while self._pending:
            time.sleep(_POLL_S)
            yield from self._collect()

    def _collect(self) -> Iterator[Finished]:
        """Yield what has ended since the last look."""
        self._look_at_workers()
        for entry in self._follower.look(self._pending):
            self._pending.remove(entry)
            self._watcher.finished(entry.index)
            yield self._result(entry)
        self._next_look_s = time.monotonic() + _POLL_S

    def _look_at_workers(self) -> None:
        self._workers.check()
        if not self._was_ready and self._workers.all_ready():
            self._was_ready = True
            self._watcher.ready()

    def _result(self, entry: Pending) -> Finished:
        try:
            document = read_document(self.stores, DEFAULT_TENANT, entry.submission_id)
        except ResultMissing as error:
            # Somebody purged it while we waited.
            return self._refused(entry.index, entry.source, error)
        return Finished(entry.index, document, entry.submission_id)

    def _refused(self, index: int, source: str, error: ClipwardenError) -> Finished:
        request = self._request
        document = ResultDocument(
            status="failed",
            error=ErrorInfo(code=error.code, message=error.message, cure=error.cure),
            video=VideoInfo(id=uuid.uuid4().hex, source=source),
            model=model_info(request.model, device=None),
            prompt_sets=tuple(map(prompt_set_info, request.prompt_sets, request.calibrations)),
            sampling=sampling_info(request.sampling, request.geometry.name),
        )
        return Finished(index, document, None)


def running_analysis(
    folder: DataFolder, settings: AnalysisSettings, watcher: Watcher
) -> AbstractContextManager[Analysis]:
    """Join the service that works on a data folder; where there is none, be it for one run."""
    request = Request(
        model=settings.model,
        sampling=settings.sampling,
        prompt_sets=settings.prompt_sets,
        calibration=settings.calibration,
        crop=settings.crop,
        priority=Priority.HIGH,
        in_place_on=settings.host_name,
        run_id=uuid.uuid4().hex,
        fetching=settings.fetching,
    )
    if served_queue(folder) is None:
        return _own_analysis(DataFolder.prepare(folder.root), settings, request, watcher)
    return _joined_analysis(folder, settings, request, watcher)


@contextmanager
def _joined_analysis(
    folder: DataFolder, settings: AnalysisSettings, request: Request, watcher: Watcher
) -> Iterator[Analysis]:
    """Ask the running service; starts and stops nothing."""
    with joined_stores(folder, settings.environment) as stores:
        host = settings.host_name
        if not samples_on(stores.redis, host):
            raise SamplerMissing(
                f"the service that works on {folder.root} has no sampling process on this host "
                f"({host}), where the files are.",
                "Name the host as it is named there: --host-name NAME; or use clipwarden submit, "
                "which copies the files to where every host sees them.",
            )
        prepared = prepare(stores, request)
        watcher.starting()
        with _cancelling(stores, request):
            yield Analysis(prepared, stores, watcher, _Service(folder))


@contextmanager
def _own_analysis(
    folder: DataFolder, settings: AnalysisSettings, request: Request, watcher: Watcher
) -> Iterator[Analysis]:
    """Lock the data folder, start queue server and workers, and end them all on the way out."""
    for name in request.classifiers:
        require_classifier(name)
    with ExitStack() as stack:
        stack.enter_context(folder.lock())
        watcher.starting()
        redis_url = settings.environment.redis_url or stack.enter_context(running_server(folder))
        store_settings = resolve_stores(folder, settings.environment, redis_url)
        stores = Stores.open(store_settings)
        stack.callback(stores.close)
        _set_up(stores, is_own=not settings.environment.database_url)
        # What a killed run of this host left unfinished was never asked for in this one.
        cancel_runs(stores, DEFAULT_TENANT, _embedded_in(stores), host=settings.host_name)
        # Once our workers have ended: they have handed their jobs back by then.
        stack.enter_context(_cancelling(stores, request))
        roles = _roles(settings, request, store_settings)
        workers = stack.enter_context(WorkerProcesses(roles, folder.logs))
        yield Analysis(prepare(stores, request), stores, watcher, workers)


def _set_up(stores: Stores, *, is_own: bool) -> None:
    """Set up the data folder's own installation; one that is named by URL is only joined.

    Somebody may be serving that, who is not to find its schema changed.
    """
    if is_own:
        migrate(stores.database)
        claim_stores(stores)
    else:
        require_current(stores.database)
        join_stores(stores)


@contextmanager
def _cancelling(stores: Stores, request: Request) -> Iterator[None]:
    """Cancel what a run that breaks off had asked for: nobody will fetch it."""
    assert request.in_place_on is not None
    try:
        yield
    except BaseException:
        # Where that fails, the error that ended the run is still the one to tell.
        with suppress(ClipwardenError):
            cancel_runs(
                stores,
                DEFAULT_TENANT,
                _embedded_in(stores),
                host=request.in_place_on,
                run_id=request.run_id,
            )
        raise


def _embedded_in(stores: Stores) -> IsEmbedded:
    return lambda work: is_embedded(stores, work)


def _roles(settings: AnalysisSettings, request: Request, stores: StoreSettings) -> list[Role]:
    shared = ProcessSettings(stores=stores, host=settings.host_name)
    card = request.model.to_json()
    return [
        embedder("embed", shared, card, settings.device, usable_cores(), settings.batch_size),
        sampler("sample", shared, decoding=settings.decoding),
        finisher("finish", shared),
        keeper("keep", shared),
    ]
