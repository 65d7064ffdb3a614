"""Sentences that labels are put into before they are embedded."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from clipwarden.classification.errors import InvalidLabels
from prompts.fields import MAX_TEXT_CHARACTERS
from prompts.label import PLACEHOLDER

MAX_TEMPLATES = 100


class Preset(StrEnum):
    """Templates by the kind of picture."""

    NONE = "none"
    PHOTO = "photo"
    PHOTO7 = "photo7"
    READING = "reading"


PRESETS: dict[Preset, tuple[str, ...]] = {
    Preset.NONE: ("{}",),
    Preset.PHOTO: ("a photo of a {}",),
    # Seven that differ in size, quality and medium: with CLIP on ImageNet they do nearly what
    # eighty do (Radford et al. 2021, arXiv 2103.00020, and the notebooks published with it).
    Preset.PHOTO7: (
        "a snapshot I took of a {}",
        "a poor photo of the {}",
        "a paper model of a {}",
        "a photo of the big {}",
        "a {} in a computer game",
        "an artwork of the {}",
        "a photo of the little {}",
    ),
    # CLIP was asked for digits and rendered sentences with the text in quotation marks.
    Preset.READING: (
        'a photo of the text "{}"',
        'a sign that says "{}"',
        'the word "{}" in large letters',
        'a picture with "{}" written on it',
    ),
}
"""What each preset stands for."""


def templates_of(own: Sequence[str], preset: Preset | None, *, reads: bool) -> tuple[str, ...]:
    """Return a preset's templates, then those of the user's own; raises InvalidLabels.

    Where neither is named it is `photo`, or `reading` where written words are to be told apart.
    """
    for template in own:
        _check(template)
    if preset is None:
        default = Preset.READING if reads else Preset.PHOTO
        chosen = tuple(own) or PRESETS[default]
    else:
        chosen = (*PRESETS[preset], *own)
    distinct = tuple(dict.fromkeys(chosen))
    if len(distinct) > MAX_TEMPLATES:
        raise InvalidLabels(
            f"{len(distinct)} templates, {MAX_TEMPLATES} are the most.",
            "About seven that differ do nearly what a hundred do.",
        )
    return distinct


def _check(template: str) -> None:
    if template.count(PLACEHOLDER) != 1:
        raise InvalidLabels(
            f"the template {template[:80]!r} has {PLACEHOLDER} not exactly once.",
            "It goes where the label goes: --template 'a photo of a {}'.",
        )
    if len(template) > MAX_TEXT_CHARACTERS or not template.isprintable():
        raise InvalidLabels(
            f"the template {template[:80]!r} is too long, or no plain line.",
            f"Write a line of at most {MAX_TEXT_CHARACTERS} characters.",
        )
