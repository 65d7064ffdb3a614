"""The decoding process as a process: what ends it, what it may see, what it leaves behind."""

from __future__ import annotations

import base64
import os
import signal
import subprocess
import sys
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from ingest.errors import DecoderCrashed, DecodingTimedOut, MediaUnreadable
from ingest.media import wire
from ingest.media.channel import CHILD_COMMAND, ChildChannel, scrubbed_environment
from ingest.media.decoder import DecodeSession, decode
from ingest.media.limits import DecodeLimits
from ingest.media.spec import SamplingSpec
from tests import clips
from tests.media.sampled import CENTRE, sample

EVERY_FRAME = SamplingSpec.parse("fps:60")
FACTS = (
    b'{"width": 2, "height": 2, "codec": "h264", "container": "mp4", '
    b'"estimated_duration_us": null, "estimated_frames": null}'
)


@pytest.fixture(scope="module")
def long_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """More frames than the pipe holds, so that the child is alive while it is looked at."""
    path = tmp_path_factory.mktemp("clips") / "long.mp4"
    return clips.write_timed(path, clips.constant_times(50, 8))


def own_files() -> list[Path]:
    """Descriptors this process holds."""
    return sorted(Path("/proc/self/fd").iterdir())


def assert_no_child_is_left(pid: int) -> None:
    assert not psutil.pid_exists(pid), "killed and reaped"


def signal_after_three_frames(session: DecodeSession, number: signal.Signals) -> None:
    for index, _ in enumerate(session):
        if index == 3:
            os.kill(session.child_pid, number)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGBUS])
def test_a_decoder_that_dies_is_a_named_result_of_that_file(
    long_clip: Path, number: signal.Signals
) -> None:
    with decode(long_clip, EVERY_FRAME, CENTRE) as session:
        with pytest.raises(DecoderCrashed, match=rf"long\.mp4: .*{number.name}") as caught:
            signal_after_three_frames(session, number)
        pid = session.child_pid
    assert caught.value.code == "media.decoder_crashed"
    assert_no_child_is_left(pid)
    assert sample(long_clip).summary.frames_shown == 400


def test_a_decoder_that_stalls_is_killed(long_clip: Path) -> None:
    limits = DecodeLimits(stall_timeout_s=2)
    with decode(long_clip, EVERY_FRAME, CENTRE, limits=limits) as session:
        with pytest.raises(DecodingTimedOut, match="silent for 2 s") as caught:
            signal_after_three_frames(session, signal.SIGSTOP)
        pid = session.child_pid
    assert "--limit stall=" in caught.value.cure
    assert_no_child_is_left(pid)


def test_leaving_early_ends_the_child_and_closes_its_pipes(long_clip: Path) -> None:
    before = own_files()
    with decode(long_clip, EVERY_FRAME, CENTRE) as session:
        pid = session.child_pid
        assert next(iter(session)).pts_us == 0
        assert psutil.pid_exists(pid)
    assert_no_child_is_left(pid)
    session = decode(long_clip, EVERY_FRAME, CENTRE)
    with pytest.raises(ZeroDivisionError), session:
        raise ZeroDivisionError
    assert_no_child_is_left(session.child_pid)
    assert own_files() == before


def test_refused_and_finished_files_leave_nothing_either(tmp_path: Path, long_clip: Path) -> None:
    (tmp_path / "text.mp4").write_text("no video")
    before = own_files()
    children = psutil.Process().children()
    with pytest.raises(MediaUnreadable):
        sample(tmp_path / "text.mp4")
    sample(long_clip)
    assert psutil.Process().children() == children
    assert own_files() == before


