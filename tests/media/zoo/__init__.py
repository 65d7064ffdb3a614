"""Files made to break a decoder, each with the outcome that is right for it.

    entry.py       what an entry is: a name, a maker, an outcome
    boxes.py       surgery on the boxes of MP4 and the packets of MPEG-TS
    matroska.py    Matroska written by hand, so that every element can lie
    images.py      PNG, GIF and WebP written by hand, bombs among them
    bait.py        the canary file and the listener that nobody may touch
    the rest       the entries, by kind; every_entry.py lists them all

Nothing here asks the decoder what it does: the outcomes were written first.
"""
