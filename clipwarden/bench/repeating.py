"""A long video out of a short one, without encoding it again."""

from __future__ import annotations

import math
from pathlib import Path

import av


def repeat_clip(source: Path, target: Path, seconds: float) -> float:
    """Write a clip's packets again and again, each time later, until that length is reached.

    The last repetition is a whole one; returns the seconds that it became.
    """
    with av.open(str(source)) as first:
        stream = first.streams.video[0]
        assert stream.duration is not None
        assert stream.time_base is not None
        length, step = float(stream.duration * stream.time_base), stream.duration
    repetitions = max(1, math.ceil(seconds / length - 1e-6))
    with av.open(str(target), "w") as written:
        copied = None
        for repetition in range(repetitions):
            # Reading again is cheaper than holding a film's packets.
            with av.open(str(source)) as read:
                stream = read.streams.video[0]
                copied = copied or written.add_stream_from_template(stream)
                for packet in read.demux(stream):
                    if packet.dts is None or packet.pts is None:
                        continue
                    packet.pts += repetition * step
                    packet.dts += repetition * step
                    packet.stream = copied
                    written.mux(packet)
    return repetitions * length
