"""Runs one file through the real decoding process and keeps everything it gave."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ingest.geometry import Geometry
from ingest.media.decoder import decode
from ingest.media.facts import DecodeSummary, SampledFrame, VideoFacts
from ingest.media.limits import DecodeLimits
from ingest.media.spec import SamplingSpec

CENTRE = Geometry(crop="centre", size_px=224)


@dataclass(frozen=True)
class Sampled:
    """All of one decoding."""

    facts: VideoFacts
    frames: list[SampledFrame]
    summary: DecodeSummary

    @property
    def times_ms(self) -> list[float]:
        """When each frame is shown."""
        return [frame.pts_us / 1000 for frame in self.frames]


def sample(
    path: Path,
    sampling: str = "fps:2",
    geometry: Geometry = CENTRE,
    source: str | None = None,
    limits: DecodeLimits | None = None,
) -> Sampled:
    """Decode a file to its end."""
    spec = SamplingSpec.parse(sampling)
    with decode(path, spec, geometry, source=source, limits=limits) as session:
        facts = session.facts
        frames = list(session)
        return Sampled(facts, frames, session.summary)
