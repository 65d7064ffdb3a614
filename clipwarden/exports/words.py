"""What exports say of a segment and of how a result was made, in one line of harmless text."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from urllib.parse import unquote

from worker.document import ResultDocument, SegmentInfo

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
"""What makes a spreadsheet compute a cell instead of showing it (OWASP, CSV Injection)."""


def one_line(text: str) -> str:
    """The text without line ends, control characters and what turns the writing direction.

    Every unprintable character becomes a space: a name must not end a line of a format whose
    lines mean something, nor be no XML.
    """
    return "".join(char if char.isprintable() else " " for char in text).strip()


def no_formula(text: str) -> str:
    """The text, with an apostrophe in front where a spreadsheet would compute it."""
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text


def source_name(document: ResultDocument) -> str:
    """The last part of the source's path or address, or of its id where that has none."""
    path = document.video.source
    if is_address(path):
        # Not urlsplit: it refuses what is no good address, and this is any text.
        path = unquote(re.split("[?#]", path.partition("://")[2])[0])
    return one_line(PurePosixPath(path).name) or one_line(document.video.id) or "video"


def is_address(source: str) -> bool:
    """Say whether a source is an address such as https:// or s3://, not a path."""
    scheme, separator, _ = source.partition("://")
    return bool(separator) and scheme.isascii() and scheme.isalnum()


def segment_words(segment: SegmentInfo) -> str:
    """Confidence, action and NSFW of a segment, such as `0.93 block NSFW`."""
    nsfw = " NSFW" if segment.nsfw else ""
    return f"{segment.confidence:.2f} {segment.action}{nsfw}"


def made_by(document: ResultDocument) -> list[str]:
    """Lines that say how a result was made: model, prompt sets, sampling, whether it is whole."""
    prompt_sets = ", ".join(
        f"{one.name} {one.version} "
        f"({'uncalibrated' if one.calibration is None else 'calibrated'}, {one.sha256[:12]})"
        for one in document.prompt_sets
    )
    lines = [
        f"Source: {document.video.source}",
        f"Made by Clipwarden, result {document.video.id}, {document.status}",
        f"Model: {document.model.id} ({document.model.precision}, {document.model.key})",
        f"Prompt sets: {prompt_sets}",
        f"Sampling: {document.sampling.spec}, {document.sampling.geometry}",
        "Times count from the first shown frame. An uncalibrated confidence is no probability.",
    ]
    return [one_line(line) for line in lines]
