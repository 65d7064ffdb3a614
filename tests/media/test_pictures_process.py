"""Many pictures in one walled process: as `analyze` sees them, and none at another's cost."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from PIL import Image

from ingest.errors import DecoderCrashed, DecodingTimedOut, MediaError, MediaUnreadable
from ingest.geometry import Geometry
from ingest.media import pictures_channel
from ingest.media.decoder import DecodeSession
from ingest.media.facts import SampledFrame
from ingest.media.limits import DecodeLimits
from ingest.media.pictures import Picture, PictureDecoder, PictureDecoders
from tests import clips
from tests.media.sampled import CENTRE, sample
from tests.media.test_images import ORIENTATION, QUARTER_CLOCKWISE, STILLS, two_colours
from tests.media.test_sandbox import standing

CROPS = [CENTRE, Geometry("squash", 96), Geometry("whole", 96)]


@pytest.fixture
def decoder() -> Iterator[PictureDecoder]:
    made = PictureDecoder(CENTRE, DecodeLimits())
    yield made
    made.close()


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("photo") / "photo.jpg"
    two_colours().save(path)
    return path


def noise(path: Path, width: int, height: int, seed: int = 1) -> Path:
    random = np.random.default_rng(seed)
    coarse = Image.fromarray(random.integers(0, 256, (9, 12, 3), dtype=np.uint8))
    coarse.resize((width, height), Image.Resampling.BICUBIC).save(path)
    return path


def assert_as_analysed(picture: Picture, path: Path, geometry: Geometry) -> None:
    sampled = sample(path, geometry=geometry)
    assert np.array_equal(picture.pixels, sampled.frames[0].pictures[0])
    assert (picture.width, picture.height) == (sampled.facts.width, sampled.facts.height)
    assert list(picture.warnings) == list(sampled.summary.warnings)


@pytest.mark.parametrize("geometry", CROPS, ids=lambda geometry: geometry.name)
def test_a_picture_has_the_pixels_that_analyze_gives_it(tmp_path: Path, geometry: Geometry) -> None:
    paths = []
    for number, (kind, options) in enumerate(STILLS.items()):
        path = tmp_path / f"{number} of {kind}"
        noise(tmp_path / "drawn.png", 301, 203, seed=number)
        with Image.open(tmp_path / "drawn.png") as drawn:
            drawn.save(path, kind.split()[-1].upper(), **options)
        paths.append(path)
    turned = tmp_path / "turned.jpg"
    exif = Image.Exif()
    exif[ORIENTATION] = QUARTER_CLOCKWISE
    two_colours().save(turned, exif=exif)
    clear = tmp_path / "clear.png"
    two_colours().convert("LA").save(clear)
    paths += [turned, clear, noise(tmp_path / "thin.png", 700, 3), noise(tmp_path / "1.bmp", 1, 1)]
    with PictureDecoders(geometry, DecodeLimits(), 1) as decoders:
        for path, picture in zip(paths, decoders.decode_all(map(str, paths), ahead=4), strict=True):
            assert isinstance(picture, Picture), picture
            assert_as_analysed(picture, path, geometry)


@pytest.mark.parametrize("kind", ["PNG", "GIF", "AVIF"])
def test_of_an_animation_the_first_frame_is_taken(
    decoder: PictureDecoder, tmp_path: Path, kind: str
) -> None:
    path = tmp_path / "moving"
    first, *others = (Image.new("RGB", (64, 48), c) for c in (clips.RED, clips.GREEN, clips.BLUE))
    first.save(path, kind, save_all=True, append_images=others * 9, duration=600_000)
    assert_as_analysed(decoder.decode(path), path, CENTRE)


def test_the_hash_is_the_files(decoder: PictureDecoder, photo: Path) -> None:
    assert decoder.decode(photo).sha256 == hashlib.sha256(photo.read_bytes()).hexdigest()


def test_what_is_no_picture_fails_alone_and_in_its_place(tmp_path: Path, photo: Path) -> None:
    bad = {name: tmp_path / name for name in ("none.jpg", "empty.jpg", "text.jpg", "folder.jpg")}
    bad["empty.jpg"].touch()
    bad["text.jpg"].write_text("no picture\n" * 100)
    bad["folder.jpg"].mkdir()
    bad["video.jpg"] = clips.write_timed(tmp_path / "v.mp4", clips.constant_times(25, 1))
    bad["cut.png"] = tmp_path / "cut.png"
    two_colours().save(bad["cut.png"])
    bad["cut.png"].write_bytes(bad["cut.png"].read_bytes()[:40])
    bad["bomb.png"] = tmp_path / "bomb.png"
    Image.new("1", (12_000, 12_000)).save(bad["bomb.png"])
    bad["sticker.webp"] = tmp_path / "sticker.webp"
    two_colours().save(
        bad["sticker.webp"], save_all=True, append_images=[Image.new("RGB", (300, 200))]
    )
    os.mkfifo(tmp_path / "pipe.jpg")
    bad["pipe.jpg"] = tmp_path / "pipe.jpg"
    paths = [path for one in bad.values() for path in (one, photo)]
    with PictureDecoders(CENTRE, DecodeLimits(), 2) as decoders:
        outcomes = list(decoders.decode_all(map(str, paths), ahead=5))
    codes = [one.code for one in outcomes[::2] if isinstance(one, MediaError)]
    assert codes == [
        "media.not_found",
        "media.empty",
        "media.unreadable",
        "media.is_folder",
        "media.unreadable",
        "media.truncated",
        "media.too_many_pixels",
        "media.unreadable",
        "media.unreadable",
    ]
    assert all(isinstance(one, Picture) for one in outcomes[1::2])
    assert all(one.message and one.cure for one in outcomes[::2] if isinstance(one, MediaError))


def test_a_video_is_refused_with_the_command_that_takes_it(
    decoder: PictureDecoder, tmp_path: Path
) -> None:
    path = clips.write_timed(tmp_path / "holiday.mp4", clips.constant_times(25, 1))
    path = path.rename(tmp_path / "holiday.jpg")
    with pytest.raises(MediaUnreadable, match=r"holiday\.jpg: not a picture") as caught:
        decoder.decode(path)
    assert "clipwarden analyze" in caught.value.cure


def test_the_order_is_that_of_the_paths_whoever_is_done_first(tmp_path: Path) -> None:
    sizes = [(1200, 900) if number % 3 == 0 else (20 + number, 20) for number in range(24)]
    paths = [noise(tmp_path / f"{n}.png", *size, seed=n) for n, size in enumerate(sizes)]
    with PictureDecoders(CENTRE, DecodeLimits(), 3) as decoders:
        pictures = list(decoders.decode_all(map(str, paths), ahead=7))
    found = [(one.width, one.height) for one in pictures if isinstance(one, Picture)]
    assert found == sizes


# Processes.


def own_files() -> list[Path]:
    return sorted(Path("/proc/self/fd").iterdir())


def pid_of(decoder: PictureDecoder) -> int:
    assert decoder._channel is not None
    return decoder._channel.pid


def test_one_process_serves_many_pictures_and_then_makes_way(
    decoder: PictureDecoder, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.media.pictures._MAX_PICTURES", 3)
    pids = []
    for _ in range(7):
        decoder.decode(photo)
        pids.append(pid_of(decoder))
    assert [pids.count(pid) for pid in dict.fromkeys(pids)] == [3, 3, 1]
    assert psutil.pid_exists(pids[-1])
    assert not any(psutil.pid_exists(pid) for pid in pids[:-1])


def test_leaving_ends_every_process_and_closes_everything(photo: Path) -> None:
    before, children = own_files(), psutil.Process().children()
    with PictureDecoders(CENTRE, DecodeLimits(), 2) as decoders:
        outcomes = decoders.decode_all([str(photo)] * 200, ahead=20)
        assert isinstance(next(outcomes), Picture)
        assert len(psutil.Process().children()) > len(children)
    assert psutil.Process().children() == children
    assert own_files() == before
    with pytest.raises(ZeroDivisionError):
        fail_while_decoding(photo)
    assert psutil.Process().children() == children
    assert own_files() == before


def fail_while_decoding(photo: Path) -> None:
    with PictureDecoders(CENTRE, DecodeLimits(), 2) as decoders:
        decoders.decode_all([str(photo)] * 200, ahead=20)
        raise ZeroDivisionError


def test_between_pictures_the_process_holds_no_file_and_stands_behind_its_walls(
    decoder: PictureDecoder, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "sesame")
    for _ in range(3):
        decoder.decode(photo)
    child = psutil.Process(pid_of(decoder))
    # The last answer comes before the file is closed.
    for _ in range(100):
        if not child.open_files():
            break
        time.sleep(0.05)
    assert child.open_files() == []
    assert child.cwd() == "/"
    assert "sesame" not in child.environ().values()
    assert os.getsid(child.pid) == child.pid
    assert child.rlimit(psutil.RLIMIT_AS) == (DecodeLimits().memory_bytes,) * 2
    assert child.rlimit(psutil.RLIMIT_FSIZE) == (0, 0)
    # stdin, the answers and its stderr, which took the place of stdout.
    assert child.num_fds() == 4
    for task in Path(f"/proc/{child.pid}/task").iterdir():
        lines = (task / "status").read_text().splitlines()
        status = dict(line.split(":\t", 1) for line in lines)
        assert status["NoNewPrivs"] == "1"
        assert int(status["CapEff"], 16) == 0
        assert status["Seccomp"] == ("2" if standing().seccomp else "0")


def test_many_pictures_take_no_more_memory_than_a_few(
    decoder: PictureDecoder, tmp_path: Path
) -> None:
    path = noise(tmp_path / "large.jpg", 1600, 1200)
    with Image.open(path) as large:
        large.save(path, exif=Image.Exif(), icc_profile=os.urandom(60_000))
    sizes = []
    for _ in range(4):
        for _ in range(15):
            decoder.decode(path)
        sizes.append(psutil.Process(pid_of(decoder)).memory_info().rss)
    # A frame of this size takes 3 MB.
    assert sizes[-1] - sizes[0] < 20_000_000


def test_a_process_that_dies_between_pictures_costs_none(
    decoder: PictureDecoder, photo: Path
) -> None:
    decoder.decode(photo)
    os.kill(pid_of(decoder), signal.SIGKILL)
    assert decoder.decode(photo).width == 300


def test_a_process_that_stands_still_is_killed_and_the_next_picture_gets_another(
    photo: Path,
) -> None:
    decoder = PictureDecoder(CENTRE, DecodeLimits(stall_timeout_s=10))
    try:
        decoder.decode(photo)
        stopped = pid_of(decoder)
        os.kill(stopped, signal.SIGSTOP)
        with pytest.raises(DecodingTimedOut, match=r"photo\.jpg: .*silent for 10 s"):
            decoder.decode(photo)
        assert not psutil.pid_exists(stopped)
        assert decoder.decode(photo).width == 300
    finally:
        decoder.close()


MORTAL = """
import os, signal
from ingest.media import pictures_child
decode = pictures_child.decode_file

