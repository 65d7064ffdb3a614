"""One way to decode one clip, in a process of its own: `python -P -m clipwarden.bench.contender`.

It reads one request from stdin and prints what it took. Time runs from the opening to the last
frame, behind the imports; ours alone pays for the start of its decoding process within it.
"""

from __future__ import annotations

import json
import os
import re
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from ingest.errors import MediaUnreadable
from ingest.geometry import Geometry
from ingest.media.check import displayed_name
from ingest.media.decoder import decode
from ingest.media.limits import DecodeLimits
from ingest.media.spec import SamplingSpec
from prompts.errors import ClipwardenError

SIZE_PX = 224
_NICENESS = 5
"""As our decoding process has it: on a busy machine it would lose to others that have not."""
_PEAK = re.compile(r"^VmHWM:\s+(\d+) kB$", re.MULTILINE)


@dataclass(frozen=True)
class Request:
    """Who decodes what; `sampling` is ours alone, and so are `threads`: others take all cores."""

    contender: str
    clip: str
    sampling: str
    threads: int


@dataclass(frozen=True)
class Cost:
    """What one run took, or in `missing` and `failed` why there was none.

    `peak_rss_mb` is of the process that decodes, `cpu_s` of all that were in it. `duration_s`
    is the clip's, and given by ours alone.
    """

    frames: int = 0
    wall_s: float = 0.0
    cpu_s: float = 0.0
    peak_rss_mb: float = 0.0
    duration_s: float = 0.0
    missing: str = ""
    failed: str = ""


@dataclass
class _Peak:
    """The most memory a process was seen with."""

    megabytes: float = 0.0

    def look(self, pid: int | str) -> None:
        with suppress(OSError):
            if match := _PEAK.search(Path(f"/proc/{pid}/status").read_text()):
                self.megabytes = max(self.megabytes, int(match[1]) / 1000)


_Work = Callable[[_Peak], tuple[int, float]]
"""Decodes, and returns the number of frames given and the clip's length, 0 where unknown."""


def _ours(request: Request) -> _Work:
    sampling = SamplingSpec.parse(request.sampling)
    limits = DecodeLimits(threads=request.threads)

    def work(peak: _Peak) -> tuple[int, float]:
        frames = 0
        path, geometry = Path(request.clip), Geometry("centre", SIZE_PX)
        with decode(path, sampling, geometry, limits=limits) as session:
            # Of a short clip all frames may come when the process is about to end.
            peak.look(session.child_pid)
            for _ in session:
                frames += 1
                peak.look(session.child_pid)
            return frames, session.summary.duration_us / 1_000_000

    return work


def _opencv(request: Request, *, keeps: bool) -> _Work:
    import cv2

    def work(peak: _Peak) -> tuple[int, float]:
        capture = cv2.VideoCapture(request.clip)
        if not capture.isOpened():
            raise _unreadable(request, "OpenCV")
        frames, due_ms = 0, 0.0
        while True:
            read, picture = capture.read()
            if not read:
                break
            if not keeps:
                frames += 1
            elif capture.get(cv2.CAP_PROP_POS_MSEC) >= due_ms:
                cv2.resize(picture, (SIZE_PX, SIZE_PX), interpolation=cv2.INTER_AREA)
                frames, due_ms = frames + 1, due_ms + 1000
        capture.release()
        peak.look("self")
        return frames, 0.0

    return work


def _pyav(request: Request, *, threads_auto: bool) -> _Work:
    import av

    def work(peak: _Peak) -> tuple[int, float]:
        frames, due_s = 0, 0.0
        with av.open(request.clip) as container:
            if threads_auto:
                container.streams.video[0].thread_type = "AUTO"
            for frame in container.decode(video=0):
                if (frame.time or 0.0) >= due_s:
                    frame.to_ndarray(format="rgb24")
                    frames, due_s = frames + 1, due_s + 1
        peak.look("self")
        return frames, 0.0

    return work


def _ffmpeg(request: Request) -> _Work:
    words = ["-nostdin", "-v", "error", "-i", request.clip]
    words += ["-vf", f"fps=1,scale={SIZE_PX}:{SIZE_PX}:flags=bicubic"]
    words += ["-f", "rawvideo", "-pix_fmt", "rgb24", "pipe:1"]
    command = [ffmpeg_program(), *words]

    def work(peak: _Peak) -> tuple[int, float]:
        frames = 0
        with subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL) as process:
            assert process.stdout is not None
            while process.stdout.read(SIZE_PX * SIZE_PX * 3):
                frames += 1
                peak.look(process.pid)
        if process.returncode:
            raise _unreadable(request, "ffmpeg")
        return frames, 0.0

    return work


def _unreadable(request: Request, program: str) -> MediaUnreadable:
    name = displayed_name(request.clip)
    return MediaUnreadable(f"{name}: {program} can't read it.", "Measure with another clip.")


def ffmpeg_program() -> str:
    """The `ffmpeg` on the path, or the one that imageio-ffmpeg brings; raises ImportError."""
    if found := shutil.which("ffmpeg"):
        return found
    import imageio_ffmpeg

    return str(imageio_ffmpeg.get_ffmpeg_exe())


_OPENCV_CURE = "pip install 'clipwarden[bench]' brings OpenCV"
_FFMPEG_CURE = "put ffmpeg on the path, or pip install 'clipwarden[bench]'"


_WAYS: dict[str, tuple[str, Callable[[Request], _Work]]] = {
    "OpenCV read": (_OPENCV_CURE, lambda request: _opencv(request, keeps=False)),
    "OpenCV read, keep 1/s": (_OPENCV_CURE, lambda request: _opencv(request, keeps=True)),
    "PyAV naive, 1/s": ("", lambda request: _pyav(request, threads_auto=False)),
    "PyAV AUTO, 1/s": ("", lambda request: _pyav(request, threads_auto=True)),
    "ffmpeg fps=1,scale": (_FFMPEG_CURE, _ffmpeg),
}
OTHERS = tuple(_WAYS)
"""Who we compare with; the first is what ratios are to."""
OURS = "clipwarden"


def run(request: Request) -> Cost:
    """Decode the clip once and say what it took; failures are told, not raised."""
    cure, prepare = _WAYS.get(request.contender, ("", _ours))
    try:
        work = prepare(request)
    except ImportError:
        return Cost(missing=cure)
    if request.contender != OURS:
        os.nice(_NICENESS)
    peak = _Peak()
    began_s, began_cpu_s = time.perf_counter(), _cpu_s()
    try:
        frames, duration_s = work(peak)
    except ClipwardenError as error:
        return Cost(failed=str(error))
    return Cost(
        frames=frames,
        wall_s=time.perf_counter() - began_s,
        cpu_s=_cpu_s() - began_cpu_s,
        # A process that was gone before anybody looked: its parent's size counts in, too.
        peak_rss_mb=peak.megabytes or _largest_child_mb(),
        duration_s=duration_s,
    )


def _largest_child_mb() -> float:
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024 / 1_000_000


def _cpu_s() -> float:
    """CPU seconds of this process and of the children that it has waited for."""
    usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def main() -> None:
    """Serve one request."""
    request = Request(**json.loads(sys.stdin.readline()))
    sys.stdout.write(json.dumps(asdict(run(request))) + "\n")


if __name__ == "__main__":
    main()
