"""Which of the served models a name means, and in which precision."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from clipwarden import served_models
from clipwarden.errors import ModelNotServed
from clipwarden.main import app
from clipwarden.served_models import choose_model, model_to_hold, require_served
from clipwarden.wanted_model import WantedModel
from ingest.stores import Stores
from tests.clipwarden.test_work import held
from tests.encoders.tiny_models import clip_folder, pictures
from worker.errors import ModelUncalibrated
from worker.models.calibration import store_calibration
from worker.models.card import ModelCard
from worker.models.precision import PrecisionChoice
from worker.models.resolve import resolve_model


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A model, where nothing was ever calibrated."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data-home"))
    return str(clip_folder(tmp_path / "tiny-clip"))


@pytest.fixture
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(served_models, "_PATIENCE_S", 0.0)


def asked(name: str, precision: PrecisionChoice = "auto") -> WantedModel:
    """What `submit` makes of its options: it knows no devices."""
    return WantedModel(name, precision, devices=())


def elsewhere(card: ModelCard) -> ModelCard:
    """The model as another host names it."""
    return replace(card, id="over-there", folder=Path("/nowhere"))


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_folder_means_the_served_model_of_these_files_whatever_this_host_computes_in(
    stores: Stores, folder: str, precision: PrecisionChoice
) -> None:
    card = resolve_model(folder, "bfloat16" if precision == "bfloat16" else "float32")
    held(stores, elsewhere(card))
    chosen = choose_model(stores.redis, asked(folder))
    assert (chosen.card.key, chosen.is_served) == (card.key, True)
    assert require_served(stores.redis, WantedModel(folder)).key == card.key
    for device in ("cpu", "cuda:0"):
        assert model_to_hold(stores.redis, WantedModel(folder, devices=(device,))) == card


def test_two_precisions_of_one_model_are_told_apart(stores: Stores, folder: str) -> None:
    exact, rounded = resolve_model(folder), resolve_model(folder, "bfloat16")
    held(stores, exact)
    held(stores, rounded, 1)
    for name in (folder, exact.id):
        for choose in (choose_model, require_served, model_to_hold):
            with pytest.raises(ModelNotServed, match="several precisions") as caught:
                choose(stores.redis, asked(name))
            assert "--precision" in caught.value.cure
        assert choose_model(stores.redis, asked(name, "bfloat16")).card.key == rounded.key
        assert require_served(stores.redis, asked(name, "float32")).key == exact.key


@pytest.mark.usefixtures("_impatient")
def test_a_model_that_nobody_holds_is_not_waited_for_in_a_precision_that_was_guessed(
    stores: Stores, folder: str
) -> None:
    with pytest.raises(ModelNotServed, match="not known") as caught:
        choose_model(stores.redis, asked(folder))
    assert "--precision float32" in caught.value.cure
    chosen = choose_model(stores.redis, asked(folder, "bfloat16"))
    assert (chosen.card, chosen.is_served) == (resolve_model(folder, "bfloat16"), False)
    starter = choose_model(stores.redis, asked("starter"))
    assert (starter.card, starter.is_served) == (resolve_model("starter"), False)


def test_an_int8_of_pictures_that_this_host_lacks_is_not_taken_for_another(
    stores: Stores, folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exact = resolve_model(folder)
    made = store_calibration(exact, pictures(16, exact.geometry.size_px))
    held(stores, replace(made, id=folder))
    assert choose_model(stores.redis, asked(folder, "int8")).is_served
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "another-host"))
    with pytest.raises(ModelUncalibrated):
        choose_model(stores.redis, asked(folder, "int8"))
    with pytest.raises(ModelNotServed, match="never calibrated") as caught:
        model_to_hold(stores.redis, None)
    assert "int8" in caught.value.cure


@pytest.mark.parametrize("command", [["submit", "clip.mp4"], ["work", "--card", "0"]])
def test_a_precision_without_a_model_is_refused_rather_than_ignored(command: list[str]) -> None:
    done = CliRunner().invoke(app, [*command, "--precision", "int8"], env={"COLUMNS": "200"})
    assert done.exit_code == 2
    assert "--model NAME" in done.output
