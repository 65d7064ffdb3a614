"""Runs the decoding of one file inside the test, as planned or with everything decoded."""

from __future__ import annotations

import io
import json
import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from ingest.geometry import Geometry
from ingest.media import strategy, wire
from ingest.media.decode import decode_file
from ingest.media.files import open_file
from ingest.media.limits import DecodeLimits
from ingest.media.packets import PacketDecoder
from ingest.media.spec import SamplingSpec

TINY = Geometry("squash", 32)


@dataclass
class Answers:
    """What the decoding said, undecoded, and what became of the packets."""

    facts: dict[str, Any] = field(default_factory=dict)
    frames: list[bytes] = field(default_factory=list)
    cuts_us: list[int] = field(default_factory=list)
    summary: dict[str, Any] = field(default_factory=dict)
    treatments: list[str] = field(default_factory=list)
    decoded: int = 0

    @property
    def times_us(self) -> list[int]:
        """When the samples are shown."""
        return [wire.FRAME_HEADER.unpack_from(frame)[0] for frame in self.frames]

    @property
    def said(self) -> dict[str, Any]:
        """The summary without what it cost."""
        return {name: value for name, value in self.summary.items() if "decode_" not in name}


def answers_of(
    path: Path,
    sampling: str,
    *,
    threads: int = 1,
    everything: bool = False,
    limits: DecodeLimits | None = None,
) -> Answers:
    """Decode a file in this process; `everything` leaves no frame to the decoder to drop."""
    request = wire.DecodeRequest(
        path=str(path),
        source=path.name,
        sampling=SamplingSpec.parse(sampling),
        geometry=TINY,
        limits=limits or DecodeLimits(threads=threads),
    )
    out, answers = io.BytesIO(), Answers()
    decode = PacketDecoder.decode

    def watched(self: PacketDecoder, packet: Any, treatment: Any) -> Any:
        frames = decode(self, packet, treatment)
        if packet is not None:
            answers.treatments.append(treatment)
        answers.decoded += len(frames)
        return frames

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PacketDecoder, "decode", watched)
        if everything:
            patch.setattr(strategy, "can_skip_exactly", lambda _: False)
        descriptor = open_file(request)
        try:
            decode_file(replace(request, descriptor=descriptor), out)
        finally:
            os.close(descriptor)
    _read(out, answers)
    return answers


def _read(out: io.BytesIO, answers: Answers) -> None:
    out.seek(0)
    while header := out.read(wire.HEADER.size):
        kind, length = wire.HEADER.unpack(header)
        payload = out.read(length)
        if kind == wire.FRAME:
            answers.frames.append(payload)
        elif kind == wire.CUT:
            answers.cuts_us.append(wire.CUT_TIME.unpack(payload)[0])
        elif kind == wire.FACTS:
            answers.facts = json.loads(payload)
        elif kind == wire.SUMMARY:
            answers.summary = json.loads(payload)
