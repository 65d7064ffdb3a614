"""Which evidence is shown, and which of it blurred."""

from __future__ import annotations

import base64

import pytest

from clipwarden.report.gallery import choose_pictures
from prompts.actions import Action
from tests.report.samples import (
    make_full_video,
    make_jpeg,
    make_segment,
    make_video,
    render_page,
    words,
)


def test_the_picture_in_the_page_is_the_thumbnail_itself() -> None:
    jpeg = make_jpeg("teal")
    page = render_page(make_video((make_segment(evidence="e"),), thumbnails={"e": jpeg}))
    (image,) = page.every("img")
    assert base64.b64decode(image.attributes["src"].partition(",")[2]) == jpeg
    assert image.attributes["alt"] == "Frame at 00:06.250: fire 0.90"
    assert words(page.every("figcaption")[0]) == "00:06.250 fire 0.90"


@pytest.mark.parametrize(
    ("action", "nsfw", "blurred"),
    [
        (Action.ALLOW, False, False),
        (Action.NOTE, False, False),
        (Action.REVIEW, False, True),
        (Action.BLOCK, False, True),
        (Action.NOTE, True, True),
    ],
)
def test_what_may_disturb_is_blurred(action: Action, nsfw: bool, blurred: bool) -> None:
    segment = make_segment(action=action, nsfw=nsfw, evidence="e")
    page = render_page(make_video((segment,), thumbnails={"e": make_jpeg()}))
    assert len(page.every("img", "blurred")) == blurred
    assert len(page.every("input", "reveal")) == blurred


def test_a_harmless_label_s_picture_is_blurred_when_it_shows_something_sensitive() -> None:
    segments = (
        make_segment("swimwear", 4000, 6000, evidence="at 5 s"),
        make_segment("nudity", 4500, 5500, nsfw=True, action=Action.BLOCK, evidence="at 5 s too"),
        make_segment("fire", 8000, 9000, evidence="at 8.5 s"),
    )
    pictures = choose_pictures(segments, {}, 10).pictures
    assert {p.captions[0].label: p.blurred for p in pictures} == {
        "swimwear": True,
        "nudity": True,
        "fire": False,
    }


def test_a_blurred_picture_is_revealed_by_its_own_checkbox() -> None:
    page = render_page(make_full_video())
    (checkbox,) = page.every("input", "reveal")
    (cover,) = page.every("label", "cover")
    assert cover.attributes["for"] == checkbox.attributes["id"]
    assert len(cover.every("img", "blurred")) == 1
    assert "checked" not in checkbox.attributes
    assert checkbox.attributes["autocomplete"] == "off"


def test_one_frame_that_is_evidence_for_two_labels_is_shown_once() -> None:
    segments = (
        make_segment("fire", evidence="e", confidence=0.7),
        make_segment("gore", evidence="e", confidence=0.8, action=Action.BLOCK),
    )
    gallery = choose_pictures(segments, {"e": make_jpeg()}, 10)
    (picture,) = gallery.pictures
    assert [caption.label for caption in picture.captions] == ["gore", "fire"]
    assert picture.blurred
    assert gallery.left_out == 0


def test_beyond_the_limit_the_strongest_stay_and_the_rest_are_counted() -> None:
    segments = [
        make_segment("fire", at * 1000, at * 1000 + 500, confidence=at / 100) for at in range(30)
    ]
    segments.append(make_segment("gore", 500, 700, action=Action.BLOCK, confidence=0.6))
    gallery = choose_pictures(segments, {}, 4)
    assert [picture.captions[0].confidence for picture in gallery.pictures] == [
        "0.60",
        "0.27",
        "0.28",
        "0.29",
    ]
    assert gallery.left_out == 27
    assert "7 more pictures are left out" in render_page(make_video(segments)).text


@pytest.mark.parametrize("stored", [None, b"", b"<svg onload=alert(1)>", b"\x89PNG\r\n"])
def test_evidence_that_is_gone_or_no_jpeg_is_said_to_be_missing(stored: bytes | None) -> None:
    thumbnails = {} if stored is None else {"e": stored}
    page = render_page(make_video((make_segment(evidence="e"),), thumbnails=thumbnails))
    assert not page.every("img")
    assert "The picture is not stored." in page.text
