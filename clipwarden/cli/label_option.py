"""The option `--label`, as far as commands over stored results read it alike."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import typer

from clipwarden.rescoring.comparing import is_of


def require_known(labels: Sequence[str], known: Collection[str]) -> None:
    """A usage error for the first label that is neither known nor the parent of one that is."""
    unknown = [one for one in labels if not any(is_of(own, one) for own in known)]
    if unknown:
        raise typer.BadParameter(
            f"there is no label {unknown[0][:200]!r}. There are "
            f"{', '.join(sorted(known)) or 'none'}.",
            param_hint="--label",
        )
