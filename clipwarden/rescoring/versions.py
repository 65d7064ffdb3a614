"""The versions that results are stored of, and finding one by what a user calls it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select

from clipwarden.rescoring.document import StoredVersionInfo, VersionInfo
from clipwarden.rescoring.errors import VersionUnknown
from ingest.stores import Stores
from ingest.tables import Submission
from prompts.calibration import Calibration
from prompts.schema import PromptSet
from worker.rescoring import FINISHED
from worker.tables import NO_CALIBRATION, Result
from worker.versions import Version, versions_of

NONE = "none"

_HASH_PREFIX = re.compile(r"[0-9a-f]{4,64}")
_SHOWN_DIGITS = 12


@dataclass(frozen=True)
class StoredVersion:
    """A version, how its prompt set is called, and how many works are scored by it."""

    version: Version
    name: str
    set_version: str
    videos: int
    first_at: datetime
    last_at: datetime

    @property
    def words(self) -> str:
        """How a user can name it, and it alone."""
        calibration = self.version.calibration_sha256[:_SHOWN_DIGITS] or NONE
        return f"{self.version.prompt_set_sha256[:_SHOWN_DIGITS]}:{calibration}"

    @property
    def info(self) -> VersionInfo:
        """The same for documents."""
        return VersionInfo(
            prompt_set=self.name,
            version=self.set_version,
            sha256=self.version.prompt_set_sha256,
            calibration=self.version.calibration_sha256 or None,
        )


def version_info(prompt_set: PromptSet, calibration: Calibration | None) -> VersionInfo:
    """A version's words before any result is stored of it."""
    return VersionInfo(
        prompt_set=prompt_set.name,
        version=prompt_set.version,
        sha256=prompt_set.sha256,
        calibration=None if calibration is None else calibration.sha256,
    )


def stored_versions(stores: Stores, tenant: str) -> list[StoredVersion]:
    """All versions that results are stored of, by name, the latest of each first."""
    columns = (Result.prompt_set_sha256, Result.calibration_sha256)
    query = (
        select(
            *columns,
            func.max(Result.prompt_set),
            func.max(Result.prompt_set_version),
            func.count(),
            func.min(Result.created_at),
            func.max(Result.created_at),
        )
        .where(Result.tenant == tenant)
        .group_by(*columns)
    )
    with stores.database.read() as session:
        rows = session.execute(query).all()
    found = [
        StoredVersion(Version(sha256, calibration), name, version, videos, first_at, last_at)
        for sha256, calibration, name, version, videos, first_at, last_at in rows
    ]
    found.sort(key=lambda one: one.last_at, reverse=True)
    return sorted(found, key=lambda one: one.name)


def described_versions(stores: Stores, tenant: str) -> tuple[StoredVersionInfo, ...]:
    """The stored versions, with how many finished submissions show each."""
    shown_by: Counter[Version] = Counter()
    finished = (Submission.tenant == tenant, Submission.status.in_(FINISHED))
    with stores.database.read() as session:
        for row in session.scalars(
            select(Submission).where(*finished).execution_options(yield_per=1000)
        ):
            shown_by.update(versions_of(row))
            session.expunge(row)
    return tuple(
        StoredVersionInfo(
            **one.info.model_dump(),
            videos=one.videos,
            shown_by=shown_by[one.version],
            first_at=one.first_at,
            last_at=one.last_at,
        )
        for one in stored_versions(stores, tenant)
    )


def find_version(stored: Sequence[StoredVersion], text: str) -> StoredVersion:
    """The version that `NAME`, `NAME@VERSION` or `HASH` stands for, or `...:CALIBRATION`.

    A hash may be its beginning, and a calibration is the beginning of its hash or `none`. Raises
    VersionUnknown where that is no stored version or several.
    """
    found = [one for one in stored if _is_called(one, text)]
    if len(found) == 1:
        return found[0]
    what = "results of several versions are" if found else "no results are"
    raise VersionUnknown(
        f"{what} called {text[:200]!r}.",
        f"Name one of them: {_listed(found or stored)}."
        if stored
        else "There are no stored results at all.",
    )


def named_version(stores: Stores, tenant: str, text: str) -> Version:
    """The stored version of `find_version`; raises VersionUnknown."""
    return find_version(stored_versions(stores, tenant), text).version


def _is_called(one: StoredVersion, text: str) -> bool:
    if _is_set(one, text):
        return True
    # From the right: a prompt set's version may hold colons itself.
    prompt_set, colon, calibration = text.rpartition(":")
    return bool(colon) and _is_set(one, prompt_set) and _is_calibration(one, calibration)


def _is_set(one: StoredVersion, text: str) -> bool:
    sha256 = one.version.prompt_set_sha256
    is_hash = _HASH_PREFIX.fullmatch(text) is not None and sha256.startswith(text)
    return is_hash or text in (one.name, f"{one.name}@{one.set_version}")


def _is_calibration(one: StoredVersion, text: str) -> bool:
    sha256 = one.version.calibration_sha256
    if text == NONE:
        return sha256 == NO_CALIBRATION
    return _HASH_PREFIX.fullmatch(text) is not None and sha256.startswith(text)


def _listed(versions: Sequence[StoredVersion]) -> str:
    return "; ".join(
        f"{one.words} ({one.name}@{one.set_version}, {one.videos} scored)" for one in versions
    )
