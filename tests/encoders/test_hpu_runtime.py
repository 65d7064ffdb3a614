"""The Gaudi runtime keeps the card's rules: contract tests on a fake bridge, never on a card."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tests.encoders.tiny_models import clip_folder
from tests.fakes.gaudi import FAKES, ROOT, fake_gaudi, write_hl_smi
from worker.cards.environment import device_environment
from worker.cards.hl_smi import list_gaudi_cards
from worker.encoders.runtimes.hpu import take_card
from worker.errors import DeviceUnavailable

EIGHT = range(8)
_MODULE = "tests.encoders.hpu_child"


def environment(
    locks: Path, device: str = "hpu:3", fakery: Mapping[str, str] | None = None
) -> dict[str, str]:
    """What a supervisor gives a process on a machine with eight fake cards."""
    return device_environment(device, fake_gaudi(locks, fakery), EIGHT)


def command(what: str, device: str) -> list[str]:
    return [sys.executable, "-W", "error", "-P", "-m", _MODULE, what, device]


def run(what: str, device: str, variables: Mapping[str, str]) -> dict[str, Any]:
    done = subprocess.run(
        command(what, device),
        env=variables,
        cwd=ROOT,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[0])
    return told


@contextmanager
def holding(
    device: str, variables: Mapping[str, str]
) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    """A process that holds a card meanwhile; yields it and what it told."""
    with subprocess.Popen(
        command("take", device),
        env=variables,
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        yield process, json.loads(process.stdout.readline())


@pytest.fixture(scope="module")
def worked(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What one process on module 3 showed from warm-up to a fork."""
    locks = tmp_path_factory.mktemp("locks")
    launcher = {"WORLD_SIZE": "8", "LOCAL_RANK": "6", "OMPI_COMM_WORLD_LOCAL_RANK": "6"}
    return run("work", "hpu:3", environment(locks, fakery=launcher))


def test_the_module_asked_for_is_taken_whatever_a_launcher_left(worked: dict[str, Any]) -> None:
    assert (worked["device"], worked["module"]) == ("hpu:3", 3)


def test_a_graph_is_compiled_for_each_static_size_and_none_after_warm_up(
    worked: dict[str, Any],
) -> None:
    assert worked["warm_compilations"] == 3
    assert worked["compilations"] == 3
    assert worked["fallbacks"] == 0


def test_any_number_of_batches_comes_to_the_host_in_one_copy(worked: dict[str, Any]) -> None:
    assert (worked["runs"], worked["copies_to_host"]) == (3, 1)


def test_the_vectors_are_those_of_the_cpu(worked: dict[str, Any]) -> None:
    assert worked["difference"] < 1e-6


def test_the_memory_that_the_tower_takes_is_told(worked: dict[str, Any]) -> None:
    assert worked["memory_bytes"] == (32 * 32 * 3 + 1) * 16 * 4


def test_a_forked_child_never_gets_at_the_card(worked: dict[str, Any]) -> None:
    assert "hpu:3 failed: fake: used in a forked child" in worked["in_a_forked_child"]


def test_a_clip_of_transformers_gives_the_cpus_vectors_and_compiles_no_more_than_its_sizes(
    tmp_path: Path,
) -> None:
    folder = clip_folder(tmp_path / "clip")
    told = run("clip", str(folder), environment(tmp_path))
    assert told["warm_compilations"] == told["compilations"] == 3
    assert told["images_difference"] < 1e-5
    assert told["texts_difference"] < 1e-5


def test_processes_pinned_to_different_modules_take_one_card_each(tmp_path: Path) -> None:
    tool = write_hl_smi(tmp_path, modules=[6, 2, 4])
    modules = [card.module_id for card in list_gaudi_cards(str(tool))]
    machine = fake_gaudi(tmp_path)
    first = device_environment("hpu:6", machine, modules)
    second = device_environment("hpu", machine, modules)
    with holding("hpu:6", first) as (_, one), holding("hpu", second) as (_, other):
        assert (one["module"], other["module"]) == (6, 2)