def decode_or_die(request, out):
    if "bomb" in request.source:
        signal.raise_signal(signal.SIGSEGV)
    decode(request, out)

pictures_child.decode_file = decode_or_die
pictures_child.main()
"""


CHATTY = """
import sys
from ingest.media import pictures_child, wire

def many_frames(request, out):
    wire.write_json(out, wire.FACTS, {"width": 300, "height": 200, "codec": "x", "container": "x"})
    pixels = bytes(wire.pixel_bytes(request.geometry))
    for number in range(600):
        wire.write_frame(out, number, [pixels], bytes(900_000))
    wire.write_json(out, wire.SUMMARY, {
        "duration_us": 600, "frames_shown": 600, "frames_sampled": 600, "decode_cpu_s": 0,
        "decode_wall_s": 0, "partial": False, "warnings": [],
    })

pictures_child.decode_file = many_frames
pictures_child.main()
"""
DEAF = "import time; time.sleep(600)"


def test_a_picture_that_kills_its_process_fails_and_all_around_it_go_on(
    tmp_path: Path, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = (sys.executable, "-P", "-c", MORTAL)
    monkeypatch.setattr(pictures_channel, "PICTURES_COMMAND", command)
    bomb = tmp_path / "bomb.jpg"
    bomb.write_bytes(photo.read_bytes())
    paths = [str(path) for path in (photo, bomb, photo, photo, bomb, bomb, photo)]
    with PictureDecoders(CENTRE, DecodeLimits(), 2) as decoders:
        outcomes = list(decoders.decode_all(paths, ahead=4))
    for path, outcome in zip(paths, outcomes, strict=True):
        if "bomb" in path:
            assert isinstance(outcome, DecoderCrashed)
            assert "SIGSEGV" in outcome.message
            assert "bomb.jpg" in outcome.message
        else:
            assert isinstance(outcome, Picture)


def test_answers_left_over_from_the_picture_before_are_not_taken_for_the_next_ones(
    photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    twice = MORTAL.replace('if "bomb"', 'decode(request, out)\n    if "bomb"')
    command = (sys.executable, "-P", "-c", twice)
    monkeypatch.setattr(pictures_channel, "PICTURES_COMMAND", command)
    decoder = PictureDecoder(CENTRE, DecodeLimits())
    try:
        first = decoder.decode(photo)
        time.sleep(0.5)
        pid = pid_of(decoder)
        # What came with the first answer is noticed, and a fresh process asked.
        second = decoder.decode(photo)
        assert np.array_equal(first.pixels, second.pixels)
        assert pid_of(decoder) != pid
    finally:
        decoder.close()


def test_processor_time_that_others_took_is_not_counted_against_a_picture(
    photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Ends as the kernel ends a process, where it has decoded one picture before.
    spent = MORTAL.replace(
        'if "bomb" in request.source:',
        'if hasattr(os, "used"):\n        signal.raise_signal(signal.SIGXCPU)\n'
        '    os.used = True\n    if "bomb" in request.source:',
    )
    command = (sys.executable, "-P", "-c", spent)
    monkeypatch.setattr(pictures_channel, "PICTURES_COMMAND", command)
    decoder = PictureDecoder(CENTRE, DecodeLimits())
    try:
        assert [decoder.decode(photo).width for _ in range(3)] == [300] * 3
    finally:
        decoder.close()


def test_frames_that_nobody_asked_for_are_not_kept(
    photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = (sys.executable, "-P", "-c", CHATTY)
    monkeypatch.setattr(pictures_channel, "PICTURES_COMMAND", command)
    decoder = PictureDecoder(CENTRE, DecodeLimits())
    before = psutil.Process().memory_info().rss
    peak = 0

    def watched(session: DecodeSession) -> Iterator[SampledFrame]:
        nonlocal peak
        for frame in frames_of(session):
            peak = max(peak, psutil.Process().memory_info().rss)
            yield frame

    frames_of = DecodeSession.__iter__
    monkeypatch.setattr(DecodeSession, "__iter__", watched)
    try:
        assert decoder.decode(photo).width == 300
    finally:
        decoder.close()
    # All of them together are 600 MB.
    assert peak - before < 100_000_000


def test_a_process_that_answers_without_taking_files_is_found_out(
    photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = (sys.executable, "-P", "-c", DEAF)
    monkeypatch.setattr(pictures_channel, "PICTURES_COMMAND", command)
    decoder = PictureDecoder(CENTRE, DecodeLimits())
    try:
        channel = decoder._start(str(photo))
        with photo.open("rb") as file, pytest.raises(DecoderCrashed, match="never took"):
            hand_over_without_end(channel, file.fileno())
    finally:
        decoder.close()


def hand_over_without_end(channel: pictures_channel.PictureChannel, descriptor: int) -> None:
    while True:
        channel.hand_over("photo.jpg", descriptor)


def test_a_disk_that_fails_under_the_hash_is_that_pictures_own_failure(
    decoder: PictureDecoder, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: object) -> bytes:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr(os, "pread", failing)
        with pytest.raises(
            MediaUnreadable, match=r"photo\.jpg: can't be read \(input/output error"
        ):
            decoder.decode(photo)
    assert decoder.decode(photo).width == 300


def test_where_no_process_can_be_started_the_picture_fails_and_nothing_leaks(
    photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = own_files()
    monkeypatch.setattr(pictures_channel, "PICTURES_COMMAND", ("/nowhere/python",))
    decoder = PictureDecoder(CENTRE, DecodeLimits())
    with pytest.raises(DecoderCrashed, match="no decoding process can be started"):
        decoder.decode(photo)
    assert own_files() == before


def test_the_process_ends_when_its_parent_is_killed(photo: Path) -> None:
    script = (
        "import sys, time\n"
        "from ingest.geometry import Geometry\n"
        "from ingest.media.limits import DecodeLimits\n"
        "from ingest.media.pictures import PictureDecoder\n"
        "decoder = PictureDecoder(Geometry('centre', 224), DecodeLimits())\n"
        "decoder.decode(sys.argv[1])\n"
        "sys.stdout.write(f'{decoder._channel.pid}\\n')\n"
        "sys.stdout.flush()\n"
        "time.sleep(600)\n"
    )
    command = [sys.executable, "-c", script, str(photo)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert psutil.pid_exists(pid)
        parent.kill()
    for _ in range(300):
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return
        time.sleep(0.1)
    raise AssertionError("the process outlived its parent by half a minute")


RECEIVE = """
import ctypes, json, os, socket, sys
from ingest.media.sandbox import enter_sandbox
ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
other, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
os.dup2(theirs.fileno(), 0)
inbox = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET, 0, fileno=0)
with open(sys.argv[1], "rb") as file:
    socket.send_fds(ours, [b"name"], [file.fileno()])
    socket.send_fds(far, [b"name"], [file.fileno()])
