"""Taking a source in: fetched, checked, hashed, copied unless it stays in place, submitted."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path

from sqlalchemy import select

from clipwarden.counted_path import CountedPath, OnRead
from clipwarden.request import Request
from clipwarden.served_classifiers import require_served_classifiers
from ingest.errors import MediaChanged, MediaError, MediaNotFound, TokenReused
from ingest.identity import FileIdentity, identify
from ingest.keys import media_key
from ingest.media.check import check_input, displayed_name
from ingest.queue.payloads import Work
from ingest.sampling import sampling_key
from ingest.sources.fetching import fetched
from ingest.sources.folders import FileState
from ingest.sources.limits import FetchLimits, too_many_bytes
from ingest.sources.naming import LocalPath, Source
from ingest.sources.playlists import check_not_live
from ingest.stores import Stores
from ingest.submissions import InPlace, Wish, announce_media, submit
from ingest.tables import DEFAULT_TENANT, Status, Submission
from prompts.compiling import require_heads
from worker.results import is_embedded
from worker.texts import request_text_vectors, store_prompt_set


@dataclass(frozen=True)
class Unfit:
    """What a user named and nobody can read, with the reason."""

    shown: str
    error: MediaError


Input = Source | Unfit


@dataclass(frozen=True)
class Accepted:
    """A submission that was recorded; not new where the request token came before."""

    submission_id: str
    is_new: bool
    source: str
    work: Work


def prepare(stores: Stores, request: Request) -> Request:
    """Store the prompt sets as they are now and ask for their vectors; once for many files.

    Returns the request with its calibrations found. Raises CalibrationUnfit, HeadMissing,
    ClassifierUnavailable.
    """
    require_served_classifiers(stores.redis, request)
    calibrations = request.calibration.resolve(
        stores, DEFAULT_TENANT, request.model, request.prompt_sets
    )
    for prompt_set in request.prompt_sets:
        require_heads(prompt_set, request.model.key, request.model.id)
        store_prompt_set(stores, DEFAULT_TENANT, prompt_set)
        if prompt_set.texts():
            request_text_vectors(stores, DEFAULT_TENANT, request.model.key, prompt_set.sha256)
    return replace(request, calibrations=calibrations)


def accept_source(
    stores: Stores, request: Request, source: Input, on_read: OnRead | None = None
) -> Accepted:
    """Submit what a user named; what is not a local file is fetched first, and always copied.

    Raises the MediaError that says why it can't be had, and what `accept` raises.
    """
    match source:
        case Unfit():
            raise source.error
        case LocalPath():
            return accept(stores, request, source.path, on_read, source.listed)
        case _:
            with fetched(source, request.fetching) as path:
                # Its host is still the one that is to cancel it where the run breaks off.
                run_host = request.in_place_on if request.run_id else None
                copied = replace(request, in_place_on=None, run_host=run_host)
                return _accept(stores, copied, path, source.shown, on_read)


def accept(
    stores: Stores,
    request: Request,
    path: Path,
    on_read: OnRead | None = None,
    listed: FileState | None = None,
) -> Accepted:
    """Submit a file; `on_read` is told of every piece that is read, once to hash and once to copy.

    One that was `listed` in a folder must still be that very file, and no link to another. Raises
    MediaNotFound, MediaIsFolder, MediaEmpty, MediaUnreadable, TooManyBytes; LiveSource for a
    playlist; MediaChanged where somebody writes to the file meanwhile or puts another in its place,
    which then leaves no copy; TokenReused.
    """
    shown = LocalPath(path).shown
    _check_still(path, shown, listed)
    check_input(path)
    return _accept(stores, request, path, shown, on_read, listed)


def _accept(
    stores: Stores,
    request: Request,
    path: Path,
    source: str,
    on_read: OnRead | None,
    listed: FileState | None = None,
) -> Accepted:
    _check_size(path, source, request.fetching)
    check_not_live(path, source)
    readable = path if on_read is None else CountedPath.of(path, on_read)
    identity = identify(readable, source)
    if listed is not None and identity.inode != listed.inode:
        raise _replaced(source)
    _check_still(path, source, listed)
    work = Work(
        tenant=DEFAULT_TENANT,
        media_sha256=identity.sha256,
        sampling_key=sampling_key(request.sampling, request.geometry),
        model_key=request.model.key,
    )
    if request.once_per_content:
        token, earlier = _content_token(stores, request, work)
        if earlier is not None and Status(earlier.status).is_final:
            # No copy either, which retention may have deleted.
            return Accepted(earlier.id, False, source, work)
        request = replace(request, request_token=token)
    _check_token(stores, request.request_token, identity.sha256)
    if request.in_place_on is None:
        announce_media(stores, work, identity.size_bytes)
        _copy(stores, readable, source, identity)
    submitted = submit(
        stores,
        _wish(request, path, source, work, identity.size_bytes),
        lambda one: is_embedded(stores, one),
    )
    if request.in_place_on is None:
        # Retention may have deleted an old copy after it was found; from now on it is kept.
        _copy(stores, readable, source, identity)
    return Accepted(submitted.id, submitted.is_new, source, work)


def _check_still(path: Path, source: str, listed: FileState | None) -> None:
    """Refuse what took the place of a listed file: a link would lead out of the folder."""
    if listed is None:
        return
    try:
        is_same = listed.is_file_of(path.lstat())
    except OSError as error:
        raise _not_found(source, error) from error
    if not is_same:
        raise _replaced(source)


def _replaced(source: str) -> MediaChanged:
    return MediaChanged(
        f"{displayed_name(source)}: another file took its place after its folder was listed.",
        "Submit it again once nothing writes to the folder any more.",
    )


def _not_found(source: str, error: OSError) -> MediaNotFound:
    return MediaNotFound(
        f"{displayed_name(source)}: {(error.strerror or str(error)).lower()}.",
        "Check that it is there and may be read.",
    )


def _check_size(path: Path, source: str, limits: FetchLimits) -> None:
    """Refuse what is too large before it is read and copied."""
    try:
        size_bytes = path.stat().st_size
    except OSError as error:
        raise _not_found(source, error) from error
    if size_bytes > limits.max_bytes:
        raise too_many_bytes(displayed_name(source), limits, size_bytes)


def _content_token(stores: Stores, request: Request, work: Work) -> tuple[str, Submission | None]:
    """The token of what is asked for, and its submission unless there is none yet.

    Failed and cancelled ones don't count: each leaves its token to the next, with a number.
    """
    # Not the sampling key: it also says which release made the frames.
    sampling = f"{request.sampling.name} {request.geometry.name}"
    prompt_sets = [one.sha256 for one in request.prompt_sets]
    # Not the calibration either: a new one is for `rescore`, not for analysing all again.
    asked = "\n".join([work.media_sha256, sampling, work.model_key, *prompt_sets])
    first = token = f"watch-{hashlib.sha256(asked.encode()).hexdigest()}"
    for number in count(2):
        earlier = _of_token(stores, token)
        if earlier is None or earlier.status not in (Status.FAILED, Status.CANCELLED):
            break
        token = f"{first}-{number}"
    return token, earlier


def _of_token(stores: Stores, token: str) -> Submission | None:
    query = select(Submission).where(
        Submission.tenant == DEFAULT_TENANT, Submission.request_token == token
    )
    with stores.database.read() as session:
        row = session.scalar(query)
        session.expunge_all()
    return row


def _check_token(stores: Stores, token: str | None, sha256: str) -> None:
    """Refuse another file under a known token before it is copied, rather than after."""
    known = None if token is None else _of_token(stores, token)
    if known is not None and known.media_sha256 != sha256:
        raise TokenReused(
            f"the request token {token!r} was used for another file before.",
            "Make a new token for a new request; the same one is for trying the same again.",
        )


def _copy(stores: Stores, path: Path, source: str, identity: FileIdentity) -> None:
    key = media_key(DEFAULT_TENANT, identity.sha256)
    if stores.blobs.exists(key):
        return
    try:
        stores.blobs.put_file(key, path, sha256=identity.sha256)
    except MediaChanged as error:
        raise MediaChanged(
            f"{displayed_name(source)}: the file changed while it was copied.",
            "Submit it again once nothing writes to it any more.",
        ) from error


def _wish(request: Request, path: Path, source: str, work: Work, size_bytes: int) -> Wish:
    host = request.in_place_on
    return Wish(
        work=work,
        source=source,
        size_bytes=size_bytes,
        in_place=None if host is None else InPlace(path.absolute(), host),
        model_card=request.model.to_json(),
        sampling=request.sampling.name,
        geometry=request.geometry.name,
        prompt_set_sha256s=tuple(one.sha256 for one in request.prompt_sets),
        calibration_sha256s=request.calibration_sha256s,
        classifiers=request.classifiers,
        priority=request.priority,
        request_token=request.request_token,
        run_id=request.run_id,
        run_host=request.run_host,
    )
