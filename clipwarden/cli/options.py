"""Options that several commands share."""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from platformdirs import user_data_path

from clipwarden.data_folder import DataFolder

Data = Annotated[
    Path | None,
    typer.Option(
        "--data",
        envvar="CLIPWARDEN_DATA",
        help="The data folder; by default the user's own.",
        show_default=False,
    ),
]


class Format(StrEnum):
    """How facts are printed."""

    TABLE = "table"
    JSON = "json"


FormatOption = Annotated[
    Format, typer.Option("--format", "-f", help="A table for people, JSON for programs.")
]


def data_folder(data: Path | None) -> DataFolder:
    """The folder an option names, or the user's own; raises DataFolderUnusable."""
    return DataFolder.prepare(data or user_data_path("clipwarden"))


def redis_url() -> str | None:
    """The queue server that the environment names, if any."""
    return os.environ.get("REDIS_URL") or None