def test_a_busy_card_is_told_in_words_and_free_again_when_its_holder_was_killed(
    tmp_path: Path,
) -> None:
    variables = environment(tmp_path)
    with holding("hpu:3", variables) as (process, first):
        assert first == {"module": 3}
        told = run("take", "hpu:3", variables)
        process.kill()
    assert told["code"] == "device.unavailable"
    assert "another process holds it" in told["message"]
    assert "hl-smi" in told["cure"]
    assert run("take", "hpu:3", variables) == {"module": 3}


def test_a_dead_card_is_told_in_words_with_the_cure(tmp_path: Path) -> None:
    variables = environment(tmp_path, fakery={"FAKE_HPU_DEAD_MODULES": "3"})
    told = run("work", "hpu:3", variables)
    assert told["code"] == "device.unavailable"
    assert "driver's version" in told["cure"]


def test_a_card_that_dies_at_work_fails_the_process_and_not_the_video(tmp_path: Path) -> None:
    variables = environment(tmp_path, fakery={"FAKE_HPU_DIES_AFTER": "2"})
    told = run("embed", "hpu:3", variables)
    assert (told["batches"], told["code"]) == (2, "device.failed")
    assert "synStatus=26" in told["message"]


def test_a_process_that_was_not_pinned_takes_no_card(tmp_path: Path) -> None:
    variables = environment(tmp_path)
    del variables["HABANA_VISIBLE_MODULES"]
    told = run("take", "hpu:3", variables)
    assert told["code"] == "device.unavailable"
    assert "was not started for hpu:3" in told["message"]


def test_the_mode_of_execution_is_never_left_to_chance(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PT_HPU_LAZY_MODE", raising=False)
    with pytest.raises(DeviceUnavailable, match="PT_HPU_LAZY_MODE"):
        take_card("hpu:3")


@pytest.mark.skipif(find_spec("habana_frameworks") is not None, reason="the bridge is here")
def test_a_machine_without_the_bridge_is_told_where_it_comes_from(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PT_HPU_LAZY_MODE", "0")
    with pytest.raises(DeviceUnavailable, match="missing here") as caught:
        take_card("hpu:3")
    assert "Gaudi's own PyTorch image" in caught.value.cure
    assert "--device cpu" in caught.value.cure


@pytest.mark.skipif(find_spec("habana_frameworks") is not None, reason="the bridge is here")
def test_the_fake_takes_part_only_where_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PT_HPU_LAZY_MODE", "0")
    monkeypatch.delenv("FAKE_HPU", raising=False)
    monkeypatch.syspath_prepend(FAKES)
    try:
        with pytest.raises(DeviceUnavailable, match="FAKE_HPU=1 is not set"):
            take_card("hpu:3")
    finally:
        sys.modules.pop("habana_frameworks", None)


def test_a_bridge_for_another_torch_is_told_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bridge = tmp_path / "habana_frameworks" / "torch" / "__init__.py"
    bridge.parent.mkdir(parents=True)
    bridge.write_text("raise AssertionError('compiled for torch 1.0')")
    monkeypatch.setenv("PT_HPU_LAZY_MODE", "0")
    monkeypatch.syspath_prepend(tmp_path)
    try:
        with pytest.raises(DeviceUnavailable, match=r"compiled for torch 1\.0") as caught:
            take_card("hpu:3")
    finally:
        sys.modules.pop("habana_frameworks", None)
    assert "Gaudi's own image" in caught.value.cure


@pytest.mark.parametrize("name", ["", "hpu:", "hpu:-1", "cpu", "hpu:0x1"])
def test_other_names_are_no_gaudi_cards(name: str) -> None:
    with pytest.raises(DeviceUnavailable, match="is no Gaudi card"):
        take_card(name)
