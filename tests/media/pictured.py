"""Makes frames for tests and shows the pictures that are made of them."""

from __future__ import annotations

import io
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
import numpy as np
from av.video.reformatter import Interpolation
from numpy.typing import NDArray
from PIL import Image

from ingest.geometry import Crop, Geometry
from ingest.media.picture import PictureMaker
from tests import clips
from tests.clips import Picture

SIZE_PX = 64
GREY = 128


def squares_of(
    frame: av.VideoFrame, crop: str = "squash", aspect: Fraction | None = None
) -> list[Picture]:
    maker = PictureMaker(Geometry(cast(Crop, crop), SIZE_PX), aspect)
    return [pixels_of(rows) for rows in maker.squares(frame)]


def square_of(frame: av.VideoFrame, crop: str = "squash") -> Picture:
    (square,) = squares_of(frame, crop)
    return square


def pixels_of(rows: bytes) -> Picture:
    return np.frombuffer(rows, np.uint8).reshape(SIZE_PX, SIZE_PX, 3)


def thumbnail_of(frame: av.VideoFrame) -> Picture:
    jpeg = PictureMaker(Geometry("squash", SIZE_PX), None).thumbnail(frame)
    with Image.open(io.BytesIO(jpeg)) as image:
        return np.asarray(image)


def frame_of(picture: NDArray[np.uint8], pixel_format: str = "rgb24") -> av.VideoFrame:
    mode = "rgba" if picture.shape[2] == 4 else "rgb24"
    frame = av.VideoFrame.from_ndarray(picture, format=mode)
    exact = Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT
    return frame.reformat(format=pixel_format, interpolation=exact)


def smooth_scene(width: int, height: int) -> Picture:
    """Colours that change slowly, so that coarse chroma loses little of them."""
    x = np.linspace(0, 1, width)[None, :]
    y = np.linspace(0, 1, height)[:, None]
    red, green, blue = 60 + 180 * x + 0 * y, 60 + 180 * y + 0 * x, 230 - 150 * x * y
    return np.stack([red, green, blue], axis=2).round().astype(np.uint8)


def scaled(picture: Picture, size: tuple[int, int] = (SIZE_PX, SIZE_PX)) -> NDArray[np.int16]:
    image = Image.fromarray(picture).resize(size, Image.Resampling.BICUBIC)
    return np.asarray(image, np.int16)


def half_transparent(width: int = 128, height: int = 96) -> NDArray[np.uint8]:
    """Red on the left, and on the right white that nobody is to see."""
    picture = np.full((height, width, 4), 255, np.uint8)
    picture[:, : width // 2, :3] = clips.RED
    picture[:, width // 2 :, 3] = 0
    return picture


def encode(path: Path, codec: str, frames: list[av.VideoFrame], options: dict[str, str]) -> None:
    with av.open(str(path), "w") as container:
        stream = cast(av.VideoStream, container.add_stream(codec, rate=25, options=options))
        stream.width, stream.height = frames[0].width, frames[0].height
        stream.pix_fmt = frames[0].format.name
        for index, frame in enumerate(frames):
            frame.pts, frame.time_base = index, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def frames_of(path: Path) -> list[av.VideoFrame]:
    with av.open(str(path)) as container:
        return list(container.decode(video=0))


def first_frame(path: Path) -> av.VideoFrame:
    return frames_of(path)[0]
