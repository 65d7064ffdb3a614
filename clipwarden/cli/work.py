"""`clipwarden work`: one worker process for an installation that is served elsewhere."""

from __future__ import annotations

import os
from contextlib import closing
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from clipwarden import roles
from clipwarden.child import Role
from clipwarden.cli.limits import decode_limits
from clipwarden.cli.options import (
    BYTES_PER_MB,
    DEFAULT_MAX_JOBS,
    DEFAULT_MAX_QUEUED_MB,
    DEFAULT_MAX_RSS_GROWTH_MB,
    BatchSize,
    BlobUrl,
    DatabaseUrl,
    HostName,
    Limits,
    LogFormat,
    LogFormatOption,
    MaxJobs,
    MaxQueuedMb,
    MaxRssGrowth,
    PrecisionName,
    PrecisionOption,
    check_precision_has_model,
    data_folder,
    store_environment,
)
from clipwarden.cli.service_log import ServiceLog
from clipwarden.installation import (
    StoreEnvironment,
    installation_stores,
    named_stores,
)
from clipwarden.installation import host_name as this_host
from clipwarden.serve import work as run_role
from clipwarden.served_models import model_to_hold
from clipwarden.wanted_model import WantedModel
from ingest.media.limits import DecodeLimits
from ingest.queue.connection import connect
from ingest.settings import ProcessSettings, StoreSettings, WorkerLimits
from worker.models.card import ModelCard


class WorkRole(StrEnum):
    """What one process does."""

    SAMPLE = "sample"
    EMBED = "embed"
    FINISH = "finish"
    KEEP = "keep"


RoleOption = Annotated[
    WorkRole | None,
    typer.Option(
        help="What it does; a --card or --device means embed. `keep` puts back what was lost and "
        "deletes what is old: one `serve` does that already.",
        show_default=False,
    ),
]
Card = Annotated[
    int | None, typer.Option(min=0, help="The number of the card that embeds.", show_default=False)
]
Device = Annotated[
    str | None, typer.Option(help="cpu, openvino, or what the card is: cuda, hpu.  [default: cuda]")
]

Model = Annotated[
    str | None,
    typer.Option(
        "--model",
        "-m",
        help="A hub id, a local folder, or `starter`: what videos are submitted for, or it gets "
        "none. By default the one that the installation holds.",
        show_default=False,
    ),
]
Data = Annotated[
    Path | None,
    typer.Option(
        "--data",
        envvar="CLIPWARDEN_DATA",
        help="The data folder of `clipwarden serve` on this machine. It has no default here: "
        "without it the three variables are needed.",
        show_default=False,
    ),
]


def work(
    role: RoleOption = None,
    card: Card = None,
    device: Device = None,
    model: Model = None,
    precision: PrecisionOption = PrecisionName.AUTO,
    batch_size: BatchSize = None,
    data: Data = None,
    database_url: DatabaseUrl = None,
    blob_url: BlobUrl = None,
    host_name: HostName = None,
    max_queued_mb: MaxQueuedMb = DEFAULT_MAX_QUEUED_MB,
    limit: Limits = None,
    max_jobs: MaxJobs = DEFAULT_MAX_JOBS,
    max_rss_growth_mb: MaxRssGrowth = DEFAULT_MAX_RSS_GROWTH_MB,
    log_format: LogFormatOption = LogFormat.TEXT,
) -> None:
    """Run one worker process for an installation, restart it when it dies.

    On another host than `clipwarden serve`, set REDIS_URL, CLIPWARDEN_DATABASE_URL and
    CLIPWARDEN_BLOB_URL as they are set there; on the same one, --data is enough. It never changes
    the database's schema. Ctrl-C and SIGTERM let it hand its job back; exit status 0.

    Examples:

      clipwarden work --card 0

      clipwarden work --role sample

      clipwarden work --role embed --device cpu --model starter
    """
    wanted = _role(role, card, device)
    place = _device(card, device)
    decoding = _decoding(wanted, limit)
    check_precision_has_model(precision, model)
    try:
        stores = _stores(data, store_environment(database_url, blob_url))
        shared = ProcessSettings(
            stores=stores,
            host=this_host(host_name),
            limits=WorkerLimits(max_jobs=max_jobs, max_rss_growth_mb=max_rss_growth_mb),
        )
        if wanted is WorkRole.EMBED:
            wanted_model = WantedModel(model, precision.value, (place,)) if model else None
            model_card = _model(stores, wanted_model).to_json()
            filled = roles.embedder(
                "embed", shared, model_card, place, roles.usable_cores(), batch_size
            )
        else:
            filled = _other_role(wanted, shared, max_queued_mb * BYTES_PER_MB, decoding)
        log = ServiceLog("work", log_format)
        if wanted is WorkRole.EMBED:
            log.missing_classifiers()
        run_role(filled, stores, log.observe, lambda: None)
    except KeyboardInterrupt:
        return


def _role(role: WorkRole | None, card: int | None, device: str | None) -> WorkRole:
    if role is None and card is None and device is None:
        raise typer.BadParameter("say what it does: --role NAME, or --card N.")
    if role not in (None, WorkRole.EMBED) and (card is not None or device is not None):
        raise typer.BadParameter(f"--card and --device are for embedding, not for {role}.")
    return role or WorkRole.EMBED


def _device(card: int | None, device: str | None) -> str:
    if card is None:
        return device or "cuda"
    if device not in (None, "cuda", "hpu"):
        raise typer.BadParameter(f"--card {card} needs --device cuda or hpu, not {device}.")
    return f"{device or 'cuda'}:{card}"


def _stores(data: Path | None, environment: StoreEnvironment) -> StoreSettings:
    """The stores by their three names; with fewer, those of the service on a data folder."""
    if data is None or os.fspath(data) == "" or _is_complete(environment):
        return named_stores(environment)
    return installation_stores(data_folder(data), environment)


def _model(stores: StoreSettings, wanted: WantedModel | None) -> ModelCard:
    with closing(connect(stores.redis_url.get_secret_value())) as redis:
        return model_to_hold(redis, wanted)


def _is_complete(environment: StoreEnvironment) -> bool:
    return bool(environment.redis_url and environment.database_url and environment.blob_url)


def _decoding(role: WorkRole, limit: list[str] | None) -> DecodeLimits:
    if limit and role is not WorkRole.SAMPLE:
        raise typer.BadParameter(f"--limit is for sampling, not for {role}.")
    return decode_limits(limit)


def _other_role(
    role: WorkRole, shared: ProcessSettings, max_queued_bytes: int, decoding: DecodeLimits
) -> Role:
    if role is WorkRole.SAMPLE:
        return roles.sampler("sample", shared, max_queued_bytes, decoding)
    if role is WorkRole.FINISH:
        return roles.finisher("finish", shared)
    return roles.keeper("keep", shared)
