"""Install beside what a Gaudi base image brings, never over it.

    gaudi_base.py record FILE             write down which torch and bridge are here
    gaudi_base.py requirements PYPROJECT EXTRAS    print what Clipwarden needs, but torch
    gaudi_base.py constraints CONSTRAINTS          print our versions, the base's own for its parts
    gaudi_base.py verify FILE             fail where torch or the bridge is another now

The vendor's torch is built for the card and is on no package index: another one installs without
a word and then knows no card.
"""

from __future__ import annotations

import json
import re
import sys
import tomllib
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, distributions, packages_distributions, version
from importlib.util import find_spec
from pathlib import Path

_MODULES = ("torch", "habana_frameworks")
_OUR_PACKAGES = ("prompts", "ingest", "worker", "clipwarden")

# What torch and the bridge are compiled against stays as it is, too.
_OF_THE_BASE = re.compile(r"(torch|pytorch|habana|numpy)([-_.].*)?", re.IGNORECASE)


def base_parts() -> dict[str, list[str | None]]:
    """Say which version of each module is here, and from which file it would be imported."""
    parts: dict[str, list[str | None]] = {}
    for module in _MODULES:
        # Imported they might ask for a card, which a build has not.
        spec = find_spec(module)
        if spec is None:
            raise SystemExit(f"error: {module} is not here: start from Gaudi's PyTorch image.")
        parts[module] = [_version(module), spec.origin or str(spec.submodule_search_locations)]
    return parts


def requirements(pyproject: Path, extras: str) -> list[str]:
    """List what the project and its extras, comma-separated, ask for, without torch."""
    project = tomllib.loads(pyproject.read_text())["project"]
    wanted = list(project["dependencies"])
    for extra in filter(None, extras.split(",")):
        wanted += project["optional-dependencies"][extra]
    return [line for line in wanted if _name(line) != "torch"]


def constraints(ours: Path) -> list[str]:
    """List our tested versions, and instead of them the base's for what must not be replaced."""
    kept = {
        _name(one.name): f"{one.name}=={one.version}"
        for one in distributions()
        if _OF_THE_BASE.fullmatch(one.name or "")
    }
    lines = [line for line in ours.read_text().splitlines() if line and line[0] != "#"]
    return [line for line in lines if _name(line) not in kept] + sorted(kept.values())


def verify(recorded: Path) -> list[str]:
    """Say what is not as it should be: the base's parts replaced, our names shared with others."""
    before, now = json.loads(recorded.read_text()), base_parts()
    faults = [
        f"{module} was {before[module]} and is {now[module]}"
        for module in _MODULES
        if before[module] != now[module]
    ]
    owners = packages_distributions()
    return faults + [
        f"the package {name} belongs to {owners.get(name, [])}"
        for name in _OUR_PACKAGES
        if set(owners.get(name, [])) != {"clipwarden"}
    ]


def main(words: list[str]) -> None:
    """Run one of the commands in the module's description."""
    commands: dict[str, Callable[[], list[str]]] = {
        "record": lambda: _write(Path(words[1]), base_parts()),
        "requirements": lambda: requirements(Path(words[1]), words[2]),
        "constraints": lambda: constraints(Path(words[1])),
        "verify": lambda: _fail_on(verify(Path(words[1]))),
    }
    sys.stdout.writelines(f"{line}\n" for line in commands[words[0]]())


def _write(path: Path, parts: dict[str, list[str | None]]) -> list[str]:
    path.write_text(json.dumps(parts))
    return [f"{module}: {found}" for module, found in parts.items()]


def _fail_on(faults: list[str]) -> list[str]:
    if faults:
        raise SystemExit("error: " + "; ".join(faults))
    return ["torch and the bridge are the base image's"]


def _version(module: str) -> str | None:
    """A module's own distribution; the bridge's is called otherwise."""
    names = packages_distributions().get(module, [module])
    try:
        return version(sorted(names)[0])
    except PackageNotFoundError:
        return None


def _name(requirement: str) -> str:
    found = re.match(r"[A-Za-z0-9._-]+", requirement)
    return re.sub(r"[-_.]+", "-", found.group()).lower() if found else ""


if __name__ == "__main__":
    main(sys.argv[1:])
