"""Errors of truth files.

ProductError (clipwarden.errors)
└── TruthError
    ├── InvalidTruth         the file can't be read, or an entry of it is wrong
    ├── UnknownTruthLabels   it names labels that the prompt set has not
    └── TruthMediaMissing    none of its media, or one outside the folder they are to be in
"""

from __future__ import annotations

from clipwarden.errors import ProductError


class TruthError(ProductError):
    """Something is wrong with a truth file, or with what it is used with."""

    code = "truth.error"


class InvalidTruth(TruthError):
    """The file can't be read or breaks the format; the message names file, entry and key."""

    code = "truth.invalid"


class UnknownTruthLabels(TruthError):
    """The truth, or a --map, names labels that the prompt set does not know."""

    code = "truth.unknown_labels"


class TruthMediaMissing(TruthError):
    """None of the media is where it should be, or one lies outside the folder they are in."""

    code = "truth.media_missing"
