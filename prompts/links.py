"""How a margin becomes a confidence: by the model's own scale, or as a calibration fitted it.

Every link rises with the margin, so that the picture, the frame and the label with the greatest
margin is the one with the greatest confidence, too.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, Field, model_validator

from prompts.fields import Finite, FrozenModel, Moderate, moderate

MAX_KNOTS = 2_000
"""Isotonic fits of a million frames have fewer steps."""

Values = NDArray[np.float32]


class Logistic(FrozenModel):
    """`sigmoid(scale * (margin - bias))`; fitted, it is Platt's method (Platt 1999)."""

    kind: Literal["logistic"] = "logistic"
    scale: Annotated[Finite, Field(gt=0), AfterValidator(moderate)]
    bias: Moderate

    def confidences(self, margins: Values) -> Values:
        """Return the confidences, in 0..1 and of the same shape."""
        # By tanh, which saturates where exp would overflow.
        logistic = 0.5 * (1.0 + np.tanh(0.5 * self.scale * (margins - self.bias)))
        return np.asarray(logistic, np.float32)


class Isotonic(FrozenModel):
    """Straight lines between knots, and level outside (Zadrozny and Elkan 2002)."""

    kind: Literal["isotonic"] = "isotonic"
    margins: Annotated[tuple[Moderate, ...], Field(min_length=1, max_length=MAX_KNOTS)]
    levels: tuple[Annotated[float, Field(ge=0, le=1)], ...]

    @model_validator(mode="after")
    def _rises(self) -> Self:
        if len(self.margins) != len(self.levels):
            raise ValueError("there are not as many levels as margins")
        if any(after <= before for before, after in pairwise(self.margins)):
            raise ValueError("the margins don't rise")
        if any(after < before for before, after in pairwise(self.levels)):
            raise ValueError("the levels fall somewhere")
        return self

    def confidences(self, margins: Values) -> Values:
        """Return the confidences, in 0..1 and of the same shape."""
        return np.interp(margins, self.margins, self.levels).astype(np.float32)


Link = Annotated[Logistic | Isotonic, Field(discriminator="kind")]
