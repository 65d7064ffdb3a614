from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from prompts.rules import Rule, total_ms


@dataclass(frozen=True)
class Seen:
    label: str
    start_ms: int
    end_ms: int
    confidence: float = 0.9


def fires(segments: list[Seen], **conditions: Any) -> bool:
    rule = Rule.model_validate({"id": "rule", "labels": ("weapons",)} | conditions)
    return rule.fires([segments[place] for place in rule.counted(segments)])


KNIFE = Seen("weapons.blade", 0, 3000)
GUN = Seen("weapons.firearm", 2000, 4000, confidence=0.6)
WINE = Seen("alcohol", 0, 60_000)


@pytest.mark.parametrize(
    ("segments", "conditions", "expected"),
    [
        ([], {}, False),
        ([WINE], {}, False),
        ([KNIFE], {}, True),
        ([KNIFE], {"min_segments": 2}, False),
        ([KNIFE, GUN], {"min_segments": 2}, True),
        ([KNIFE, GUN], {"min_segments": 2, "min_confidence": 0.7}, False),
        ([KNIFE, GUN], {"min_total_ms": 4000}, True),
        # What both cover counts once.
        ([KNIFE, GUN], {"min_total_ms": 4001}, False),
        ([KNIFE, WINE], {"min_total_ms": 3001}, False),
        ([KNIFE, GUN], {"min_total_ms": 4000, "min_segments": 3}, False),
    ],
)
def test_a_rule_fires_where_all_it_asks_for_is_there(
    segments: list[Seen], conditions: dict[str, Any], expected: bool
) -> None:
    assert fires(segments, **conditions) is expected


def test_time_is_counted_once_however_segments_lie() -> None:
    segments = [Seen("a", 5, 10), Seen("a", 0, 20), Seen("a", 30, 40), Seen("a", 40, 41)]
    assert total_ms(segments) == 31
    assert total_ms([]) == 0


def test_a_rule_says_what_it_asks_for() -> None:
    rule = Rule.model_validate(
        {
            "id": "much",
            "labels": ("weapons", "gore"),
            "min_segments": 2,
            "min_total_ms": 1500,
            "min_confidence": 0.5,
        }
    )
    assert rule.wording == (
        "2 or more segments and 1.5 s or more in all and at a confidence of 0.5 or more of "
        "weapons, gore"
    )
