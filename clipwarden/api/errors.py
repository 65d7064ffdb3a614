"""Errors of the HTTP process.

ClipwardenError (prompts.errors)
└── ProductError (clipwarden.errors)
    └── ApiError
        ├── AddressInUse      another process listens at the address
        ├── AddressUnusable   the address is none of this machine's, or not allowed
        ├── CheckTimedOut     what was asked for did not answer in time
        ├── CheckFailed       asking failed for a reason that nobody foresaw
        ├── RoleAbsent        no process of a role is at work
        ├── NoModelServed     no process holds a model
        └── WorkersPaused     processes wait for a shortage or an outage to end
"""

from __future__ import annotations

from clipwarden.errors import ProductError


class ApiError(ProductError):
    """Something is wrong with serving HTTP, or with what readiness asks for."""

    code = "api.error"


class AddressInUse(ApiError):
    """Another process listens at the address that is to be served."""

    code = "api.address_in_use"


class AddressUnusable(ApiError):
    """The address to be served is none of this machine's, or may not be listened at."""

    code = "api.address_unusable"


class CheckTimedOut(ApiError):
    """What a check or the metrics asked for did not answer in time."""

    code = "api.check_timed_out"


class CheckFailed(ApiError):
    """What a check or the metrics asked for failed in a way that nobody foresaw."""

    code = "api.check_failed"


class RoleAbsent(ApiError):
    """No process of a role that is needed says that it is at work."""

    code = "api.role_absent"


class NoModelServed(ApiError):
    """No process says that it holds a model, so nothing is embedded."""

    code = "api.no_model_served"


class WorkersPaused(ApiError):
    """Processes wait, with their jobs in hand, for a shortage or an outage to end."""

    code = "api.workers_paused"
