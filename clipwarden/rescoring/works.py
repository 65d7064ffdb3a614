"""What is stored to be scored anew: works with finished submissions, one after another."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from sqlalchemy import ColumnElement, func, select, tuple_

from ingest.queue.payloads import Work
from ingest.stores import Stores
from ingest.tables import Submission
from ingest.works import work_of
from worker.errors import UnknownModel
from worker.models.card import ModelCard
from worker.rescoring import FINISHED

_PAGE = 200


@dataclass(frozen=True, eq=False)
class StoredWork:
    """A work and its finished submissions, the newest first; there is at least one."""

    work: Work
    submissions: tuple[Submission, ...]

    @property
    def newest(self) -> Submission:
        """The submission whose words and model card stand for the work."""
        return self.submissions[0]


def stored_works(
    stores: Stores, tenant: str, model_keys: Collection[str] | None = None
) -> Iterator[StoredWork | None]:
    """Yield every work that a finished submission waited for, of some models or of all.

    One that was deleted in the meantime is None. No transaction stays open between two of them.
    """
    columns = (Submission.media_sha256, Submission.sampling_key, Submission.model_key)
    query = select(*columns).where(*_finished(tenant, model_keys)).distinct()
    last: tuple[str, str, str] | None = None
    while True:
        after = query if last is None else query.where(tuple_(*columns) > tuple_(*last))
        with stores.database.read() as session:
            page = session.execute(after.order_by(*columns).limit(_PAGE)).all()
        for media_sha256, sampling_key, model_key in page:
            found = _submissions(
                stores,
                Work(
                    tenant=tenant,
                    media_sha256=media_sha256,
                    sampling_key=sampling_key,
                    model_key=model_key,
                ),
            )
            yield StoredWork(work_of(found[0]), found) if found else None
        if len(page) < _PAGE:
            return
        last = (media_sha256, sampling_key, model_key)


def count_works(stores: Stores, tenant: str, model_keys: Collection[str] | None = None) -> int:
    """How many works `stored_works` would yield now."""
    columns = (Submission.media_sha256, Submission.sampling_key, Submission.model_key)
    query = select(*columns).where(*_finished(tenant, model_keys)).distinct()
    with stores.database.read() as session:
        return session.scalar(select(func.count()).select_from(query.subquery())) or 0


def stored_models(stores: Stores, tenant: str, name: str | None = None) -> dict[str, ModelCard]:
    """The models of finished submissions by their keys, all or those of a key, id or id@revision.

    Raises UnknownModel where a name is given and nothing was embedded by it.
    """
    cards = _cards(stores, tenant)
    if name is None:
        return cards
    found = {key: card for key, card in cards.items() if name in _names(card)}
    if not found:
        held = ", ".join(f"{card.id} ({key})" for key, card in sorted(cards.items()))
        raise UnknownModel(
            f"no finished video was embedded by {name[:200]!r}.",
            f"There are videos of {held}." if held else "There is no finished video at all.",
        )
    return found


def _cards(stores: Stores, tenant: str) -> dict[str, ModelCard]:
    finished = _finished(tenant, None)
    cards = {}
    with stores.database.read() as session:
        for key in session.scalars(select(Submission.model_key).where(*finished).distinct()).all():
            query = select(Submission.model_card).where(*finished, Submission.model_key == key)
            newest = query.order_by(Submission.finished_at.desc(), Submission.id).limit(1)
            cards[key] = ModelCard.from_json(session.scalars(newest).one())
    return cards


def _names(card: ModelCard) -> tuple[str, ...]:
    return card.key, card.id, f"{card.id}@{card.revision}"


def _finished(tenant: str, model_keys: Collection[str] | None) -> tuple[ColumnElement[bool], ...]:
    finished = (Submission.tenant == tenant, Submission.status.in_(FINISHED))
    if model_keys is None:
        return finished
    return (*finished, Submission.model_key.in_(sorted(model_keys)))


def _submissions(stores: Stores, work: Work) -> tuple[Submission, ...]:
    query = select(Submission).where(
        *_finished(work.tenant, [work.model_key]),
        Submission.media_sha256 == work.media_sha256,
        Submission.sampling_key == work.sampling_key,
    )
    with stores.database.read() as session:
        rows = session.scalars(query.order_by(Submission.finished_at.desc(), Submission.id)).all()
        session.expunge_all()
    return tuple(rows)
