"""Errors of the prompts package, and the base every package's errors share.

ClipwardenError             code, message, cure; the root of every package's own tree
└── PromptsError            anything about prompt sets
    ├── UnknownPromptSet    no shipped set and no file of that name
    ├── InvalidPromptSet    the file can't be read, is no YAML, or breaks the schema
    ├── MissingTextVectors  a set is to be scored with vectors that don't cover its texts
    ├── InvalidCalibration  the file is no calibration
    ├── CalibrationUnfit    a calibration is of another model, or of no label of the set
    └── HeadMissing         a label is scored by trained heads, and none fits this model
"""

from __future__ import annotations

from typing import ClassVar


class ClipwardenError(Exception):
    """An error meant to be read by a person: what was wrong, and what to do about it.

    `code` is stable across releases and is what programs should look at. `retry_helps` says
    whether the same work may succeed when it is tried again as it is.
    """

    code: ClassVar[str] = "clipwarden.error"
    retry_helps: ClassVar[bool] = True

    def __init__(self, message: str, cure: str) -> None:
        super().__init__(message)
        self.message = message
        self.cure = cure

    def __str__(self) -> str:
        return f"{self.message} {self.cure}".rstrip()


class PromptsError(ClipwardenError):
    """Something is wrong with a prompt set."""

    code = "prompts.error"


class UnknownPromptSet(PromptsError):
    """Neither a shipped set nor a file has the given name."""

    code = "prompts.unknown_set"


class InvalidPromptSet(PromptsError):
    """The file is no YAML or breaks the schema; the message names file, line and key.

    A file can be wrong in several places: the message tells the first and counts the others,
    `details` has one line for each, cure included.
    """

    code = "prompts.invalid_set"

    def __init__(self, message: str, cure: str, details: tuple[str, ...] = ()) -> None:
        super().__init__(message, cure)
        self.details = details or (str(self),)


class MissingTextVectors(PromptsError):
    """The text vectors given don't belong to the prompt set that is to be scored."""

    code = "prompts.missing_text_vectors"


class InvalidCalibration(PromptsError):
    """The file is no calibration, or breaks its schema."""

    code = "prompts.invalid_calibration"


class CalibrationUnfit(PromptsError):
    """A calibration was fitted for another model, or for none of the prompt set's labels."""

    code = "prompts.calibration_unfit"


class HeadMissing(PromptsError):
    """A label is scored by trained heads, and none of them is for the model in use, or fits it."""

    code = "prompts.head_missing"
    retry_helps = False
