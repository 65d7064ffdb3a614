"""How a frame becomes the square pictures an encoder wants; part of the sampling key."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Literal, cast, get_args

Crop = Literal["centre", "squash", "whole", "tiles"]
CROPS: tuple[Crop, ...] = get_args(Crop)

Box = tuple[int, int, int, int]
"""Left, top, right and bottom in pixels; right and bottom are the first ones outside."""

_NAME = re.compile(rf"({'|'.join(CROPS)})-([1-9][0-9]{{0,3}})-bicubic")

MAX_TILES = 8
_MAX_ASPECT = 16
"""Longer strips are squeezed to this, so that a picture of 60000x2 pixels stays small. Tiles
squeeze from `MAX_TILES` on, the most that they can cover without gaps."""


@dataclass(frozen=True)
class Geometry:
    """Squares of `size_px` and what they show of the picture; scaling is bicubic in libswscale.

    - `centre` scales the shorter side to `size_px` and cuts the middle (CLIP).
    - `squash` scales both sides to `size_px` regardless of aspect (SigLIP).
    - `whole` scales the longer side to `size_px`; what the square has more stays empty.
    - `tiles` scales the shorter side to `size_px` and cuts squares along the longer one, so
      many that neighbours overlap by half or more, as long as `MAX_TILES` suffice for that.
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

    def with_crop(self, crop: Crop) -> Geometry:
        """Return squares of the same size that show something else of the picture."""
        return replace(self, crop=crop)

    def scaled_size(self, width: int, height: int) -> tuple[int, int]:
        """Width and height a displayed picture is scaled to before the squares are cut.

        The longer side of `centre` is rounded down, as CLIP's own preprocessing does.
        """
        size = self.size_px
        if self.crop == "squash":
            return size, size
        if self.crop == "whole":
            longer = max(width, height)
            return max(1, round(width * size / longer)), max(1, round(height * size / longer))
        longest = size * (MAX_TILES if self.crop == "tiles" else _MAX_ASPECT)
        if width <= height:
            return size, min(size * height // width, longest)
        return min(size * width // height, longest), size

    def squares_in(self, width: int, height: int) -> list[Box]:
        """The squares in a picture of `scaled_size`, from left to right or top to bottom.

        The square of `whole` stands out over the picture.
        """
        if self.crop != "tiles":
            return [self.square_in(width, height)]
        size = self.size_px
        beyond = max(width, height) - size
        steps = min(-(-beyond * 2 // size), MAX_TILES - 1)
        starts = [beyond * step // max(steps, 1) for step in range(steps + 1)]
        if width >= height:
            return [(start, 0, start + size, size) for start in starts]
        return [(0, start, size, start + size) for start in starts]

    def square_in(self, width: int, height: int) -> Box:
        """The square in the middle of a picture of `scaled_size`."""
        left = (width - self.size_px) // 2
        top = (height - self.size_px) // 2
        return left, top, left + self.size_px, top + self.size_px
