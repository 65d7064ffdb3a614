"""Frame rates of video editors, and timecodes that count their frames (SMPTE ST 12-1)."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from clipwarden.errors import ExportImpossible, FrameRateUnknown
from clipwarden.exports.words import one_line
from worker.document import ResultDocument

_NTSC = Fraction(1000, 1001)
_STANDARD = tuple(Fraction(fps) for fps in (24 * _NTSC, 24, 25, 30 * _NTSC, 30, 50, 60 * _NTSC, 60))
_DROP_FRAME = (30 * _NTSC, 60 * _NTSC)
_HOURS = 24
MIN_FPS, MAX_FPS = 0.01, 1000.0
"""What passes for the frame rate of a video."""


@dataclass(frozen=True)
class TimecodeRate:
    """A rate at which editors count frames: frames per second, exact."""

    fps: Fraction

    @classmethod
    def nearest(cls, fps: Fraction) -> TimecodeRate:
        """The standard rate that a video's own is, or is nearest to a multiple or part of.

        Editors count in few rates. The odd ones of telephones (29.87), screens (15) and cameras
        (120) are shown at 29.97, 30 and 60: times stay what they are, frames are counted anew.
        """

        def misfit(standard: Fraction) -> tuple[Fraction, int, Fraction]:
            ratio = max(standard / fps, fps / standard)
            times = round(ratio)
            return max(ratio / times, times / ratio) - 1, times, standard

        # To four digits 29.97 and 23.976 are the NTSC rates, which people round.
        exact = [one for one in _STANDARD if abs(fps / one - 1) < Fraction(1, 4000)]
        return cls(min(exact or _STANDARD, key=misfit))

    @property
    def base(self) -> int:
        """How many frames a second of timecode has: 30 at 29.97."""
        return round(self.fps)

    @property
    def drops_frames(self) -> bool:
        """Whether timecodes leave out numbers to stay beside the clock: at 29.97 and 59.94."""
        return self.fps in _DROP_FRAME

    @property
    def name(self) -> str:
        """The rate as people write it, such as 29.97, 23.976 or 25."""
        return f"{float(self.fps):.3f}".rstrip("0").rstrip(".")

    def frame_at(self, time_ms: int) -> int:
        """The number of the frame nearest to a time; the first is 0."""
        return round(Fraction(time_ms, 1000) * self.fps)

    def frame_range(self, start_ms: int, end_ms: int) -> tuple[int, int]:
        """First frame and the one after the last: a stretch of time has one frame at least."""
        start = self.frame_at(start_ms)
        return start, max(start + 1, self.frame_at(end_ms))

    def timecode(self, frame: int) -> str:
        """`HH:MM:SS:FF`, or `HH:MM:SS;FF` in drop-frame; raises ExportImpossible from 24 h on.

        Drop-frame leaves out the first two numbers (four at 59.94) of every minute but each tenth:
        SMPTE ST 12-1, 5.2.2.
        """
        if self.drops_frames:
            frame = self._numbered(frame)
        seconds, frames = divmod(frame, self.base)
        hours, seconds = divmod(seconds, 3600)
        if hours >= _HOURS:
            raise ExportImpossible(
                "timecodes end at 24 hours, and the export goes beyond that.",
                "Choose fewer segments with --label or --min-confidence, or --format otio.",
            )
        separator = ";" if self.drops_frames else ":"
        clock = f"{hours:02d}:{seconds // 60:02d}:{seconds % 60:02d}"
        return f"{clock}{separator}{frames:02d}"

    def _numbered(self, frame: int) -> int:
        dropped = self.base // 15
        minute = 60 * self.base - dropped
        ten_minutes = 10 * minute + dropped
        tens, rest = divmod(frame, ten_minutes)
        minutes = max(0, rest - dropped) // minute
        return frame + dropped * (9 * tens + minutes)


def timecode_rate(document: ResultDocument, fps: Fraction | None = None) -> TimecodeRate:
    """The rate for a video's timecodes: `fps` if given, else that of the document.

    Raises FrameRateUnknown where neither is known: a wrong guess would put every cut elsewhere.
    """
    if fps is None:
        fps = _own_rate(document)
    if fps is None:
        raise FrameRateUnknown(
            f"{one_line(document.video.source)}: its frame rate is not known, and this format "
            "counts frames.",
            "Say it: clipwarden export ... --fps 29.97; or choose csv, vtt or srt.",
        )
    return TimecodeRate.nearest(fps)


def _own_rate(document: ResultDocument) -> Fraction | None:
    rate = document.video.frame_rate
    if rate is None or not MIN_FPS <= rate <= MAX_FPS:
        return None
    return Fraction(rate).limit_denominator(100_000)
