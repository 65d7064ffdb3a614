"""Two hosts share one queue, database and blob store; then the cable between them is pulled."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from pydantic import SecretStr
from redis import Redis
from redis.exceptions import RedisError
from sqlalchemy import func, select

from clipwarden.chaos.clips import write_clips
from clipwarden.chaos.verdict import judge
from clipwarden.intake import accept, prepare
from clipwarden.queue_server import server_binary
from clipwarden.request import Request
from ingest.media.spec import SamplingSpec
from ingest.queue.presence import Presence, State, read_presences
from ingest.settings import StoreSettings
from ingest.stores import Stores
from ingest.tables import Status, Submission
from prompts.loader import load_prompt_set
from tests.clipwarden.command import CLIPWARDEN, Product, wait_for
from tests.clipwarden.service import Service
from tests.hosts.forward import forwarded
from tests.hosts.network import HERE, FarHost, far_host, why_not
from tests.servers.process import await_answer, end, free_port
from tests.servers.s3 import S3Server
from worker.models.resolve import resolve_model
from worker.tables import Embedding

VIDEOS = 40
CLIP_S = 20.0
CUT_S = 20.0


@contextmanager
def queue_server_on_tcp(folder: Path) -> Iterator[int]:
    """A queue server on the loopback address; yields its port."""
    port = free_port()
    words = ["--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder)]
    process = subprocess.Popen(
        [server_binary(), *words, "--appendonly", "yes", "--save", ""],
        stdout=subprocess.DEVNULL,
    )

    def answers() -> bool:
        with Redis(port=port) as client:
            try:
                return bool(client.ping())
            except RedisError:
                return False

    await_answer(process, answers, lambda: "it does not answer")
    try:
        yield port
    finally:
        end(process)


@contextmanager
def far_worker(host: FarHost, environment: dict[str, str], folder: Path) -> Iterator[None]:
    """`clipwarden work` on the far host, told nothing but three addresses."""
    folder.mkdir()
    words = [str(CLIPWARDEN), "work", "--role", "embed", "--device", "cpu", "--model", "starter"]
    with (folder / "work.log").open("wb") as log:
        process = subprocess.Popen(
            host.command(*words, "--host-name", "far"),
            env={**os.environ, **environment},
            cwd=folder,
            stderr=log,
        )
        try:
            yield
        finally:
            process.terminate()
            process.wait(60)


def far_presence(stores: Stores) -> Presence | None:
    return next((one for one in read_presences(stores.redis) if one.host == "far"), None)


def await_far(stores: Stores, timeout_s: float) -> Presence:
    found = wait_for(lambda: far_presence(stores), timeout_s)
    assert found is not None
    return found


def embedded_by_far(stores: Stores, pid: int) -> int:
    """How many chunks a process of the far host committed."""
    with stores.database.read() as session:
        query = select(func.count()).where(Embedding.embedded_by.endswith(f":{pid}"))
        return session.scalar(query) or 0


def ended(stores: Stores) -> int:
    with stores.database.read() as session:
        return session.scalar(select(func.count()).where(Submission.status != Status.QUEUED)) or 0


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_worker_on_another_host_takes_jobs_and_a_cut_cable_loses_nothing(
    tmp_path: Path, postgres_url: str, bucket_url: str, s3_server: S3Server
) -> None:
    if reason := why_not():
        pytest.skip(reason)
    with ExitStack() as stack:
        host = stack.enter_context(far_host())
        queue_port = stack.enter_context(queue_server_on_tcp(tmp_path))
        postgres_port = int(postgres_url.rsplit(":", 1)[1].split("/")[0])
        for port in (queue_port, postgres_port, s3_server.port):
            stack.enter_context(forwarded(HERE, port))
        near = {
            "REDIS_URL": f"redis://127.0.0.1:{queue_port}/0",
            "CLIPWARDEN_DATABASE_URL": postgres_url,
            "CLIPWARDEN_BLOB_URL": bucket_url,
        }
        far = {name: url.replace("127.0.0.1", HERE) for name, url in near.items()}
        far["AWS_ENDPOINT_URL"] = s3_server.endpoint.replace("127.0.0.1", HERE)
        product = Product(tmp_path / "data", environment=near)
        service = Service(product, "serve", "--model", "starter", "--port", "0")
        stack.callback(service.end)
        service.await_ready()
        stores = open_stores(near)
        stack.callback(stores.close)
        stack.enter_context(far_worker(host, far, tmp_path / "far"))
        submit_videos(stores, tmp_path)

        first = await_far(stores, 120)
        wait_for(lambda: embedded_by_far(stores, first.pid) > 0, 120)
        wait_for(lambda: (now := far_presence(stores)) and now.state is State.BUSY, 60)
        host.pull()
        time.sleep(CUT_S)
        before = embedded_by_far(stores, first.pid)
        assert ended(stores) < VIDEOS
        host.plug()
        again = await_far(stores, 60)
        assert again.pid == first.pid, "the far worker did not live through the cut"
        wait_for(lambda: embedded_by_far(stores, first.pid) > before, 120)
        wait_for(lambda: ended(stores) == VIDEOS, 240)
        wait_for(lambda: judge(stores, VIDEOS).faults == (), 30)
        assert judge(stores, VIDEOS).faults == ()


def open_stores(environment: dict[str, str]) -> Stores:
    return Stores.open(
        StoreSettings(
            redis_url=SecretStr(environment["REDIS_URL"]),
            database_url=SecretStr(environment["CLIPWARDEN_DATABASE_URL"]),
            blob_url=environment["CLIPWARDEN_BLOB_URL"],
        )
    )


def submit_videos(stores: Stores, folder: Path) -> None:
    """Submit copies: no path of this host means anything on the other."""
    clips = folder / "clips"
    clips.mkdir()
    request = Request(
        model=resolve_model("starter"),
        sampling=SamplingSpec.parse("fps:2"),
        prompt_sets=(load_prompt_set("scenes"),),
    )
    prepare(stores, request)
    for path in write_clips(clips, VIDEOS, CLIP_S):
        accept(stores, request, path)
