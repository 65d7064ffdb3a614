"""The zoo: every file made to break a decoder comes to the end that is right for it.

Each file goes through the real decoding process; the outcomes were written before the first run.
"""

from __future__ import annotations

from collections.abc import Iterator

import av
import pytest

from tests.media.zoo.bait import CANARY_COLOUR, Watch, laid
from tests.media.zoo.entry import Entry
from tests.media.zoo.every_entry import every_entry
from tests.media.zoo.outcomes import LIMITS, differences, examine, largest_child_bytes

ENTRIES = every_entry()


@pytest.fixture(scope="module")
def watch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watch]:
    """The bait, in the folder where every file of the zoo is made."""
    with laid(tmp_path_factory.mktemp("zoo")) as watch:
        yield watch


@pytest.mark.slow
@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: ascii(entry.name)[1:-1][:60])
def test_a_file_of_the_zoo_ends_as_it_should(entry: Entry, watch: Watch) -> None:
    path = watch.bait.video.with_name(entry.name)
    entry.make(path, watch.bait)
    watch.touched()  # what making it touched doesn't count
    try:
        seen = examine(path)
    finally:
        path.unlink()
    assert differences(seen, entry.outcome) == [], seen
    assert watch.touched() == []
    assert seen.peak_bytes <= LIMITS.memory_bytes


def test_no_child_so_far_took_more_memory_than_its_limit(watch: Watch) -> None:
    assert 0 < largest_child_bytes() <= LIMITS.memory_bytes
    assert watch.touched() == []


def test_the_names_of_the_zoo_are_all_different() -> None:
    names = [entry.name for entry in ENTRIES]
    assert len(set(names)) == len(names)
    assert len(names) > 200


def test_the_watch_sees_every_touch(watch: Watch) -> None:
    watch.touched()
    watch.bait.text.read_text()
    assert watch.touched() == ["file"]
    with av.open(str(watch.bait.video)) as container:
        [first, *_] = container.decode(video=0)
    assert abs(first.to_ndarray(format="rgb24").mean((0, 1)) - CANARY_COLOUR).max() < 12
    assert watch.touched() == ["file"]
    for target in ("tcp", "http"):
        with pytest.raises((av.FFmpegError, OSError)):
            av.open(watch.bait.targets[target], timeout=0.2)
        assert watch.touched() == ["tcp"]
    assert watch.touched() == []
