"""A contract fake of `habana_frameworks.torch`: computes on the CPU, keeps the card's rules.

What would show on a card alone becomes an error on any machine: two processes on one card, a card
used in a forked child, a launcher's leftover ranks that choose another card, an execution mode
left to chance, pinned memory, a module or a batch that was never moved. Compilations and copies
to the host are recorded. The rules come from the source of gaudi-pytorch-bridge 1.19; nothing
here was compared with a real card.

Only `.to("hpu")` puts something on the card; numbers, speed and rounding are the CPU's.

- `FAKE_HPU=1` is asked for, or importing it fails: it must never be taken for a card.
- `FAKE_HPU_LOCKS` is the folder whose file locks play the driver's exclusive open.
- `FAKE_HPU_CARDS` is how many modules there are, 8 if unset.
- `FAKE_HPU_DEAD_MODULES` lists modules that can't be taken, such as `2,5`.
- `FAKE_HPU_DIES_AFTER` is how many batches reach the card before it fails for good, for later
  processes, too; as `1:40` it is module 1 alone that dies.
"""

import os

if os.environ.get("FAKE_HPU") != "1":
    raise ImportError("the fake habana_frameworks is on sys.path, but FAKE_HPU=1 is not set")

if os.environ.get("PT_HPU_LAZY_MODE") != "0":
    # Unset, it means one or the other by release; lazy mode refuses a stock torch.
    raise AssertionError("fake: PT_HPU_LAZY_MODE must be 0 before this is imported")

if int(os.environ.get("WORLD_SIZE", "1")) > 1 and "HLS_MODULE_ID" not in os.environ:
    # The real import does so too: a rank left by a launcher chooses the card in silence.
    _visible = os.environ.get("HABANA_VISIBLE_MODULES", "0,1,2,3,4,5,6,7").split(",")
    os.environ["HLS_MODULE_ID"] = _visible[int(os.environ["LOCAL_RANK"])]

import torch

from . import hpu
from .card import CARD
from .compiling import install_hpu_backend
from .tensors import install_hpu_device

torch._register_device_module("hpu", hpu)  # type: ignore[no-untyped-call]
install_hpu_device(CARD)
install_hpu_backend(CARD)

__all__ = ["CARD", "hpu"]
