"""Reads the decoding process's JSON answers without trusting them.

The process has handled hostile bytes: what it says is checked field by field, and anything
unexpected is a DecoderCrashed.
"""

from __future__ import annotations

import json
import re

from ingest.errors import DecoderCrashed
from ingest.media.channel import ChildChannel
from ingest.media.facts import DecodeSummary, VideoFacts

_MAX_SIDE_PX = 1_000_000
_MAX_COUNT = 2**62
_MAX_SECONDS = 1e9
_MAX_TEXT = 4096
_MAX_WARNINGS = 64
_FRACTION = re.compile(r"[1-9][0-9]{0,9}/[1-9][0-9]{0,9}")


class Answer:
    """The fields of one JSON message, each read with its type and bounds checked."""

    def __init__(self, payload: bytes, channel: ChildChannel) -> None:
        self._channel = channel
        try:
            fields = json.loads(payload)
        except (ValueError, RecursionError) as error:
            raise channel.nonsense("no JSON") from error
        if not isinstance(fields, dict):
            raise channel.nonsense("no JSON object")
        self._fields: dict[str, object] = fields

    def integer(self, name: str, lowest: int, highest: int) -> int:
        """Return a whole number within bounds."""
        value = self._fields.get(name)
        if type(value) is not int or not lowest <= value <= highest:
            raise self._unexpected(name)
        return value

    def count_or_none(self, name: str) -> int | None:
        """Return a whole number from 0, or None."""
        return None if self._fields.get(name) is None else self.integer(name, 0, _MAX_COUNT)

    def fraction_or_none(self, name: str) -> str | None:
        """Return a fraction such as `30000/1001` as it is written, or None."""
        value = self._fields.get(name)
        if value is None:
            return None
        if not isinstance(value, str) or not _FRACTION.fullmatch(value):
            raise self._unexpected(name)
        return value

    def seconds(self, name: str) -> float:
        """Return a number of seconds from 0."""
        value = self._fields.get(name)
        if not isinstance(value, int | float) or not 0 <= value <= _MAX_SECONDS:
            raise self._unexpected(name)
        return float(value)

    def boolean(self, name: str) -> bool:
        """Return a truth value."""
        value = self._fields.get(name)
        if not isinstance(value, bool):
            raise self._unexpected(name)
        return value

    def text(self, name: str) -> str:
        """Return a short printable text."""
        return self._printable(name, self._fields.get(name))

    def texts(self, name: str) -> tuple[str, ...]:
        """Return a short list of short printable texts."""
        values = self._fields.get(name)
        if not isinstance(values, list) or len(values) > _MAX_WARNINGS:
            raise self._unexpected(name)
        return tuple(self._printable(name, value) for value in values)

    def _printable(self, name: str, value: object) -> str:
        if not isinstance(value, str) or len(value) > _MAX_TEXT or not value.isprintable():
            raise self._unexpected(name)
        return value

    def _unexpected(self, name: str) -> DecoderCrashed:
        return self._channel.nonsense(f"a bad {name}")


def read_facts(payload: bytes, channel: ChildChannel) -> VideoFacts:
    """Read a facts message; raises DecoderCrashed."""
    answer = Answer(payload, channel)
    return VideoFacts(
        width=answer.integer("width", 1, _MAX_SIDE_PX),
        height=answer.integer("height", 1, _MAX_SIDE_PX),
        codec=answer.text("codec"),
        container=answer.text("container"),
        estimated_duration_us=answer.count_or_none("estimated_duration_us"),
        estimated_frames=answer.count_or_none("estimated_frames"),
        frame_rate=answer.fraction_or_none("frame_rate"),
    )


def read_summary(payload: bytes, channel: ChildChannel) -> DecodeSummary:
    """Read a summary message; raises DecoderCrashed."""
    answer = Answer(payload, channel)
    return DecodeSummary(
        duration_us=answer.integer("duration_us", 0, _MAX_COUNT),
        frames_shown=answer.integer("frames_shown", 1, _MAX_COUNT),
        frames_sampled=answer.integer("frames_sampled", 0, _MAX_COUNT),
        decode_cpu_s=answer.seconds("decode_cpu_s"),
        decode_wall_s=answer.seconds("decode_wall_s"),
        partial=answer.boolean("partial"),
        warnings=answer.texts("warnings"),
    )


def read_error(payload: bytes, channel: ChildChannel) -> tuple[str, str, str]:
    """Read an error message's code, message and cure; raises DecoderCrashed."""
    answer = Answer(payload, channel)
    return answer.text("code"), answer.text("message"), answer.text("cure")
