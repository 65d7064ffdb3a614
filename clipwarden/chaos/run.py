"""One disturbed run: a service of its own, videos into it, disturbance, verdict."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import func, select

from clipwarden.chaos.clips import write_clips
from clipwarden.chaos.disturbance import Disturbance, Plan
from clipwarden.chaos.verdict import Verdict, judge
from clipwarden.data_folder import DataFolder
from clipwarden.errors import WorkerFailed
from clipwarden.installation import StoreEnvironment, host_name, installation_stores
from clipwarden.intake import accept, prepare
from clipwarden.request import Request
from clipwarden.wanted_model import WantedModel
from ingest.errors import Passing
from ingest.media.spec import SamplingSpec
from ingest.stores import Stores
from ingest.tables import Status, Submission
from prompts.label import Label
from prompts.schema import PromptSet
from worker.tables import Embedding

# Thresholds so low that every video has a segment of each label: a segment that is stored twice
# must have a chance to be seen.
_PROMPT_SET = PromptSet(
    name="chaos",
    version="1",
    description="Colours, found everywhere.",
    templates=("{}",),
    contrast=("a black picture",),
    labels=tuple(
        Label(id=colour, prompts=(f"a {colour} picture",), threshold=1e-9, min_frames=1)
        for colour in ("red", "green", "blue", "yellow")
    ),
)

_POLL_S = 0.1
_START_TIMEOUT_S = 120.0

# Scheduler and reaper tidy up after the last result.
_SETTLE_S = 20.0


@dataclass(frozen=True)
class ChaosSettings:
    """How many videos, under what disturbance, and how long it may take at most."""

    videos: int
    clip_s: float
    embedders: int
    model: str
    plan: Plan
    seed: int
    timeout_s: float


@dataclass(frozen=True)
class Outcome:
    """What was done to the installation and what came out."""

    verdict: Verdict
    disturbances: Counter[str]
    processes_started: int
    elapsed_s: float


Tell = Callable[[int], None]
"""Told how many submissions have ended."""


def run_chaos(folder: Path, settings: ChaosSettings, tell: Tell) -> Outcome:
    """Run in a folder, which is made and kept; raises WorkerFailed where the service ends."""
    clips = folder / "clips"
    clips.mkdir(parents=True)
    data = DataFolder.prepare(folder / "data")
    began = time.monotonic()
    with _service(data, settings) as (service, stores):
        _submit_all(stores, settings, clips)
        disturbance = Disturbance(
            stores.redis,
            settings.plan,
            settings.videos,
            random.Random(settings.seed),  # noqa: S311 - no secret
        )
        try:
            _await_end(stores, service, settings, disturbance, tell)
            if service.poll() is not None:
                raise _ended(folder)
        finally:
            disturbance.end()
        verdict = _settled(stores, settings.videos)
    return Outcome(verdict, disturbance.done, _starts(folder), round(time.monotonic() - began, 1))


@contextmanager
def _service(
    data: DataFolder, settings: ChaosSettings
) -> Iterator[tuple[subprocess.Popen[bytes], Stores]]:
    devices = ["--device", "cpu"] * settings.embedders
    words = ["serve", "--data", str(data.root), "--model", settings.model, "--port", "0"]
    with (data.root.parent / "serve.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "clipwarden", *words, "--log-format", "json", *devices],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            env={name: value for name, value in os.environ.items() if name != "REDIS_URL"},
        )
        try:
            stores = _open_when_up(data, process)
            yield process, stores
            stores.close()
        finally:
            process.send_signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                process.wait(60)
            process.kill()
            process.wait()


def _open_when_up(data: DataFolder, process: subprocess.Popen[bytes]) -> Stores:
    deadline = time.monotonic() + _START_TIMEOUT_S
    while process.poll() is None and time.monotonic() < deadline:
        with suppress(Exception):
            stores = Stores.open(installation_stores(data, StoreEnvironment()), patient=True)
            with stores.database.read() as session:
                session.execute(select(func.count()).select_from(Submission))
            return stores
        time.sleep(_POLL_S)
    raise _ended(data.root.parent)


def _submit_all(stores: Stores, settings: ChaosSettings, clips: Path) -> None:
    request = Request(
        model=WantedModel(settings.model).resolve(),
        sampling=SamplingSpec.parse("fps:2"),
        prompt_sets=(_PROMPT_SET,),
        in_place_on=host_name(),
    )
    request = prepare(stores, request)
    for path in write_clips(clips, settings.videos, settings.clip_s):
        accept(stores, request, path)


def _await_end(
    stores: Stores,
    service: subprocess.Popen[bytes],
    settings: ChaosSettings,
    disturbance: Disturbance,
    tell: Tell,
) -> None:
    deadline = time.monotonic() + settings.timeout_s
    ended = 0
    while ended < settings.videos and time.monotonic() < deadline:
        if service.poll() is not None:
            return
        with suppress(Passing):
            ended, committed = _progress(stores)
            disturbance.go_on(committed)
        tell(ended)
        time.sleep(_POLL_S)


def _progress(stores: Stores) -> tuple[int, int]:
    """How many submissions have ended, and how many chunks are committed."""
    with stores.database.read() as session:
        ended = select(func.count()).where(Submission.status != Status.QUEUED)
        chunks = select(func.count()).select_from(Embedding)
        return session.scalar(ended) or 0, session.scalar(chunks) or 0


def _settled(stores: Stores, videos: int) -> Verdict:
    """Judge once nothing moves any more: a zombie's last job may still be put away."""
    deadline = time.monotonic() + _SETTLE_S
    verdict = judge(stores, videos)
    while verdict.faults and time.monotonic() < deadline:
        time.sleep(_POLL_S)
        verdict = judge(stores, videos)
    return verdict


def _starts(folder: Path) -> int:
    return (folder / "serve.log").read_text().count('"started"')


def _ended(folder: Path) -> WorkerFailed:
    return WorkerFailed(
        "the service under trial ended by itself.", f"Its log is {folder / 'serve.log'}."
    )
