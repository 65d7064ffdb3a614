"""Errors of the assembled product.

ClipwardenError (prompts.errors)
└── ProductError
    ├── DataFolderInUse      another process works in the data folder
    ├── DataFolderUnusable   it can't be made, read or written
    ├── ServerMissing        no queue server binary and no REDIS_URL
    ├── ServerFailed         the embedded queue server doesn't start
    ├── WorkerFailed         a worker process can't be started, or keeps dying
    ├── WorkerRefused        a worker process says that it can't work, and why
    └── OutputFailed         results can't be written where they should go
"""

from __future__ import annotations

from prompts.errors import ClipwardenError


class ProductError(ClipwardenError):
    """Something is wrong with the installation or with how it was started."""

    code = "product.error"


class DataFolderInUse(ProductError):
    """Another process works in the data folder."""

    code = "data.in_use"


class DataFolderUnusable(ProductError):
    """The data folder can't be made, read or written."""

    code = "data.unusable"


class ServerMissing(ProductError):
    """There is no queue server to start, and none was named."""

    code = "queue.server_missing"


class ServerFailed(ProductError):
    """The embedded queue server doesn't start."""

    code = "queue.server_failed"


class WorkerFailed(ProductError):
    """A worker process can't be started, or dies again and again."""

    code = "worker.failed"


class WorkerRefused(ProductError):
    """A worker process says that it can't work; `worker_code` is the code of its own error."""

    code = "worker.refused"

    def __init__(self, worker_code: str, message: str, cure: str) -> None:
        super().__init__(message, cure)
        self.worker_code = worker_code


class OutputFailed(ProductError):
    """Results can't be written where they should go."""

    code = "output.failed"
