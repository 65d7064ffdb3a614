"""Names that break formats: line ends, markup, control characters, other writing directions."""

from __future__ import annotations

from hypothesis import strategies as st

from tests.exports.samples import document, segment
from worker.document import ResultDocument

_BREAKING = [
    "-->",
    "<i>",
    "</v>",
    "&amp;",
    "]]>",
    "\n\n",
    "\r",
    "\u2028",
    "\x85",
    "\x1c",
    "\x00",
    "\x1b[31m",
    "\u202e",
    "\ufffe",
    '"',
    ",",
    "'",
    "=1+1",
    "@SUM(A1)",
    "\t",
    "00:00:01.000 --> 00:00:02.000",
    "\n002  EVIL     V     C        00:00:00:00 00:00:01:00 01:00:00:00 01:00:01:00\n",
    "* LOC: 01:00:00:00 RED     x",
    "FCM: NON-DROP FRAME",
    "\n\nNOTE",
    "{\\an8}",
    "http://",
    "file:///etc/",
    "%0a",
    "\U0001f3ac",
    "é",
]

names = st.lists(st.one_of(st.sampled_from(_BREAKING), st.text(max_size=6)), max_size=6).map(
    "".join
)


@st.composite
def hostile_documents(draw: st.DrawFn) -> ResultDocument:
    """A document of one to four segments whose every text is a stranger's."""
    segments = []
    for _ in range(draw(st.integers(1, 4))):
        start_ms = draw(st.integers(0, 3_000_000))
        length_ms = draw(st.integers(0, 100_000))
        segments.append(
            segment(
                draw(names),
                start_ms,
                start_ms + length_ms,
                confidence=draw(st.integers(0, 100)) / 100,
                prompt_set=draw(names),
            )
        )
    return document(segments, source=draw(names), id=draw(names))
