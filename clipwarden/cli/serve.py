"""`clipwarden serve`: everything on one machine, until it is told to stop."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from clipwarden.cli.limits import decode_limits
from clipwarden.cli.options import (
    BYTES_PER_MB,
    DEFAULT_MAX_JOBS,
    DEFAULT_MAX_QUEUED_MB,
    DEFAULT_MAX_RSS_GROWTH_MB,
    DEFAULT_MODEL,
    BatchSize,
    BlobUrl,
    Data,
    DatabaseUrl,
    HostName,
    Limits,
    LogFormat,
    LogFormatOption,
    MaxJobs,
    MaxQueuedMb,
    MaxRssGrowth,
    Model,
    PrecisionName,
    PrecisionOption,
    data_folder,
    duration_s,
    store_environment,
)
from clipwarden.cli.service_log import ServiceLog
from clipwarden.data_folder import DataFolder
from clipwarden.installation import host_name as this_host
from clipwarden.roles import usable_cores
from clipwarden.serve import ServeSettings
from clipwarden.serve import serve as run_service
from clipwarden.wanted_model import WantedModel
from ingest.settings import WorkerLimits
from worker.cards.placing import all_devices
from worker.settings import Retention

Devices = Annotated[
    list[str],
    typer.Option(
        "--device",
        help="Where the model runs: cpu, openvino, cuda:0, hpu:3, or all cards: cuda:all, hpu:all; "
        "give it again for one more embedding process.",
    ),
]
Samplers = Annotated[
    int | None,
    typer.Option(
        min=1, help="Sampling processes; by default one per spare core.", show_default=False
    ),
]
Host = Annotated[
    str,
    typer.Option(
        help="Where the API answers; 0.0.0.0 is everywhere. It asks for no password: whoever "
        "reaches it sees what is queued and how it goes."
    ),
]
Port = Annotated[int, typer.Option(min=0, max=65535, help="0 lets the system choose one.")]
_KEEP = "12h, 30d or forever, from the end of a submission."
KeepMedia = Annotated[str, typer.Option(help=f"How long copied videos are kept: {_KEEP}")]
KeepEmbeddings = Annotated[str, typer.Option(help=f"How long embeddings are kept: {_KEEP}")]
KeepResults = Annotated[str, typer.Option(help=f"How long results are kept: {_KEEP}")]


def serve(
    data: Data = None,
    model: Model = DEFAULT_MODEL,
    device: Devices = ["cpu"],  # noqa: B006 - read only, and Typer shows it
    precision: PrecisionOption = PrecisionName.AUTO,
    batch_size: BatchSize = None,
    samplers: Samplers = None,
    host: Host = "127.0.0.1",
    port: Port = 8765,
    database_url: DatabaseUrl = None,
    blob_url: BlobUrl = None,
    host_name: HostName = None,
    max_queued_mb: MaxQueuedMb = DEFAULT_MAX_QUEUED_MB,
    limit: Limits = None,
    max_jobs: MaxJobs = DEFAULT_MAX_JOBS,
    max_rss_growth_mb: MaxRssGrowth = DEFAULT_MAX_RSS_GROWTH_MB,
    keep_media: KeepMedia = "forever",
    keep_embeddings: KeepEmbeddings = "forever",
    keep_results: KeepResults = "forever",
    log_format: LogFormatOption = LogFormat.TEXT,
) -> None:
    """Run everything on this machine: queue server, workers, API; restart what dies.

    Stays in the foreground and tells on stderr what happens. Ctrl-C and SIGTERM stop everything
    in order, within 40 seconds; that is its normal end, with exit status 0.

    REDIS_URL names a queue server to use instead of the embedded one.

    Examples:

      clipwarden serve --data /srv/clipwarden

      clipwarden serve --model starter --samplers 2 --keep-media 30d

      clipwarden serve --device cuda:all --device openvino --log-format json
    """
    try:
        devices = all_devices(device)
        settings = ServeSettings(
            environment=store_environment(database_url, blob_url),
            model=WantedModel(model, precision.value, devices).resolve(),
            devices=devices,
            batch_size=batch_size,
            samplers=samplers or max(1, usable_cores() - 1),
            max_queued_bytes=max_queued_mb * BYTES_PER_MB,
            decoding=decode_limits(limit),
            host_name=this_host(host_name),
            api_host=host,
            api_port=port,
            limits=WorkerLimits(max_jobs=max_jobs, max_rss_growth_mb=max_rss_growth_mb),
            retention=Retention(
                media_s=duration_s(keep_media, "--keep-media"),
                embeddings_s=duration_s(keep_embeddings, "--keep-embeddings"),
                results_s=duration_s(keep_results, "--keep-results"),
            ),
        )
        _run(data_folder(data), settings, ServiceLog("serve", log_format))
    except KeyboardInterrupt:
        return


def _run(folder: DataFolder, settings: ServeSettings, log: ServiceLog) -> None:
    def tell_ready() -> None:
        log.ready(_facts(folder, settings, log), _next_step(folder.root))

    log.missing_classifiers()
    run_service(folder, settings, log.observe, tell_ready)


def _facts(folder: DataFolder, settings: ServeSettings, log: ServiceLog) -> dict[str, str]:
    host = f"[{settings.api_host}]" if ":" in settings.api_host else settings.api_host
    workers = [
        f"{settings.samplers} sampling",
        f"{len(settings.devices)} embedding ({', '.join(settings.devices)})",
        "1 finishing",
        "scheduler",
        "reaper",
    ]
    return {
        "api": f"http://{host}:{log.port('api') or settings.api_port}",
        "data": str(folder.root),
        "logs": str(folder.logs),
        "queue": "REDIS_URL" if settings.environment.redis_url else "embedded",
        "model": f"{settings.model.id} in {settings.model.precision}",
        "workers": ", ".join(workers),
    }


def _next_step(data: Path) -> str:
    return f"clipwarden submit --data {data} VIDEO"
