"""Errors of fitting to examples.

ProductError (clipwarden.errors)
└── CalibrationError
    ├── TooFewExamples      nothing could be learnt from what there is
    └── CalibrationUnknown  none is stored of that hash, or several
"""

from __future__ import annotations

from clipwarden.errors import ProductError


class CalibrationError(ProductError):
    """A calibration can't be made."""

    code = "calibration.error"


class TooFewExamples(CalibrationError):
    """The truth shows too little of what is looked for to fit anything to it."""

    code = "calibration.too_few_examples"


class CalibrationUnknown(CalibrationError):
    """No stored calibration has the hash that was named, or several begin with it."""

    code = "calibration.unknown"
