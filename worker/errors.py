"""Errors of the worker package.

ClipwardenError (prompts.errors)
└── WorkerError
    └── ModelError
        ├── UnknownModel        no such id, folder or extra on this machine
        ├── UnsupportedModel    files are there but not of a kind we can run safely
        └── ModelUnavailable    the hub can't be reached and the files are not in its cache
"""

from __future__ import annotations

from prompts.errors import ClipwardenError


class WorkerError(ClipwardenError):
    """Something went wrong between the queue and the results."""

    code = "worker.error"


class ModelError(WorkerError):
    """A model can't be used."""

    code = "model.error"


class UnknownModel(ModelError):
    """No model of that name: no folder, no installed extra, no hub id."""

    code = "model.unknown"


class UnsupportedModel(ModelError):
    """The folder holds something else than a dual encoder with safetensors weights."""

    code = "model.unsupported"


class ModelUnavailable(ModelError):
    """The model's files are neither cached here nor can they be fetched now."""

    code = "model.unavailable"
