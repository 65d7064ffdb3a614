"""Making sure that queue server and blob store are those of the installation in the database.

A process with another blob store finds nothing of what the others wrote. It would end every video
it takes as lost, at once, and so take most of them.
"""

from __future__ import annotations

from contextlib import suppress

from sqlalchemy import select

from ingest.database import Database
from ingest.errors import (
    BlobStoreNotOurs,
    BlobStoreTaken,
    BlobStoreUnavailable,
    DatabaseFailed,
    Passing,
)
from ingest.keys import MEDIA_KINDS, media_root
from ingest.queue.connection import claim_server
from ingest.queue.presence import read_presences
from ingest.stores import Stores
from ingest.submissions import installation_id
from ingest.tables import Installation, Media, Sampling

# Beside the tenants' folders; below it, an empty blob named as the installation is.
_MARKERS = "installation"

# So many of the media that the database knows are looked for in a store that says no name.
_MEDIA_LOOKED_FOR = 10


def claim_stores(stores: Stores) -> None:
    """Make queue server and blob store the installation's own, for those who set it up.

    A blob store without a name gets this installation's where the installation is new, or where
    the store holds media of its own. Raises QueueTaken, BlobStoreTaken; BlobStoreNotOurs where the
    installation has videos and the store has nothing of them.
    """
    claim_server(stores.redis, installation_id(stores.database))
    claim_blobs(stores)


def claim_blobs(stores: Stores) -> None:
    """The blob store's part of `claim_stores`."""
    owner = installation_id(stores.database)
    if _is_named(stores, owner):
        return
    known = _known_media(stores.database)
    # Without videos, but with somebody at work, it has been set up on another host by now.
    is_new = not known and not read_presences(stores.redis)
    if not is_new and not any(_holds(stores, *one) for one in known):
        raise _not_ours(owner)
    stores.blobs.put(_marker(owner), b"")


def join_stores(stores: Stores) -> None:
    """Raise where queue server or blob store are not the installation's, for all who join it.

    A blob store that does not answer is no reason: whoever needs it says so. Raises QueueTaken,
    BlobStoreTaken, BlobStoreNotOurs.
    """
    claim_server(stores.redis, installation_id(stores.database))
    with suppress(BlobStoreUnavailable):
        require_blobs(stores)


def require_blobs(stores: Stores) -> None:
    """Raise BlobStoreTaken or BlobStoreNotOurs unless the blob store names the installation."""
    owner = _installation(stores.database)
    if not _is_named(stores, owner):
        raise _not_ours(owner)


def require_blobs_at_start(stores: Stores) -> None:
    """`require_blobs` for a process that starts; an outage is left for its jobs to wait out."""
    with suppress(Passing):
        require_blobs(stores)


def require_blobs_for_missing(key: str, stores: Stores) -> None:
    """Raise BlobStoreUnavailable where a blob is missing because its store is not there.

    So it is where a share is not mounted any more: not the video's fault, and it passes.
    """
    try:
        require_blobs(stores)
    except (BlobStoreTaken, BlobStoreNotOurs) as error:
        raise BlobStoreUnavailable(
            f"blob {key!r} is missing, and so is everything else: {error.message}", error.cure
        ) from error


def _is_named(stores: Stores, owner: str) -> bool:
    """Whether the store names an installation, and it is this one; raises BlobStoreTaken."""
    if stores.blobs.exists(_marker(owner)):
        return True
    others = stores.blobs.children(_MARKERS)
    if not others:
        return False
    raise BlobStoreTaken(
        f"the blob store is another installation's ({others[0][:8]}), not this one's "
        f"({owner[:8]}).",
        "Correct CLIPWARDEN_BLOB_URL, or name another folder or prefix; or, if that installation "
        f"is gone for good, delete the blob {_marker(others[0])}.",
    )


def _not_ours(owner: str) -> BlobStoreNotOurs:
    return BlobStoreNotOurs(
        f"the blob store holds nothing of this installation ({owner[:8]}).",
        "Mount it, or correct CLIPWARDEN_BLOB_URL to what `clipwarden serve` uses, which must have "
        "run once; or, if the old store is lost for good and this one is to take its place, "
        f"create the empty file {_marker(owner)} in it.",
    )


def _marker(owner: str) -> str:
    return f"{_MARKERS}/{owner}"


def _installation(database: Database) -> str:
    """Its id, without the write lock that making one takes; raises DatabaseFailed without one."""
    with database.read() as session:
        found = session.scalars(select(Installation.id)).one_or_none()
    if found is None:
        raise DatabaseFailed(
            "the database belongs to no installation yet.",
            "Start `clipwarden serve` once on the host that leads, then this again.",
        )
    return found


def _known_media(database: Database) -> set[tuple[str, str]]:
    """Tenant and content of some media that were submitted or sampled, the newest of them."""
    submitted = select(Media.tenant, Media.sha256).order_by(Media.created_at.desc())
    sampled = select(Sampling.tenant, Sampling.media_sha256).order_by(Sampling.finished_at.desc())
    with database.read() as session:
        return {
            (tenant, sha256)
            for query in (submitted, sampled)
            for tenant, sha256 in session.execute(query.limit(_MEDIA_LOOKED_FOR))
        }


def _holds(stores: Stores, tenant: str, sha256: str) -> bool:
    return any(stores.blobs.children(media_root(tenant, kind, sha256)) for kind in MEDIA_KINDS)
