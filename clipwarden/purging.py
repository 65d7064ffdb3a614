"""Deleting a video everywhere: from the stores, and from the reports that show it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import select

from clipwarden.errors import OutputFailed
from clipwarden.report.wording import short_hash
from ingest.errors import SubmissionNotFound
from ingest.stores import Stores
from ingest.submissions import find_submission
from ingest.tables import DEFAULT_TENANT, Media, Submission
from worker.retention import purge

_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Doomed:
    """What would be deleted with one content: who submitted it under which names, and reports."""

    media_sha256: str
    sources: tuple[str, ...]
    submission_ids: tuple[str, ...]
    reports: tuple[Path, ...]


def find_doomed(stores: Stores, reports: Path, name: str) -> Doomed:
    """What goes with a submission's id, its beginning, or a content's SHA-256.

    Raises SubmissionNotFound where nothing of it is left.
    """
    sha256 = name.lower()
    if not _SHA256.fullmatch(sha256):
        sha256 = find_submission(stores.database, DEFAULT_TENANT, name).media_sha256
    query = select(Submission.id, Submission.source).where(
        Submission.tenant == DEFAULT_TENANT, Submission.media_sha256 == sha256
    )
    with stores.database.read() as session:
        rows = list(session.execute(query.order_by(Submission.created_at)))
        is_known = session.get(Media, (DEFAULT_TENANT, sha256)) is not None
    ids = tuple(str(submission_id) for submission_id, _ in rows)
    found = reports_with(reports, sha256, ids)
    if not rows and not is_known and not found:
        raise SubmissionNotFound(
            f"nothing is kept of a content with hash {sha256}.",
            "`clipwarden status --format json` tells the hashes of what is there.",
        )
    sources = tuple(dict.fromkeys(str(source) for _, source in rows))
    return Doomed(sha256, sources, ids, found)


def purge_doomed(stores: Stores, doomed: Doomed) -> None:
    """Delete it; reports go first, for they could not be found once the rows are gone.

    Raises OutputFailed where a report can't be deleted.
    """
    for report in doomed.reports:
        try:
            report.unlink(missing_ok=True)
        except OSError as error:
            raise OutputFailed(
                f"{report} can't be deleted: {error.strerror or error}.",
                "Mend that, then purge again.",
            ) from error
    purge(stores, DEFAULT_TENANT, doomed.media_sha256)


def reports_with(
    folder: Path, media_sha256: str, submission_ids: tuple[str, ...]
) -> tuple[Path, ...]:
    """The reports in a folder that show a content: they name it by the first digits of its hash."""
    marks = [short_hash(media_sha256).encode(), *(one.encode() for one in submission_ids)]
    found = []
    for path in sorted(folder.glob("*.html")):
        try:
            content = path.read_bytes()
        except OSError as error:
            raise OutputFailed(
                f"{path} can't be read: {error.strerror or error}.", "Mend that, then purge again."
            ) from error
        if any(mark in content for mark in marks):
            found.append(path)
    return tuple(found)
