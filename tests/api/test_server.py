"""The HTTP process: how it begins and ends, and what every answer of it has."""

from __future__ import annotations

import asyncio
import json
import socket
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from pydantic import SecretStr
from structlog.testing import capture_logs

from clipwarden.api.app import create_app
from clipwarden.api.settings import ApiSettings
from ingest.errors import QueueFull, SubmissionNotFound
from ingest.settings import StoreSettings
from ingest.stores import Stores
from tests.api.serving import Server, end, first_words, start


def test_a_port_in_use_is_a_named_error(server: Server, settings: ApiSettings, log: Path) -> None:
    taken = settings.model_copy(update={"port": server.port})
    second = start(taken, log)
    assert first_words(second) == {
        "ready": False,
        "code": "api.address_in_use",
        "message": f"another process listens at 127.0.0.1:{server.port}.",
        "cure": "End it, or serve at another port with --port.",
    }
    with second:
        assert second.wait(30) == 1


@pytest.mark.parametrize("host", ["192.0.2.1", "host.invalid"])
def test_an_address_of_another_machine_is_a_named_error(
    stores: Stores, settings: ApiSettings, log: Path, host: str
) -> None:
    process = start(settings.model_copy(update={"host": host}), log)
    assert first_words(process)["code"] == "api.address_unusable"
    with process:
        assert process.wait(30) == 1


def test_a_broken_redis_url_is_a_named_error_without_its_password(
    settings: ApiSettings, log: Path
) -> None:
    stores = settings.stores.model_copy(
        update={"redis_url": SecretStr("redis://:sesame@host:port/0")}
    )
    process = start(settings.model_copy(update={"stores": stores}), log)
    words = first_words(process)
    assert words["code"] == "queue.unavailable"
    assert "sesame" not in json.dumps(words) + log.read_text()
    with process:
        assert process.wait(30) == 1


def test_it_listens_at_this_machine_alone_by_default(store_settings: StoreSettings) -> None:
    assert ApiSettings(stores=store_settings).host == "127.0.0.1"


def test_it_ends_with_its_parent(server: Server) -> None:
    assert server.process.stdin is not None
    server.process.stdin.close()
    assert server.process.wait(30) == 0


def test_a_client_that_keeps_its_connection_does_not_keep_it_from_ending(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.port)) as half:
        half.sendall(b"GET /healthz HTTP/1.1\r\n")
        assert server.get("/healthz").status == 200
        assert end(server.process) == 0


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics", "/openapi.json", "/nowhere"])
def test_every_answer_is_hardened_and_names_no_server(server: Server, path: str) -> None:
    headers = server.get(path).headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert headers["Cache-Control"] == "no-store"
    assert headers.get_all("Server") is None


def test_no_page_loads_anything_from_elsewhere_and_the_api_is_described(server: Server) -> None:
    assert {server.get(path).status for path in ("/docs", "/redoc")} == {404}
    described = server.get("/openapi.json").json
    assert {"/healthz", "/readyz", "/metrics"} <= set(described["paths"])


def test_what_is_not_there_is_answered_in_the_shape_of_all_errors(server: Server) -> None:
    answer = server.get("/nowhere")
    assert answer.status == 404
    assert answer.json["error"]["code"] == "http.not_found"
    assert set(answer.json["error"]) == {"code", "message", "cure"}
    request = urllib.request.Request(
        f"http://127.0.0.1:{server.port}/healthz", data=b"{}", method="POST"
    )
    with pytest.raises(urllib.request.HTTPError) as caught:
        urllib.request.urlopen(request, timeout=30)
    with caught.value as refused:
        assert refused.code == 405
        assert refused.headers["Allow"] == "GET"
        assert json.load(refused)["error"]["code"] == "http.method_not_allowed"


def call(app: FastAPI, path: str) -> tuple[int, dict[str, str], Any]:
    """Ask an application in this process; a defect is answered, then raised to the server."""
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
    }
    try:
        asyncio.run(app(scope, receive, send))
    except ZeroDivisionError:
        assert sent
    head, *rest = sent
    headers = {name.decode().lower(): value.decode() for name, value in head["headers"]}
    return head["status"], headers, json.loads(b"".join(part["body"] for part in rest))


def test_errors_of_ours_are_answered_with_their_cure_and_defects_without_their_words(
    stores: Stores,
) -> None:
    app = create_app(stores)

    @app.get("/full")
    def full() -> None:
        raise QueueFull("redis://:sesame@host takes no more.", "Make room.")

    @app.get("/missing")
    def missing() -> None:
        raise SubmissionNotFound("no submission.", "List them.")

    @app.get("/defect")
    def defect() -> None:
        raise ZeroDivisionError("sesame")

    status, headers, body = call(app, "/full")
    assert status == 503
    assert headers["x-content-type-options"] == "nosniff"
    assert body == {
        "error": {
            "code": "queue.full",
            "message": "redis://***@host takes no more.",
            "cure": "Make room.",
        }
    }
    status, _, body = call(app, "/missing")
    assert (status, body["error"]["code"]) == (500, "submission.not_found")
    with capture_logs() as logged:
        status, headers, body = call(app, "/defect")
    assert [event["event"] for event in logged] == ["request failed"]
    assert status == 500
    assert headers["x-content-type-options"] == "nosniff"
    assert body["error"]["code"] == "http.internal_server_error"
    assert "sesame" not in json.dumps(body)
