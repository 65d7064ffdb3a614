"""The licence that a model's own README.md names."""

from __future__ import annotations

from pathlib import Path

import yaml

UNKNOWN_LICENCE = "unknown"
_README_BYTES_MAX = 256 * 1024
_LENGTH_MAX = 80
_FENCE = "---"


def read_licence(folder: Path) -> str:
    """What stands after `license:` in the front matter of README.md; "unknown" without."""
    try:
        with (folder / "README.md").open("rb") as file:
            lines = file.read(_README_BYTES_MAX).decode("utf-8", "replace").splitlines()
    except OSError:
        return UNKNOWN_LICENCE
    ends = [number for number, line in enumerate(lines) if line.rstrip() == _FENCE]
    if len(ends) < 2 or ends[0] != 0:
        return UNKNOWN_LICENCE
    try:
        # Composed only: nodes cost what the text has, while objects can be made to grow.
        document = yaml.compose("\n".join(lines[1 : ends[1]]), Loader=yaml.SafeLoader)
    except (yaml.YAMLError, RecursionError):
        return UNKNOWN_LICENCE
    named = ", ".join(_licences(document))
    printable = "".join(letter for letter in named if letter.isprintable())
    return printable[:_LENGTH_MAX] or UNKNOWN_LICENCE


def _licences(document: yaml.Node | None) -> list[str]:
    if not isinstance(document, yaml.MappingNode):
        return []
    for key, value in document.value:
        if isinstance(key, yaml.ScalarNode) and key.value == "license":
            nodes = value.value if isinstance(value, yaml.SequenceNode) else [value]
            return [str(one.value) for one in nodes if isinstance(one, yaml.ScalarNode)]
    return []
