"""Video-level rules: what must be found, and how much of it, before the whole video is flagged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Protocol

from pydantic import AfterValidator, Field, StrictBool

from prompts.actions import Action
from prompts.fields import FrozenModel, LabelId, Line, Threshold, filled


class Found(Protocol):
    """A segment, as far as rules look at it."""

    @property
    def label(self) -> str:
        """The id of its label."""

    @property
    def start_ms(self) -> int:
        """Where it begins."""

    @property
    def end_ms(self) -> int:
        """Where it ends."""

    @property
    def confidence(self) -> float:
        """Its peak's."""


class Rule(FrozenModel):
    """What a video must hold to be flagged: any segment, so many of them, or so much time in all.

    It is about `labels` and all their children, and takes the place of what those labels would
    flag by themselves. Segments below `min_confidence` don't count. All conditions must hold.
    """

    id: LabelId
    title: Line | None = None
    labels: Annotated[tuple[LabelId, ...], AfterValidator(filled)]
    min_segments: Annotated[int, Field(ge=1, strict=True)] = 1
    min_total_ms: Annotated[int, Field(ge=0, strict=True)] = 0
    min_confidence: Threshold | None = None
    nsfw: StrictBool = False
    action: Action = Action.REVIEW

    def covers(self, label_id: str) -> bool:
        """Whether it is about that label: one of its own, or a child of one."""
        return any(label_id == own or label_id.startswith(f"{own}.") for own in self.labels)

    def counted(self, segments: Sequence[Found]) -> list[int]:
        """The positions of the segments that it counts."""
        floor = self.min_confidence or 0.0
        return [
            place
            for place, one in enumerate(segments)
            if self.covers(one.label) and one.confidence >= floor
        ]

    def fires(self, counted: Sequence[Found]) -> bool:
        """Whether the segments that count are enough."""
        is_enough = len(counted) >= self.min_segments
        return is_enough and total_ms(counted) >= self.min_total_ms

    @property
    def wording(self) -> str:
        """What it asks for, in words."""
        parts = [
            f"{self.min_segments} or more segments" if self.min_segments > 1 else "any segment"
        ]
        if self.min_total_ms:
            parts.append(f"{self.min_total_ms / 1000:g} s or more in all")
        if self.min_confidence is not None:
            parts.append(f"at a confidence of {self.min_confidence:g} or more")
        return f"{' and '.join(parts)} of {', '.join(self.labels)}"


def total_ms(segments: Sequence[Found]) -> int:
    """How much time the segments cover together; what two of them cover counts once."""
    total, covered_to = 0, 0
    for start, end in sorted((one.start_ms, one.end_ms) for one in segments):
        total += max(0, end - max(start, covered_to))
        covered_to = max(covered_to, end)
    return total
