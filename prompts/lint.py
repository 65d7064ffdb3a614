"""Find what a valid prompt set does not mean: doubled prompts, contradictions, texts cut off.

A set with such flaws loads and scores, only not as its author thinks.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from prompts.actions import Action
from prompts.document import Document, Path, dotted
from prompts.folding import folded, folded_name
from prompts.label import PLACEHOLDER, Label
from prompts.schema import PromptSet, expand

CAUTIOUS_TOKENS_MAX: Final = 64
"""What SigLIP reads; CLIP reads 77, sentence encoders 256 and more."""

_PIECE = re.compile(r"[^\W_]+|[^\w\s]|_")
_LETTERS_PER_TOKEN = 4
"""Byte pairs and word pieces of English are longer; rare words are cut into pieces of about it."""
_END_TOKENS = 2


class Severity(StrEnum):
    """An error changes what is found; a warning is waste, or probably a slip."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True)
class Finding:
    """One flaw: where it is, what is wrong, and what to do."""

    severity: Severity
    code: str
    line: int
    key: str
    message: str
    cure: str


@dataclass(frozen=True)
class TokenLimit:
    """How a text is counted, and how many tokens are read; `is_exact` where a model says both."""

    count: Callable[[str], int]
    tokens_max: int
    is_exact: bool


def estimated_tokens(text: str) -> int:
    """Guess how many tokens a text has, rather too many than too few."""
    pieces = 0
    for piece in _PIECE.findall(text):
        size = len(piece) if piece.isascii() else 2 * len(piece.encode())
        pieces += math.ceil(size / _LETTERS_PER_TOKEN)
    return pieces + _END_TOKENS


CAUTIOUS: Final = TokenLimit(estimated_tokens, CAUTIOUS_TOKENS_MAX, is_exact=False)


def lint(prompt_set: PromptSet, document: Document, limit: TokenLimit = CAUTIOUS) -> list[Finding]:
    """Return a set's flaws in the order of its lines; `document` is what it was loaded from."""
    linter = _Linter(prompt_set, document, limit)
    return sorted(linter.findings(), key=lambda one: (one.line, one.key, one.code))