def test_the_child_runs_in_its_own_session_with_limits_and_low_priority(long_clip: Path) -> None:
    limits = DecodeLimits(memory_bytes=1024**3, open_files=50, cpu_s=3600)
    with decode(long_clip, EVERY_FRAME, CENTRE, limits=limits) as session:
        child = psutil.Process(session.child_pid)
        assert os.getsid(child.pid) == child.pid
        assert child.nice() > psutil.Process().nice()
        assert child.rlimit(psutil.RLIMIT_AS) == (1024**3, 1024**3)
        assert child.rlimit(psutil.RLIMIT_NOFILE) == (50, 50)
        assert child.rlimit(psutil.RLIMIT_CPU)[0] == 3600
        assert child.rlimit(psutil.RLIMIT_CORE) == (0, 0)
        assert child.rlimit(psutil.RLIMIT_FSIZE) == (0, 0)


def test_the_child_sees_no_secrets(long_clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("REDIS_URL", "AWS_SECRET_ACCESS_KEY", "HF_TOKEN", "DATABASE_URL"):
        monkeypatch.setenv(name, "sesame")
    with decode(long_clip, EVERY_FRAME, CENTRE) as session:
        environment = psutil.Process(session.child_pid).environ()
    assert "sesame" not in environment.values()
    assert "PATH" in environment


def test_the_child_inherits_no_file_but_its_three_pipes(tmp_path: Path, long_clip: Path) -> None:
    with (
        (tmp_path / "open.txt").open("w") as ours,
        decode(long_clip, EVERY_FRAME, CENTRE) as session,
    ):
        os.set_inheritable(ours.fileno(), True)
        names = {file.path for file in psutil.Process(session.child_pid).open_files()}
        assert str(tmp_path / "open.txt") not in names


def test_the_child_ends_when_its_parent_is_killed(long_clip: Path) -> None:
    script = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from ingest.geometry import Geometry\n"
        "from ingest.media.decoder import decode\n"
        "from ingest.media.spec import SamplingSpec\n"
        "with decode(Path(sys.argv[1]), SamplingSpec.parse('fps:60'), Geometry('centre', 224))"
        " as session:\n"
        "    sys.stdout.write(f'{session.child_pid}\\n')\n"
        "    sys.stdout.flush()\n"
        "    time.sleep(600)\n"
    )
    command = [sys.executable, "-c", script, str(long_clip)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert psutil.pid_exists(pid)
        parent.kill()
    assert_ends(lambda: not psutil.pid_exists(pid) or is_zombie(pid))


def is_zombie(pid: int) -> bool:
    """An orphan that ended stays a zombie where process 1 reaps nothing, as in containers."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def assert_ends(ended: Callable[[], bool]) -> None:
    for _ in range(300):
        if ended():
            return
        time.sleep(0.1)
    raise AssertionError("the child outlived its parent by half a minute")


def test_the_child_imports_no_heavy_library(long_clip: Path) -> None:
    request = wire.DecodeRequest(
        path=str(long_clip),
        source="long.mp4",
        sampling=SamplingSpec.parse("fps:1"),
        geometry=CENTRE,
        limits=DecodeLimits(),
    )
    command = [CHILD_COMMAND[0], "-X", "importtime", *CHILD_COMMAND[1:]]
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=scrubbed_environment(os.environ),
    ) as child:
        assert child.stdin is not None
        child.stdin.write(request.to_line())
        child.stdin.flush()
        assert child.stdout is not None
        assert child.stderr is not None
        answers, imports = child.stdout.read(), child.stderr.read().decode()
    assert answers.startswith(wire.FACTS)
    assert wire.SUMMARY in answers
    imported = {line.rpartition("|")[2].strip().split(".")[0] for line in imports.splitlines()}
    assert {"av", "PIL", "ingest"} <= imported
    heavy = {"torch", "transformers", "redis", "rq", "sqlalchemy", "numpy", "pydantic", "fsspec"}
    assert not imported & heavy


def answering(script: str) -> ChildChannel:
    """A channel to a child that is not a decoder at all but writes what a test wants."""
    command = [sys.executable, "-c", f"import os, struct, sys, time\n{script}"]
    return ChildChannel(command, "clip.mp4", CENTRE, DecodeLimits(stall_timeout_s=20.0))


@pytest.mark.parametrize(
    "header",
    [
        wire.HEADER.pack(wire.FRAME, 2**32 - 1),
        wire.HEADER.pack(wire.FACTS, wire.MAX_JSON_BYTES + 1),
        wire.HEADER.pack(wire.FRAME, wire.largest_payload(wire.FRAME, CENTRE) + 1),
        wire.HEADER.pack(b"?", 1),
    ],
)
def test_a_message_too_large_or_unknown_is_refused_unread(header: bytes) -> None:
    with answering(f"os.write(1, {header!r}); time.sleep(60)") as channel:
        with pytest.raises(DecoderCrashed, match="nonsense"):
            channel.receive()
        pid = channel.pid
    assert_no_child_is_left(pid)


def test_the_last_line_a_dying_child_wrote_is_kept_and_made_printable() -> None:
    script = r"os.write(2, b'x' * 100_000 + b'\nlast \x1b[31mwords\n'); sys.exit(7)"
    with answering(script) as channel, pytest.raises(DecoderCrashed) as caught:
        channel.receive()
    assert "status 7" in str(caught.value)
    assert "last ?[31mwords" in str(caught.value)
    assert len(str(caught.value)) < 500


def test_a_child_that_writes_endlessly_to_stderr_is_still_watched() -> None:
    script = "sys.setswitchinterval(1)\nwhile True: os.write(2, b'noise ' * 1000)"
    command = [sys.executable, "-c", f"import os, sys\n{script}"]
    with (
        ChildChannel(command, "clip.mp4", CENTRE, DecodeLimits(stall_timeout_s=0.5)) as channel,
        pytest.raises(DecodingTimedOut, match="silent"),
    ):
        channel.receive()


def test_an_answer_in_many_small_pieces_is_put_together() -> None:
    message = wire.HEADER.pack(wire.FACTS, len(FACTS)) + FACTS
    script = f"for byte in {message!r}: os.write(1, bytes([byte]))"
    with answering(script) as channel:
        assert channel.receive() == (wire.FACTS, FACTS)


@pytest.mark.parametrize(
    "messages",
    [
        [(wire.SUMMARY, b"{}")],
        [(wire.FRAME, bytes(8 + 224 * 224 * 3 + 10))],
        [(wire.FACTS, b"[1, 2]")],
        [(wire.FACTS, b"[" * 60_000)],
        [(wire.FACTS, FACTS.replace(b'"width": 2', b'"width": -1'))],
        [(wire.FACTS, FACTS.replace(b'"width": 2', b'"width": true'))],
        [(wire.FACTS, FACTS.replace(b"h264", b"h\\n264"))],
        [(wire.FACTS, FACTS), (wire.FACTS, FACTS)],
        [(wire.FACTS, FACTS), (wire.FRAME, b"short")],
        [(wire.FACTS, FACTS), *[(wire.FRAME, bytes(8 + 224 * 224 * 3 + 10))] * 2],
        [(wire.FACTS, FACTS), (wire.SUMMARY, b'{"duration_us": 1}')],
        [(wire.ERROR, b'{"code": "made.up", "message": "m", "cure": "c"}')],
    ],
)
def test_answers_that_make_no_sense_are_a_crash(
    monkeypatch: pytest.MonkeyPatch, messages: list[tuple[bytes, bytes]]
) -> None:
    stream = b"".join(wire.HEADER.pack(kind, len(body)) + body for kind, body in messages)
    script = (
        f"import sys, time; sys.stdout.buffer.write({_compact(stream)}); "
        "sys.stdout.flush(); time.sleep(60)"
    )
    monkeypatch.setattr("ingest.media.decoder.CHILD_COMMAND", (sys.executable, "-c", script))
    with pytest.raises(DecoderCrashed, match="nonsense"):
        sample(Path("clip.mp4"))


def _compact(stream: bytes) -> str:
    """A Python expression for bytes that fits a command line."""
    packed = base64.b64encode(zlib.compress(stream)).decode()
    return f"__import__('zlib').decompress(__import__('base64').b64decode('{packed}'))"
