"""A process is killed before each thing it does to a store; every submission ends after all."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from ingest.endings import cancel, retry
from ingest.errors import SubmissionEnded
from ingest.queue.attempts import attempt
from ingest.queue.claims import Claim, Stopwatch
from ingest.queue.jobs import fetch_job
from ingest.queue.leases import settle, take
from ingest.queue.names import FINISH_QUEUE, embed_queues, sample_queues
from ingest.settings import StoreSettings
from ingest.stores import Stores
from ingest.tables import DEFAULT_TENANT, Status
from tests.clips import BLUE, RED, write_scenes
from tests.worker.chain import COLOUR_SET, HOST, Chain, Submitted
from tests.worker.fake_encoder import FAKE_CARD
from tests.worker.mortal import Killed, Life, mortal
from worker.retention import purge
from worker.tables import Embedding, Result, SegmentRow
from worker.texts import request_text_vectors, store_prompt_set

Step = Callable[[Chain, Submitted], None]

SAMPLING = sample_queues(HOST)
EMBEDDING = embed_queues(FAKE_CARD.key)


@pytest.fixture(autouse=True)
def texts_are_embedded(chain: Chain) -> None:
    """They are one job more, but only the first time."""
    store_prompt_set(chain.stores, DEFAULT_TENANT, COLOUR_SET)
    request_text_vectors(chain.stores, DEFAULT_TENANT, FAKE_CARD.key, COLOUR_SET.sha256)
    chain.embed()


@pytest.fixture(autouse=True)
def nothing_settles(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody else is at work, so that repair need not look twice."""
    monkeypatch.setattr("ingest.repair._SETTLING_S", 0.0)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two chunks."""
    path = tmp_path_factory.mktemp("clips") / "short.mp4"
    return write_scenes(path, [(RED, 1.6), (BLUE, 1.4)], width=64, height=48)


def work_once(chain: Chain, queues: list[str]) -> None:
    """Take a job, do it, and settle it, as a worker's main thread does."""
    redis = chain.stores.redis
    lease = take(redis, queues, "mortal")
    assert lease is not None
    job = fetch_job(redis, lease.job_id)
    handler = chain.handlers()[job.func_name or ""]
    verdict = attempt(handler, job.args[0], Claim(redis, lease, Stopwatch()), 0, 600.0)
    assert verdict.outcome is not None
    settle(redis, lease, verdict.outcome, count=verdict.count, delay_s=verdict.delay_s)


def work_times(chain: Chain, queues: list[str], times: int) -> None:
    for _ in range(times):
        work_once(chain, queues)


def dies_everywhere(
    settings: StoreSettings, chain: Chain, clip: Path, before: Step, step: Step
) -> list[int]:
    """Let a process do a step and die ever later, until it lives to the end; returns its deaths.

    After each death workers and repair come; the video must end with its three kinds of rows.
    """
    deaths = []
    for dies_at in range(1, 200):
        submitted = chain.submit(clip)
        before(chain, submitted)
        life = Life(dies_at)
        with mortal(settings, life) as stores:
            dying = Chain(stores, chain.encoder)
            try:
                step(dying, submitted)
            except Killed:
                deaths.append(dies_at)
        chain.lose_workers()
        chain.repair()
        chain.run()
        assert_ended(chain, submitted, f"killed at {dies_at}")
        purge(chain.stores, DEFAULT_TENANT, submitted.work.media_sha256)
        assert chain.traces() == []
        assert chain.pixels() == []
        if deaths[-1:] != [dies_at]:
            return deaths
    raise AssertionError("it never lives to the end")


def assert_ended(chain: Chain, submitted: Submitted, when: str) -> None:
    row = chain.submission(submitted)
    assert row.status == Status.DONE, f"{when}: {row.status} {row.error_message}"
    assert [one.label for one in chain.document(submitted).segments] == ["red", "blue"], when
    assert [one.frames for one in chain.rows(Embedding)] == [64, 11], when
    assert len(chain.rows(Result)) == 1
    assert len(chain.rows(SegmentRow)) == 2
    assert chain.traces() == [], when
    assert chain.pixels() == [], when