@dataclass(frozen=True)
class _Linter:
    set: PromptSet
    document: Document
    limit: TokenLimit

    def findings(self) -> Iterator[Finding]:
        yield from self._repeated(self.set.contrast, ("contrast",), "contrast prompt")
        yield from self._shared_prompts()
        yield from self._set_templates()
        yield from self._aliases()
        yield from self._rules()
        for index, label in enumerate(self.set.labels):
            place: Path = ("labels", index)
            yield from self._repeated(label.prompts, (*place, "prompts"), "prompt")
            yield from self._own_contrast(label, place)
            yield from self._children(label, place)
            yield from self._templates(label, place)
            yield from self._thresholds(label, place)
            yield from self._heads(label, place)
        yield from self._too_long()

    def _finding(self, severity: Severity, code: str, path: Path, what: str, cure: str) -> Finding:
        return Finding(severity, code, self.document.line(path), dotted(path), what, cure)

    def _error(self, code: str, path: Path, what: str, cure: str) -> Finding:
        return self._finding(Severity.ERROR, code, path, what, cure)

    def _warning(self, code: str, path: Path, what: str, cure: str) -> Finding:
        return self._finding(Severity.WARNING, code, path, what, cure)

    def _repeated(self, texts: tuple[str, ...], path: Path, name: str) -> Iterator[Finding]:
        """Texts of one list that say the same."""
        first: dict[str, int] = {}
        for place, text in enumerate(texts):
            before = first.setdefault(folded(text), place)
            if before != place:
                line = self.document.line((*path, before))
                same = "is" if texts[before] == text else f"says the same as {texts[before]!r},"
                what = f"the {name} {text!r} {same} there on line {line} already"
                cure = "Keep one: the nearest counts, so a second adds nothing."
                yield self._warning("duplicate", (*path, place), what, cure)

    def _shared_prompts(self) -> Iterator[Finding]:
        """Prompts of two labels; of a label and its own parent they are often meant."""
        first: dict[str, tuple[Label, Path]] = {}
        for index, label in enumerate(self.set.labels):
            for place, prompt in enumerate(label.prompts):
                path: Path = ("labels", index, "prompts", place)
                other, where = first.setdefault(folded(prompt), (label, path))
                if other.id == label.id or _are_related(label, other):
                    continue
                line = self.document.line(where)
                what = f"the prompt {prompt!r} is one of {other.id}, too, on line {line}"
                cure = "Give it to one of the two, or both are found at once."
                yield self._warning("shared_prompt", path, what, cure)

    def _own_contrast(self, label: Label, place: Path) -> Iterator[Finding]:
        """A label against what it is compared with."""
        yield from self._repeated(label.contrast, (*place, "contrast"), "contrast prompt")
        shared = {folded(text): text for text in self.set.contrast}
        own = {folded(text): text for text in label.contrast}
        for number, text in enumerate(label.contrast):
            if folded(text) in shared:
                what = f"the contrast prompt {text!r} is in the set's own contrast, too"
                cure = "Remove it here: every label is compared with the set's."
                yield self._warning("duplicate", (*place, "contrast", number), what, cure)
        for number, prompt in enumerate(label.prompts):
            against = own.get(folded(prompt)) or shared.get(folded(prompt))
            if against is not None:
                what = f"the prompt {prompt!r} and the contrast prompt {against!r} say the same"
                cure = "They cancel each other out: remove one of them."
                yield self._error("contradiction", (*place, "prompts", number), what, cure)

    def _children(self, label: Label, place: Path) -> Iterator[Finding]:
        """A label's contrast against its children's prompts.

        The other way round it is right: a child is told from the rest of its parent so.
        """
        prompts = {
            folded(prompt): (child, prompt)
            for child in self.set.labels
            if child.id.startswith(f"{label.id}.")
            for prompt in child.prompts
        }
        for number, text in enumerate(label.contrast):
            if folded(text) in prompts:
                child, prompt = prompts[folded(text)]
                what = f"{label.id} is compared with {text!r}, a prompt of its child {child.id}"
                cure = f"Remove it: {label.id} is never found where {prompt!r} is seen."
                yield self._error("contradiction", (*place, "contrast", number), what, cure)

    def _set_templates(self) -> Iterator[Finding]:
        yield from self._repeated(self.set.templates, ("templates",), "template")
        prompted = [label for label in self.set.labels if label.scored_by == "prompts"]
        is_given = ("templates",) in self.document.lines
        if is_given and prompted and all(label.templates for label in prompted):
            what = "the set's templates are used by no label: each has its own"
            yield self._warning("template", ("templates",), what, "Remove them, or the labels'.")

    def _templates(self, label: Label, place: Path) -> Iterator[Finding]:
        path = (*place, "templates")
        if label.templates is not None:
            yield from self._repeated(label.templates, path, "template")
            if label.scored_by != "prompts":
                what = f"the templates of {label.id} have no effect: no prompts score it"
                yield self._warning("template", path, what, "Remove them.")
            elif label.templates == self.set.templates:
                what = f"the templates of {label.id} are the set's own"
                yield self._warning("template", path, what, "Remove them: they are the default.")
        if label.contrast and label.scored_by != "prompts":
            what = f"the contrast of {label.id} has no effect: no prompts score it"
            yield self._warning("template", (*place, "contrast"), what, "Remove it.")
        openings = [_opening(template) for template in self.set.templates_of(label)]
        for number, prompt in enumerate(label.prompts):
            again = [one for one in openings if one and f"{folded(prompt)} ".startswith(f"{one} ")]
            if again:
                what = f"the prompt {prompt!r} begins as its template does"
                cure = "Leave that out: the template says it already."
                yield self._warning("template", (*place, "prompts", number), what, cure)

    def _thresholds(self, label: Label, place: Path) -> Iterator[Finding]:
        if label.nsfw and label.action is Action.ALLOW:
            what = f"{label.id} is nsfw, and its action is to allow it"
            yield self._error(
                "contradiction", (*place, "action"), what, "Choose note, or drop nsfw."
            )
        if label.within_frames is not None and label.within_frames == label.min_frames == 1:
            what = f"within_frames of {label.id} has no effect: one frame is enough"
            cure = "Remove it, or raise min_frames."
            yield self._warning("threshold", (*place, "within_frames"), what, cure)

    def _heads(self, label: Label, place: Path) -> Iterator[Finding]:
        for number, head in enumerate(label.heads):
            if head.label != label.id:
                what = f"the head of {label.id} was trained for {head.label}"
                cure = f"Train one for {label.id}, unless it is another name of the same."
                yield self._warning("head", (*place, "heads", number), what, cure)

    def _aliases(self) -> Iterator[Finding]:
        """Names that two labels answer to."""
        names = {folded_name(label.id): label for label in self.set.labels}
        for index, label in enumerate(self.set.labels):
            for place, alias in enumerate(label.aliases):
                path: Path = ("labels", index, "aliases", place)
                other = names.setdefault(folded_name(alias), label)
                if other.id != label.id:
                    what = f"the alias {alias!r} of {label.id} is a name of {other.id}, too"
                    yield self._error("alias", path, what, "Give it to one of the two.")
                elif folded_name(alias) == folded_name(label.id) or alias in label.aliases[:place]:
                    what = f"the alias {alias!r} is a name that {label.id} has already"
                    yield self._warning("alias", path, what, "Remove it.")

    def _rules(self) -> Iterator[Finding]:
        """Labels that no rule asks for, where there are rules, and floors below every segment."""
        for index, rule in enumerate(self.set.rules):
            covered = [label for label in self.set.labels if rule.covers(label.id)]
            least = min((label.threshold for label in covered), default=0.0)
            if rule.min_confidence is not None and rule.min_confidence <= least:
                what = (
                    f"min_confidence {rule.min_confidence:g} of rule {rule.id} has no effect: its "
                    f"segments have {least:g} or more"
                )
                cure = "Remove it, or raise it above the labels' thresholds."
                yield self._warning("threshold", ("rules", index, "min_confidence"), what, cure)
        if not self.set.rules:
            return
        for index, label in enumerate(self.set.labels):
            is_covered = any(rule.covers(label.id) for rule in self.set.rules)
            if not is_covered and label.action is Action.ALLOW and not label.nsfw:
                what = f"{label.id} flags nothing: no rule covers it, and its action is allow"
                cure = "Name it in a rule, or give it an action."
                yield self._warning("never_flagged", ("labels", index, "id"), what, cure)

    def _too_long(self) -> Iterator[Finding]:
        told: set[str] = set()
        for index, label in enumerate(self.set.labels):
            if label.scored_by != "prompts":
                continue
            templates = self.set.templates_of(label)
            shared = [(("contrast", n), text) for n, text in enumerate(self.set.contrast)]
            own = [
                (("labels", index, key, n), text)
                for key, texts in (("prompts", label.prompts), ("contrast", label.contrast))
                for n, text in enumerate(texts)
            ]
            for path, text in (*shared, *own):
                key = dotted(path)
                if key not in told and (finding := self._length(path, text, templates)) is not None:
                    told.add(key)
                    yield finding

    def _length(self, path: Path, text: str, templates: tuple[str, ...]) -> Finding | None:
        tokens = max(self.limit.count(one) for one in expand(templates, text))
        if tokens <= self.limit.tokens_max:
            return None
        cure = "Shorten it: what stands at the end is not read."
        if self.limit.is_exact:
            what = f"{text[:40]!r}... has {tokens} tokens, the model reads {self.limit.tokens_max}"
            return self._error("too_long", path, what, cure)
        what = f"{text[:40]!r}... has about {tokens} tokens; models read from 64 to 256"
        return self._warning("too_long", path, what, f"{cure} --model NAME counts exactly.")


def _are_related(one: Label, other: Label) -> bool:
    return one.id.startswith(f"{other.id}.") or other.id.startswith(f"{one.id}.")


def _opening(template: str) -> str:
    """A template's words before the prompt, folded; empty for one or two, which prove nothing."""
    words = folded(template.partition(PLACEHOLDER)[0])
    return words if len(words.split()) > 1 else ""
