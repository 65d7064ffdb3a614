"""EfficientNet-Lite2: the image classifier behind the starter model."""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

_BATCH_NORM_EPSILON = 1e-3
# Output channels, blocks, kernel, stride of the first block, expansion. Width 1.1, depth 1.2 of
# EfficientNet-B0 (Tan and Le 2019, arXiv 1905.11946); the lite form has no squeeze-and-excite,
# clips at 6, and repeats neither its first nor its last stage more often.
_STAGES = (
    (16, 1, 3, 1, 1),
    (24, 3, 3, 2, 6),
    (48, 3, 5, 2, 6),
    (88, 4, 3, 2, 6),
    (120, 4, 5, 1, 6),
    (208, 5, 5, 2, 6),
    (352, 1, 3, 1, 6),
)
_STEM_CHANNELS = 32
_HEAD_CHANNELS = 1280
_CLASSES = 1000


class _SameConv(nn.Conv2d):
    """A convolution padded as TensorFlow pads: the odd pixel goes to the right and the bottom."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:  # noqa: A002 - the base class's name
        vertical = self._padding(input.shape[-2])
        horizontal = self._padding(input.shape[-1])
        if vertical[0] == vertical[1] and horizontal[0] == horizontal[1]:
            symmetric = (vertical[0], horizontal[0])
            return functional.conv2d(
                input, self.weight, self.bias, self.stride, symmetric, groups=self.groups
            )
        return super().forward(functional.pad(input, (*horizontal, *vertical)))

    def _padding(self, length: int) -> tuple[int, int]:
        stride, kernel = self.stride[0], self.kernel_size[0]
        outputs = -(-length // stride)
        total = max(0, (outputs - 1) * stride + kernel - length)
        return total // 2, total - total // 2


def _conv(inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> _SameConv:
    return _SameConv(inputs, outputs, kernel, stride, groups=groups, bias=False)


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=_BATCH_NORM_EPSILON)


def _fold_norm(module: nn.Module, convolution: str, norm: str) -> None:
    pair = getattr(module, convolution), getattr(module, norm)
    setattr(module, convolution, fuse_conv_bn_eval(*pair))
    setattr(module, norm, nn.Identity())


class _Block(nn.Module):
    """Expand, convolve each channel alone, project back; added to its input where shapes allow."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        hidden = inputs * expansion
        if expansion > 1:
            self.expand_conv = _conv(inputs, hidden, 1)
            self.bn0 = _norm(hidden)
        self.depthwise_conv = _conv(hidden, hidden, kernel, stride, groups=hidden)
        self.bn1 = _norm(hidden)
        self.project_conv = _conv(hidden, outputs, 1)
        self.bn2 = _norm(outputs)
        self._expands = expansion > 1
        self._adds_input = stride == 1 and inputs == outputs

    def forward(self, picture: torch.Tensor) -> torch.Tensor:
        hidden = picture
        if self._expands:
            hidden = functional.relu6(self.bn0(self.expand_conv(hidden)))
        hidden = functional.relu6(self.bn1(self.depthwise_conv(hidden)))
        projected: torch.Tensor = self.bn2(self.project_conv(hidden))
        return projected + picture if self._adds_input else projected


class EfficientNetLite2(nn.Module):
    """Classifies `[n, 3, 260, 260]`, RGB scaled by (x - 127) / 128, into `[n, 1000]` logits."""

    def __init__(self) -> None:
        super().__init__()
        self.conv_stem = _conv(3, _STEM_CHANNELS, 3, 2)
        self.bn0 = _norm(_STEM_CHANNELS)
        blocks: list[_Block] = []
        inputs = _STEM_CHANNELS
        for outputs, repeats, kernel, stride, expansion in _STAGES:
            for repeat in range(repeats):
                first = repeat == 0
                blocks.append(_Block(inputs, outputs, kernel, stride if first else 1, expansion))
                inputs = outputs
        self.blocks = nn.ModuleList(blocks)
        self.conv_head = _conv(inputs, _HEAD_CHANNELS, 1)
        self.bn1 = _norm(_HEAD_CHANNELS)
        self.fc = nn.Linear(_HEAD_CHANNELS, _CLASSES)

    @classmethod
    def from_state(cls, state: Mapping[str, torch.Tensor]) -> EfficientNetLite2:
        """Build the network from the published state dict, whose names begin with underscores.

        The batch norms are folded into the convolutions before them, which saves a third of the
        time. Raises RuntimeError when an entry is missing, left over or of another shape.
        """
        network = cls()
        network.load_state_dict({re.sub(r"(^|\.)_", r"\1", key): state[key] for key in state})
        network.eval()
        _fold_norm(network, "conv_stem", "bn0")
        for block in network.blocks:
            if hasattr(block, "expand_conv"):
                _fold_norm(block, "expand_conv", "bn0")
            _fold_norm(block, "depthwise_conv", "bn1")
            _fold_norm(block, "project_conv", "bn2")
        _fold_norm(network, "conv_head", "bn1")
        return network

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        hidden = functional.relu6(self.bn0(self.conv_stem(pictures)))
        for block in self.blocks:
            hidden = block(hidden)
        hidden = functional.relu6(self.bn1(self.conv_head(hidden)))
        logits: torch.Tensor = self.fc(hidden.mean(dim=(2, 3)))
        return logits
