"""Progress and times in words, as bars and lists show them."""

from __future__ import annotations

from clipwarden.overview import ProgressInfo

_DECIMALS_BELOW = 10


def progress_words(progress: ProgressInfo, *, short: bool = False) -> str:
    """How far a video is, how fast it goes and how long it will take, as far as that is known."""
    if not progress.frames_sampled:
        return "waiting"
    total, embedded = progress.total, progress.frames_embedded
    if short:
        words = [f"{embedded}/{total or '?'}"]
    else:
        of_total = "" if total is None else f" of {total}"
        words = [f"{progress.frames_sampled} sampled", f"{embedded}{of_total} embedded"]
    if progress.frames_per_s is not None:
        words.append(f"{_short(progress.frames_per_s)}/s")
    if progress.left_s is not None:
        words.append(f"{span(progress.left_s)} left")
    return ", ".join(words)


def span(seconds: float) -> str:
    """A length of time as `m:ss`, or `h:mm:ss` from an hour on."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def _short(number: float) -> str:
    return f"{number:.1f}" if number < _DECIMALS_BELOW else f"{number:.0f}"
