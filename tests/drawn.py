"""A clip of four drawn scenes that even a small model tells apart: no photograph in it is ours
to give away, and none is needed to prove that a scene is found where it is.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from tests.clips import Picture, write_clip

WIDTH, HEIGHT, FPS = 640, 360, 10

# What is shown, as the label of docs/example.yaml that should find it, and for how many seconds.
SCENES = (("water", 6), ("traffic_light", 5), ("text", 5), ("clock", 4))


def write_drawn(path: Path) -> Path:
    """Write the clip: each scene with a slow zoom and a little noise, hard cuts between."""
    return write_clip(path, _frames())


def write_clock_at_the_edge(path: Path) -> Path:
    """Write three seconds of a bare wall whose only object, a clock, stands at the left edge."""
    clock = _clock()
    size = 162
    wall = Image.new("RGB", (WIDTH, HEIGHT), clock.getpixel((2, 2)))
    small = clock.crop((140, 0, 500, 360)).resize((size, size))
    wall.paste(small, (0, (HEIGHT - size) // 2))
    return write_clip(path, ((Fraction(n, FPS), np.asarray(wall)) for n in range(3 * FPS)))


def _frames() -> Iterator[tuple[Fraction, Picture]]:
    random = np.random.default_rng(1)
    drawn = {
        "water": _lake(random),
        "traffic_light": _traffic_light(random),
        "text": _page(random),
        "clock": _clock(),
    }
    shown = 0
    for name, length_s in SCENES:
        for step in range(length_s * FPS):
            zoomed = _zoom(drawn[name], 1 + 0.004 * step)
            noise = random.integers(-8, 8, (HEIGHT, WIDTH, 1))
            noisy = np.clip(np.asarray(zoomed).astype(np.int16) + noise, 0, 255)
            yield Fraction(shown, FPS), noisy.astype(np.uint8)
            shown += 1


def _zoom(picture: Image.Image, factor: float) -> Image.Image:
    width, height = int(WIDTH / factor), int(HEIGHT / factor)
    left, top = (WIDTH - width) // 2, (HEIGHT - height) // 2
    cut = picture.crop((left, top, left + width, top + height))
    return cut.resize((WIDTH, HEIGHT))


def _lake(random: np.random.Generator) -> Image.Image:
    picture = Image.new("RGB", (WIDTH, HEIGHT))
    draw = ImageDraw.Draw(picture)
    shore = 200
    for y in range(HEIGHT):
        depth = y / HEIGHT
        sky = (int(90 + 100 * depth), int(150 + 80 * depth), 235)
        lake = (30, int(90 + 60 * (depth - 0.5)), int(150 - 60 * (depth - 0.5)))
        draw.line((0, y, WIDTH, y), fill=sky if y < shore else lake)
    ridge = [
        (x, shore - 60 - 50 * abs(math.sin(x * 0.011)) - int(random.integers(0, 25)))
        for x in range(0, WIDTH + 40, 40)
    ]
    draw.polygon([(0, shore), *ridge, (WIDTH, shore)], fill=(70, 85, 100))
    for _ in range(300):
        x, y = int(random.integers(0, WIDTH)), int(random.integers(shore + 5, HEIGHT))
        draw.line((x, y, x + int(random.integers(8, 50)), y), fill=(120, 170, 210))
    return picture.filter(ImageFilter.GaussianBlur(1.2))


def _traffic_light(random: np.random.Generator) -> Image.Image:
    picture = Image.new("RGB", (WIDTH, HEIGHT), (140, 180, 225))
    draw = ImageDraw.Draw(picture)
    draw.rectangle((0, 250, WIDTH, HEIGHT), fill=(90, 90, 95))
    for x in range(0, WIDTH, 110):
        draw.rectangle((x, 90 + int(random.integers(0, 60)), x + 90, 250), fill=(150, 120, 100))
    draw.rectangle((306, 250, 334, HEIGHT), fill=(50, 50, 50))
    draw.rounded_rectangle((262, 20, 378, 290), 16, fill=(35, 35, 38))
    for place, lamp in enumerate([(235, 40, 30), (90, 75, 20), (20, 70, 30)]):
        draw.ellipse((282, 36 + place * 84, 358, 112 + place * 84), fill=lamp)
    return picture.filter(ImageFilter.GaussianBlur(1.0))


def _page(random: np.random.Generator) -> Image.Image:
    picture = Image.new("RGB", (WIDTH, HEIGHT), (250, 250, 250))
    draw = ImageDraw.Draw(picture)
    draw.rectangle((0, 0, WIDTH, 40), fill=(40, 70, 120))
    draw.text((14, 5), "Weather archive", fill="white", font=ImageFont.load_default(26))
    words = ("wind", "rain", "sun", "cloud", "north", "south", "storm", "dry", "coast", "hills")
    for column in range(3):
        for row in range(15):
            line = " ".join(random.choice(words, 5))
            place = (14 + column * 210, 56 + row * 20)
            draw.text(place, line, fill=(30, 30, 30), font=ImageFont.load_default(13))
    draw.rectangle((440, 60, 620, 180), fill=(120, 160, 200))
    return picture


def _clock() -> Image.Image:
    picture = Image.new("RGB", (WIDTH, HEIGHT), (200, 190, 170))
    draw = ImageDraw.Draw(picture)
    draw.ellipse((190, 50, 450, 310), fill=(245, 245, 240), outline=(60, 40, 30), width=12)
    for hour in range(1, 13):
        angle = math.radians(hour * 30 - 90)
        place = (311 + 102 * math.cos(angle), 166 + 102 * math.sin(angle))
        draw.text(place, str(hour), fill=(20, 20, 20), font=ImageFont.load_default(26))
    for length, degrees, width in ((60, -30, 9), (90, 60, 6)):
        angle = math.radians(degrees)
        end = (320 + length * math.cos(angle), 180 + length * math.sin(angle))
        draw.line((320, 180, *end), fill=(20, 20, 20), width=width)
    return picture
