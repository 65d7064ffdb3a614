"""Errors of the assembled product.

ClipwardenError (prompts.errors)
└── ProductError
    ├── DataFolderInUse      another process works in the data folder
    ├── DataFolderUnusable   it can't be made, read or written
    ├── ServerMissing        no queue server binary and no REDIS_URL
    ├── ServerFailed         the embedded queue server doesn't start
    ├── ServiceNotRunning    nobody serves the data folder
    ├── StoresNotNamed       a role is to join an installation whose stores nobody named
    ├── SqliteWithRemoteQueue  a database in a file, a queue on another host
    ├── WorkerFailed         a worker process can't be started, or keeps dying
    ├── WorkerRefused        a worker process says that it can't work, and why
    ├── OutputFailed         results can't be written where they should go
    ├── ExtraMissing         a package is asked for that only an extra installs
    ├── ResultUnreadable     a file of results is none, or can't be read
    ├── FrameRateUnknown     a format counts frames, and nobody knows the video's rate
    ├── ExportImpossible     a result has more than a format can say
    ├── ModelNotServed       no process holds the model that is asked for
    ├── SamplerMissing       no process samples files where they lie on a host
    ├── SubmissionUnfinished results are asked for before they are there
    ├── PurgeUnconfirmed     a purge was not confirmed
    └── TruthError           a truth file is wrong; its tree: clipwarden.truth.errors
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


class ServiceNotRunning(ProductError):
    """Nobody serves the data folder, so nothing would work on what is asked of it."""

    code = "serve.not_running"


class StoresNotNamed(ProductError):
    """A role is to join an installation, but its queue, database or blob store was not named."""

    code = "store.not_named"


class SqliteWithRemoteQueue(ProductError):
    """The database is a file of this machine while the queue serves other machines too."""

    code = "store.sqlite_with_remote_queue"


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


class ExtraMissing(ProductError):
    """A format or feature needs a package that is installed by an extra alone."""

    code = "extra.missing"


class ResultUnreadable(ProductError):
    """A file of results written earlier can't be read, or is something else."""

    code = "result.unreadable"


class FrameRateUnknown(ProductError):
    """A format that counts frames is asked for, and nothing tells the video's frame rate."""

    code = "export.frame_rate_unknown"


class ExportImpossible(ProductError):
    """A result has more than a format can say."""

    code = "export.impossible"


class ModelNotServed(ProductError):
    """No process of the installation holds the model, or several are held and none is named."""

    code = "model.not_served"


class SamplerMissing(ProductError):
    """No sampling process works on the host where a file is to stay in place."""

    code = "serve.no_sampler"


class SubmissionUnfinished(ProductError):
    """Results are asked for of a submission that is still being worked on."""

    code = "submission.unfinished"


class PurgeUnconfirmed(ProductError):
    """A purge was asked for without --yes where nobody could be asked, or the answer was no."""

    code = "purge.unconfirmed"