enter_sandbox(receives_files=sys.argv[2] == "yes")
outcomes = {}

def attempt(name, action):
    try:
        action()
        outcomes[name] = 0
    except OSError as error:
        outcomes[name] = error.errno

def receive(sock):
    _, [descriptor], _, _ = socket.recv_fds(sock, 100, 1)
    assert os.pread(descriptor, 6, 0) == b"sesame"

attempt("receive on stdin", lambda: receive(inbox))
attempt("receive elsewhere", lambda: receive(other))
attempt("send a file", lambda: socket.send_fds(inbox, [b"x"], [1]))
attempt("send a message", lambda: inbox.send(b"x"))
attempt("make a socket", socket.socket)
attempt("connect", lambda: inbox.connect("/tmp/x"))
attempt("open a file", lambda: os.open(sys.argv[1], os.O_RDONLY))
os.write(1, json.dumps(outcomes).encode())
"""


@pytest.mark.parametrize("allowed", ["yes", "no"])
def test_files_come_in_on_descriptor_0_only_and_nothing_goes_out(
    tmp_path: Path, allowed: str
) -> None:
    if not standing().seccomp:
        pytest.skip("no seccomp filter is allowed here")
    canary = tmp_path / "canary.txt"
    canary.write_text("sesame")
    answer = subprocess.run(
        [sys.executable, "-c", RECEIVE, str(canary), allowed],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr
    outcomes: dict[str, Any] = json.loads(answer.stdout)
    assert outcomes.pop("receive on stdin") == (0 if allowed == "yes" else errno.EPERM)
    assert set(outcomes.values()) <= {errno.EPERM, errno.EACCES}


def test_the_socket_carries_nothing_from_the_child_to_its_parent(photo: Path) -> None:
    decoder = PictureDecoder(CENTRE, DecodeLimits())
    try:
        decoder.decode(photo)
        assert decoder._channel is not None
        outbox = decoder._channel._outbox
        assert outbox.recv(1, socket.MSG_DONTWAIT) == b"", "shut down for reading"
    finally:
        decoder.close()


def test_tiles_are_refused_for_one_picture_gives_one_vector() -> None:
    with pytest.raises(ValueError, match="tiles"):
        PictureDecoder(Geometry("tiles", 224), DecodeLimits())
