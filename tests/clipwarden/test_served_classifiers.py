"""What needs a frame classifier is refused while a process that may get it has none."""

from __future__ import annotations

from dataclasses import replace

import pytest

from clipwarden.intake import prepare
from clipwarden.request import Request
from ingest.media.spec import SamplingSpec
from ingest.queue.presence import ModelOnCard, Presence, State, announce_presence
from ingest.stores import Stores
from prompts.label import Label
from prompts.schema import PromptSet
from tests.worker.fake_encoder import FAKE_CARD
from worker.classifiers.load import CLASSIFIERS
from worker.errors import ClassifierUnavailable

REQUEST = Request(
    model=FAKE_CARD,
    sampling=SamplingSpec.parse("fps:1"),
    prompt_sets=(
        PromptSet(
            name="classified",
            version="1",
            description="What open_nsfw says.",
            labels=(Label(id="nudity", classifier="open_nsfw"),),
        ),
    ),
)


def hold(stores: Stores, host: str, key: str, *classifiers: str) -> None:
    """Let a process of a host hold a model, as far as others see it."""
    model = ModelOnCard(key=key, id="fake", card="{}", device="cpu", classifiers=classifiers)
    presence = Presence(
        name=f"embed on {host}",
        role="embed",
        host=host,
        pid=1,
        state=State.IDLE,
        jobs_done=0,
        rss_bytes=1,
        model=model,
    )
    announce_presence(stores.redis, presence)


def test_one_host_without_it_is_enough_to_be_refused(stores: Stores) -> None:
    hold(stores, "with", FAKE_CARD.key, *CLASSIFIERS)
    prepare(stores, REQUEST)
    hold(stores, "without", FAKE_CARD.key)
    with pytest.raises(ClassifierUnavailable, match="open_nsfw is missing") as caught:
        prepare(stores, REQUEST)
    assert caught.value.message.endswith(" on without.")
    assert "pip install 'clipwarden[nsfw]'" in caught.value.cure
    assert "--no-classifiers" in caught.value.cure


def test_what_needs_none_and_what_another_model_lacks_is_not_refused(stores: Stores) -> None:
    prepare(stores, REQUEST)
    hold(stores, "other", "f" * 16)
    prepare(stores, REQUEST)
    hold(stores, "without", FAKE_CARD.key)
    plain = Label(id="red", prompts=("red",))
    [needing] = REQUEST.prompt_sets
    prepare(
        stores, replace(REQUEST, prompt_sets=(needing.model_copy(update={"labels": (plain,)}),))
    )
