"""The option `--where`, shared by the commands that choose among stored videos."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated

import typer

from clipwarden.rescoring.conditions import Conditions
from clipwarden.rescoring.errors import InvalidCondition
from clipwarden.rescoring.parts import StoredParts
from clipwarden.rescoring.versions import stored_versions
from ingest.stores import Stores

Where = Annotated[
    list[str] | None,
    typer.Option(
        "--where",
        "-w",
        metavar="KEY=VALUE",
        help="Only videos of which this holds now; give it again, and all must: label=weapons "
        "(flagged for it or a child), flagged=yes, nsfw=no, action=review, source=GLOB, since=7d, "
        "until=2026-11-01, id=PREFIX, prompts=NAME.",
        show_default=False,
    ),
]


def parse_where(texts: Sequence[str] | None) -> Conditions:
    """Read the options; a usage error where one can't be read."""
    try:
        return Conditions.parse(texts or (), datetime.now(UTC))
    except InvalidCondition as error:
        raise typer.BadParameter(str(error), param_hint="--where") from error


def check_where(conditions: Conditions, stores: Stores, tenant: str) -> None:
    """A usage error where a label or prompt set is asked for that no stored result knows."""
    if not any(one.key in ("label", "prompts") for one in conditions.every):
        return
    parts, stored = StoredParts(stores, tenant), stored_versions(stores, tenant)
    labels = {
        label.id
        for one in stored
        for label in parts.prompt_set(one.version.prompt_set_sha256).labels
    }
    try:
        conditions.check(labels, {one.name for one in stored})
    except InvalidCondition as error:
        raise typer.BadParameter(str(error), param_hint="--where") from error
