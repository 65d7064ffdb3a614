"""The compose file as an engine would read it: merged, and with variables put in."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

COMPOSE_FILE = Path(__file__).parents[2] / "docker" / "compose.yaml"
PASSWORDS = {"QUEUE_PASSWORD": "queue5ecret", "DATABASE_PASSWORD": "database5ecret"}

_VARIABLE = re.compile(r"\$(?:(\$)|\{(\w+)(?::([-?])([^}]*))?\})")


def read_compose(variables: Mapping[str, str]) -> dict[str, Any]:
    """Read the file; raises KeyError for a variable that must be set and is not."""
    content: dict[str, Any] = _filled(yaml.safe_load(COMPOSE_FILE.read_text()), variables)
    return content


def services(variables: Mapping[str, str] = PASSWORDS) -> dict[str, dict[str, Any]]:
    """Return the services by name."""
    found: dict[str, dict[str, Any]] = read_compose(variables)["services"]
    return found


def product_services() -> dict[str, dict[str, Any]]:
    """Return those that run images of ours."""
    return {
        name: service
        for name, service in services().items()
        if service["image"].startswith("clipwarden:")
    }


def _filled(node: Any, variables: Mapping[str, str]) -> Any:
    match node:
        case dict():
            return {name: _filled(value, variables) for name, value in node.items()}
        case list():
            return [_filled(value, variables) for value in node]
        case str():
            return _VARIABLE.sub(lambda found: _value(found, variables), node)
        case _:
            return node


def _value(found: re.Match[str], variables: Mapping[str, str]) -> str:
    escaped, name, operator, other = found.groups()
    if escaped:
        return "$"
    value = variables.get(name, "")
    if operator == "?" and not value:
        raise KeyError(f"{name}: {other}")
    return value or (other if operator == "-" else "")
