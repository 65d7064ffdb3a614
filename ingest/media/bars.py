"""Finds the black bars that letterboxing and pillarboxing put around a picture.

Bars are looked for in every picture anew, so that a frame is trimmed in the same way whichever
frames came before it. Only black ones count: white margins belong to documents, slides and
product shots, and blurred ones can't be told from a shallow depth of field.
"""

from __future__ import annotations

from PIL import Image, ImageChops

from ingest.geometry import Box

_BLACKEST_LEVEL = 40
"""Of 255. Bars are 0 where the range is declared right, and 16 where it is not."""
_NOISE_LEVELS = 12
"""How much brighter than the corners a bar's pixels may be: ringing and block noise."""
_SPECKS = 5
"""Of 255: a line with no more than 2% of pixels over the noise is still bar."""
_DIM_PART = 0.25
"""A line this much dimmer than those `_BORDER` further in is what the codec smeared."""
_BORDER = 0.05
_CORNER_PX = 3
_SMALLEST_BAR = 0.015
_SMALLEST_CONTENT = 0.2
_OFF_CENTRE = 0.03
"""Parts of the side that the bars take up. Bars that differ by more than `_OFF_CENTRE` are cut to
the smaller one: the other seems larger for what is dark in the picture itself, or else the
smaller one has subtitles in it."""


def find_content(picture: Image.Image) -> Box:
    """Return the box in an RGB picture that its black bars leave; the whole where it has none.

    The lines between bar and content, which hold some of both after scaling, are left out.
    """
    width, height = picture.size
    whole = (0, 0, width, height)
    level = _corner_level(picture)
    if level > _BLACKEST_LEVEL:
        return whole
    seen = _brightest_channel(picture)
    lit = seen.point([0 if value <= level + _NOISE_LEVELS else 255 for value in range(256)])
    top, bottom = _content_span(_rows(lit), _rows(seen))
    # Few lines of a flat picture would hardly count among all the lines of a column.
    between = (0, top, width, bottom)
    left, right = _content_span(_columns(lit.crop(between)), _columns(seen.crop(between)))
    left, right = _trimmed(left, right, width)
    top, bottom = _trimmed(top, bottom, height)
    return left, top, right, bottom


def _corner_level(picture: Image.Image) -> int:
    """The brightest channel of any pixel in the corners, which bars always cover."""
    width, height = picture.size
    brightest = 0
    for left in (0, max(0, width - _CORNER_PX)):
        for top in (0, max(0, height - _CORNER_PX)):
            corner = picture.crop(
                (left, top, min(left + _CORNER_PX, width), min(top + _CORNER_PX, height))
            )
            brightest = max(brightest, *corner.tobytes())
    return brightest


def _brightest_channel(picture: Image.Image) -> Image.Image:
    """What of each pixel stands out from black most: pure blue is hardly bright, but no bar."""
    red, green, blue = picture.split()
    return ImageChops.lighter(ImageChops.lighter(red, green), blue)


def _rows(picture: Image.Image) -> bytes:
    return picture.resize((1, picture.height), Image.Resampling.BOX).tobytes()


def _columns(picture: Image.Image) -> bytes:
    return picture.resize((picture.width, 1), Image.Resampling.BOX).tobytes()


def _content_span(lit: bytes, levels: bytes) -> tuple[int, int]:
    """First line with something in it and the one after the last; all lines where none has.

    `lit` has each line's part of lit pixels, of 255, and `levels` its mean.
    """
    lines = [index for index, part in enumerate(lit) if part > _SPECKS]
    if not lines:
        return 0, len(lit)
    border = max(1, round(len(lit) * _BORDER))
    first = _beyond_smear(levels, lines[0], border)
    last = len(lit) - 1 - _beyond_smear(levels[::-1], len(lit) - 1 - lines[-1], border)
    return (first, last + 1) if first <= last else (0, len(lit))


def _beyond_smear(levels: bytes, line: int, border: int) -> int:
    """Return the first line from there that is not much dimmer than those behind the border."""
    inside = levels[min(line + border, len(levels) - 1)]
    while levels[line] < inside * _DIM_PART:
        line += 1
    return line


def _trimmed(start: int, end: int, length: int) -> tuple[int, int]:
    """What of one side remains when bars are cut that reach to `start` and begin at `end`."""
    before, after = start, length - end
    if abs(before - after) > length * _OFF_CENTRE:
        before = after = min(before, after)
    if min(before, after) < max(1, length * _SMALLEST_BAR):
        return 0, length
    start, end = before + 1, length - after - 1
    return (start, end) if end - start >= length * _SMALLEST_CONTENT else (0, length)
