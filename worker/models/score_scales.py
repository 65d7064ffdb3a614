"""How margins become confidences, per kind of model, until a calibration says it better.

For CLIP `sigmoid((100 * margin - b) / 1.5)`: 100 is the scale that its cosines were trained with,
1.5 softens it, and b by architecture is a published moderation tool's choice for OpenAI's weights.
SigLIP brings a scale and a bias of its own, by which a text and a picture belong together or not
(Zhai et al. 2023, arXiv 2303.15343, section 3.2): where no contrast prompt comes nearer than the
cosine at which it is in doubt, the confidence is the probability that the model itself gives. None
was fitted by us: a calibration on one's own footage beats them.
"""

from __future__ import annotations

from typing import Any

from worker.models.card import ScoreScale
from worker.models.logits import Logits

_SCALE = 100 / 1.5
# By patch size and width of the image tower: B/32, B/16, L/14.
_CLIP_BIASES = (((32, 768), 0.025), ((16, 768), 0.040), ((14, 1024), 0.030))
# CLIPs of other shapes, and VisionTextDualEncoder: a guess in between, uncalibrated.
_OTHER_BIAS = 0.030


def score_scale_of(model_type: str, vision_config: dict[str, Any], logits: Logits) -> ScoreScale:
    """The scale for a network of this type and image tower, trained with these logits."""
    if logits.bias is not None:
        return ScoreScale(scale=logits.scale, bias=0.0, floor=-logits.bias / logits.scale)
    bias = _OTHER_BIAS
    if model_type == "clip":
        # A config.json without these keys is B/32, as the configuration class has it.
        shape = [vision_config.get("patch_size", 32), vision_config.get("hidden_size", 768)]
        bias = next((b for s, b in _CLIP_BIASES if list(s) == shape), _OTHER_BIAS)
    return ScoreScale(scale=_SCALE, bias=bias)
