"""Which model to ask for: what the processes of a running installation hold on their cards."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from redis import Redis

from clipwarden.data_folder import DataFolder
from clipwarden.errors import ModelNotServed
from clipwarden.installation import StoreEnvironment, served_queue
from clipwarden.joining import joined_stores
from clipwarden.wanted_model import WantedModel
from ingest.queue.presence import models_served, read_presences
from worker.errors import ModelError, ModelUncalibrated
from worker.models.card import ModelCard
from worker.models.resolve import resolve_model
from worker.models.starter import STARTER_ID

# A process announces itself a moment after it is ready, and is away while it makes way for a
# fresh one.
_PATIENCE_S = 5.0
_POLL_S = 0.2

_FILES_ELSEWHERE = "Name the folder of the same files on this host: --model DIR."
_INT8_ELSEWHERE = (
    "Its int8 was made by pictures that are kept where it was calibrated: copy them from there, "
    "~/.local/share/clipwarden/int8 as a rule, to the same folder here."
)


@dataclass(frozen=True)
class ChosenModel:
    """A model, and whether somebody holds it now; if not, its videos wait until somebody does."""

    card: ModelCard
    is_served: bool


def choose_model(redis: Redis, wanted: WantedModel | None) -> ChosenModel:
    """The model a user names, be it served or not; without a name the only one that is served.

    Raises ModelNotServed where no name is given and none or several are served, and where the
    name does not say in which precision; UnknownModel, ModelUnavailable, UnsupportedModel for a
    name that leads to no model.
    """
    if wanted is None:
        return ChosenModel(_only_one(_await_served(redis)), is_served=True)
    served = _await_served(redis) if wanted.settled is None else _served(redis)
    named = _find(served, wanted)
    if named is not None:
        return ChosenModel(named, is_served=True)
    card = wanted.resolve()
    return ChosenModel(card, is_served=card.key in {one.key for one in served})


def require_served(redis: Redis, wanted: WantedModel) -> ModelCard:
    """The served model of a name; raises ModelNotServed, and never fetches a model."""
    served = _await_served(redis)
    found = _find(served, wanted)
    if found is None:
        held = _listed(served) or "no model yet"
        cure = (
            f"Say --model {served[0].id}, or g" if served else "Wait until it has loaded it, or g"
        )
        raise ModelNotServed(
            f"the service that works on this data folder holds {held}, not {_described(wanted)}.",
            f"{cure}ive this run a folder of its own with --data DIR.",
        )
    return found


def analysis_model(
    folder: DataFolder, environment: StoreEnvironment, wanted: WantedModel
) -> ModelCard:
    """The model of a name: of those that the folder's running service holds, if there is one.

    Raises ModelNotServed; without a service UnknownModel, ModelUnavailable, UnsupportedModel.
    """
    if served_queue(folder) is None:
        return wanted.resolve()
    with joined_stores(folder, environment) as stores:
        return require_served(stores.redis, wanted)


def model_to_hold(redis: Redis, wanted: WantedModel | None) -> ModelCard:
    """The model one more embedding process is to hold, with its files on this host.

    Without a name it is the only one that is served; its files must be the same here. A named
    one is taken in the precision in which it is served, unless another is asked for. Raises
    ModelNotServed where none, several or another is; UnknownModel, ModelUnavailable,
    UnsupportedModel where a named one is not to be had.
    """
    if wanted is not None:
        # Whoever holds the model may be away for a moment: its precision is to be taken.
        served = _await_served(redis) if wanted.precision == "auto" else _served(redis)
        named = _find(served, wanted)
        if named is None:
            return wanted.resolve()
        if _is_folder(wanted.name):
            return resolve_model(wanted.name, named.precision)
        return _same_here(named)
    served = _await_served(redis)
    if len(served) != 1:
        held = f"several models: {_listed(served)}" if served else "no model right now"
        raise ModelNotServed(
            f"this installation holds {held}.",
            "Say which one this process is to hold, the one that is submitted for: --model NAME.",
        )
    return _same_here(served[0])


def _same_here(served: ModelCard) -> ModelCard:
    """A served model as this host has it; raises ModelNotServed where it is not the same."""
    name = served.id if served.revision is None else f"{served.id}@{served.revision}"
    try:
        here = resolve_model(name, served.precision)
    except ModelError as error:
        raise ModelNotServed(
            f"the installation holds {name}, which this host does not have: {error.message}",
            _INT8_ELSEWHERE if isinstance(error, ModelUncalibrated) else _FILES_ELSEWHERE,
        ) from error
    if here.key != served.key:
        raise ModelNotServed(
            f"{name} on this host ({here.folder}) is another model than the one of that name that "
            f"the installation holds: its key is {here.key}, not {served.key}.",
            _INT8_ELSEWHERE if served.precision == "int8" else _FILES_ELSEWHERE,
        )
    return here


def _only_one(served: tuple[ModelCard, ...]) -> ModelCard:
    if not served:
        raise ModelNotServed(
            "no process of this installation holds a model right now.",
            "Wait until one has loaded it (`clipwarden status` shows who is at work), or name the "
            "model with --model: the video then waits for it.",
        )
    if len(served) > 1:
        raise ModelNotServed(
            f"this installation holds several models: {_listed(served)}.",
            "Say which one: --model NAME.",
        )
    return served[0]


def _find(served: tuple[ModelCard, ...], wanted: WantedModel) -> ModelCard | None:
    """A served model by its id, id@revision or key, or by a folder on this host, which goes first.

    Raises ModelNotServed where it is served in several precisions and none is asked for.
    """
    is_meant = _is_in if _is_folder(wanted.name) else _is_called
    found = [card for card in served if wanted.is_met_by(card) and is_meant(wanted.name, card)]
    if len({card.precision for card in found}) > 1:
        raise ModelNotServed(
            f"this installation holds {wanted.name} in several precisions: {_listed(found)}.",
            "Say which one: --precision NAME.",
        )
    return found[0] if len(found) == 1 else None


def _is_called(name: str, card: ModelCard) -> bool:
    return name in (card.id, card.key, f"{card.id}@{card.revision}")


def _is_in(folder: str, card: ModelCard) -> bool:
    # Who calibrated nothing here does not hold its int8.
    with suppress(ModelUncalibrated):
        return resolve_model(folder, card.precision).key == card.key
    return False


def _await_served(redis: Redis) -> tuple[ModelCard, ...]:
    deadline = time.monotonic() + _PATIENCE_S
    while not (served := _served(redis)) and time.monotonic() < deadline:
        time.sleep(_POLL_S)
    return served


def _served(redis: Redis) -> tuple[ModelCard, ...]:
    held = models_served(read_presences(redis))
    return tuple(ModelCard.from_json(held[key].card) for key in sorted(held))


def _is_folder(name: str) -> bool:
    try:
        return name != STARTER_ID and Path(name).expanduser().is_dir()
    except (OSError, RuntimeError, ValueError):
        return False


def _listed(served: Sequence[ModelCard]) -> str:
    return ", ".join(f"{card.id} in {card.precision}" for card in served)


def _described(wanted: WantedModel) -> str:
    return wanted.name if wanted.precision == "auto" else f"{wanted.name} in {wanted.precision}"
