"""What is piped in, and what fetching leaves behind: nothing."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ingest.errors import (
    LiveSource,
    MediaEmpty,
    SourceUnavailable,
    SourceUnsupported,
    TooManyBytes,
)
from ingest.originals import remove_leftovers
from ingest.sources.fetching import fetched
from ingest.sources.limits import FetchLimits
from ingest.sources.naming import StandardInput

DATA = bytes(range(256)) * 10_000


def read_pipe(data: bytes, limits: FetchLimits, folder: Path) -> bytes:
    """Pipe data into a fetch, while it reads."""
    reading, writing = os.pipe()

    def write() -> None:
        with os.fdopen(writing, "wb") as pipe:
            try:
                pipe.write(data)
            except BrokenPipeError:
                return

    writer = threading.Thread(target=write)
    writer.start()
    try:
        with fetched(StandardInput(reading), limits, folder) as path:
            assert path.is_relative_to(folder)
            assert path.parent.stat().st_mode & 0o777 == 0o700
            return path.read_bytes()
    finally:
        os.close(reading)
        writer.join()
        assert list(folder.iterdir()) == []


def test_what_is_piped_in_comes_as_it_is(tmp_path: Path) -> None:
    assert read_pipe(DATA, FetchLimits(), tmp_path) == DATA


def test_what_is_piped_in_has_limits_too(tmp_path: Path) -> None:
    with pytest.raises(TooManyBytes, match=f"{len(DATA) - 1} bytes"):
        read_pipe(DATA, FetchLimits(max_bytes=len(DATA) - 1), tmp_path)
    with pytest.raises(MediaEmpty):
        read_pipe(b"", FetchLimits(), tmp_path)
    with pytest.raises(LiveSource):
        read_pipe(b"#EXTM3U\n", FetchLimits(), tmp_path)


def test_a_playlist_that_is_piped_in_by_small_pieces_is_refused_before_its_end(
    tmp_path: Path,
) -> None:
    reading, writing = os.pipe()
    with ThreadPoolExecutor(1) as pool:

        def fetch() -> None:
            with fetched(StandardInput(reading), FetchLimits(), tmp_path):
                pass

        fetching = pool.submit(fetch)
        for piece in (b"#", b"EXTM3", b"U\n"):
            os.write(writing, piece)
        with pytest.raises(LiveSource):
            fetching.result(60)
    os.close(writing)
    os.close(reading)


def test_a_pipe_may_take_as_long_as_its_writer_does(tmp_path: Path) -> None:
    limits = FetchLimits(timeout_s=0.0, idle_timeout_s=0.0)
    assert read_pipe(DATA, limits, tmp_path) == DATA


def test_a_disk_that_can_not_keep_it_fails_that_source_alone(tmp_path: Path) -> None:
    script = (
        "import resource, signal, sys\n"
        "from pathlib import Path\n"
        "from ingest.errors import SourceUnavailable\n"
        "from ingest.sources.fetching import fetched\n"
        "from ingest.sources.limits import FetchLimits\n"
        "from ingest.sources.naming import StandardInput\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        "try:\n"
        "    with fetched(StandardInput(), FetchLimits(), Path(sys.argv[1])):\n"
        "        pass\n"
        "except SourceUnavailable as error:\n"
        "    sys.stdout.write(error.cure)\n"
    )
    for folder in (tmp_path, tmp_path / "missing"):
        command = [sys.executable, "-P", "-c", script, str(folder)]
        done = subprocess.run(command, input=DATA, capture_output=True)
        assert b"TMPDIR" in done.stdout, done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_terminal_and_a_closed_input_are_refused(tmp_path: Path) -> None:
    near, far = pty.openpty()
    for descriptor, error in ((far, SourceUnsupported), (9999, SourceUnavailable)):
        with pytest.raises(error), fetched(StandardInput(descriptor), FetchLimits(), tmp_path):
            pass
    os.close(near)
    os.close(far)


def test_what_a_killed_process_had_fetched_is_deleted_with_the_other_leftovers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = (
        "import os\n"
        "from ingest.sources.fetching import fetched\n"
        "from ingest.sources.limits import FetchLimits\n"
        "from ingest.sources.naming import StandardInput\n"
        "with fetched(StandardInput(), FetchLimits()):\n"
        "    os._exit(9)\n"
    )
    command = [sys.executable, "-P", "-c", script]
    done = subprocess.run(command, input=DATA, env=os.environ | {"TMPDIR": str(tmp_path)})
    assert done.returncode == 9
    assert len(list(tmp_path.rglob("content"))) == 1
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    remove_leftovers()
    assert list(tmp_path.iterdir()) == []