def nothing(_chain: Chain, _submitted: Submitted) -> None:
    """Nothing comes before."""


def sampled(chain: Chain, _submitted: Submitted) -> None:
    chain.sample()


def embedded(chain: Chain, _submitted: Submitted) -> None:
    chain.sample()
    chain.embed()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("before", "step", "least"),
    [
        pytest.param(nothing, lambda chain, _: work_once(chain, SAMPLING), 20, id="sampler"),
        pytest.param(
            sampled,
            lambda chain, _: work_times(chain, EMBEDDING, 2),
            20,
            id="embedder",
        ),
        pytest.param(
            embedded, lambda chain, _: work_once(chain, [FINISH_QUEUE]), 10, id="finisher"
        ),
    ],
)
def test_a_worker_killed_anywhere_costs_no_video(
    store_settings: StoreSettings,
    chain: Chain,
    clip: Path,
    before: Step,
    step: Step,
    least: int,
) -> None:
    assert len(dies_everywhere(store_settings, chain, clip, before, step)) >= least


def test_a_client_killed_anywhere_in_submitting_is_repaired_or_never_submitted(
    store_settings: StoreSettings, chain: Chain, clip: Path
) -> None:
    deaths = 0
    for dies_at in range(1, 50):
        is_dead = False
        with mortal(store_settings, Life(dies_at)) as stores:
            try:
                Chain(stores, chain.encoder).submit(clip, request_token="mine")
            except Killed:
                is_dead = True
        deaths += is_dead
        chain.repair()
        chain.run()
        # The client comes again, and has what it asked for.
        submitted = chain.submit(clip, request_token="mine")
        chain.run()
        assert_ended(chain, submitted, f"killed at {dies_at}")
        purge(chain.stores, DEFAULT_TENANT, submitted.work.media_sha256)
        if not is_dead:
            break
    assert deaths >= 5


@pytest.mark.parametrize("before", [nothing, sampled], ids=["queued", "sampled"])
def test_who_is_killed_while_he_cancels_leaves_what_can_be_cancelled_and_tried_again(
    store_settings: StoreSettings, chain: Chain, clip: Path, before: Step
) -> None:
    for dies_at in range(1, 60):
        submitted = chain.submit(clip)
        before(chain, submitted)
        is_dead = False
        with mortal(store_settings, Life(dies_at)) as stores:
            try:
                cancel(stores, DEFAULT_TENANT, submitted.id, chain.is_embedded)
            except Killed:
                is_dead = True
        with suppress(SubmissionEnded):
            chain.cancel(submitted)
        chain.repair()
        chain.run()
        assert chain.status(submitted) == Status.CANCELLED
        assert chain.traces() == []
        assert chain.pixels() == []
        if not is_dead:
            break
    assert dies_at >= 5
    retry(chain.stores, DEFAULT_TENANT, submitted.id, chain.is_embedded)
    chain.run()
    assert_ended(chain, submitted, "after all")


@pytest.mark.slow
def test_a_purge_killed_anywhere_can_be_done_again(
    store_settings: StoreSettings, chain: Chain, clip: Path
) -> None:
    for dies_at in range(1, 60):
        submitted = chain.submit(clip, host=None)
        chain.run()
        is_dead = False
        with mortal(store_settings, Life(dies_at)) as stores:
            try:
                purge(stores, DEFAULT_TENANT, submitted.work.media_sha256)
            except Killed:
                is_dead = True
        purge(chain.stores, DEFAULT_TENANT, submitted.work.media_sha256)
        assert_nothing_left(chain.stores, chain)
        if not is_dead:
            break
    assert dies_at >= 5


def assert_nothing_left(stores: Stores, chain: Chain) -> None:
    for table in (Embedding, Result, SegmentRow):
        assert chain.rows(table) == []
    kinds = set(stores.blobs.children("default"))
    for kind in kinds - {"prompt-sets", "text-vectors"}:
        assert chain.blobs_under(f"default/{kind}") == []
    assert chain.traces() == []
