"""The compose file's own command lines and health checks, run as processes of this machine."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from redis.exceptions import AuthenticationError, RedisError

from clipwarden.queue_server import server_binary
from tests.clips import real_clip
from tests.clipwarden.command import Product, wait_for
from tests.clipwarden.service import Service
from tests.docker.composition import PASSWORDS, services
from tests.servers.process import await_answer, end, free_port

_BINARIES = Path(sys.executable).parent


@pytest.fixture
def queue_port(tmp_path: Path) -> Iterator[int]:
    """The compose file's queue server, on a port of its own; yields the port."""
    queue, port, folder = services()["queue"], free_port(), tmp_path / "queue"
    folder.mkdir()
    # What stands in for the image's own program adds the one thing that containers need not.
    program = folder / "valkey-server"
    options = f"--bind 127.0.0.1 --port {port}"
    program.write_text(f'#!/bin/sh\nexec {shlex.quote(str(server_binary()))} "$@" {options}\n')
    program.chmod(0o755)
    log = folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            queue["command"],
            env={"PATH": f"{folder}:{os.defpath}", **queue["environment"]},
            cwd=folder,
            stdout=output,
            stderr=output,
        )
    password = queue["environment"]["QUEUE_PASSWORD"]
    with Redis(port=port, password=password) as client:

        def answers() -> bool:
            try:
                return bool(client.ping())
            except RedisError:
                return False

        await_answer(process, answers, log.read_text)
        yield port
    end(process)


class Host:
    """A container's place in this: a host name of its own, and the addresses of the stores."""

    def __init__(self, name: str, folder: Path, environment: dict[str, str]) -> None:
        self.name = name
        self.product = Product(folder / name, environment)
        program = folder / f"{name}-bin" / "hostname"
        program.parent.mkdir()
        program.write_text(f"#!/bin/sh\necho {name}\n")
        program.chmod(0o755)
        self._path = f"{program.parent}:{_BINARIES}:{os.environ['PATH']}"

    def start(self, service: dict[str, Any], *more: str) -> Service:
        """Run a service's command line."""
        return Service(self.product, *service["command"], "--host-name", self.name, *more)

    def is_healthy(self, service: dict[str, Any], api: str = "") -> bool:
        """Run a service's health check as the engine does, on the API's real address."""
        how, *words = service["healthcheck"]["test"]
        assert how in ("CMD", "CMD-SHELL")
        command = ["/bin/sh", "-c", *words] if how == "CMD-SHELL" else words
        program = shutil.which(command[0], path=self._path)
        assert program is not None
        done = subprocess.run(
            [program, *(word.replace("http://127.0.0.1:8765", api) for word in command[1:])],
            env={**os.environ, **self.product.environment, "PATH": self._path},
            stderr=subprocess.DEVNULL,
            check=False,
        )
        return done.returncode == 0


def test_the_queue_wants_its_password_and_keeps_what_it_is_told(queue_port: int) -> None:
    with Redis(port=queue_port) as stranger, pytest.raises(AuthenticationError):
        stranger.ping()
    with Redis(port=queue_port, password=PASSWORDS["QUEUE_PASSWORD"]) as client:
        settings = client.config_get("append*", "save", "maxmemory*")
        info = client.info("persistence")
    assert (settings["appendonly"], settings["appendfsync"]) == ("yes", "everysec")
    assert (settings["save"], settings["maxmemory-policy"]) == ("", "noeviction")
    assert settings["maxmemory"] == str(512 * 1024**2)
    assert info["aof_enabled"] == 1


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_services_together_analyse_a_video(
    queue_port: int, postgres_url: str, tmp_path: Path
) -> None:
    password = PASSWORDS["QUEUE_PASSWORD"]
    environment = {
        "REDIS_URL": f"redis://:{password}@127.0.0.1:{queue_port}/0",
        "CLIPWARDEN_DATABASE_URL": postgres_url,
        "CLIPWARDEN_BLOB_URL": str(tmp_path / "blobs"),
    }
    composed = services({**PASSWORDS, "CLIPWARDEN_MODEL": "starter"})
    coordinator = Host("coordinator", tmp_path, environment)
    workers = {name: Host(name, tmp_path, environment) for name in ("sampler", "embed-cpu")}
    # In a container the address and the port are its own.
    started = [coordinator.start(composed["serve"], "--host", "127.0.0.1", "--port", "0")]
    try:
        api = str(started[0].await_ready()["api"])
        assert coordinator.is_healthy(composed["serve"], api)
        for name, host in workers.items():
            assert not host.is_healthy(composed[name])
            started.append(host.start(composed[name]))
            wait_for(partial(host.is_healthy, composed[name]), 120)
        done = coordinator.product.run("submit", real_clip("carphone_pristine.mp4"), "--wait")
        assert done.returncode == 0, done.stderr
        assert started.pop().end() == 0
        wait_for(lambda: not workers["embed-cpu"].is_healthy(composed["embed-cpu"]), 30)
        assert workers["sampler"].is_healthy(composed["sampler"])
    finally:
        statuses = [service.end() for service in reversed(started)]
    assert statuses == [0, 0]
