"""Scoring stored works anew: first to see what would change, then to store it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

from clipwarden.rescoring.commands import analysing
from clipwarden.rescoring.comparing import Comparison, Side
from clipwarden.rescoring.conditions import Conditions
from clipwarden.rescoring.document import LeftVideo, Preview, Stored, VideoChange
from clipwarden.rescoring.parts import Part, StoredParts, flags_of_parts
from clipwarden.rescoring.rescorer import Rescorer
from clipwarden.rescoring.works import StoredWork, count_works, stored_works
from ingest.errors import BlobCorrupt, BlobMissing
from ingest.stores import Stores
from ingest.tables import Submission
from prompts.errors import ClipwardenError
from worker.document import ErrorInfo
from worker.errors import EmbeddingsMissing, ResultMissing
from worker.rescoring import is_finished, store_version, with_version
from worker.scored import ScoredWork

# What is wrong with one work alone; an outage of a store ends the run.
_OF_ONE_WORK = (EmbeddingsMissing, ResultMissing, BlobMissing, BlobCorrupt)

LEFT_LISTED = 1000


class Watcher(Protocol):
    """Hears how a pass over the works goes on."""

    def begin(self, what: str, works: int) -> None:
        """A pass begins over so many works."""

    def advanced(self) -> None:
        """One work more is done with."""


@dataclass(frozen=True, eq=False)
class Chosen:
    """A work with those of its submissions that meet the conditions.

    `shown` is what the document of the newest of them shows now.
    """

    stored: StoredWork
    shown: Sequence[Part]


Act = Callable[[Chosen, ScoredWork], None]


@dataclass
class Left:
    """The works that can't be scored, of which the first are kept in words; and who vanished.

    `prompts` is what the user called the prompt set.
    """

    prompts: str
    count: int = 0
    vanished: int = 0
    first: list[LeftVideo] = field(default_factory=list)

    def add(self, stores: Stores, stored: StoredWork, error: ClipwardenError) -> None:
        """Note why a work was not scored; one that was deleted meanwhile has no other reason."""
        if not is_finished(stores, stored.work):
            self.vanished += 1
            return
        self.count += 1
        if len(self.first) < LEFT_LISTED:
            info = ErrorInfo(code=error.code, message=error.message, cure=error.cure)
            newest = stored.newest
            command = analysing(newest, self.prompts)
            self.first.append(
                LeftVideo(id=newest.id, source=newest.source, error=info, command=command)
            )


class Rescoring:
    """One run over the works of some models; holds one work at a time."""

    def __init__(
        self,
        stores: Stores,
        tenant: str,
        rescorer: Rescorer,
        conditions: Conditions,
        watcher: Watcher,
        prompts: str,
    ) -> None:
        """Begin nothing yet; `prompts` is what the user called the prompt set."""
        self._prompts = prompts
        self._stores = stores
        self._tenant = tenant
        self._rescorer = rescorer
        self._conditions = conditions
        self._watcher = watcher
        self._parts = StoredParts(stores, tenant)

    def preview(self, listed: int) -> Preview:
        """Score everything and store nothing; the first `listed` videos that change are told."""
        comparison, left = Comparison(), Left(self._prompts)
        changes: list[VideoChange] = []

        def compare(chosen: Chosen, scored: ScoredWork) -> None:
            before, after = _sides(chosen, scored)
            change = comparison.add(chosen.stored, before, after)
            if change is not None and len(changes) < listed:
                changes.append(change)

        self._each("comparing", left, compare)
        return Preview(
            counts=comparison.counts(),
            changes=tuple(changes),
            left_count=left.count,
            left=tuple(left.first),
            vanished=left.vanished,
        )

    def store(self, *, make_current: bool) -> Stored:
        """Score everything and store it; with `make_current` submissions show it from then on.

        One work after another is stored whole: a run that is killed can be done again.
        """
        self._rescorer.keep(self._stores, self._tenant)
        left, videos = Left(self._prompts), 0

        def keep(chosen: Chosen, scored: ScoredWork) -> None:
            nonlocal videos
            show_in = [one.id for one in chosen.stored.submissions] if make_current else []
            if store_version(self._stores, scored, show_in):
                videos += 1
            else:
                left.vanished += 1

        self._each("storing", left, keep)
        return Stored(videos=videos, left=left.count, vanished=left.vanished, shown=make_current)

    def _each(self, what: str, left: Left, act: Act) -> None:
        keys = self._rescorer.models.keys()
        self._watcher.begin(what, count_works(self._stores, self._tenant, keys))
        for stored in stored_works(self._stores, self._tenant, keys):
            if stored is None:
                left.vanished += 1
            else:
                self._one(stored, left, act)
            self._watcher.advanced()

    def _one(self, stored: StoredWork, left: Left, act: Act) -> None:
        """Score a work that is chosen; once this returns nothing of it is held any more."""
        try:
            chosen = self._choose(stored)
            scored = None if chosen is None else self._rescorer.score(self._stores, stored)
        except _OF_ONE_WORK as error:
            left.add(self._stores, stored, error)
        else:
            if chosen is not None and scored is not None:
                act(chosen, scored)

    def _choose(self, stored: StoredWork) -> Chosen | None:
        """The work with what its newest chosen submission shows; None where none is chosen."""
        shown: dict[str, Sequence[Part]] = {}

        def shown_by(row: Submission) -> Sequence[Part]:
            if row.id not in shown:
                shown[row.id] = self._parts.shown(row)
            return shown[row.id]

        chosen = tuple(
            row for row in stored.submissions if self._conditions.hold(row, partial(shown_by, row))
        )
        if not chosen:
            return None
        return Chosen(StoredWork(stored.work, chosen), shown_by(chosen[0]))


def _sides(chosen: Chosen, scored: ScoredWork) -> tuple[Side, Side]:
    """What the document shows now, and would show; of segments those of sets of that name."""
    name, new = scored.prompt_set.name, Part.of(scored)
    shown = {part.version: part for part in chosen.shown}
    name_of = {one.prompt_set_sha256: part.prompt_set.name for one, part in shown.items()}
    versions = with_version(list(shown), new.version, name, name_of)
    parts = [new if one == new.version else shown[one] for one in versions]
    replaced = [
        segment
        for part in chosen.shown
        if part.prompt_set.name == name
        for segment in part.segments
    ]
    before = Side(replaced, flags_of_parts(chosen.shown))
    return before, Side(new.segments, flags_of_parts(parts))
