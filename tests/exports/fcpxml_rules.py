"""The part of FCPXML 1.9's document type that our files use, as Apple's reference describes it."""

from __future__ import annotations

import re
from fractions import Fraction
from xml.etree import ElementTree

_TIME = re.compile(r"(\d+)(?:/(\d+))?s")

# The children of an element in their order: a name, and whether it may be there many times.
_CHILDREN: dict[str, tuple[tuple[frozenset[str], bool], ...]] = {
    "fcpxml": ((frozenset({"resources"}), False), (frozenset({"event"}), True)),
    "resources": ((frozenset({"asset", "format"}), True),),
    "format": (),
    "asset": ((frozenset({"media-rep"}), True),),
    "media-rep": (),
    "event": ((frozenset({"project"}), True),),
    "project": ((frozenset({"sequence"}), False),),
    "sequence": ((frozenset({"note"}), False), (frozenset({"spine"}), False)),
    "note": (),
    "spine": ((frozenset({"asset-clip"}), True),),
    "asset-clip": ((frozenset({"marker", "keyword"}), True),),
    "marker": (),
    "keyword": (),
}

# Required attributes, then those that may be there.
_ATTRIBUTES: dict[str, tuple[set[str], set[str]]] = {
    "fcpxml": ({"version"}, set()),
    "resources": (set(), set()),
    "format": ({"id", "frameDuration"}, {"name", "width", "height"}),
    "asset": ({"id"}, {"name", "start", "duration", "hasVideo", "format"}),
    "media-rep": ({"src"}, {"kind"}),
    "event": (set(), {"name"}),
    "project": (set(), {"name"}),
    "sequence": ({"format"}, {"duration", "tcStart", "tcFormat"}),
    "note": (set(), set()),
    "spine": (set(), set()),
    "asset-clip": ({"ref"}, {"name", "offset", "start", "duration", "tcStart", "tcFormat"}),
    "marker": ({"start", "value"}, {"duration", "completed", "note"}),
    "keyword": ({"value"}, {"start", "duration", "note"}),
}
_TIMES = ("frameDuration", "start", "duration", "offset", "tcStart")


def check_fcpxml(content: bytes) -> ElementTree.Element:
    """Return the root of a file that keeps the rules; AssertionError says which one it breaks."""
    head = content.decode().split("\n", 2)[:2]
    assert head == ['<?xml version="1.0" encoding="UTF-8"?>', "<!DOCTYPE fcpxml>"]
    root = ElementTree.fromstring(content)
    assert (root.tag, root.get("version")) == ("fcpxml", "1.9")
    ids = [element.get("id") for element in root.iter() if "id" in element.attrib]
    assert len(ids) == len(set(ids))
    frame = seconds(_required(root, "resources/format", "frameDuration"))
    for element in root.iter():
        required, optional = _ATTRIBUTES[element.tag]
        assert required <= set(element.attrib) <= required | optional, element.tag
        _check_order(element)
        for name in _TIMES:
            if name in element.attrib:
                assert (seconds(element.attrib[name]) / frame).denominator == 1, "between frames"
        for name in ("ref", "format"):
            assert element.get(name) in (None, *ids)
    return root


def seconds(time: str) -> Fraction:
    """A time such as `1001/30000s`."""
    match = _TIME.fullmatch(time)
    assert match, time
    return Fraction(int(match[1]), int(match[2] or 1))


def _required(root: ElementTree.Element, path: str, name: str) -> str:
    element = root.find(path)
    assert element is not None
    return element.attrib[name]


def _check_order(element: ElementTree.Element) -> None:
    children = [child.tag for child in element]
    for names, may_repeat in _CHILDREN[element.tag]:
        taken = 0
        while children and children[0] in names and (may_repeat or not taken):
            children.pop(0)
            taken += 1
    assert not children, f"{element.tag} has a {children[0]} where none may be"
