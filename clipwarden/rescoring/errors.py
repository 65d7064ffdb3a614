"""Errors of re-scoring and comparing.

ProductError (clipwarden.errors)
└── RescoringError
    ├── InvalidCondition     a --where that can't be read, or names what is not there
    ├── VersionUnknown       no stored results are of that version, or of several
    └── RescoreUnconfirmed   nobody confirmed that results are to be stored
"""

from __future__ import annotations

from clipwarden.errors import ProductError


class RescoringError(ProductError):
    """Stored results can't be scored anew or compared."""

    code = "rescore.error"


class InvalidCondition(RescoringError):
    """A condition on videos can't be read, or names a label or prompt set that nobody knows."""

    code = "rescore.invalid_condition"


class VersionUnknown(RescoringError):
    """No stored results are of the version that was named, or those of several are."""

    code = "rescore.version_unknown"


class RescoreUnconfirmed(RescoringError):
    """Results were to be stored without --yes where nobody could be asked, or the answer was no."""

    code = "rescore.unconfirmed"
