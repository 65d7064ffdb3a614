"""Write a report: templates, style and script put together under a strict policy."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from datetime import datetime
from importlib import resources
from typing import TypeVar

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from clipwarden.report.model import VideoReport
from clipwarden.report.view import view_run
from clipwarden.report.wording import visible

T = TypeVar("T")


def render_report(videos: Sequence[VideoReport], *, created_at: datetime, version: str) -> str:
    """Return a whole HTML page that loads nothing and is the same for the same input.

    Its policy admits data pictures and exactly our style and script, by their hashes (CSP
    level 3), so that even text that got past the escaping could not run. Raises ValueError
    where `created_at` has no time zone.
    """
    environment = Environment(
        loader=PackageLoader("clipwarden.report"),
        autoescape=True,
        finalize=_finalize,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    style, script = _read("report.css"), _read("report.js")
    page = environment.get_template("report.html").render(
        run=view_run(videos, created_at, version),
        style=style,
        script=script,
        policy="; ".join(
            (
                "default-src 'none'",
                "img-src data:",
                f"style-src '{_csp_hash(style)}'",
                f"script-src '{_csp_hash(script)}'",
                "base-uri 'none'",
                "form-action 'none'",
            )
        ),
    )
    return page + "\n"


def _finalize(value: T) -> T | str:
    """Make unseen characters visible in all that templates write, whoever wrote it."""
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _read(name: str) -> str:
    return resources.files("clipwarden.report").joinpath("templates", name).read_text("utf-8")


def _csp_hash(content: str) -> str:
    digest = hashlib.sha256(content.encode()).digest()
    return "sha256-" + base64.b64encode(digest).decode("ascii")
