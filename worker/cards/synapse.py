"""What Gaudi's status codes mean, and what to do about each."""

from __future__ import annotations

import re

_STATUS = re.compile(r"synStatus[ =]+(?P<code>[0-9]{1,3})\b")

# The names are those of the runtime's synapse_api_types.h; the causes are those that users met.
_KNOWN = {
    8: (
        "no card could be had: it is not there, or another process holds it",
        "One process at a time can use a card: look at hl-smi for who does, and name a free "
        "module (--device hpu:N).",
    ),
    20: (
        "the card is already taken",
        "One process at a time can use a card: end the other one (hl-smi shows it), or name "
        "another module (--device hpu:N).",
    ),
    22: (
        "the card is busy and did not answer in time",
        "Wait until hl-smi shows it idle and start again; where it stays busy, reset it "
        "(hl-smi -r -i its PCI address).",
    ),
    26: (
        "the card's runtime failed as a whole",
        "Compare the driver's version with the image's (hl-smi shows the driver's): they must "
        "match. In a container, check --runtime=habana and --ipc=host; then look at dmesg.",
    ),
}
_OTHER_CURE = "Look at hl-smi and the kernel's log (dmesg) for what is wrong with the card."


def explain_status(message: str) -> tuple[str, str]:
    """Return a runtime's error message in words, and its cure.

    Messages look like `synStatus=8 [Device not found] Device acquire failed.`; one with another
    code or with none keeps its own first line.
    """
    line = (message.strip().splitlines() or ["it gave no reason"])[0].rstrip(".")
    match = _STATUS.search(message)
    known = _KNOWN.get(int(match["code"])) if match else None
    if known is None:
        return line, _OTHER_CURE
    words, cure = known
    return f"{words} ({line})", cure
