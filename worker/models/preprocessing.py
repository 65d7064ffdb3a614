"""From the settings of a model's image processor to our geometry, mean and deviation."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ingest.geometry import Geometry
from worker.errors import UnsupportedModel

_SIZE_PX_MAX = 1024
_NUMBER_MAX = 1000.0
# PIL's numbers for Lanczos, bilinear and bicubic. We always scale bicubically: with smoothing,
# as all three have, the pictures differ by about one step of 255, so the others are taken too.
_SMOOTH_FILTERS = (1, 2, 3)
_BICUBIC = 3
_BYTE_SCALE = 1 / 255

# What CLIP's image processor has where the file says nothing.
_CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
_CLIP_STD = (0.26862954, 0.26130258, 0.27577711)


@dataclass(frozen=True)
class Preprocessing:
    """How a picture is cut and scaled, and RGB in 0..1 normalised per channel."""

    geometry: Geometry
    mean: tuple[float, float, float]
    std: tuple[float, float, float]


def read_preprocessing(path: Path, config: dict[str, Any]) -> Preprocessing:
    """Understand the settings read from `path`; raises UnsupportedModel where ours can't follow."""
    reader = _Reader(path, config)
    reader.refuse_unless("do_resize", True)
    reader.refuse_unless("do_normalize", True)
    reader.refuse_unless("do_rescale", True)
    reader.refuse_unless("do_pad", False)
    rescale = config.get("rescale_factor", _BYTE_SCALE)
    if not _is_number(rescale) or not math.isclose(rescale, _BYTE_SCALE, rel_tol=1e-6):
        raise reader.refusal(f"rescale_factor {rescale!r:.60}")
    if config.get("resample", _BICUBIC) not in _SMOOTH_FILTERS:
        raise reader.refusal(f"resample {config['resample']!r:.60}")
    std = reader.triple("image_std", _CLIP_STD)
    if min(std) <= 0:
        raise reader.refusal(f"image_std {std}")
    return Preprocessing(
        geometry=reader.geometry(), mean=reader.triple("image_mean", _CLIP_MEAN), std=std
    )


class _Reader:
    """One file's settings, and the errors that name it."""

    def __init__(self, path: Path, config: dict[str, Any]) -> None:
        self._path = path
        self._config = config

    def refusal(self, what: str) -> UnsupportedModel:
        return UnsupportedModel(
            f"{self._path} asks for {what}, which we can't do.",
            "We scale to a square of at most 1024 px, cut from the centre (CLIP) or squashed "
            "(SigLIP), and normalise RGB by a mean and a deviation per channel.",
        )

    def refuse_unless(self, name: str, wanted: bool) -> None:
        found = self._config.get(name)
        if found is not None and found is not wanted:
            raise self.refusal(f"{name} {found!r:.60}")

    def geometry(self) -> Geometry:
        size = self._config.get("size")
        if isinstance(size, dict) and {"height", "width"} <= size.keys():
            # Squashed to a square; a crop to that same square changes nothing.
            size_px = self._square("size", size)
            self._check_crop(size_px, needed=False)
            return Geometry(crop="squash", size_px=size_px)
        shortest = size.get("shortest_edge") if isinstance(size, dict) else size
        size_px = self._pixels("size", shortest)
        self._check_crop(size_px, needed=True)
        return Geometry(crop="centre", size_px=size_px)

    def _check_crop(self, size_px: int, needed: bool) -> None:
        if not self._config.get("do_center_crop", needed):
            if needed:
                raise self.refusal("pictures that are no squares (do_center_crop is off)")
            return
        crop = self._config.get("crop_size", size_px)
        crop_px = self._square("crop_size", crop) if isinstance(crop, dict) else crop
        if crop_px != size_px:
            raise self.refusal(f"crop_size {crop!r:.60} after size {size_px}")

    def _square(self, name: str, size: dict[str, Any]) -> int:
        height, width = size.get("height"), size.get("width")
        if height != width:
            raise self.refusal(f"{name} {height!r:.30} x {width!r:.30}")
        return self._pixels(name, height)

    def _pixels(self, name: str, value: object) -> int:
        if type(value) is not int or not 1 <= value <= _SIZE_PX_MAX:
            raise self.refusal(f"{name} {value!r:.60}")
        return value

    def triple(self, name: str, default: tuple[float, float, float]) -> tuple[float, float, float]:
        values = self._config.get(name, default)
        if not isinstance(values, list | tuple) or len(values) != 3:
            raise self.refusal(f"{name} {values!r:.60}")
        for value in values:
            if not _is_number(value):
                raise self.refusal(f"{name} {values!r:.60}")
        red, green, blue = (float(value) for value in values)
        return red, green, blue


def _is_number(value: Any) -> bool:
    """Whether a stranger's value is a number of a size that means something here."""
    return type(value) in (int, float) and -_NUMBER_MAX < value < _NUMBER_MAX
