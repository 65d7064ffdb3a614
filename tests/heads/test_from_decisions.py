"""From review decisions to a flag: what people said of frames finds others like them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from itertools import product as combinations
from pathlib import Path

import numpy as np

from clipwarden.heads.decisions import read_decisions
from clipwarden.heads.document import trained_head
from clipwarden.heads.grouping import group_examples
from clipwarden.heads.stored import Example, Passed, stored_examples
from clipwarden.heads.training import Examples
from ingest.stores import Stores
from prompts.loader import load_prompt_set
from tests.clips import BLUE, GREEN, RED, write_scenes
from tests.worker.chain import Chain
from tests.worker.fake_encoder import FAKE_CARD

SCENE_S = 10
"""As long as the stretches that decisions are told apart by."""
OTHERS = tuple(combinations((0, 80, 160), repeat=2))
WARM = tuple((255, green, blue) for green, blue in OTHERS)
COLD = tuple((red, green, 255) for red, green in OTHERS)

SET = """
name: mine
version: "1"
description: What reviewers marked.
labels:
  - id: warm
    heads: [warm.head.json]
    action: block
"""


def test_decisions_on_stored_frames_become_a_head_that_flags_another_video(
    stores: Stores, tmp_path: Path
) -> None:
    chain = Chain(stores)
    scenes = [(colour, float(SCENE_S)) for colour in (*WARM, *COLD)]
    reviewed = write_scenes(tmp_path / "reviewed.mp4", scenes, fps=1, width=64, height=48)
    submitted = chain.submit(reviewed, sampling="fps:0.5")
    chain.run()
    decisions = [
        {
            "submission": submitted.id,
            "time_s": SCENE_S * number + 4,
            "label": "warm",
            "accepted": number < len(WARM),
        }
        for number in range(len(scenes))
    ]
    decisions.append({"file": "gone.mp4", "time_s": 1, "label": "warm", "accepted": True})
    (tmp_path / "reviewed.json").write_text(json.dumps(decisions))

    wanted = read_decisions(tmp_path / "reviewed.json", "warm")
    found = list(stored_examples(stores, FAKE_CARD.key, wanted))
    assert [one.video for one in found if isinstance(one, Passed)] == ["gone.mp4"]
    usable = [one for one in found if isinstance(one, Example)]
    vectors = np.stack([one.vector for one in usable])
    shows = np.array([one.shows for one in usable])
    groups = group_examples(vectors, [one.origin for one in usable])
    head, measured = trained_head(
        "warm",
        FAKE_CARD,
        Examples(vectors, shows, groups),
        source="reviewed.json",
        created_at=datetime(2026, 3, 4, tzinfo=UTC),
    )
    assert (head.trained_on.positives, head.trained_on.negatives) == (len(WARM), len(COLD))
    assert measured.auc.value is not None
    assert measured.auc.value > 0.9

    (tmp_path / "warm.head.json").write_text(head.to_json())
    (tmp_path / "mine.yaml").write_text(SET)
    other = [(GREEN, 3.0), (RED, 4.0), (BLUE, 3.0)]
    unseen = write_scenes(tmp_path / "unseen.mp4", other, fps=5, width=64, height=48)
    document = chain.analyze(unseen, [load_prompt_set(str(tmp_path / "mine.yaml"))], "fps:5")
    assert (document.flags.action, document.flags.labels) == ("block", ("warm",))
    [segment] = document.segments
    assert (segment.start_ms, segment.end_ms) == (3000, 7000)
    assert segment.explanation is not None
    assert segment.explanation.scored_by == "head"
