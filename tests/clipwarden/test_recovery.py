"""What survives: a killed embedder, and an installation that is disturbed all the time."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rq.utils import as_text

from clipwarden.chaos.disturbance import Plan
from clipwarden.chaos.run import ChaosSettings, run_chaos
from clipwarden.data_folder import DataFolder
from clipwarden.installation import StoreEnvironment, installation_stores
from clipwarden.intake import accept, prepare
from clipwarden.request import Request
from ingest.media.spec import SamplingSpec
from ingest.queue.leases import Lease
from ingest.queue.upkeep import known_queues
from ingest.stores import Stores
from ingest.tables import DEFAULT_TENANT, Status, Submission
from prompts.loader import load_prompt_set
from tests.clips import real_clip
from tests.clipwarden.command import Product, wait_for
from tests.clipwarden.service import Service
from worker.models.resolve import resolve_model
from worker.results import read_document

# The promise; a lease is 12 s.
BACK_WITHIN_S = 15.0


@pytest.fixture
def service(product: Product) -> Iterator[Service]:
    words = ["--model", "starter", "--port", "0", "--device", "cpu", "--device", "cpu"]
    service = Service(product, "serve", *words)
    service.await_ready()
    yield service
    service.end()


@pytest.fixture
def stores(product: Product, service: Service) -> Iterator[Stores]:
    settings = installation_stores(DataFolder.prepare(product.data), StoreEnvironment())
    stores = Stores.open(settings, patient=True)
    yield stores
    stores.close()


def submit(stores: Stores, path: Path) -> str:
    request = Request(
        model=resolve_model("starter"),
        sampling=SamplingSpec.parse("fps:10"),
        prompt_sets=(load_prompt_set("moderation"), load_prompt_set("scenes")),
    )
    prepare(stores, request)
    return accept(stores, request, path).submission_id


def result(stores: Stores, submission_id: str) -> dict[str, Any]:
    """The document without what differs between two analyses of one file."""

    def is_done() -> bool:
        with stores.database.read() as session:
            row = session.get_one(Submission, (DEFAULT_TENANT, submission_id))
            return row.status == Status.DONE

    wait_for(is_done, 180)
    document = read_document(stores, DEFAULT_TENANT, submission_id).model_dump(
        mode="json", by_alias=True
    )
    return comparable(document)


def comparable(document: dict[str, Any]) -> dict[str, Any]:
    """What two analyses of one file have in common, whoever made them.

    Processes with other numbers of threads round a vector's last bits otherwise, and vectors are
    stored under the hash of their content.
    """
    del document["timings"], document["video"]["id"]
    for scoring in document["scoring"]:
        del scoring["vectors"]
    return document


def explained(document: dict[str, Any]) -> list[float]:
    """The margins and confidences of all frames that segments rest on."""
    explanations = [segment["explanation"] for segment in document["segments"]]
    return [one for each in explanations for one in each["margins"] + each["confidences"]]


def without_rounding(document: dict[str, Any]) -> dict[str, Any]:
    """The document without those numbers, and without the sentence that tells one of them."""
    told = ("margins", "confidences", "because")
    segments = [
        one
        | {
            "explanation": {
                key: value for key, value in one["explanation"].items() if key not in told
            }
        }
        for one in document["segments"]
    ]
    return document | {"segments": segments}


def embedding_leases(stores: Stores) -> list[Lease]:
    """The chunks that somebody works on now, or has loaded ahead."""
    return [
        Lease.parse(queue, as_text(member))
        for queue in known_queues(stores.redis)
        if queue.startswith("embed:")
        for member, _ in stores.redis.zscan_iter(f"rq:wip:{queue}")
    ]


def worker_pid(stores: Stores, lease: Lease) -> int:
    name = stores.redis.hget(f"rq:job:{lease.job_id}", "worker_name")
    assert name is not None
    return int(as_text(name).split("-embed-")[1].split("-")[0])


@pytest.mark.slow
def test_a_killed_embedders_chunk_runs_again_in_time_and_the_result_is_the_same(
    stores: Stores, product: Product, tmp_path: Path
) -> None:
    clip = real_clip("bikes.mp4")
    submitted = submit(stores, clip)
    lease = wait_for(lambda: embedding_leases(stores), 60)[0]
    os.kill(worker_pid(stores, lease), signal.SIGKILL)

    def runs_again() -> bool:
        return any(
            one.job_id == lease.job_id and one.id != lease.id for one in embedding_leases(stores)
        )

    wait_for(runs_again, BACK_WITHIN_S)
    disturbed = result(stores, submitted)

    undisturbed = Product(tmp_path / "other")
    words = ["--prompts", "moderation", "--prompts", "scenes", "--sample", "fps:10"]
    expected = comparable(undisturbed.analyze("--no-report", *words, clip))
    assert without_rounding(disturbed) == without_rounding(expected)
    assert explained(disturbed) == pytest.approx(explained(expected), abs=1e-4)
    assert len(disturbed["segments"]) > 0


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_two_hundred_videos_survive_kills_a_freeze_and_two_restarts_of_the_queue(
    tmp_path: Path,
) -> None:
    settings = ChaosSettings(
        videos=200,
        clip_s=1.0,
        embedders=2,
        model="starter",
        plan=Plan(kill_every=10, queue_restarts=2, freeze_s=30.0),
        seed=random.SystemRandom().randrange(2**32),
        timeout_s=1000,
    )
    outcome = run_chaos(tmp_path / "chaos", settings, lambda _ended: None)
    assert outcome.verdict.faults == (), settings
    assert outcome.verdict.results == 200
    assert outcome.verdict.segments == 200 * 4
    assert outcome.disturbances["queue server restarted"] == 2
    assert outcome.disturbances["embed frozen"] == 1
    killed = sum(count for what, count in outcome.disturbances.items() if "killed" in what)
    assert killed >= 15
