"""Errors of the worker package.

ClipwardenError (prompts.errors)
└── WorkerError
    ├── EmbeddingsMissing       a video is to be scored, but its vectors are not there
    ├── TextVectorsUnavailable  a prompt set's texts were not embedded
    ├── ResultMissing           no result is stored for what was asked
    ├── ClassifierUnavailable   a frame classifier is wanted that is not installed here
    ├── DeviceUnavailable       the device asked for is not in this machine or not usable
    ├── DeviceFailed            the device broke while it was in use
    ├── DeviceWrong             the device's vectors are not those of the CPU
    └── ModelError
        ├── UnknownModel        no such id, folder or extra on this machine
        ├── UnsupportedModel    files are there but not of a kind we can run safely
        ├── ModelUncalibrated   int8 is asked for, but the pictures for it are missing
        └── ModelUnavailable    the hub can't be reached and the files are not in its cache
"""

from __future__ import annotations

from ingest.errors import ProcessBroken
from prompts.errors import ClipwardenError


class WorkerError(ClipwardenError):
    """Something went wrong between the queue and the results."""

    code = "worker.error"


class EmbeddingsMissing(WorkerError):
    """A video is to be scored whose frames are not all embedded."""

    code = "worker.embeddings_missing"
    retry_helps = False


class TextVectorsUnavailable(WorkerError):
    """The texts of a prompt set were not embedded: it failed, or nobody answered."""

    code = "worker.text_vectors_unavailable"
    retry_helps = False


class ResultMissing(WorkerError):
    """No result is stored for what was asked."""

    code = "worker.result_missing"


class ClassifierUnavailable(WorkerError):
    """A frame classifier is wanted whose package is not installed here, or does not work."""

    code = "classifier.unavailable"
    retry_helps = False


class DeviceUnavailable(WorkerError):
    """The device asked for is not in this machine, or this torch can't use it."""

    code = "device.unavailable"


class DeviceFailed(WorkerError, ProcessBroken):
    """The device broke while it was in use: no fault of the video, whose job somebody else gets."""

    code = "device.failed"


class DeviceWrong(WorkerError):
    """The device's vectors differ from the CPU's by more than its precision explains."""

    code = "device.wrong"


class ModelError(WorkerError):
    """A model can't be used."""

    code = "model.error"


class UnknownModel(ModelError):
    """No model of that name: no folder, no installed extra, no hub id."""

    code = "model.unknown"


class UnsupportedModel(ModelError):
    """The folder holds something else than a dual encoder with safetensors weights."""

    code = "model.unsupported"


class ModelUncalibrated(ModelError):
    """The model is to run in int8, but was shown no pictures to take its ranges from."""

    code = "model.uncalibrated"


class ModelUnavailable(ModelError):
    """The model's files are neither cached here nor can they be fetched now."""

    code = "model.unavailable"
