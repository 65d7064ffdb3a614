"""Errors of image classification.

ProductError (clipwarden.errors)
└── ClassificationError
    ├── InvalidLabels      there are none to choose from, one is there twice, or a template is none
    └── InvalidAnswers     a file of right answers can't be read, or doesn't fit the labels
"""

from __future__ import annotations

from clipwarden.errors import ProductError


class ClassificationError(ProductError):
    """What was asked of a classification can't be answered."""

    code = "classify.error"


class InvalidLabels(ClassificationError):
    """There is nothing to choose from, a label is there twice, or a template is none."""

    code = "classify.labels"


class InvalidAnswers(ClassificationError):
    """A file of right answers breaks its format, or names a class that is no label."""

    code = "classify.truth"
