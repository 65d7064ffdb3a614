"""Settings that the HTTP process gets from whoever starts it."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from ingest.settings import StoreSettings


class ApiSettings(BaseModel):
    """Which stores are looked at, where the process listens, and what makes it ready.

    Port 0 lets the system choose one. `expected_roles` are the roles, as in `Presence.role`, of
    which at least one process must be at work.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    stores: StoreSettings
    host: str = Field(default="127.0.0.1", min_length=1)
    port: int = Field(default=8765, ge=0, le=65535)
    expected_roles: tuple[str, ...] = ()
