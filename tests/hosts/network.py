"""A second host: a network namespace joined to this one by a cable that can be pulled."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

HERE = "10.213.77.1"
THERE = "10.213.77.2"


@dataclass(frozen=True)
class FarHost:
    """A namespace, and the end of the cable on our side."""

    name: str
    cable: str

    def command(self, *words: str) -> list[str]:
        """The words that run a command over there."""
        return ["ip", "netns", "exec", self.name, *words]

    def pull(self) -> None:
        """Cut the connection: packets vanish, nobody is told."""
        _ip("link", "set", self.cable, "down")

    def plug(self) -> None:
        """Restore it."""
        _ip("link", "set", self.cable, "up")


def why_not() -> str | None:
    """Say why there can be no second host on this machine, or None where there can."""
    if shutil.which("ip") is None:
        return "there is no `ip`: apt-get install iproute2"
    probe = f"cw-probe-{os.getpid()}"
    done = subprocess.run(["ip", "netns", "add", probe], capture_output=True, text=True)
    if done.returncode != 0:
        return f"network namespaces are not permitted here: {done.stderr.strip()}"
    _ip("netns", "delete", probe)
    return None


@contextmanager
def far_host() -> Iterator[FarHost]:
    """Make a second host with the address THERE, which reaches this one at HERE."""
    host = FarHost(f"cw-{os.getpid()}", f"cwh{os.getpid()}"[:15])
    end = f"cwn{os.getpid()}"[:15]
    _ip("netns", "add", host.name)
    try:
        _ip("link", "add", host.cable, "type", "veth", "peer", "name", end)
        _ip("link", "set", end, "netns", host.name)
        _ip("address", "add", f"{HERE}/30", "dev", host.cable)
        _ip("link", "set", host.cable, "up")
        _ip("-n", host.name, "address", "add", f"{THERE}/30", "dev", end)
        _ip("-n", host.name, "link", "set", end, "up")
        _ip("-n", host.name, "link", "set", "lo", "up")
        yield host
    finally:
        # The cable goes with the namespace; a process in it keeps both, so it must end first.
        _ip("netns", "delete", host.name)


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)
