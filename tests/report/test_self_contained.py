"""The page loads nothing, runs nothing but our script, and is the same for the same input."""

from __future__ import annotations

import base64
import hashlib
import re

import pytest

from clipwarden.report.render import render_report
from tests.report.samples import (
    CREATED_AT,
    make_curves,
    make_failed,
    make_full_video,
    make_jpeg,
    make_segment,
    make_video,
    render_html,
    render_page,
)

LOADING_ATTRIBUTES = {"src", "srcset", "href", "xlink:href", "action", "data", "poster", "style"}

HOSTILE = "\"'><script>alert(1)</script><img src=x onerror=alert(2)>{{ 7*7 }}&amp;\u202egpj.mp4"


def test_nothing_is_loaded_from_anywhere() -> None:
    page = render_page(make_full_video(), make_failed())
    for element in page.walk():
        assert element.tag not in {
            "link",
            "iframe",
            "object",
            "embed",
            "base",
            "form",
            "foreignobject",
        }
        for name, value in element.attributes.items():
            assert not name.startswith("on")
            if name in LOADING_ATTRIBUTES:
                assert value.startswith(("#", "data:image/jpeg;base64,")), f"{name}={value}"


def test_no_address_stands_in_the_page() -> None:
    html = render_html(make_full_video(), make_failed())
    without_pictures = re.sub(r"data:image/jpeg;base64,[A-Za-z0-9+/=]+", "", html)
    for sign in ("http:", "https:", "//www", "url(", "@import"):
        assert sign not in without_pictures
    # Comments of the script begin with two slashes; nothing else may.
    assert not re.search(r"[\"'(=]\s*//", without_pictures)


def test_every_link_leads_to_a_place_in_the_page() -> None:
    page = render_page(make_full_video(), make_failed(), make_video())
    ids = [element.attributes["id"] for element in page.walk() if "id" in element.attributes]
    assert len(ids) == len(set(ids))
    references = [
        name
        for element in page.walk()
        for attribute in ("aria-labelledby", "for", "href")
        for name in element.attributes.get(attribute, "").removeprefix("#").split()
    ]
    assert len(references) > 20
    assert set(references) <= set(ids)


@pytest.mark.parametrize(("tag", "directive"), [("style", "style-src"), ("script", "script-src")])
def test_the_policy_admits_exactly_our_style_and_script(tag: str, directive: str) -> None:
    page = render_page(make_full_video())
    policies = [
        meta.attributes["content"]
        for meta in page.every("meta")
        if meta.attributes.get("http-equiv") == "Content-Security-Policy"
    ]
    directives = dict(part.split(" ", 1) for part in policies[0].split("; "))
    (element,) = page.every(tag)
    digest = base64.b64encode(hashlib.sha256(element.text.encode()).digest()).decode()

    assert len(policies) == 1
    assert directives[directive] == f"'sha256-{digest}'"
    assert directives["default-src"] == "'none'"
    assert directives["img-src"] == "data:"
    assert "unsafe" not in policies[0]


def test_the_policy_comes_before_anything_it_is_to_govern() -> None:
    (head,) = render_page(make_full_video()).every("head")
    tags = [child.attributes.get("http-equiv", child.tag) for child in head.children]
    assert tags.index("Content-Security-Policy") == 1
    assert head.children[0].attributes == {"charset": "utf-8"}


def test_hostile_text_stays_text_wherever_it_stands() -> None:
    segment = make_segment(HOSTILE, evidence="e")
    video = make_video(
        (segment,),
        (make_curves({HOSTILE: [0.9, 0.1]}),),
        {"e": make_jpeg()},
        source=HOSTILE,
        warnings=(HOSTILE,),
        model=HOSTILE,
    )
    page = render_page(video, make_failed(HOSTILE), make_video(source=HOSTILE))

    assert len(page.every("script")) == 1
    assert len(page.every("img")) == 1
    assert page.text.count("<script>alert(1)</script>") >= 8
    assert "{{ 7*7 }}" in page.text
    assert page.every("polyline")[0].attributes["data-label"].startswith("\"'><script>")


def test_characters_that_hide_or_reorder_are_never_written() -> None:
    name = "a\u202eb\u2066c\u200bd\x00e\x1bf\ng\udcffh\u2028i.mp4"
    segment = make_segment("l\u202ex", evidence="e")
    html = render_html(make_video((segment,), source=name), make_failed(name))

    assert not set(html) & set("\u202e\u2066\u200b\x00\x1b\udcff\u2028")
    assert "a⟨U+202E⟩b⟨U+2066⟩c⟨U+200B⟩d⟨U+0000⟩e⟨U+001B⟩f⟨U+000A⟩g⟨U+DCFF⟩h⟨U+2028⟩i.mp4" in html
    assert html.encode("utf-8")


def test_foreign_names_are_isolated_from_the_text_around_them() -> None:
    name = "\u05d0\u05d1 1.mp4"
    page = render_page(make_video(source=name))
    isolated = [element for element in page.every("bdi") if element.text == name]
    assert len(isolated) == 3


def test_equal_input_gives_an_equal_page() -> None:
    first = render_html(make_full_video(), make_failed())
    assert render_html(make_full_video(), make_failed()) == first
    assert render_html(make_full_video()) != first


def test_a_date_without_a_time_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        render_report([], created_at=CREATED_AT.replace(tzinfo=None), version="1")
