"""The walls around the decoder: what it can't do any more, and that it still decodes."""

from __future__ import annotations

import errno
import json
import os
import platform
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import psutil
import pytest

from ingest.media import landlock, seccomp
from ingest.media.decoder import decode
from ingest.media.limits import DecodeLimits
from ingest.media.sandbox import NO_WALLS, Walls
from ingest.media.spec import SamplingSpec
from tests import clips
from tests.clips import Encoding
from tests.media.sampled import CENTRE, sample

# Everything is imported before the walls stand; what follows then only tries.
PREPARATION = """
import ctypes, errno, json, os, socket, sys, threading
from ingest.media import landlock, seccomp
from ingest.media.sandbox import enter_sandbox
canary, port, parent = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
mine = os.open(canary, os.O_RDONLY)
libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p
outcomes = {}

def attempt(name, action):
    try:
        action()
        outcomes[name] = 0
    except OSError as error:
        outcomes[name] = error.errno

def call(number, *arguments):
    words = [ctypes.c_long(one) for one in arguments]
    if libc.syscall(ctypes.c_long(number), *words) < 0:
        raise OSError(ctypes.get_errno(), "refused")

def fork():
    if os.fork() == 0:
        os._exit(0)

def connect():
    with socket.socket() as client:
        client.connect(("127.0.0.1", port))

def make_code():
    if libc.mmap(None, ctypes.c_size_t(4096), 5, 0x22, -1, ctypes.c_long(0)) == 2**64 - 1:
        raise OSError(ctypes.get_errno(), "refused")

def start_a_thread():
    thread = threading.Thread(target=outcomes.setdefault, args=("thread ran", 0))
    thread.start()
    thread.join()
"""

ATTEMPTS = """
attempt("read another file", lambda: os.open(canary, os.O_RDONLY))
attempt("write a file", lambda: os.open(canary, os.O_WRONLY))
attempt("create a file", lambda: os.open(canary + ".new", os.O_CREAT | os.O_WRONLY))
attempt("delete a file", lambda: os.unlink(canary))
attempt("list a folder", lambda: os.listdir("/"))
attempt("look at a file", lambda: os.stat(canary))
attempt("make a socket", lambda: socket.socket())
attempt("make a unix socket", lambda: socket.socket(socket.AF_UNIX))
attempt("make a pair of sockets", lambda: socket.socketpair())
attempt("connect", connect)
attempt("run a program", lambda: os.execve("/bin/true", ["true"], {}))
attempt("spawn a program", lambda: os.posix_spawn("/bin/true", ["true"], {}))
attempt("fork", fork)
attempt("signal another process", lambda: os.kill(parent, 0))
attempt("make code", make_code)
attempt("start a thread", start_a_thread)
attempt("read its file", lambda: os.pread(mine, 1, 0))
attempt("tell its file's size", lambda: os.fstat(mine))
"""

X86_CALLS = {
    "ptrace": 101,
    "process_vm_readv": 310,
    "process_vm_writev": 311,
    "mount": 165,
    "unshare": 272,
    "setns": 308,
    "bpf": 321,
    "perf_event_open": 298,
    "keyctl": 250,
    "memfd_create": 319,
    "userfaultfd": 323,
    "socket of x32": 0x4000_0000 | 41,
    "vfork": 58,
    "shmget": 29,
    "init_module": 175,
    "reboot": 169,
}
NEW_CALLS = {"io_uring_setup": 425, "clone3": 435, "pidfd_open": 434, "openat2": 437}


