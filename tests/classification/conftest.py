"""One process for each model, kept for a module's tests: starting it takes longer than they do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import numpy as np
import pytest
from numpy.typing import NDArray

from clipwarden.embedding import run
from clipwarden.embedding.process import Content, VectorProcess
from clipwarden.embedding.run import Plan
from clipwarden.roles import usable_cores


@dataclass
class Kept:
    """A real process that leaving its block does not end, unless an error broke off its work."""

    process: VectorProcess
    device: str | None = None
    is_spoilt: bool = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.is_spoilt = kind is not None

    def wait_until_ready(self, tell: Callable[[str], None]) -> str:
        """It says so once."""
        if self.device is None:
            self.device = self.process.wait_until_ready(tell)
        return self.device

    def send(self, content: Content) -> None:
        """Send a batch."""
        self.process.send(content)

    def receive(self, count: int) -> NDArray[np.float32]:
        """The vectors of the earliest batch."""
        return self.process.receive(count)


@pytest.fixture(scope="module", autouse=True)
def processes_are_kept() -> Iterator[None]:
    """Give each run the process of its model, device and batch size."""
    kept: dict[tuple[str, str, int], Kept] = {}
    with ExitStack() as stack, pytest.MonkeyPatch.context() as patch:

        def process(plan: Plan) -> Kept:
            key = (plan.card.key, plan.device, plan.batch_size)
            if key not in kept or kept[key].is_spoilt:
                started = VectorProcess(plan.card, plan.device, plan.batch_size, usable_cores())
                kept[key] = Kept(stack.enter_context(started))
            return kept[key]

        patch.setattr(run, "_process", process)
        yield
