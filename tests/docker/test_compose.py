"""The compose file: its schema, our rules for it, and the command lines in it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml

from clipwarden.data_folder import DataFolder
from clipwarden.main import app
from clipwarden.queue_options import server_arguments
from tests.docker.composition import (
    COMPOSE_FILE,
    PASSWORDS,
    product_services,
    read_compose,
    services,
)

ROOT = COMPOSE_FILE.parents[1]
EXAMPLE = ROOT / "docker" / ".env.example"
README = (ROOT / "docker" / "README.md").read_text()

each_service = pytest.mark.parametrize("name", services())
each_of_ours = pytest.mark.parametrize("name", product_services())


def check_schema(path: Path) -> subprocess.CompletedProcess[str]:
    tool = Path(sys.executable).with_name("check-jsonschema")
    return subprocess.run(
        [tool, "--builtin-schema", "vendor.compose-spec", path], capture_output=True, text=True
    )


def parse(words: list[str]) -> dict[str, Any]:
    """Parse a command line with the real parser, running nothing; returns the parameters."""
    root: Any = typer.main.get_command(app)
    command = root
    while getattr(command, "commands", None):
        command = command.commands[words.pop(0)]
    found: dict[str, Any] = command.make_context("clipwarden", words).params
    return found


def test_the_file_is_by_the_compose_specification(tmp_path: Path) -> None:
    done = check_schema(COMPOSE_FILE)
    assert done.returncode == 0, done.stdout
    worse = tmp_path / "compose.yaml"
    worse.write_text(COMPOSE_FILE.read_text().replace("stop_grace_period:", "stop_grace:"))
    assert check_schema(worse).returncode == 1


def test_it_is_plain_yaml_without_a_key_written_twice() -> None:
    class Strict(yaml.SafeLoader):
        pass

    def mapping(loader: yaml.SafeLoader, node: yaml.MappingNode) -> dict[Any, Any]:
        keys = [key.value for key, _ in node.value]
        assert len(keys) == len(set(keys)), keys
        return yaml.SafeLoader.construct_mapping(loader, node, deep=True)

    Strict.add_constructor("tag:yaml.org,2002:map", mapping)
    assert yaml.load(COMPOSE_FILE.read_text(), Strict)["services"]


def test_the_services_and_their_profiles() -> None:
    profiles = {name: service.get("profiles") for name, service in services().items()}
    assert profiles == {
        "queue": None,
        "database": None,
        "serve": None,
        "sampler": None,
        "embed-cpu": ["cpu"],
        "embed-cuda": ["cuda"],
        "embed-gaudi": ["gaudi"],
    }


@each_service
def test_every_service_is_walled_in_watched_and_started_again(name: str) -> None:
    service = services()[name]
    assert service["restart"] == "unless-stopped"
    assert service["stop_grace_period"] == "60s"
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["read_only"] is True
    assert service["healthcheck"]["test"]
    unwanted = {"privileged", "cap_add", "network_mode", "ipc", "pid", "devices", "env_file"}
    assert not unwanted & set(service)


@each_service
def test_every_image_is_named_by_a_release_or_is_ours(name: str) -> None:
    repository, _, tag = services()[name]["image"].rpartition(":")
    assert repository
    assert tag != "latest"
    if repository == "clipwarden":
        assert (ROOT / "docker" / f"{tag}.Dockerfile").exists()
    else:
        assert re.match(r"\d+\.\d+", tag)


def test_every_image_of_ours_is_built_by_some_service_from_its_own_file() -> None:
    builds = {
        service["image"]: service["build"]["dockerfile"]
        for service in services().values()
        if "build" in service
    }
    assert builds == {
        f"clipwarden:{kind}": f"docker/{kind}.Dockerfile" for kind in ("cpu", "cuda", "gaudi")
    }
    assert {service["image"] for service in product_services().values()} == set(builds)


def test_only_the_api_is_published_and_only_to_this_host() -> None:
    published = {name: service.get("ports") for name, service in services().items()}
    assert {name for name, ports in published.items() if ports} == {"serve"}
    assert published["serve"] == ["127.0.0.1:8765:8765"]


def test_the_stores_have_no_way_out() -> None:
    assert read_compose(PASSWORDS)["networks"]["stores"] == {"internal": True}
    for name in ("queue", "database"):
        assert services()[name]["networks"] == ["stores"]


@pytest.mark.parametrize("missing", PASSWORDS)
def test_without_a_password_nothing_starts(missing: str) -> None:
    variables = {name: value for name, value in PASSWORDS.items() if name != missing}
    with pytest.raises(KeyError, match=missing):
        read_compose(variables)


def test_no_secret_is_written_down() -> None:
    for line in EXAMPLE.read_text().splitlines():
        if re.search("PASSWORD|KEY", line):
            assert line.endswith("="), line
    assert ".env" in (ROOT / "docker" / ".gitignore").read_text().splitlines()
    for name, service in services().items():
        words = str(service.get("command", "")) + str(service["healthcheck"])
        assert not [word for word in PASSWORDS.values() if word in words], name


def test_the_example_settings_are_those_that_the_file_asks_for() -> None:
    text = COMPOSE_FILE.read_text()
    asked = set(re.findall(r"(?<!\$)\$\{(\w+)", text)) | set(
        re.findall(r"^  (AWS_\w+):$", text, re.M)
    )
    named = set(re.findall(r"^(?:# )?([A-Z_]+)=", EXAMPLE.read_text(), re.M))
    assert named == asked | {"COMPOSE_PROFILES"}


@each_service
def test_volumes_that_are_used_are_declared(name: str) -> None:
    declared = set(read_compose(PASSWORDS)["volumes"])
    for volume in services()[name]["volumes"]:
        source, colon, _ = volume.partition(":")
        assert not colon or source in declared


@each_of_ours
def test_every_command_is_one_that_the_product_understands(name: str) -> None:
    service = product_services()[name]
    assert parse(list(service["command"]))
    assert service["environment"]["REDIS_URL"] == "redis://:queue5ecret@queue:6379/0"
    database = "postgresql://clipwarden:database5ecret@database/clipwarden"
    assert service["environment"]["CLIPWARDEN_DATABASE_URL"] == database


def test_each_embedder_has_its_device() -> None:
    ours = product_services()
    cpu, cuda, gaudi = (
        parse(list(ours[name]["command"])) for name in ("embed-cpu", "embed-cuda", "embed-gaudi")
    )
    assert cpu["device"] == "cpu"
    assert (cuda["card"], cuda["device"]) == (0, None)
    assert gaudi["device"] == "hpu"
    assert ours["embed-gaudi"]["runtime"] == "habana"
    [card] = ours["embed-cuda"]["deploy"]["resources"]["reservations"]["devices"]
    assert (card["driver"], card["device_ids"]) == ("nvidia", ["0"])
    assert "recipes:/home/clipwarden/recipes" in ours["embed-gaudi"]["volumes"]


def test_the_commands_in_the_readme_are_understood() -> None:
    commands = re.findall(r"^docker (?!build)(.+)$", README, re.M)
    ours = [
        re.search(r"(?:clipwarden:\w+|--rm .*serve|exec serve clipwarden) (.+)$", line)
        for line in commands
    ]
    lines = [found[1] for found in ours if found]
    assert len(lines) == len(commands) - 1 >= 8
    for line in lines:
        assert isinstance(parse(line.split()), dict)


def test_the_queue_keeps_what_the_embedded_one_keeps() -> None:
    script = services()["queue"]["command"][-1]
    given = dict(line.split(" ", 1) for line in script.splitlines() if " " in line)
    words = server_arguments(DataFolder(Path("/data")), Path("/socket"), Path("/log"))
    own = dict(zip(words[::2], words[1::2], strict=True))
    for name in ("appendonly", "appendfsync", "maxmemory", "maxmemory-policy"):
        assert given[name] == own[f"--{name}"]
    assert (given["save"], own["--save"]) == ('""', "")
    assert given["requirepass"] == "$QUEUE_PASSWORD"
