"""Options that several commands share."""

from __future__ import annotations

import os
import re
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from platformdirs import user_data_path

from clipwarden.cli.limits import described_defaults
from clipwarden.data_folder import DataFolder
from clipwarden.errors import DataFolderUnusable
from clipwarden.installation import StoreEnvironment
from clipwarden.roles import MAX_QUEUED_BYTES, default_batch_size
from ingest.chunks import CHUNK_PICTURES
from ingest.settings import WorkerLimits

Data = Annotated[
    Path | None,
    typer.Option(
        "--data",
        envvar="CLIPWARDEN_DATA",
        help="The data folder; by default the user's own.",
        show_default=False,
    ),
]

DEFAULT_MODEL = "openai/clip-vit-base-patch32"
Model = Annotated[
    str, typer.Option("--model", "-m", help="A hub id, a local folder, or `starter`.")
]
BatchSize = Annotated[
    int | None,
    typer.Option(
        min=1,
        max=CHUNK_PICTURES,
        help=f"Pictures per run of the model; by default {default_batch_size('cpu')} on a CPU, "
        f"{default_batch_size('cuda')} on a card.",
        show_default=False,
    ),
]


class PrecisionName(StrEnum):
    """In which numbers a model computes."""

    AUTO = "auto"
    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"
    INT8 = "int8"


PrecisionOption = Annotated[
    PrecisionName,
    typer.Option(
        "--precision",
        help="What the model computes in: auto is bfloat16 where the device has it, float32 "
        "elsewhere and for the starter; int8 is fastest on --device openvino and changes results.",
    ),
]
DatabaseUrl = Annotated[
    str | None,
    typer.Option(
        envvar="CLIPWARDEN_DATABASE_URL",
        help="The database; a password belongs into the variable, where `ps` doesn't show it.",
        show_default=False,
    ),
]
BlobUrl = Annotated[
    str | None,
    typer.Option(
        envvar="CLIPWARDEN_BLOB_URL",
        help="The blob store: a folder, or s3://BUCKET/PREFIX.",
        show_default=False,
    ),
]
HostName = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="This machine's name among those that share the queue; its own by default.",
        show_default=False,
    ),
]
MaxJobs = Annotated[
    int, typer.Option(min=1, help="A worker process makes way for a fresh one after these jobs.")
]
MaxRssGrowth = Annotated[
    int,
    typer.Option(
        "--max-rss-growth-mb",
        min=16,
        help="It does so, too, when it holds this much more memory than at its start.",
    ),
]
MaxQueuedMb = Annotated[
    int,
    typer.Option("--max-queued-mb", min=1, help="Sampling pauses while frames of this size wait."),
]

Limits = Annotated[
    list[str] | None,
    typer.Option(
        "--limit",
        metavar="NAME=VALUE",
        help="What one file may cost while it is decoded; give it again for more. "
        f"Defaults: {described_defaults()}.",
        show_default=False,
    ),
]

DEFAULT_MAX_JOBS = WorkerLimits().max_jobs
DEFAULT_MAX_RSS_GROWTH_MB = WorkerLimits().max_rss_growth_mb
BYTES_PER_MB = 1024 * 1024
DEFAULT_MAX_QUEUED_MB = MAX_QUEUED_BYTES // BYTES_PER_MB

_DURATION = re.compile(r"(?P<number>[0-9]{1,6})(?P<unit>[smhdw])")
_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


class LogFormat(StrEnum):
    """How what happens is told."""

    TEXT = "text"
    JSON = "json"


LogFormatOption = Annotated[
    LogFormat, typer.Option("--log-format", help="Lines for people, or JSON lines for programs.")
]


class CropName(StrEnum):
    """How a picture becomes a square."""

    CENTRE = "centre"
    WHOLE = "whole"
    TILES = "tiles"
    SQUASH = "squash"


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


def store_environment(database_url: str | None, blob_url: str | None) -> StoreEnvironment:
    """The stores that environment and options name; the queue server by its variable alone."""
    return StoreEnvironment(redis_url(), database_url or None, blob_url or None)


def duration_s(text: str, option: str) -> float | None:
    """Read `90s`, `30m`, `12h`, `30d`, `4w`, or `forever` as None; else a usage error."""
    if text == "forever":
        return None
    match = _DURATION.fullmatch(text)
    if match is None:
        raise typer.BadParameter(
            f"{text!r} is no duration: write 12h, 30d, 4w or forever.", param_hint=option
        )
    return float(int(match["number"]) * _UNITS_S[match["unit"]])


def check_precision_has_model(precision: PrecisionName, model: str | None) -> None:
    """See that a precision comes with a model's name: the served one is taken as it is."""
    if precision is not PrecisionName.AUTO and not model:
        raise typer.BadParameter(
            "needs --model NAME: without it the served model is taken in the precision it is in.",
            param_hint="--precision",
        )


DEFAULT_PROMPTS = "moderation"
DEFAULT_SAMPLING = "fps:2"

Paths = Annotated[
    list[str],
    typer.Argument(
        metavar="PATH|FOLDER|URL|-",
        help="Video files, folders of them, http(s):// and s3:// addresses, - for standard input.",
        show_default=False,
    ),
]
AllowPrivate = Annotated[
    bool,
    typer.Option("--allow-private", help="Fetch from this machine and private networks, too."),
]
Prompts = Annotated[
    list[str],
    typer.Option(
        "--prompts", "-p", help="A shipped prompt set or a YAML file; give it again for more."
    ),
]
CalibrationOption = Annotated[
    str,
    typer.Option(
        "--calibration",
        metavar="auto|none|FILE|HASH",
        help="How margins become confidences: as the active calibration of the model and the "
        "prompt set says, where there is one; uncalibrated; or as this one says.",
    ),
]
NoClassifiers = Annotated[
    bool,
    typer.Option(
        "--no-classifiers", help="Leave out labels that a frame classifier scores (extra nsfw)."
    ),
]
Sample = Annotated[
    str,
    typer.Option(
        "--sample",
        "-s",
        help="Which frames: fps:2, fps:1/3 (a second), fps:1,fast, keyframes, shots, shots:3 "
        "(of each), adaptive:0.5-4 (like frames are embedded once).",
    ),
]
CropOption = Annotated[
    CropName | None,
    typer.Option(
        "--crop",
        help="What the model sees of a picture: its centre, the whole between bars, tiles that "
        "cover it (two to four times the work), or squashed; by default what the model was "
        "trained on.",
        show_default=False,
    ),
]
MaxBytes = Annotated[str, typer.Option(metavar="SIZE", help="Take in no larger file: 500MB, 2GB.")]
DEFAULT_MAX_BYTES = "64GiB"
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress bars.")]
Ids = Annotated[
    list[str],
    typer.Argument(
        metavar="ID",
        help="Submissions, by their ids or the beginning of them.",
        show_default=False,
    ),
]
OptionalIds = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[ID]...",
        help="Submissions, by their ids or the beginning of them.",
        show_default=False,
    ),
]


def named_folder(data: Path | None) -> DataFolder:
    """The folder an option names, or the user's own, without making it; or DataFolderUnusable."""
    try:
        return DataFolder((data or user_data_path("clipwarden")).expanduser().resolve())
    except (OSError, RuntimeError) as error:
        raise DataFolderUnusable(
            f"{data} can't be used: {getattr(error, 'strerror', None) or error}.",
            "Choose another data folder with --data DIR.",
        ) from error
