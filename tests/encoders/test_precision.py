"""Which precision a model gets where."""

from __future__ import annotations

from pathlib import Path

import pytest

from worker.errors import DeviceUnavailable
from worker.models import precision
from worker.models.precision import (
    check_precision,
    choose_precision,
    cpu_flags,
    has_bfloat16,
    processor_name,
)

_FACTS = (
    "processor\t: 0\nmodel name\t: Some CPU 9000\nflags\t\t: fpu sse {flags}\n\nflags\t: more\n"
)


def _processor(monkeypatch: pytest.MonkeyPatch, flags: str) -> None:
    monkeypatch.setattr(precision, "cpu_flags", lambda: frozenset(flags.split()))


@pytest.mark.parametrize("flags", ["avx512_bf16", "amx_bf16", "bf16"])
@pytest.mark.parametrize("device", ["cpu", "openvino"])
def test_a_processor_with_bfloat16_uses_it(
    monkeypatch: pytest.MonkeyPatch, flags: str, device: str
) -> None:
    _processor(monkeypatch, f"avx2 {flags}")
    assert choose_precision("auto", "some/clip", device) == "bfloat16"
    assert choose_precision("float32", "some/clip", device) == "float32"


def test_the_starter_stays_at_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    _processor(monkeypatch, "avx512_bf16")
    assert choose_precision("auto", "starter", "cpu") == "float32"
    assert choose_precision("bfloat16", "starter", "cpu") == "bfloat16"


def test_a_processor_without_it_runs_float32_and_says_so_where_it_is_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _processor(monkeypatch, "avx2 avx512f")
    assert choose_precision("auto", "some/clip", "cpu") == "float32"
    with pytest.raises(DeviceUnavailable, match="no bfloat16 instructions") as caught:
        choose_precision("bfloat16", "some/clip", "cpu")
    assert "--precision float32" in caught.value.cure


@pytest.mark.parametrize("device", ["cuda", "cuda:1", "hpu", "hpu:3"])
def test_cards_get_bfloat16(monkeypatch: pytest.MonkeyPatch, device: str) -> None:
    _processor(monkeypatch, "")
    assert choose_precision("auto", "some/clip", device) == "bfloat16"


@pytest.mark.parametrize("device", ["cpu", "cuda:0", "hpu"])
def test_int8_is_openvinos_alone(device: str) -> None:
    with pytest.raises(DeviceUnavailable, match="openvino only") as caught:
        choose_precision("int8", "some/clip", device)
    assert "--device openvino" in caught.value.cure
    check_precision("int8", "openvino")


def test_flags_and_names_are_read_as_the_kernel_writes_them(tmp_path: Path) -> None:
    facts = tmp_path / "cpuinfo"
    facts.write_text(_FACTS.format(flags="avx512_bf16"))
    assert cpu_flags(facts) == {"fpu", "sse", "avx512_bf16"}
    assert has_bfloat16(cpu_flags(facts))
    assert processor_name(facts) == "Some CPU 9000"
    facts.write_text("Features\t: fp asimd bf16\n")
    assert has_bfloat16(cpu_flags(facts))


def test_a_kernel_that_tells_nothing_means_no_bfloat16(tmp_path: Path) -> None:
    assert cpu_flags(tmp_path / "missing") == frozenset()
    assert not has_bfloat16(frozenset())
    assert processor_name(tmp_path / "missing")
