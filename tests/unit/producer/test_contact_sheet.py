"""The contact sheet: no prompt can break it, and it can be drawn on any machine."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from producer.campaigns import contact_sheet_png
from producer.campaigns.contact_sheet import Card, Sheet, as_html
from producer.campaigns.contact_sheet_png import as_png

RED = Image.new("RGB", (720, 1280), "#ff0000")
CARDS = [
    Card("Tall", 'a <script>alert(1)</script> & "more"', ["9:16", "720×1280"], 3.21, RED, "videos/01 a'b.mp4"),
    Card("猫", "雨夜的老弄堂，一只橘猫从屋檐下走过" * 9, ["1:1"], None, RED, None),
    Card("Broken", "x" * 5000, [], 1.0, None, None, problem="failed: <moderation>"),
    *[Card(f"More {number}", "short", ["16:9"], 1.0, RED, None) for number in range(2)],
]
SHEET = Sheet("A sheet & more", "5 videos", CARDS)


def test_the_sheet_shows_everything_and_escapes_it() -> None:
    page = as_html(SHEET)
    assert page.count("<article>") == 5
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert "A sheet &amp; more" in page
    assert 'src="videos/01%20a%27b.mp4"' in page
    assert "no video" in page
    assert "failed: &lt;moderation&gt;" in page
    assert "<time>3.2 s</time>" in page


@pytest.mark.parametrize("fonts", [contact_sheet_png._FONTS, ()], ids=["this machine", "no fonts"])
def test_the_picture_is_drawn_with_or_without_fonts(monkeypatch: pytest.MonkeyPatch, fonts: tuple[str, ...]) -> None:
    monkeypatch.setattr(contact_sheet_png, "_FONTS", fonts)
    picture = as_png(SHEET)
    assert picture.width == 2 * 44 + 4 * 400 + 3 * 28
    assert picture.height == 2 * 44 + 110 + 2 * 353 + 28
    colours = picture.crop((44 + 200, 44 + 110 + 50, 44 + 201, 44 + 110 + 51)).getpixel((0, 0))
    assert colours == (255, 0, 0)


def test_words_without_a_font_are_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contact_sheet_png, "_FONTS", (str(Path("none.ttf")),))
    assert contact_sheet_png._drawable("雨夜", "on the page", 15)[0] == "on the page"
    assert contact_sheet_png._drawable("A cat… “so”", "on the page", 15)[0] == "A cat… “so”"
