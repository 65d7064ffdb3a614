"""How examples went: lines for people, JSON, and JUnit's XML for build servers."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from xml.etree import ElementTree

from rich.console import Console
from rich.text import Text

from clipwarden.classification.examples import Check, Outcome, Trial, count
from clipwarden.report.wording import count as number_of
from ingest.media.check import displayed_name
from worker.models.card import ModelCard

_STYLES = {
    Outcome.PASSED: "green",
    Outcome.FAILED: "bold red",
    Outcome.ERROR: "bold red",
    Outcome.SKIPPED: "yellow",
}
_MAX_TOLD_CHECKS = 5

Trials = Mapping[str, Sequence[Trial]]
"""The examples of each set, by the set's name as the user gave it."""


def print_trials(console: Console, trials: Trials) -> None:
    """Print a line per example, why those failed that did, and how many went which way."""
    for name, ones in trials.items():
        for one in ones:
            text = Text(f"{name} examples[{one.place}] {displayed_name(one.example.shown)} ")
            text.append(one.outcome, style=_STYLES[one.outcome])
            _print_line(console, text)
            for words in _reasons(one):
                _print_line(console, Text(f"  {words}"))
    everything = [one for ones in trials.values() for one in ones]
    counts = {outcome: count(everything, outcome) for outcome in Outcome}
    words = ", ".join(f"{number} {outcome}" for outcome, number in counts.items() if number)
    _print_line(
        console, Text(f"{words or 'no examples'} in {number_of(len(trials), 'set')}.", style="bold")
    )


def to_json(trials: Trials, card: ModelCard) -> str:
    """One object for the run."""
    everything = [(name, one) for name, ones in trials.items() for one in ones]
    examples = [
        {
            "set": name,
            "place": one.place,
            "outcome": one.outcome,
            "reason": one.reason,
            "checks": [asdict(check) | {"passed": check.is_passed} for check in one.checks],
        }
        | one.example.model_dump(mode="json", exclude_none=True)
        for name, one in everything
    ]
    summary = {outcome: count([one for _, one in everything], outcome) for outcome in Outcome}
    model = {"id": card.id, "key": card.key}
    content = {"model": model, "examples": examples, "summary": summary}
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def to_junit(trials: Trials) -> str:
    """A test suite per set, a test case per example."""
    root = ElementTree.Element("testsuites")
    for name, ones in trials.items():
        suite = ElementTree.SubElement(root, "testsuite", _suite_facts(name, ones))
        for one in ones:
            title = f"examples[{one.place}] {displayed_name(one.example.shown)}"
            facts = {"classname": displayed_name(name), "name": title, "time": "0"}
            case = ElementTree.SubElement(suite, "testcase", facts)
            if one.outcome is not Outcome.PASSED:
                tag = {Outcome.FAILED: "failure"}.get(one.outcome, str(one.outcome))
                reasons = _reasons(one)
                flaw = ElementTree.SubElement(case, tag, {"message": reasons[0]})
                flaw.text = "\n".join(reasons)
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=False) + "\n"


def _suite_facts(name: str, trials: Sequence[Trial]) -> dict[str, str]:
    numbers = {
        "tests": len(trials),
        "failures": count(trials, Outcome.FAILED),
        "errors": count(trials, Outcome.ERROR),
        "skipped": count(trials, Outcome.SKIPPED),
    }
    return {"name": displayed_name(name), **{key: str(value) for key, value in numbers.items()}}


def _reasons(trial: Trial) -> list[str]:
    """Why an example did not pass; empty for one that did."""
    if trial.reason is not None:
        return [displayed_name(trial.reason)]
    failed = [one for one in trial.checks if not one.is_passed]
    told = [_check_words(one) for one in failed[:_MAX_TOLD_CHECKS]]
    if len(failed) > len(told):
        told.append(f"and {len(failed) - len(told)} labels more")
    return told


def _check_words(check: Check) -> str:
    scored = f" (as {check.scored})" if check.scored != check.label else ""
    wish = "not found" if check.is_expected else "found, and should not be"
    figures = (
        f"confidence {check.confidence:.2f}, threshold {check.threshold:.2f}, "
        f"margin {check.margin:+.3f}"
    )
    if check.prompt is None:
        return f"{check.label}{scored} {wish}: {figures}"
    against = "the model's own bias" if check.contrast is None else repr(check.contrast)
    how = "lost to" if check.margin < 0 else "won over"
    return f"{check.label}{scored} {wish}: {figures}; {check.prompt!r} {how} {against}"


def _print_line(console: Console, text: Text) -> None:
    console.print(text, soft_wrap=not console.is_terminal)