def tried(tmp_path: Path, walls: str, attempts: str, port: int = 9) -> dict[str, int]:
    """What each attempt met in a process with those walls: an errno, or 0 where it went well."""
    canary = tmp_path / "canary.txt"
    canary.write_text("sesame")
    script = f"{PREPARATION}\n{walls}\n{attempts}\nos.write(1, json.dumps("
    script += "outcomes).encode())"
    answer = subprocess.run(
        [sys.executable, "-c", script, str(canary), str(port), str(os.getpid())],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr
    assert canary.read_text() == "sesame"
    outcomes: dict[str, int] = json.loads(answer.stdout)
    return outcomes


def standing() -> Walls:
    """What this machine's kernel lets a process put up."""
    command = [sys.executable, "-P", "-m", "ingest.media.sandbox"]
    answer = subprocess.run(command, capture_output=True, timeout=60, check=True)
    return Walls(**json.loads(answer.stdout))


@pytest.fixture(scope="module")
def walls() -> Walls:
    return standing() if sys.platform == "linux" else NO_WALLS


@pytest.fixture
def with_seccomp(walls: Walls) -> None:
    if not walls.seccomp:
        pytest.skip("no seccomp filter is allowed here")


@pytest.fixture
def with_landlock(walls: Walls) -> None:
    if not walls.landlock_abi:
        pytest.skip("this kernel has no Landlock")


HARMLESS = {"start a thread", "thread ran", "read its file", "tell its file's size"}


@pytest.mark.usefixtures("with_seccomp")
@pytest.mark.parametrize("user", ["", "os.setresuid(65534, 65534, 65534)\n"])
def test_behind_all_walls_nothing_is_left_but_the_open_file(tmp_path: Path, user: str) -> None:
    if user and os.geteuid() != 0:
        pytest.skip("only root can become somebody else")
    outcomes = tried(tmp_path, f"{user}enter_sandbox()", ATTEMPTS)
    assert {name for name, number in outcomes.items() if number == 0} == HARMLESS
    assert set(outcomes.values()) <= {0, errno.EPERM, errno.ENOSYS, errno.EACCES}


@pytest.mark.usefixtures("with_seccomp")
def test_without_walls_the_same_attempts_succeed(tmp_path: Path) -> None:
    ours = {"read another file", "list a folder", "look at a file", "make a socket", "fork"}
    lines = [line for line in ATTEMPTS.splitlines() if any(name in line for name in ours)]
    outcomes = tried(tmp_path, "", "\n".join([*lines, 'attempt("make code", make_code)']))
    assert outcomes == dict.fromkeys([*ours, "make code"], 0)


@pytest.mark.usefixtures("with_seccomp")
@pytest.mark.skipif(platform.machine() != "x86_64", reason="the numbers are those of x86_64")
def test_calls_that_reach_the_kernel_or_other_processes_are_refused(tmp_path: Path) -> None:
    attempts = "".join(
        f"attempt({name!r}, lambda: call({number}, 0, 0, 0, 0, 0, 0))\n"
        for name, number in X86_CALLS.items()
    )
    attempts += 'attempt("a new limit", lambda: call(302, 0, 7, 4096, 0))'
    outcomes = tried(tmp_path, "enter_sandbox()", attempts)
    assert outcomes == dict.fromkeys([*X86_CALLS, "a new limit"], errno.EPERM)


@pytest.mark.usefixtures("with_seccomp")
def test_new_calls_look_as_if_the_kernel_had_none_so_that_libc_falls_back(tmp_path: Path) -> None:
    attempts = "".join(
        f"attempt({name!r}, lambda: call({number}, 0, 0, 0, 0, 0, 0))\n"
        for name, number in NEW_CALLS.items()
    )
    outcomes = tried(tmp_path, "enter_sandbox()", attempts)
    assert outcomes == dict.fromkeys(NEW_CALLS, errno.ENOSYS)


@pytest.mark.usefixtures("with_landlock")
def test_landlock_alone_closes_files_and_tcp(tmp_path: Path, walls: Walls) -> None:
    alone = "libc.prctl(38, 1, 0, 0, 0)\nassert landlock.install(libc) > 0"
    attempts = [line for line in ATTEMPTS.splitlines() if "file" in line or "folder" in line]
    outcomes = tried(tmp_path, alone, "\n".join(attempts))
    assert {name for name, number in outcomes.items() if number == 0} == {
        "look at a file",
        "read its file",
        "tell its file's size",
    }
    if walls.landlock_abi >= 4:
        connecting = tried(tmp_path, alone, 'attempt("connect", connect)')
        assert connecting == {"connect": errno.EACCES}


def test_each_version_of_landlock_is_asked_for_no_more_than_it_knows() -> None:
    sizes = {version: len(landlock.ruleset(version)) for version in range(1, 9)}
    assert sizes == {1: 8, 2: 8, 3: 8, 4: 16, 5: 16, 6: 24, 7: 24, 8: 24}
    rights = {version: int.from_bytes(landlock.ruleset(version)[:8], "little") for version in sizes}
    assert [rights[version].bit_length() for version in range(1, 7)] == [13, 14, 15, 15, 16, 16]


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_the_filter_jumps_forward_only_and_ends_in_a_refusal(
    monkeypatch: pytest.MonkeyPatch, machine: str
) -> None:
    monkeypatch.setattr(platform, "machine", lambda: machine)
    numbers = seccomp.this_architecture()
    assert numbers is not None
    assert len(set(numbers.plain)) == len(numbers.plain)
    code = seccomp.program(numbers, 4711)
    steps = [code[at : at + 8] for at in range(0, len(code), 8)]
    assert len(steps) < 4096, "BPF_MAXINSNS"
    returns = {index for index, step in enumerate(steps) if step[0] == 0x06}
    assert len(steps) - 1 in returns
    for index, step in enumerate(steps):
        is_jump = step[0] & 0x07 == 0x05
        assert all(index + 1 + step[2 + way] < len(steps) for way in range(2) if is_jump)


def test_a_machine_whose_numbers_are_unknown_gets_no_wrong_filter(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    assert seccomp.this_architecture() is None


@pytest.fixture(scope="module")
def long_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clips") / "long.mp4"
    return clips.write_timed(path, clips.constant_times(50, 8))


def test_every_thread_of_the_real_decoder_stands_behind_the_walls(
    long_clip: Path, walls: Walls
) -> None:
    limits = DecodeLimits(threads=4)
    with decode(long_clip, SamplingSpec.parse("fps:60"), CENTRE, limits=limits) as session:
        pid = session.child_pid
        tasks = [
            dict(line.split(":\t", 1) for line in (task / "status").read_text().splitlines())
            for task in Path(f"/proc/{pid}/task").iterdir()
        ]
        child = psutil.Process(pid)
        assert child.cwd() == "/"
        assert {file.path for file in child.open_files()} == {str(long_clip)}
        assert not child.net_connections()
    assert len(tasks) >= 4, "decoding threads, and the one that waits for the parent's end"
    for task in tasks:
        assert task["NoNewPrivs"] == "1"
        assert int(task["CapEff"], 16) == 0
        assert task["Seccomp"] == ("2" if walls.seccomp else "0")


@pytest.mark.parametrize("threads", [1, 4])
@pytest.mark.parametrize(
    ("name", "codec", "options"),
    [
        ("clip.mp4", "libx264", {"preset": "ultrafast"}),
        ("clip.mp4", "libx265", {"preset": "ultrafast", "x265-params": "log-level=none"}),
        ("clip.webm", "libvpx-vp9", {"deadline": "realtime", "cpu-used": "8"}),
        ("clip.mkv", "libsvtav1", {"preset": "12"}),
        ("clip.ts", "mpeg2video", {}),
    ],
)
def test_behind_the_walls_every_codec_decodes_with_any_number_of_threads(
    tmp_path: Path, name: str, codec: str, options: dict[str, str], threads: int
) -> None:
    encoding = Encoding(codec=codec, codec_options=options, time_base=Fraction(1, 25))
    path = clips.write_timed(tmp_path / name, clips.constant_times(25, 2), encoding)
    sampled = sample(path, limits=DecodeLimits(threads=threads))
    assert sampled.summary.frames_shown == 50
    assert not sampled.summary.partial
    assert [round(time) for time in sampled.times_ms] == [0, 520, 1000, 1520]


def test_a_link_to_a_file_elsewhere_is_decoded(tmp_path: Path, long_clip: Path) -> None:
    link = tmp_path / "link.mp4"
    link.symlink_to(long_clip)
    assert sample(link).summary.frames_shown == 400


@pytest.mark.usefixtures("with_seccomp")
def test_a_system_that_refuses_every_wall_ends_nothing(tmp_path: Path) -> None:
    twice = (
        "enter_sandbox()\n"
        "walls = enter_sandbox()  # the first refuses what the second asks for\n"
        "outcomes.update(seccomp=int(walls.seccomp), landlock=walls.landlock_abi)\n"
        "outcomes.update(capabilities=int(walls.no_capabilities))\n"
    )
    outcomes = tried(tmp_path, twice, 'attempt("read its file", lambda: os.pread(mine, 1, 0))')
    assert outcomes == {"seccomp": 0, "landlock": 0, "capabilities": 0, "read its file": 0}
