"""`hpu_backend`: compiles nothing, but records that it would have, and for which shapes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch._dynamo import register_backend

from .card import FakeCard
from .tensors import OnCard, off_card, on_card, replace

_NAME = "hpu_backend"


def install_hpu_backend(card: FakeCard) -> None:
    """Make the backend known, and let what it compiles run on tensors of the card only."""

    @register_backend(name=_NAME)
    def hpu_backend(
        graph: torch.fx.GraphModule, examples: list[Any]
    ) -> Callable[..., tuple[torch.Tensor, ...]]:
        inputs = (value for value in examples if isinstance(value, torch.Tensor))
        shapes = tuple(tuple(t.shape) for t in inputs if not isinstance(t, nn.Parameter))
        card.record("compile", shapes)
        forward: Callable[..., tuple[torch.Tensor, ...]] = graph.forward
        return forward

    replace(torch, "compile", lambda original: _compile(original, card))


def _compile(original: Any, card: FakeCard) -> Any:
    def compiled_for(model: Any = None, **options: Any) -> Any:
        compiled = original(model, **options)
        if options.get("backend") != _NAME:
            return compiled
        if options.get("dynamic") is not False:
            raise RuntimeError("fake: shapes must be static on an hpu: compile with dynamic=False")
        return _CompiledOnCard(model, compiled, card)

    return compiled_for


class _CompiledOnCard:
    """Runs a compiled module where both it and its inputs were moved to the card."""

    def __init__(self, model: nn.Module, compiled: Any, card: FakeCard) -> None:
        self._model = model
        self._compiled = compiled
        self._card = card

    def __call__(self, *inputs: torch.Tensor) -> OnCard:
        self._card.use()
        if self._model not in self._card.modules:
            raise RuntimeError("fake: the module was not moved to the hpu")
        if not all(isinstance(tensor, OnCard) for tensor in inputs):
            raise RuntimeError("fake: expected all tensors on hpu:0, but found one on cpu")
        self._card.record("run", tuple(inputs[0].shape))
        return on_card(self._compiled(*map(off_card, inputs)))
