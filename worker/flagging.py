"""Flags: which rules of the prompt sets fire over a video's segments, and why."""

from __future__ import annotations

from collections.abc import Sequence

from prompts.actions import Action, strongest
from prompts.rules import total_ms
from prompts.schema import PromptSet
from worker.document import FlagReason, Flags, SegmentInfo


def flags_of(segments: Sequence[SegmentInfo], prompt_sets: Sequence[PromptSet]) -> Flags:
    """Judge a video by its segments.

    A label that no rule is about speaks for itself: any segment of it gives the video its action,
    and its NSFW mark.
    """
    reasons = [reason for prompt_set in prompt_sets for reason in _reasons(segments, prompt_set)]
    flagging = [one for one in reasons if one.nsfw or one.action.strength >= Action.REVIEW.strength]
    return Flags(
        nsfw=any(one.nsfw for one in reasons),
        action=strongest(one.action for one in reasons),
        labels=tuple(sorted({label for one in flagging for label in one.labels})),
        reasons=tuple(reasons),
    )


def _reasons(segments: Sequence[SegmentInfo], prompt_set: PromptSet) -> list[FlagReason]:
    places = [place for place, one in enumerate(segments) if one.prompt_set == prompt_set.name]
    own = [segments[place] for place in places]
    reasons = []
    for rule in prompt_set.rules:
        counted = rule.counted(own)
        if rule.fires([own[place] for place in counted]):
            reasons.append(
                _reason(
                    prompt_set,
                    rule.id,
                    rule.wording,
                    [places[place] for place in counted],
                    segments,
                    nsfw=rule.nsfw,
                    action=rule.action,
                )
            )
    for label in prompt_set.labels:
        found = [place for place in places if segments[place].label == label.id]
        if found and not any(rule.covers(label.id) for rule in prompt_set.rules):
            wording = f"any segment of {label.id}"
            reasons.append(
                _reason(
                    prompt_set,
                    None,
                    wording,
                    found,
                    segments,
                    nsfw=label.nsfw,
                    action=label.action,
                )
            )
    return reasons


def _reason(
    prompt_set: PromptSet,
    rule: str | None,
    wording: str,
    places: Sequence[int],
    segments: Sequence[SegmentInfo],
    *,
    nsfw: bool,
    action: Action,
) -> FlagReason:
    counted = [segments[place] for place in places]
    return FlagReason(
        prompt_set=prompt_set.name,
        rule=rule,
        wording=wording,
        labels=tuple(sorted({one.label for one in counted})),
        segments=tuple(places),
        total_ms=total_ms(counted),
        nsfw=nsfw,
        action=action,
    )
