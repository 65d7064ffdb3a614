"""Teach a stock torch `.to("hpu")`, and to know what lies on the card from what does not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

import torch
from torch import nn

from .card import CARD, FakeCard

_PICTURES_NDIM = 4


class OnCard(torch.Tensor):
    """A tensor on the fake card; what is computed from it lies there too."""

    def cpu(self, *_: Any, **__: Any) -> torch.Tensor:
        """Copy to the host, which waits for all that was queued."""
        CARD.use()
        CARD.record("copy_to_host", tuple(self.shape))
        return off_card(self).clone()

    def numpy(self, *_: Any, **__: Any) -> NoReturn:
        """Refuse, as torch does for any device."""
        raise TypeError("can't convert an hpu tensor to numpy: copy it to the host first (fake)")

    def tolist(self) -> Any:
        """Copy to the host by the way, which is as slow."""
        return self.cpu().tolist()

    def item(self) -> Any:
        """Copy to the host by the way, which is as slow."""
        return self.cpu().item()

    def __array__(self, *_: Any, **__: Any) -> NoReturn:
        self.numpy()


def on_card(tensor: torch.Tensor) -> OnCard:
    """The same memory, seen as the card's."""
    return tensor.as_subclass(OnCard)


def off_card(tensor: torch.Tensor) -> torch.Tensor:
    """The same memory, seen as the host's."""
    with torch._C.DisableTorchFunctionSubclass():
        return tensor.as_subclass(torch.Tensor)


def replace(owner: Any, name: str, make: Callable[[Any], Any]) -> None:
    """Put something made from an attribute in its place."""
    setattr(owner, name, make(getattr(owner, name)))


def install_hpu_device(card: FakeCard) -> None:
    """Let tensors and modules be moved, and refuse pinned memory."""
    replace(torch.Tensor, "to", lambda original: _tensor_to(original, card))
    replace(nn.Module, "to", lambda original: _module_to(original, card))
    replace(torch.Tensor, "pin_memory", lambda _: _refuse_pinning)


def _refuse_pinning(*_: Any, **__: Any) -> NoReturn:
    raise RuntimeError("fake: memory is not pinned for an hpu")


def _tensor_to(original: Any, card: FakeCard) -> Any:
    def to(self: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
        target = _device_among(args, kwargs)
        if target == "hpu":
            if self.ndim == _PICTURES_NDIM:
                card.use_for_batch()
            else:
                card.use()
            card.record("copy_to_card", tuple(self.shape))
            moved: torch.Tensor = original(off_card(self), *_on_cpu(args), **_on_cpu_names(kwargs))
            return on_card(moved.clone())
        if target == "cpu" and isinstance(self, OnCard):
            self = self.cpu()
        result: torch.Tensor = original(self, *args, **kwargs)
        return result

    return to


def _module_to(original: Any, card: FakeCard) -> Any:
    def to(self: nn.Module, *args: Any, **kwargs: Any) -> nn.Module:
        if _device_among(args, kwargs) == "hpu":
            card.use()
            card.modules.add(self)
            card.record("module_to_card", type(self).__name__)
            args, kwargs = _on_cpu(args), _on_cpu_names(kwargs)
        result: nn.Module = original(self, *args, **kwargs)
        return result

    return to


def _device_among(args: tuple[Any, ...], kwargs: dict[str, Any]) -> str | None:
    names = (_device_name(value) for value in (*args, *kwargs.values()))
    return next((name for name in names if name is not None), None)


def _device_name(value: object) -> str | None:
    if isinstance(value, str):
        return value.partition(":")[0]
    return value.type if isinstance(value, torch.device) else None


def _on_cpu(values: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple("cpu" if _device_name(value) == "hpu" else value for value in values)


def _on_cpu_names(values: dict[str, Any]) -> dict[str, Any]:
    return {name: _on_cpu((value,))[0] for name, value in values.items()}
