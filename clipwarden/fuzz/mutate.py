"""Makes files that no program would write: blindly, and at the places where sizes stand."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from clipwarden.fuzz.layout import Layout, read_layout

MAX_BYTES = 256 * 1024
"""Mutated files are cut to this: larger ones take longer and reach no further."""

_MAX_STEPS = 6
_MAX_RUN = 64
_MAX_REPEATS = 16
_WIDTHS = (1, 2, 4, 8)
_ORDERS: tuple[str, str] = ("big", "little")

_AROUND = (0, 1, 2, 3, 7, 8, 16, 64, 100, 255, 256, 1000, 1024, 4096, 65535, 65536, 2**24)
_EDGES = tuple(2**bits + step for bits in (7, 15, 31, 32, 63) for step in (-1, 0, 1))
INTERESTING = (*_AROUND, *_EDGES, -1, -2, 2**64 - 1)
"""Where sums overflow, signs change and loops end; cut to the width of the place."""

Mutation = Callable[[bytearray, Random], None]


def mutate(content: bytes, other: bytes, rng: Random) -> tuple[bytes, tuple[str, ...]]:
    """Change a file in one to six ways, and return it with the names of these ways.

    `other` is what pieces are borrowed from. The same arguments give the same bytes.
    """
    mutated = bytearray(content)
    names = []
    for _ in range(rng.randint(1, _MAX_STEPS)):
        draw = rng.random()
        if draw < 0.45:
            names.append(_mutate_structure(mutated, rng))
        elif draw < 0.9 or not other:
            mutation = rng.choice(_BLIND)
            mutation(mutated, rng)
            names.append(mutation.__name__.lstrip("_"))
        else:
            names.append(_borrow(mutated, other, rng))
        del mutated[MAX_BYTES:]
    return bytes(mutated), tuple(names)


def _flip_bits(content: bytearray, rng: Random) -> None:
    for _ in range(rng.choice((1, 1, 2, 8, 64)) if content else 0):
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)


def _overwrite(content: bytearray, rng: Random) -> None:
    start, end = _range(content, rng)
    same = rng.random() < 0.5
    value = rng.choice((0, 0, 0xFF, 0x7F, 0x80, rng.randrange(256)))
    content[start:end] = bytes([value]) * (end - start) if same else rng.randbytes(end - start)


def _put_integer(content: bytearray, rng: Random) -> None:
    width = rng.choice(_WIDTHS)
    if len(content) >= width:
        start = rng.randrange(len(content) - width + 1)
        content[start : start + width] = _integer(width, rng.choice(_ORDERS), rng)


def _truncate(content: bytearray, rng: Random) -> None:
    del content[rng.randrange(len(content) + 1) :]


def _delete(content: bytearray, rng: Random) -> None:
    start, end = _range(content, rng)
    del content[start:end]


def _duplicate(content: bytearray, rng: Random) -> None:
    start, end = _range(content, rng)
    at = rng.randrange(len(content) + 1)
    content[at:at] = content[start:end]


def _repeat(content: bytearray, rng: Random) -> None:
    start, end = _range(content, rng)
    content[end:end] = content[start:end] * rng.randint(1, _MAX_REPEATS)


def _swap(content: bytearray, rng: Random) -> None:
    (start, end), (other_start, other_end) = sorted((_range(content, rng), _range(content, rng)))
    if end <= other_start:
        _exchange(content, (start, end), (other_start, other_end))


_BLIND: tuple[Mutation, ...] = (
    *(_flip_bits, _flip_bits, _overwrite, _put_integer, _put_integer),
    *(_truncate, _delete, _duplicate, _repeat, _swap),
)


def _borrow(content: bytearray, other: bytes, rng: Random) -> str:
    """Take the end of another file, or put a piece of it in or over."""
    start, end = _range(other, rng)
    at = rng.randrange(len(content) + 1)
    way = rng.choice(("splice", "insert", "cover"))
    if way == "splice":
        content[at:] = other[start:]
    elif way == "insert":
        content[at:at] = other[start:end]
    else:
        content[at : at + end - start] = other[start:end]
    return way


def _mutate_structure(content: bytearray, rng: Random) -> str:
    layout = read_layout(bytes(content))
    if not layout.fields:
        _flip_bits(content, rng)
        return "flip_bits"
    draw = rng.random()
    if draw < 0.6:
        return _change_field(content, layout, rng)
    start, end = rng.choice(layout.elements)
    if draw < 0.7:
        del content[start:end]
        return "delete_element"
    if draw < 0.8:
        content[end:end] = content[start:end] * rng.choice((1, 1, 2, _MAX_REPEATS))
        return "repeat_element"
    first, second = sorted(((start, end), rng.choice(layout.elements)))
    if draw < 0.9 and first[1] <= second[0]:
        _exchange(content, first, second)
        return "swap_elements"
    content[start:start] = content[slice(*rng.choice(layout.elements))]
    return "copy_element"


def _change_field(content: bytearray, layout: Layout, rng: Random) -> str:
    """Give a size, type or count an edge value, a near one, or that of another place."""
    field = rng.choice(layout.fields)
    place = slice(field.offset, field.offset + field.width)
    present = int.from_bytes(content[place], field.order)
    draw = rng.random()
    if draw < 0.5:
        content[place] = _integer(field.width, field.order, rng)
        return "edge_field"
    if draw < 0.8:
        near = present + rng.choice((-256, -8, -4, -1, 1, 4, 8, 256, present, -present // 2))
        content[place] = _bytes_of(near, field.width, field.order)
        return "near_field"
    donor = rng.choice(layout.fields)
    taken = content[donor.offset : donor.offset + donor.width]
    value = int.from_bytes(taken, donor.order)
    content[place] = _bytes_of(value, field.width, field.order)
    return "copy_field"


def _exchange(content: bytearray, first: tuple[int, int], second: tuple[int, int]) -> None:
    """Swap two pieces, of which the first ends before the second begins."""
    (start, end), (other_start, other_end) = first, second
    piece, other = content[start:end], content[other_start:other_end]
    content[start:other_end] = other + content[end:other_start] + piece


def _range(content: bytes | bytearray, rng: Random) -> tuple[int, int]:
    """A piece of the file: mostly short, at times up to all of it."""
    start = rng.randrange(len(content) + 1)
    longest = len(content) - start
    if rng.random() < 0.8:
        longest = min(longest, _MAX_RUN)
    return start, start + rng.randint(0, longest)


def _integer(width: int, order: str, rng: Random) -> bytes:
    return _bytes_of(rng.choice(INTERESTING), width, order)


def _bytes_of(value: int, width: int, order: str) -> bytes:
    big = (value % (1 << 8 * width)).to_bytes(width, "big")
    return big if order == "big" else big[::-1]
