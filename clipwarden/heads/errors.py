"""Errors of training heads.

ProductError (clipwarden.errors)
└── HeadError
    ├── TooFewHeadExamples  there is too little of one kind to learn or to measure anything
    ├── ExamplesUnusable    the folder of examples is not laid out as it must be
    └── InvalidDecisions    a file of review decisions can't be read, or an entry is wrong
"""

from __future__ import annotations

from clipwarden.errors import ProductError


class HeadError(ProductError):
    """A head can't be trained."""

    code = "head.error"


class TooFewHeadExamples(HeadError):
    """There are too few different examples that show the label, or too few that don't."""

    code = "head.too_few_examples"


class ExamplesUnusable(HeadError):
    """The folder of examples has no subfolder for each kind, or can't be read."""

    code = "head.examples_unusable"


class InvalidDecisions(HeadError):
    """A file of decisions can't be read or breaks the format; the message names the entry."""

    code = "head.invalid_decisions"
