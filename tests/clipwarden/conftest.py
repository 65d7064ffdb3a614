"""The product on a data folder of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clipwarden.command import Product


@pytest.fixture
def product(tmp_path: Path) -> Iterator[Product]:
    """The product for one test; fails the test that leaves a process behind."""
    product = Product(tmp_path / "data")
    yield product
    left = list(product.processes())
    for process in left:
        process.kill()
    assert left == []
