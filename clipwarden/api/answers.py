"""The one shape of every error that HTTP answers with, and headers of every answer."""

from __future__ import annotations

from http import HTTPStatus
from typing import Self

import structlog
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ingest.errors import Passing
from ingest.queue.logs import redact
from prompts.errors import ClipwardenError

# A route whose answer is a page, or may be kept, sets its own value.
SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
}

_log = structlog.get_logger("clipwarden.api")


class ErrorBody(BaseModel):
    """What was wrong, and what to do about it; programs should look at `code`."""

    code: str
    message: str
    cure: str

    @classmethod
    def of(cls, error: ClipwardenError) -> Self:
        """Describe an error, without passwords that a foreign message may have repeated."""
        return cls(code=error.code, message=redact(error.message), cure=redact(error.cure))


class ErrorAnswer(BaseModel):
    """The JSON object that every failed request is answered with."""

    error: ErrorBody


def answer_errors_in_one_shape(app: FastAPI) -> None:
    """Answer every failed request with an ErrorAnswer, whatever it failed of."""
    app.add_exception_handler(ClipwardenError, _answer_ours)
    app.add_exception_handler(HTTPException, _answer_refusal)
    app.add_exception_handler(Exception, _answer_defect)


async def _answer_ours(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, ClipwardenError)
    # What passes by itself may be tried again soon, and HTTP has a status for that.
    passes = isinstance(error, Passing)
    status = HTTPStatus.SERVICE_UNAVAILABLE if passes else HTTPStatus.INTERNAL_SERVER_ERROR
    return _answer(status, ErrorBody.of(error))


async def _answer_refusal(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    status = HTTPStatus(error.status_code)
    body = ErrorBody(
        code=f"http.{status.name.lower()}",
        message=f"{request.method} {request.url.path}: {error.detail}.",
        cure="/openapi.json lists what can be asked.",
    )
    answer = _answer(status, body)
    answer.headers.update(error.headers or {})
    return answer


async def _answer_defect(request: Request, error: Exception) -> JSONResponse:
    _log.error("request failed", path=request.url.path, exc_info=error)
    body = ErrorBody(
        code="http.internal_server_error",
        message=f"{request.method} {request.url.path} failed for a reason that nobody foresaw.",
        cure="api.log in the logs folder of the data folder has it; it is worth reporting.",
    )
    return _answer(HTTPStatus.INTERNAL_SERVER_ERROR, body)


def _answer(status: HTTPStatus, body: ErrorBody) -> JSONResponse:
    content = ErrorAnswer(error=body).model_dump(mode="json")
    # Given here too: the answer to a defect comes from outside all middleware.
    return JSONResponse(content, status_code=status, headers=SECURITY_HEADERS)


class SecurityHeaders:
    """ASGI middleware that adds SECURITY_HEADERS, except those that the route has set."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on and complete the head of its answer."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, send_with_headers)
