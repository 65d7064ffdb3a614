"""Finds the black bars that letterboxing and pillarboxing put around a picture.

Bars are looked for in every picture anew, so that a frame is trimmed in the same way whichever
frames came before it. Only black ones count: white margins belong to documents, slides and
product shots, and blurred ones can't be told from a shallow depth of field. What is dark and
belongs to the picture is told from them by their flatness and by their sharp, straight edge; in
doubt nothing is cut, for what is cut nobody sees.
"""

from __future__ import annotations

from statistics import median_low

from PIL import Image, ImageChops

from ingest.geometry import Box

_BLACKEST_LEVEL = 24
"""Of 255. Bars are 0 where the range is declared right, and 16 where it is not."""
_NOISE_LEVELS = 6
"""How much brighter or darker than the bars' own level any pixel of theirs may be."""
_CLEAR_LEVELS = 3 * _NOISE_LEVELS
"""How much brighter than the bars the pixels along their edges are."""
_STRAIGHT_PART = 0.9
"""Of an edge: the part that has to be in one line; some of a picture is black by chance."""
_DIM_PART = 0.25
"""A line this much dimmer than those `_BORDER` further in is what the codec smeared."""
_BORDER = 0.05
_CORNER_PX = 3
_SMALLEST_BAR = 0.015
_SMALLEST_CONTENT = 0.2
_OFF_CENTRE = 0.03
"""Parts of the side that the bars take up. Bars that differ by more than `_OFF_CENTRE` are cut to
the smaller one: the other seems larger for what is dark in the picture itself."""


def find_content(picture: Image.Image) -> Box:
    """Return the box in an RGB picture that its black bars leave; the whole where it has none.

    The lines between bar and content, which hold some of both after scaling, are left out.
    """
    width, height = picture.size
    whole = (0, 0, width, height)
    seen = _brightest_channel(picture)
    level = _bar_level(seen)
    if level is None:
        return whole
    # Beyond this box every pixel is as flat as a bar's.
    inside = seen.point([int(abs(value - level) > _NOISE_LEVELS) for value in range(256)]).getbbox()
    if inside is None:
        return whole
    left, top, right, bottom = inside
    # An edge reaches from bar to bar, or else over the whole picture.
    columns = _trimmed_columns(seen, level, inside)
    rows = _trimmed_rows(seen, level, inside)
    if columns == (0, width):
        rows = _trimmed_rows(seen, level, (0, top, width, bottom))
    if rows == (0, height):
        columns = _trimmed_columns(seen, level, (left, 0, right, height))
        if columns == (0, width):
            return whole
    return columns[0], rows[0], columns[1], rows[1]


def _brightest_channel(picture: Image.Image) -> Image.Image:
    """What of each pixel stands out from black most: pure blue is hardly bright, but no bar."""
    red, green, blue = picture.split()
    return ImageChops.lighter(ImageChops.lighter(red, green), blue)


def _bar_level(seen: Image.Image) -> int | None:
    """The level of the corners, which bars always cover; None where they are no bars'."""
    width, height = seen.size
    levels: list[int] = []
    for left in (0, max(0, width - _CORNER_PX)):
        for top in (0, max(0, height - _CORNER_PX)):
            box = (left, top, min(left + _CORNER_PX, width), min(top + _CORNER_PX, height))
            levels += seen.crop(box).tobytes()
    is_flat = max(levels) - min(levels) <= _NOISE_LEVELS
    return median_low(levels) if is_flat and max(levels) <= _BLACKEST_LEVEL else None


def _trimmed_rows(seen: Image.Image, level: int, inside: Box) -> tuple[int, int]:
    """First row of the content and the one after its last, within the columns of the box."""
    left, top, right, bottom = inside
    above = level + _CLEAR_LEVELS
    part = seen.crop((left, 0, right, seen.height))
    clear = part.point([0 if value <= above else 255 for value in range(256)])
    lines = (1, seen.height)
    means = part.resize(lines, Image.Resampling.BOX).tobytes()
    parts = clear.resize(lines, Image.Resampling.BOX).tobytes()
    before = _bar(means, parts, level, top)
    after = _bar(means[::-1], parts[::-1], level, seen.height - bottom)
    return _trimmed(before, after, seen.height)


def _trimmed_columns(seen: Image.Image, level: int, inside: Box) -> tuple[int, int]:
    left, top, right, bottom = inside
    flipped = seen.transpose(Image.Transpose.TRANSPOSE)
    return _trimmed_rows(flipped, level, (top, left, bottom, right))


def _bar(means: bytes, parts: bytes, level: int, flat: int) -> int:
    """How many lines the bar at the start has, with what the codec smeared; 0 without one.

    `flat` lines are flat; `means` are the lines' levels, `parts` what is clear of them, of 255.
    """
    border = max(1, round(len(means) * _BORDER))
    further = min(flat + border, len(means) - 1)
    dim = max(_NOISE_LEVELS, (means[further] - level) * _DIM_PART)
    line = flat
    while line < further and means[line] - level < dim:
        line += 1
    # The first line may hold some of both.
    edge = parts[min(line + 1, len(parts) - 1)]
    return line if edge >= _STRAIGHT_PART * 255 else 0


def _trimmed(before: int, after: int, length: int) -> tuple[int, int]:
    """What of one side remains of lines when bars of these widths are cut."""
    if abs(before - after) > length * _OFF_CENTRE:
        before = after = min(before, after)
    if min(before, after) < max(1, length * _SMALLEST_BAR):
        return 0, length
    start, end = before + 1, length - after - 1
    return (start, end) if end - start >= length * _SMALLEST_CONTENT else (0, length)
