"""How the cores are shared between decoder and encoder, as measurements had it best."""

from __future__ import annotations

from clipwarden.roles import usable_cores

DECODE_THREADS = 1
"""Of the decoding process: beside an encoder that takes every core, a second one makes decoding
dearer and nothing sooner."""


def encoder_threads() -> int:
    """Every core: what the decoder takes of them, the scheduler sorts out."""
    return usable_cores()
