"""Every format that results are exported in, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from fractions import Fraction
from types import MappingProxyType

from clipwarden.exports.edl import to_edl
from clipwarden.exports.fcpxml import to_fcpxml
from clipwarden.exports.frame_rates import TimecodeRate, timecode_rate
from clipwarden.exports.otio import require_opentimelineio, to_otio
from clipwarden.exports.subtitles import to_srt, to_vtt
from clipwarden.exports.tables import require_pyarrow, to_csv, to_parquet
from worker.document import ResultDocument


class TableFormat(StrEnum):
    """Formats that take any number of results in one file."""

    CSV = "csv"
    PARQUET = "parquet"


class VideoFormat(StrEnum):
    """Formats that describe one video."""

    VTT = "vtt"
    SRT = "srt"
    EDL = "edl"
    FCPXML = "fcpxml"
    OTIO = "otio"


_TABLES: Mapping[TableFormat, Callable[[Sequence[ResultDocument]], bytes]] = MappingProxyType(
    {TableFormat.CSV: to_csv, TableFormat.PARQUET: to_parquet}
)
_SUBTITLES: Mapping[VideoFormat, Callable[[ResultDocument], bytes]] = MappingProxyType(
    {VideoFormat.VTT: to_vtt, VideoFormat.SRT: to_srt}
)
_CUT_LISTS: Mapping[VideoFormat, Callable[[ResultDocument, TimecodeRate], bytes]] = (
    MappingProxyType(
        {VideoFormat.EDL: to_edl, VideoFormat.FCPXML: to_fcpxml, VideoFormat.OTIO: to_otio}
    )
)


def export_table(table_format: TableFormat, documents: Sequence[ResultDocument]) -> bytes:
    """All segments of all results in one file; raises ExtraMissing."""
    return _TABLES[table_format](documents)


def export_video(
    video_format: VideoFormat, document: ResultDocument, fps: Fraction | None = None
) -> bytes:
    """The segments of one result; `fps` goes before the document's own rate.

    Raises FrameRateUnknown where the format counts frames and there is no rate, ExportImpossible
    where it can't hold the result, ExtraMissing.
    """
    if video_format in _SUBTITLES:
        return _SUBTITLES[video_format](document)
    return _CUT_LISTS[video_format](document, timecode_rate(document, fps))


def require_extra(name: str) -> None:
    """Raise ExtraMissing, before any work, where a format needs a package that is not there."""
    if name == TableFormat.PARQUET:
        require_pyarrow()
    elif name == VideoFormat.OTIO:
        require_opentimelineio()
