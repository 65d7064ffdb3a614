"""Rewrite a RUN line for a folder that stands for the image's root, and for an ordinary user.

What only root can do is taken out and told; a path of the image goes under the folder; anything
else that could touch this machine is refused.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

from tests.docker.dockerfile import NotUnderstood

# Their effect is users, owners and system packages, which a virtual environment has not.
_NEEDS_ROOT = frozenset({"useradd", "groupadd", "adduser", "addgroup", "chown", "chgrp", "apt-get"})

# Folders that an image of ours makes or fills, and those of the machine that a command may read.
_OF_THE_IMAGE = frozenset({"src", "opt", "home"})
_OF_THE_MACHINE = frozenset({"bin", "dev", "usr"})

_PATH = re.compile(r"(?<![^\s'\"=:,(<>])/[\w.][^\s'\":,;)&|<>]*")
_AND = re.compile(r"""((?:[^&'"]|'[^']*'|"(?:\\.|[^"\\])*"|&(?!&))+)(?:&&)?""")


@dataclass(frozen=True)
class Rewritten:
    """A shell line that can be run here, and what was left out of it."""

    text: str
    skipped: tuple[str, ...]


def rewritten(run: str, root: Path) -> Rewritten:
    """Rewrite the text of a RUN instruction; raises NotUnderstood."""
    steps, skipped = [], []
    for part in _AND.findall(run):
        step = part.strip()
        words = shlex.split(step)
        if words[0] in _NEEDS_ROOT:
            skipped.append(step)
            continue
        if _NEEDS_ROOT & set(words):
            raise NotUnderstood(f"a command for root in the midst of others: {step}")
        if words[0] == "install":
            step, owner = _without_owner(words)
            skipped += [f"{owner} of: {step}"] if owner else []
        steps.append(under(step, root))
    return Rewritten(" && ".join(steps) or ":", tuple(skipped))


def under(text: str, root: Path) -> str:
    """Put the image's absolute paths in a text under a folder; raises NotUnderstood for others."""

    def moved(found: re.Match[str]) -> str:
        path = found.group()
        top = path.split("/")[1]
        if ".." in path.split("/"):
            raise NotUnderstood(f"the path {path}")
        if top in _OF_THE_MACHINE:
            return path
        if top not in _OF_THE_IMAGE:
            raise NotUnderstood(f"the path {path} is none of an image of ours")
        return f"{root}{path}"

    return _PATH.sub(moved, text)


def _without_owner(words: list[str]) -> tuple[str, str]:
    kept, owner = [], []
    rest = iter(words)
    for word in rest:
        if word in ("-o", "-g"):
            owner += [word, next(rest)]
        else:
            kept.append(word)
    return shlex.join(kept), " ".join(owner)
