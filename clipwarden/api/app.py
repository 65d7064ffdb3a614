"""The HTTP application: is it alive, can it work, and figures for Prometheus.

It asks for no token yet, so its process listens on this machine alone unless told otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from fastapi import FastAPI, Header, Response
from pydantic import BaseModel

import clipwarden
from clipwarden.api.answers import SecurityHeaders, answer_errors_in_one_shape
from clipwarden.api.health import Readiness, ReadinessProbe
from clipwarden.api.metrics import MetricsProbe
from ingest.stores import Stores


class Alive(BaseModel):
    """That this process answers; it says nothing about others."""

    status: Literal["ok"] = "ok"


def create_app(stores: Stores, expected_roles: Sequence[str] = ()) -> FastAPI:
    """Return the application; nothing is connected to before the first request."""
    app = FastAPI(
        title="Clipwarden",
        version=clipwarden.__version__,
        # Those pages load scripts from other servers.
        docs_url=None,
        redoc_url=None,
    )
    app.add_middleware(SecurityHeaders)
    answer_errors_in_one_shape(app)
    readiness = ReadinessProbe(stores, expected_roles)
    metrics = MetricsProbe(stores)

    # Where a route only waits for other threads, a thread of its own keeps the loop free.
    @app.get("/healthz", summary="Does this process answer?")
    async def healthz() -> Alive:
        return Alive()

    @app.get(
        "/readyz",
        summary="Can this installation take work and do it?",
        responses={503: {"model": Readiness, "description": "Not ready"}},
    )
    def readyz(response: Response) -> Readiness:
        found = readiness.run()
        response.status_code = 200 if found.status == "ready" else 503
        return found

    @app.get("/metrics", summary="Figures for Prometheus", response_class=Response)
    def metrics_text(accept: Annotated[str, Header()] = "") -> Response:
        content, media_type = metrics.render(accept)
        return Response(content, headers={"Content-Type": media_type})

    return app
