"""Calibrations in the stores: kept by their hash, and one of them active per model and set.

A stored calibration is never changed and stays readable, for results name it; which one is active
decides only what new results are scored with.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import ColumnElement, select, update

from ingest.database import upsert
from ingest.errors import BlobCorrupt, BlobMissing
from ingest.stores import Stores
from prompts.calibration import Calibration
from prompts.errors import InvalidCalibration
from worker.tables import CalibrationRow

_WITHOUT = "--calibration none"


@dataclass(frozen=True)
class StoredCalibration:
    """What is known of a calibration without reading it; `created_at` is when it was stored."""

    sha256: str
    model_key: str
    prompt_set: str
    created_at: datetime
    is_active: bool


def store_calibration(
    stores: Stores, tenant: str, calibration: Calibration, *, activate: bool
) -> None:
    """Keep a calibration; `activate` makes it the one that new results are scored with.

    Storing one again changes nothing, and takes no active one out of use.
    """
    sha256 = calibration.sha256
    key = _blob_key(tenant, sha256)
    # Also where it is there already: it may be damaged, and this is how it is mended.
    stores.blobs.put(key, calibration.to_json().encode())
    with stores.database.begin() as session:
        known = session.get(CalibrationRow, (tenant, sha256))
        is_active = activate or (known is not None and known.is_active)
        if activate:
            others = _of(tenant, calibration.model_key, calibration.prompt_set)
            session.execute(update(CalibrationRow).where(*others).values(is_active=False))
        upsert(
            session,
            CalibrationRow(
                tenant=tenant,
                sha256=sha256,
                model_key=calibration.model_key,
                prompt_set=calibration.prompt_set,
                created_at=datetime.now(UTC) if known is None else known.created_at,
                is_active=is_active,
            ),
        )


def load_calibration(stores: Stores, tenant: str, sha256: str) -> Calibration:
    """Read what `store_calibration` kept; raises BlobMissing, or BlobCorrupt for anything else."""
    key = _blob_key(tenant, sha256)
    try:
        calibration = Calibration.parse(stores.blobs.read(key))
    except BlobMissing as error:
        raise BlobMissing(
            f"calibration {sha256[:12]} is no longer in the store.",
            f"Give its file again (--calibration FILE), or score without it: {_WITHOUT}.",
        ) from error
    except InvalidCalibration as error:
        raise _corrupt(key) from error
    if calibration.sha256 != sha256:
        raise _corrupt(key)
    return calibration


def active_calibration(
    stores: Stores, tenant: str, model_key: str, prompt_set_name: str
) -> Calibration | None:
    """Return the calibration in use for a model and the prompt sets of a name; None for none.

    Raises what `load_calibration` raises: one that is lost is no reason to score without it.
    """
    with stores.database.read() as session:
        # Two that are activated at the same moment may both be marked: everyone takes the same.
        query = (
            select(CalibrationRow.sha256)
            .where(*_of(tenant, model_key, prompt_set_name), CalibrationRow.is_active)
            .order_by(CalibrationRow.created_at.desc(), CalibrationRow.sha256)
        )
        sha256 = session.scalars(query).first()
    return None if sha256 is None else load_calibration(stores, tenant, sha256)


def deactivate_calibrations(
    stores: Stores, tenant: str, model_key: str, prompt_set_name: str
) -> bool:
    """Score anew without a calibration for a model and a set's name; returns whether one was used.

    What is stored stays.
    """
    wanted = (*_of(tenant, model_key, prompt_set_name), CalibrationRow.is_active)
    with stores.database.begin() as session:
        found = session.scalars(select(CalibrationRow.sha256).where(*wanted)).first()
        session.execute(update(CalibrationRow).where(*wanted).values(is_active=False))
    return found is not None


def list_calibrations(stores: Stores, tenant: str) -> list[StoredCalibration]:
    """Return all that are stored, by model and prompt set, the newest of each first."""
    with stores.database.read() as session:
        query = (
            select(CalibrationRow)
            .where(CalibrationRow.tenant == tenant)
            .order_by(
                CalibrationRow.prompt_set,
                CalibrationRow.model_key,
                CalibrationRow.created_at.desc(),
                CalibrationRow.sha256,
            )
        )
        return [
            StoredCalibration(
                sha256=row.sha256,
                model_key=row.model_key,
                prompt_set=row.prompt_set,
                created_at=row.created_at,
                is_active=row.is_active,
            )
            for row in session.scalars(query)
        ]


def _of(tenant: str, model_key: str, prompt_set_name: str) -> tuple[ColumnElement[bool], ...]:
    return (
        CalibrationRow.tenant == tenant,
        CalibrationRow.model_key == model_key,
        CalibrationRow.prompt_set == prompt_set_name,
    )


def _blob_key(tenant: str, sha256: str) -> str:
    return f"{tenant}/calibrations/{sha256}.json"


def _corrupt(key: str) -> BlobCorrupt:
    return BlobCorrupt(
        f"blob {key!r} is not the calibration that was stored under this name.",
        "The store was damaged or changed by hand. Give its file again (--calibration FILE), or "
        f"score without it: {_WITHOUT}.",
    )
