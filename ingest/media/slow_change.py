"""Finds pictures that become others without a cut; in the decoding process."""

from __future__ import annotations

from collections import deque

from PIL import Image

from ingest.media.looks import blocks, contrast, mean_difference

_SLOW_SHARE = 0.2
"""The part of the contrast by which a look differs clearly from another, seen in blocks: things
that move within a scene mostly differ by less."""
_LEAST_SLOW = 3.0
"""Levels of 255 that it takes at least."""
_SLOW_STEP_US = 100_000
"""Slow change needs no closer look."""
_CALM = 0.25
"""What part of that a picture that has stopped changing changes in a quarter of a second."""
CALM_US = 250_000
LASTING_US = 500_000
"""How long a look differs before it is no passing one, where it is calm by then, .."""
_RESTLESS_US = 1_500_000
""".. and where it is not."""


class SlowChange:
    """Finds when a picture has become another one without a cut: dissolves, fades, pans.

    Compared is with the look the stretch began with, or that of the first calm frame after it.
    """

    def __init__(self) -> None:
        self._reference: Image.Image | None = None
        self._recent: deque[tuple[int, Image.Image]] = deque()
        self._away_us: int | None = None

    def restart(self) -> None:
        """Take the next frame as the reference."""
        self._reference = None

    def add(self, pts_us: int, look: Image.Image) -> int | None:
        """Take the next frame; return since when all has looked different, once it lasts."""
        if self._reference is None:
            self._recent.clear()
        elif pts_us - self._recent[-1][0] < _SLOW_STEP_US:
            return None
        coarse = blocks(look)
        if self._reference is None:
            self._become(coarse)
        self._recent.append((pts_us, coarse))
        while len(self._recent) > 1 and pts_us - self._recent[1][0] >= CALM_US:
            self._recent.popleft()
        assert self._reference is not None, "it is taken above"
        clear = max(_LEAST_SLOW, _SLOW_SHARE * max(contrast(coarse), contrast(self._reference)))
        if mean_difference(coarse, self._reference) <= clear:
            self._away_us = None
            return None
        if self._away_us is None:
            self._away_us = pts_us
        away_us = self._away_us
        is_calm = mean_difference(coarse, self._recent[0][1]) < _CALM * clear
        if pts_us - away_us < (LASTING_US if is_calm else _RESTLESS_US):
            return None
        self._become(coarse)
        return away_us

    def _become(self, coarse: Image.Image) -> None:
        self._reference, self._away_us = coarse, None
