"""Decodes many pictures in a few long-lived walled processes; the parent's end.

A picture's outcome is its own: where a process that had others before ends badly, the picture is
tried once more in a fresh one, and every process makes way for a fresh one now and then.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import queue
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from ingest.errors import (
    DecoderCrashed,
    DecoderOutOfMemory,
    DecodingTimedOut,
    MediaError,
    MediaUnreadable,
)
from ingest.geometry import Geometry
from ingest.media.check import displayed_name
from ingest.media.decoder import DecodeSession
from ingest.media.files import open_file
from ingest.media.limits import DecodeLimits
from ingest.media.pictures_channel import PictureChannel
from ingest.media.spec import SamplingSpec
from ingest.media.wire import DecodeRequest

_FIRST_FRAME = SamplingSpec.parse("fps:1/3600")
_MAX_PICTURES = 256
"""Of one process: what a hostile one could do to those after it, and what leaks, ends here."""
_HASHED_BYTES = 1024 * 1024


@dataclass(frozen=True, eq=False)
class Picture:
    """One picture: uint8 `[size, size, 3]` RGB, its displayed size in pixels, its file's hash.

    `warnings`, each "code: sentence", say what of it is not seen as it was meant.
    """

    pixels: NDArray[np.uint8]
    width: int
    height: int
    sha256: str
    warnings: tuple[str, ...]


class PictureDecoder:
    """One walled process at a time; not to be used by two threads at once."""

    def __init__(self, geometry: Geometry, limits: DecodeLimits) -> None:
        if geometry.crop == "tiles":
            raise ValueError("a picture gives one square, and tiles are several")
        self._shared = DecodeRequest("", "", _FIRST_FRAME, geometry, limits)
        self._channel: PictureChannel | None = None
        self._pictures = 0
        self._stood_still = False
        self._ending = threading.Lock()
        self._is_over = False

    def decode(self, path: Path | str, source: str | None = None) -> Picture:
        """Decode one file, its first frame where it moves; raises MediaError."""
        name = displayed_name(str(path) if source is None else source)
        request = DecodeRequest(
            str(path), name, _FIRST_FRAME, self._shared.geometry, self._shared.limits
        )
        descriptor = open_file(request)
        try:
            had_others = self._pictures > 0
            try:
                return self._ask(request, descriptor)
            except (DecoderCrashed, DecoderOutOfMemory, DecodingTimedOut):
                if not had_others or self._is_over or self._stood_still:
                    raise
            return self._ask(request, descriptor)
        finally:
            os.close(descriptor)

    def kill(self) -> None:
        """End the process, and what waits for it, from another thread; none is started again."""
        with self._ending:
            self._is_over = True
            if self._channel is not None:
                self._channel.kill()

    def close(self) -> None:
        """End the process; a later picture starts another."""
        if self._channel is not None:
            self._channel.close()
        self._channel = None
        self._pictures = 0

    def _ask(self, request: DecodeRequest, descriptor: int) -> Picture:
        if self._pictures >= _MAX_PICTURES:
            self.close()
        channel = self._channel or self._start(request.source)
        session = DecodeSession(request)
        try:
            self._pictures += 1
            channel.next_file(request.source)
            channel.hand_over(request.source, descriptor)
            session.listen(channel)
            pixels = _first_picture(session, channel)
        except (DecoderCrashed, DecoderOutOfMemory, DecodingTimedOut) as error:
            # A process whose processor time is over, its pictures' all together, ends by itself.
            self._stood_still = isinstance(error, DecodingTimedOut) and not channel.has_ended
            self.close()
            raise
        if pixels is None:
            raise MediaUnreadable(
                f"{request.source}: a picture in a form that can't be converted.",
                "Convert it to JPEG or PNG first.",
            )
        facts, warnings = session.facts, session.summary.warnings
        return Picture(pixels, facts.width, facts.height, _sha256(request, descriptor), warnings)

    def _start(self, source: str) -> PictureChannel:
        with self._ending:
            if self._is_over:
                raise DecoderCrashed(f"{source}: decoding was ended.", "Start it again.")
            try:
                self._channel = PictureChannel(self._shared)
            except OSError as error:
                raise DecoderCrashed(
                    f"{source}: no decoding process can be started ({_reason(error)}).",
                    "Check memory, and the limits on processes and open files.",
                ) from error
        return self._channel


class PictureDecoders:
    """Decodes pictures side by side; leaving the block ends every process and thread."""

    def __init__(self, geometry: Geometry, limits: DecodeLimits, processes: int) -> None:
        self._all = [PictureDecoder(geometry, limits) for _ in range(processes)]
        self._idle: queue.LifoQueue[PictureDecoder] = queue.LifoQueue()
        for decoder in self._all:
            self._idle.put(decoder)
        self._threads = ThreadPoolExecutor(processes, "pictures")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for decoder in self._all:
            decoder.kill()
        self._threads.shutdown(cancel_futures=True)
        for decoder in self._all:
            decoder.close()

    def decode_all(self, paths: Iterable[str], ahead: int) -> Iterator[Picture | MediaError]:
        """Begin at once, and yield what became of each path, in order.

        At most `ahead` pictures are decoded before they are asked for, which bounds the memory.
        """
        left = iter(paths)
        under_way: deque[Future[Picture | MediaError]] = deque()
        for path in itertools.islice(left, ahead):
            under_way.append(self._threads.submit(self._decode, path))
        return self._in_order(left, under_way)

    def _in_order(
        self, left: Iterator[str], under_way: deque[Future[Picture | MediaError]]
    ) -> Iterator[Picture | MediaError]:
        while under_way:
            outcome = under_way.popleft().result()
            for path in itertools.islice(left, 1):
                under_way.append(self._threads.submit(self._decode, path))
            yield outcome

    def _decode(self, path: str) -> Picture | MediaError:
        # There are as many threads as decoders, so one is idle.
        decoder = self._idle.get()
        try:
            return decoder.decode(path)
        except MediaError as error:
            return error
        finally:
            self._idle.put(decoder)


def _first_picture(session: DecodeSession, channel: PictureChannel) -> NDArray[np.uint8] | None:
    """Hear all that is said of a file, and keep one frame: a hostile process may send many."""
    first = None
    for frame in session:
        if len(frame.pictures) > 1:
            raise channel.nonsense("a picture in parts")
        if first is None:
            first = frame.pictures[0]
    return first


def _sha256(request: DecodeRequest, descriptor: int) -> str:
    digest, at = hashlib.sha256(), 0
    try:
        while data := os.pread(descriptor, _HASHED_BYTES, at):
            digest.update(data)
            at += len(data)
    except OSError as error:
        raise MediaUnreadable(
            f"{request.source}: can't be read ({_reason(error)}).", "Check the disk or the mount."
        ) from error
    return digest.hexdigest()


def _reason(error: OSError) -> str:
    return (error.strerror or type(error).__name__).lower()
