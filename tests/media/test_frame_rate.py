"""The frame rate that a video's header tells."""

from __future__ import annotations

import json
import sys
from fractions import Fraction
from pathlib import Path

import pytest
from PIL import Image

from ingest.errors import DecoderCrashed
from ingest.media.answers import read_facts
from ingest.media.channel import ChildChannel
from ingest.media.limits import DecodeLimits
from tests import clips
from tests.clips import Encoding
from tests.media.sampled import CENTRE, sample

NTSC_TIMES = Encoding(time_base=Fraction(1, 30000))


@pytest.mark.parametrize(
    ("suffix", "fps", "encoding"),
    [
        ("mp4", Fraction(30000, 1001), NTSC_TIMES),
        ("mov", Fraction(24000, 1001), Encoding(time_base=Fraction(1, 24000))),
        ("mp4", Fraction(25), clips.DEFAULT_ENCODING),
        ("mp4", Fraction(15), clips.DEFAULT_ENCODING),
        ("ts", Fraction(50), clips.DEFAULT_ENCODING),
    ],
)
def test_the_rate_is_told_as_an_exact_fraction(
    tmp_path: Path, suffix: str, fps: Fraction, encoding: Encoding
) -> None:
    path = clips.write_timed(tmp_path / f"c.{suffix}", clips.constant_times(fps, 3), encoding)
    assert sample(path).facts.frame_rate == f"{fps.numerator}/{fps.denominator}"


@pytest.mark.parametrize("kind", ["JPEG", "AVIF", "GIF"])
def test_a_still_picture_has_no_frame_rate(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "upload"
    Image.new("RGB", (64, 48), clips.RED).save(path, kind)
    assert sample(path).facts.frame_rate is None


def test_a_decoding_process_that_tells_no_such_rate_is_not_believed() -> None:
    facts = {
        "width": 2,
        "height": 2,
        "codec": "h264",
        "container": "mp4",
        "estimated_duration_us": None,
        "estimated_frames": None,
    }
    limits = DecodeLimits(stall_timeout_s=20.0)
    with ChildChannel([sys.executable, "-c", ""], "clip.mp4", CENTRE, limits) as channel:
        for rate in ("30000/0", "0/1", "25", "1/1\n", "-1/1", 25, "9" * 20 + "/1"):
            with pytest.raises(DecoderCrashed, match="frame_rate"):
                read_facts(json.dumps(facts | {"frame_rate": rate}).encode(), channel)
        assert read_facts(json.dumps(facts).encode(), channel).frame_rate is None
