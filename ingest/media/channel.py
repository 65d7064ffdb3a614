"""The parent's end of the decoding process: starts it, reads its answers, always ends it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence

from ingest.errors import DecoderCrashed, DecodingTimedOut
from ingest.geometry import Geometry
from ingest.media import wire
from ingest.media.limits import DecodeLimits
from ingest.media.refusals import stalled, too_much_cpu, too_slow

CHILD_COMMAND = (sys.executable, "-P", "-m", "ingest.media.child")

_INHERITED = ("PATH", "PYTHONPATH", "PYTHONHOME", "LD_LIBRARY_PATH", "HOME", "LANG", "LC_ALL")
"""What a Python needs to find its modules, of which HOME leads to those installed for one user;
everything else, secrets included, stays here."""
_PIPE_BYTES = 1024 * 1024
_READ_BYTES = 256 * 1024
_KEPT_STDERR_BYTES = 4096
_WAIT_AFTER_KILL_S = 30.0
_LONGEST_WAIT_S = 3600.0

_THE_FILES_FAULT = "The file is probably damaged; convert it with another program and try again."
_OUR_FAULT = "This is a fault of the installation or of Clipwarden, not of the file: report it."


def scrubbed_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the part of an environment that the decoding process may see."""
    return {name: environment[name] for name in _INHERITED if name in environment}


class ChildChannel:
    """Reads framed messages from one child under a watchdog.

    `source` names the file in errors. Use as a context manager: leaving it kills and reaps the
    child and closes its pipes.
    """

    def __init__(
        self,
        command: Sequence[str],
        source: str,
        geometry: Geometry,
        limits: DecodeLimits,
        stdin: int = subprocess.PIPE,
    ) -> None:
        self._source = source
        self._geometry = geometry
        self._limits = limits
        self._waited_s = 0.0
        self._received = bytearray()
        self._stderr = bytearray()
        self._process = subprocess.Popen(
            command,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            close_fds=True,
            start_new_session=True,
            env=scrubbed_environment(os.environ),
        )
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        self._out = self._process.stdout.fileno()
        self._err = self._process.stderr.fileno()
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._out, selectors.EVENT_READ)
        self._selector.register(self._err, selectors.EVENT_READ)
        # A pipe that holds a few frames lets the child decode while the caller is busy.
        with contextlib.suppress(OSError):
            fcntl.fcntl(self._out, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)

    @property
    def pid(self) -> int:
        """The child's process id."""
        return self._process.pid

    @property
    def has_ended(self) -> bool:
        """Whether the child is no more."""
        return self._process.poll() is not None

    def __enter__(self) -> ChildChannel:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Kill and reap the child and close every pipe; safe to call twice."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait(_WAIT_AFTER_KILL_S)
        self._selector.close()
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()

    def kill(self) -> None:
        """End the child from another thread: whoever reads its answers is told that it died."""
        self._process.kill()

    def next_file(self, source: str) -> None:
        """Name the file that answers are of from now on; the time waited for counts anew.

        Raises DecoderCrashed where more has come than the answers for the file before.
        """
        if self._received or any(key.fd == self._out for key, _ in self._selector.select(0)):
            raise self.nonsense("more than was asked for, or its end")
        self._source = source
        self._waited_s = 0.0

    def send(self, line: bytes) -> None:
        """Write the request; stdin stays open, for its end tells the child that we are gone."""
        assert self._process.stdin is not None
        # A child that died already is reported, with its signal, when its answer is missing.
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(line)

    def receive(self) -> tuple[bytes, bytes]:
        """Return the next message's kind and payload.

        Raises DecoderCrashed when the child ends, or declares a message of unknown kind or of
        more bytes than its kind may have: nothing is allocated for it. Raises DecodingTimedOut
        when it is silent for too long, or was waited for too long in all.
        """
        deadline_s = time.monotonic() + self._limits.stall_timeout_s
        kind, length = wire.HEADER.unpack(self._take(wire.HEADER.size, deadline_s))
        if length > wire.largest_payload(kind, self._geometry):
            raise self.nonsense(f"a message of kind {kind!r} and {length} bytes")
        return kind, self._take(length, deadline_s)

    def nonsense(self, what: str) -> DecoderCrashed:
        """Return the error for an answer that the child should never give."""
        return self._crashed(f"the decoder answered nonsense ({what})")

    def _take(self, size: int, deadline_s: float) -> bytes:
        while len(self._received) < size:
            self._wait_for_bytes(deadline_s)
        taken = bytes(memoryview(self._received)[:size])
        del self._received[:size]
        return taken

    def _wait_for_bytes(self, deadline_s: float) -> None:
        # Only this waiting counts against the file: while the caller is busy elsewhere, the child
        # stands still before a full pipe.
        began_s = time.monotonic()
        left_s = self._limits.wall_s - self._waited_s
        wait_s = min(deadline_s - began_s, left_s)
        # The kernel takes no wait of weeks.
        ready = self._selector.select(min(wait_s, _LONGEST_WAIT_S)) if wait_s > 0 else []
        self._waited_s += time.monotonic() - began_s
        if not ready and time.monotonic() < began_s + wait_s:
            return
        if not ready:
            late = too_slow if self._waited_s >= self._limits.wall_s else stalled
            raise late(self._source, self._limits)
        for key, _ in ready:
            if key.fd == self._err:
                self._read_stderr()
        if any(key.fd == self._out for key, _ in ready):
            data = os.read(self._out, _READ_BYTES)
            if not data:
                raise self._ended()
            self._received += data

    def _read_stderr(self) -> None:
        data = os.read(self._err, _READ_BYTES)
        if not data:
            self._selector.unregister(self._err)
        self._stderr += data
        del self._stderr[:-_KEPT_STDERR_BYTES]

    def _ended(self) -> DecoderCrashed | DecodingTimedOut:
        """Say how the child came to its end."""
        try:
            status = self._process.wait(_WAIT_AFTER_KILL_S)
        except subprocess.TimeoutExpired:
            return self._crashed("the decoder closed its output without an answer")
        if status == -signal.SIGXCPU:
            return too_much_cpu(self._source, self._limits)
        if status < 0:
            return self._crashed(f"the decoder was ended by {_signal_name(-status)}")
        return self._crashed(f"the decoder ended without an answer (status {status})", _OUR_FAULT)

    def _crashed(self, what: str, cure: str = _THE_FILES_FAULT) -> DecoderCrashed:
        last_words = self._last_words()
        detail = f": {last_words}" if last_words else ""
        return DecoderCrashed(f"{self._source}: {what}{detail}.", cure)

    def _last_words(self) -> str:
        """Return the last line the child wrote to stderr, made printable."""
        with contextlib.suppress(OSError, ValueError):
            if self._process.poll() is not None:
                os.set_blocking(self._err, False)
                self._stderr += os.read(self._err, _READ_BYTES)
        lines = self._stderr[-_KEPT_STDERR_BYTES:].decode(errors="replace").strip().splitlines()
        text = lines[-1][:200] if lines else ""
        return "".join(c if c.isprintable() else "?" for c in text).rstrip(".")


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
