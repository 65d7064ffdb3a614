"""Decodes a video in a process of its own and hands its frames over one by one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from ingest.errors import (
    DecoderOutOfMemory,
    LiveSource,
    MediaEmpty,
    MediaError,
    MediaIsFolder,
    MediaNotFound,
    MediaTruncated,
    MediaUnreadable,
    NoVideoStream,
    TooLong,
    TooManyBytes,
    TooManyFrames,
    TooManyPixels,
    TooManyStreams,
)
from ingest.geometry import MAX_TILES, Geometry
from ingest.media import wire
from ingest.media.answers import read_error, read_facts, read_summary
from ingest.media.channel import CHILD_COMMAND, ChildChannel
from ingest.media.check import displayed_name
from ingest.media.facts import DecodeSummary, SampledFrame, VideoFacts
from ingest.media.limits import DecodeLimits
from ingest.media.spec import SamplingSpec

_MAX_CUTS = 200_000
"""A day of a cut every half second."""

_REPORTED: tuple[type[MediaError], ...] = (
    DecoderOutOfMemory,
    LiveSource,
    MediaEmpty,
    MediaIsFolder,
    MediaNotFound,
    MediaTruncated,
    MediaUnreadable,
    NoVideoStream,
    TooLong,
    TooManyBytes,
    TooManyFrames,
    TooManyPixels,
    TooManyStreams,
)
"""What the decoding process may answer. Its other ends are DecoderCrashed, or
DecodingTimedOut where the time is over."""


def decode(
    path: Path,
    sampling: SamplingSpec,
    geometry: Geometry,
    *,
    source: str | None = None,
    limits: DecodeLimits | None = None,
) -> DecodeSession:
    """Start decoding a file; use the session in a `with` block and iterate it once.

    `source` is the name that messages give the file, by default the path; it may be hostile.
    Entering the block waits for the facts and raises the MediaError that says why there are
    none; so does iterating, for what goes wrong later.
    """
    return DecodeSession(
        wire.DecodeRequest(
            path=str(path.absolute()),
            source=displayed_name(str(path) if source is None else source),
            sampling=sampling,
            geometry=geometry,
            limits=limits or DecodeLimits(),
        )
    )


class DecodeSession:
    """One decoding process and what it says: facts, frames, summary."""

    def __init__(self, request: wire.DecodeRequest) -> None:
        self._request = request
        self._channel: ChildChannel | None = None
        self._facts: VideoFacts | None = None
        self._summary: DecodeSummary | None = None

    def __enter__(self) -> Self:
        request = self._request
        self._channel = ChildChannel(
            CHILD_COMMAND, request.source, request.geometry, request.limits
        )
        try:
            self._channel.send(request.to_line())
            self.listen(self._channel)
        except BaseException:
            self._channel.close()
            raise
        return self

    def listen(self, channel: ChildChannel) -> None:
        """Take the facts from a child that was asked already, and then, iterated, its frames.

        Whoever made the channel ends it. Raises the MediaError that says why there are none.
        """
        self._channel = channel
        kind, payload = self._next_message()
        if kind != wire.FACTS:
            raise channel.nonsense(f"a message of kind {kind!r} before the facts")
        self._facts = read_facts(payload, channel)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._channel is not None:
            self._channel.close()

    @property
    def facts(self) -> VideoFacts:
        """What was known once the first frame was decoded."""
        assert self._facts is not None, "facts are there inside the with block"
        return self._facts

    @property
    def summary(self) -> DecodeSummary:
        """What is known once every frame was taken."""
        assert self._summary is not None, "the summary is there after the last frame"
        return self._summary

    @property
    def child_pid(self) -> int:
        """The decoding process's id, for whoever watches processes."""
        assert self._channel is not None, "the process starts with the with block"
        return self._channel.pid

    def __iter__(self) -> Iterator[SampledFrame]:
        assert self._channel is not None, "iterate inside the with block"
        previous_us, frames = -1, 0
        cuts_us: list[int] = []
        while self._summary is None:
            kind, payload = self._next_message()
            if kind == wire.FRAME:
                frame = self._read_frame(payload, self._channel)
                if frame.pts_us <= previous_us:
                    raise self._channel.nonsense("a frame that is not after the one before")
                if previous_us < 0 and not len(frame.pictures):
                    raise self._channel.nonsense("a first frame without a picture")
                previous_us, frames = frame.pts_us, frames + 1
                if frames > self._request.limits.max_frames:
                    raise self._channel.nonsense("more frames than the limit")
                yield frame
            elif kind == wire.CUT:
                cuts_us.append(self._read_cut(payload, self._channel, cuts_us))
            elif kind == wire.SUMMARY:
                summary = read_summary(payload, self._channel)
                if summary.frames_sampled != frames or summary.frames_shown < frames:
                    raise self._channel.nonsense("a wrong count of frames")
                if summary.duration_us < max([previous_us, *cuts_us[-1:]]):
                    raise self._channel.nonsense("an end before the last frame")
                self._summary = replace(summary, cuts_us=tuple(cuts_us))
            else:
                raise self._channel.nonsense(f"a second message of kind {kind!r}")

    def _next_message(self) -> tuple[bytes, bytes]:
        """Return the next message that is not a tick; raises what the child reports."""
        assert self._channel is not None
        while True:
            kind, payload = self._channel.receive()
            if kind == wire.ERROR:
                raise self._reported(payload)
            if kind != wire.TICK:
                return kind, payload

    def _reported(self, payload: bytes) -> MediaError:
        assert self._channel is not None
        code, message, cure = read_error(payload, self._channel)
        for error in _REPORTED:
            if error.code == code:
                return error(message, cure)
        return self._channel.nonsense("an error of unknown code")

    def _read_frame(self, payload: bytes, channel: ChildChannel) -> SampledFrame:
        size = self._request.geometry.size_px
        if len(payload) < wire.FRAME_HEADER.size:
            raise channel.nonsense(f"a frame of {len(payload)} bytes")
        pts_us, count = wire.FRAME_HEADER.unpack_from(payload)
        pixels = count * wire.pixel_bytes(self._request.geometry)
        thumbnail_at = wire.FRAME_HEADER.size + pixels
        if count > MAX_TILES or len(payload) <= thumbnail_at:
            raise channel.nonsense(f"a frame of {count} pictures and {len(payload)} bytes")
        pictures = np.frombuffer(payload, np.uint8, pixels, wire.FRAME_HEADER.size)
        return SampledFrame(
            pts_us=pts_us,
            pictures=pictures.reshape(count, size, size, 3),
            thumbnail_jpeg=payload[thumbnail_at:],
        )

    def _read_cut(self, payload: bytes, channel: ChildChannel, earlier_us: Sequence[int]) -> int:
        if len(payload) != wire.CUT_TIME.size:
            raise channel.nonsense(f"a cut of {len(payload)} bytes")
        (pts_us,) = wire.CUT_TIME.unpack(payload)
        if pts_us <= (earlier_us[-1] if earlier_us else 0) or len(earlier_us) >= _MAX_CUTS:
            raise channel.nonsense("a cut that is not after the one before")
        return int(pts_us)
