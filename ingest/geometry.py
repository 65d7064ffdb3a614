"""How a frame becomes the square picture an encoder wants; part of the sampling key."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, cast, get_args

Crop = Literal["centre", "squash", "whole", "tiles"]
CROPS: tuple[Crop, ...] = get_args(Crop)

_NAME = re.compile(rf"({'|'.join(CROPS)})-([1-9][0-9]{{0,3}})-bicubic")

MAX_TILES = 8
_MAX_ASPECT = 16
"""Longer strips are squeezed to this, so that a picture of 60000x2 pixels stays small."""


@dataclass(frozen=True)
class Geometry:
    """A square of `size_px`: cut from the centre, or squashed to it regardless of aspect.

    `centre` scales the shorter side to `size_px` and cuts the middle (CLIP); `squash` scales
    both sides to `size_px` (SigLIP). Scaling is bicubic in libswscale.
    """

    crop: Crop
    size_px: int

    @property
    def name(self) -> str:
        """The name that stands in results and sampling keys, such as `centre-224-bicubic`."""
        return f"{self.crop}-{self.size_px}-bicubic"

    @classmethod
    def parse(cls, name: str) -> Geometry:
        """Return the geometry of a name; raises ValueError for any other text."""
        match = _NAME.fullmatch(name)
        if match is None:
            raise ValueError(f"{name!r} is no geometry; one is named like 'centre-224-bicubic'")
        return cls(crop=cast(Crop, match[1]), size_px=int(match[2]))

    def scaled_size(self, width: int, height: int) -> tuple[int, int]:
        """Width and height a displayed picture is scaled to before the square is cut.

        The longer side is rounded down, as CLIP's own preprocessing does.
        """
        if self.crop == "squash":
            return self.size_px, self.size_px
        longest = self.size_px * _MAX_ASPECT
        if width <= height:
            return self.size_px, min(self.size_px * height // width, longest)
        return min(self.size_px * width // height, longest), self.size_px

    def square_in(self, width: int, height: int) -> tuple[int, int, int, int]:
        """Left, top, right and bottom of the square in a picture of `scaled_size`."""
        left = (width - self.size_px) // 2
        top = (height - self.size_px) // 2
        return left, top, left + self.size_px, top + self.size_px
