"""The product, for what is trained from end to end."""

from __future__ import annotations

from tests.clipwarden.conftest import product

__all__ = ["product"]
