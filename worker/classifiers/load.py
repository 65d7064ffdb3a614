"""The frame classifiers by name: their keys, whether they are installed, and loading one."""

from __future__ import annotations

from worker.classifiers import open_nsfw
from worker.classifiers.protocol import FrameClassifier
from worker.errors import ClassifierUnavailable

CLASSIFIERS = (open_nsfw.NAME,)
"""The names that prompt sets may use."""


def classifier_key(name: str) -> str:
    """The key under which a classifier's scores are stored; loads nothing.

    It is known where the classifier is not installed, too: scores are read on other hosts than
    those that make them. Raises ClassifierUnavailable for a name that this release does not know.
    """
    _require_known(name)
    return open_nsfw.KEY


def require_classifier(name: str) -> str:
    """Return the release of the package behind a classifier, without importing it.

    Raises ClassifierUnavailable where it is not installed, or not with the weights that we know.
    """
    _require_known(name)
    return open_nsfw.installed_release()


def missing_classifiers() -> dict[str, ClassifierUnavailable]:
    """The classifiers that can't be used here, each with the reason and its cure; loads none."""
    found = {}
    for name in CLASSIFIERS:
        try:
            require_classifier(name)
        except ClassifierUnavailable as error:
            found[name] = error
    return found


def load_classifier(name: str) -> FrameClassifier:
    """Load a classifier, for as many threads as the calling thread has processors.

    Raises ClassifierUnavailable.
    """
    _require_known(name)
    return open_nsfw.OpenNsfw.load()


def _require_known(name: str) -> None:
    if name not in CLASSIFIERS:
        raise ClassifierUnavailable(
            f"this release knows no frame classifier {name!r}.",
            f"It knows {', '.join(CLASSIFIERS)}; all hosts must run the same release.",
        )
