"""Do what a Dockerfile says in a scratch folder, without a container engine.

    scripts/replay-image DOCKERFILE [FOLDER] [--build-arg NAME=VALUE]...

The folder stands for the image's root. The base image is not there: its Python is this machine's,
of the same version, and what else it has is the machine's own. Afterwards the image's entry point
is asked for its version, and `doctor` for what is missing.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from tests.docker.dockerfile import Instruction, NotUnderstood, read_instructions, substituted
from tests.docker.shell_words import rewritten, under

CONTEXT = Path(__file__).parents[2]

# What pip needs to reach the index that this machine is set up with; nothing else goes in.
_INHERITED = re.compile(r"HOME|LANG|TMPDIR|PIP_\w+|\w+_proxy|(SSL|REQUESTS)_\w+", re.IGNORECASE)
_ONLY_TOLD = ("EXPOSE", "LABEL", "STOPSIGNAL", "USER", "VOLUME", "CMD", "HEALTHCHECK")
_PYTHON_IMAGE = re.compile(r"python:(\d+)\.(\d+)[\w.-]*")


class Replay:
    """One image being made: its root, its environment, and the folder that it stands in."""

    def __init__(self, root: Path, build_args: dict[str, str]) -> None:
        self._root = root
        self._build_args = build_args
        self._folder = "/"
        self._environment = {
            "PATH": f"{self._interpreter_folder()}:{os.defpath}",
            **{name: value for name, value in os.environ.items() if _INHERITED.fullmatch(name)},
        }
        self._variables: dict[str, str] = {}
        self._started = False
        self.entry_point: list[str] = []

    def do(self, instruction: Instruction) -> None:
        """Carry out one instruction, or say that it is left out; raises NotUnderstood."""
        _tell(str(instruction))
        match instruction.keyword:
            case "FROM":
                self._start(substituted(instruction.rest, self._variables))
            case "ARG":
                self._argument(instruction)
            case "ENV":
                for name, value in instruction.pairs().items():
                    filled = substituted(under(value, self._root), self._all_variables())
                    self._environment[name] = self._variables[name] = filled
            case "WORKDIR":
                self._folder = substituted(instruction.rest, self._all_variables())
                self._here().mkdir(parents=True, exist_ok=True)
            case "COPY":
                self._copy(instruction)
            case "RUN":
                self._run(instruction.rest)
            case "ENTRYPOINT":
                self.entry_point = instruction.words()
            case keyword if keyword in _ONLY_TOLD:
                _tell("  left out: a container engine's business")
            case _:
                raise NotUnderstood(str(instruction))

    def ask(self, *words: str) -> int:
        """Run the entry point as the container would, in its last folder; return its status."""
        command = [*self.entry_point, *words]
        _tell(f"asked: {' '.join(command)}")
        environment = {**self._environment, "HOME": str(self._here())}
        program = shutil.which(command[0], path=environment["PATH"])
        if program is None or not Path(program).is_relative_to(self._root):
            raise NotUnderstood(f"the entry point {command[0]} is none of the image: {program}")
        done = subprocess.run([program, *words], env=environment, cwd=self._here(), check=False)
        return done.returncode

    def _start(self, image: str) -> None:
        if self._started:
            raise NotUnderstood("a second FROM")
        found = _PYTHON_IMAGE.fullmatch(image)
        if found is None:
            raise NotUnderstood(f"FROM {image}: only images of Python itself can be replayed")
        wanted, here = (int(found[1]), int(found[2])), sys.version_info[:2]
        if wanted != here:
            raise NotUnderstood(f"FROM {image}, but this is Python {here[0]}.{here[1]}")
        self._started = True
        _tell(f"  instead of it: Python {sys.version.split()[0]} of this machine")

    def _argument(self, instruction: Instruction) -> None:
        name, _, default = instruction.rest.partition("=")
        value = self._build_args.get(name, default.strip("\"'"))
        self._variables[name] = value
        _tell(f"  {name} is {value!r}")

    def _copy(self, instruction: Instruction) -> None:
        *sources, target = instruction.words()
        if not sources or any(word.startswith("--") for word in sources):
            raise NotUnderstood(str(instruction))
        into = Path(under(target, self._root)) if target[0] == "/" else self._here() / target
        is_folder = len(sources) > 1 or target.endswith("/")
        for source in sources:
            origin = CONTEXT / source
            place = into / origin.name if is_folder and origin.is_file() else into
            place.parent.mkdir(parents=True, exist_ok=True)
            if origin.is_dir():
                ignored = shutil.ignore_patterns("__pycache__")
                shutil.copytree(origin, place, dirs_exist_ok=True, ignore=ignored)
            else:
                shutil.copy(origin, place)

    def _run(self, text: str) -> None:
        line = rewritten(text, self._root)
        for part in line.skipped:
            _tell(f"  left out, it needs root: {part}")
        _tell(f"  runs: {line.text}")
        # An engine makes the folder anew where the line before has removed it.
        self._here().mkdir(parents=True, exist_ok=True)
        environment = {**self._variables, **self._environment}
        subprocess.run(
            ["/bin/sh", "-c", line.text],
            env=environment,
            cwd=self._here(),
            stdin=subprocess.DEVNULL,
            check=True,
        )

    def _here(self) -> Path:
        return self._root / self._folder.lstrip("/")

    def _all_variables(self) -> dict[str, str]:
        return {**self._variables, **self._environment}

    def _interpreter_folder(self) -> Path:
        """A folder with `python` and `python3`, as the base image has them on its path."""
        folder = self._root / "base" / "bin"
        folder.mkdir(parents=True)
        # Not a link: an environment made through one would lead to this folder.
        program = Path(sys.base_prefix) / "bin" / f"python{sys.version_info[0]}"
        for name in ("python", "python3"):
            (folder / name).write_text(f'#!/bin/sh\nexec "{program}" "$@"\n')
            (folder / name).chmod(0o755)
        return folder


def main(words: list[str]) -> int:
    """Replay what the command line names; return the status of the image's own checks."""
    parser = argparse.ArgumentParser(prog="replay-image")
    parser.add_argument("dockerfile", type=Path)
    parser.add_argument("folder", type=Path, nargs="?", help="empty, or to be made")
    parser.add_argument("--build-arg", action="append", default=[], metavar="NAME=VALUE")
    options = parser.parse_args(words)
    folder = options.folder or Path(tempfile.mkdtemp(prefix="clipwarden-image-"))
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        parser.error(f"{folder} is not empty")
    build_args = dict(word.split("=", 1) for word in options.build_arg)
    try:
        return _replay(read_instructions(options.dockerfile), folder.resolve(), build_args)
    except NotUnderstood as error:
        _tell(f"error: {error}")
        return 2
    except subprocess.CalledProcessError as error:
        _tell(f"error: the line ended with status {error.returncode}")
        return 1
    finally:
        if options.folder is None:
            shutil.rmtree(folder)


def _replay(instructions: Iterable[Instruction], root: Path, build_args: dict[str, str]) -> int:
    replay = Replay(root, build_args)
    for instruction in instructions:
        replay.do(instruction)
    if not replay.entry_point:
        raise NotUnderstood("no ENTRYPOINT")
    return replay.ask("--version") or replay.ask("doctor")


def _tell(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
