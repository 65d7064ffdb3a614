"""The options and the environment that the embedded queue server is started with."""

from __future__ import annotations

import os
from pathlib import Path

from clipwarden.data_folder import DataFolder

# Jobs are references of half a kilobyte; this is room for hundreds of thousands of them.
_MAX_MEMORY = "512mb"

_KEPT_VARIABLES = frozenset({"PATH", "LANG", "TZ", "HOME", "TMPDIR"})


def server_arguments(folder: DataFolder, socket_path: Path, log: Path) -> list[str]:
    """How the server keeps its file, its memory and its socket."""
    options = {
        "port": "0",
        "unixsocket": str(socket_path),
        "unixsocketperm": "700",
        "dir": str(folder.queue_folder),
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": "",
        "maxmemory": _MAX_MEMORY,
        # Evicting a job's key would lose work in silence.
        "maxmemory-policy": "noeviction",
        "logfile": str(log),
    }
    return [word for name, value in options.items() for word in (f"--{name}", value)]


def server_environment() -> dict[str, str]:
    """What a server needs of ours: none of it is a secret."""
    return {
        name: value
        for name, value in os.environ.items()
        if name in _KEPT_VARIABLES or name.startswith("LC_")
    }
