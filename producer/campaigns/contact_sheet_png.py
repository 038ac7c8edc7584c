"""The contact sheet as one PNG image, for chats and reports."""

from __future__ import annotations

from functools import cache
from math import ceil
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from producer.campaigns.contact_sheet import Card, Sheet

COLUMNS = 4
CELL, GAP, MARGIN = 400, 28, 44
FRAME_HEIGHT, TEXT_HEIGHT, HEAD_HEIGHT = 225, 128, 110
BACK, CARD, LINE = "#101216", "#191c22", "#2a2e37"
TEXT, SOFT, GOOD, BAD = "#e9ebef", "#9aa1ad", "#6fcf97", "#ff7b72"
_PADDING, _RADIUS = 16, 12
_PROMPT_LINES = 2

# Pillow's own font has little beyond ASCII; these are tried after it, for Chinese and other scripts.
_FONTS = (
    "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf",
    "/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc",
    "/usr/share/fonts/noto-cjk/NotoSansCJK-Regular.ttc",
    "/usr/share/fonts/google-noto-cjk/NotoSansCJK-Regular.ttc",
    "/usr/share/fonts/truetype/wqy/wqy-microhei.ttc",
    "/usr/share/fonts/truetype/wqy/wqy-zenhei.ttc",
    "/usr/share/fonts/truetype/droid/DroidSansFallbackFull.ttf",
    "/System/Library/Fonts/PingFang.ttc",
    "/System/Library/Fonts/STHeiti Light.ttc",
    "C:/Windows/Fonts/msyh.ttc",
)
_NO_CHARACTER = "\uffff"  # a font draws its sign for missing characters

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


@cache
def _font(size: int, path: str = "") -> Font:
    return ImageFont.truetype(path, size) if path else ImageFont.load_default(size)


@cache
def _draws(char: str, path: str) -> bool:
    """Whether a font has a character."""
    font = _font(16, path)
    return char.isspace() or bytes(font.getmask(char)) != bytes(font.getmask(_NO_CHARACTER))


def _drawable(text: str, otherwise: str, size: int) -> tuple[str, Font]:
    """The text and a font that has all its characters; `otherwise` if this machine has no such font."""
    for path in ("", *(path for path in _FONTS if Path(path).is_file())):
        if all(_draws(char, path) for char in text):
            return text, _font(size, path)
    return otherwise, _font(size)


def as_png(sheet: Sheet) -> Image.Image:
    """Draw the sheet, four cards per row."""
    rows = ceil(len(sheet.cards) / COLUMNS)
    height = FRAME_HEIGHT + TEXT_HEIGHT
    size = (
        2 * MARGIN + COLUMNS * CELL + (COLUMNS - 1) * GAP,
        2 * MARGIN + HEAD_HEIGHT + rows * height + max(rows - 1, 0) * GAP,
    )
    picture = Image.new("RGB", size, BACK)
    draw = ImageDraw.Draw(picture)
    draw.text((MARGIN, MARGIN), sheet.title, font=_font(36), fill=TEXT)
    draw.text((MARGIN, MARGIN + 52), sheet.summary, font=_font(20), fill=SOFT)
    for index, card in enumerate(sheet.cards):
        row, column = divmod(index, COLUMNS)
        left = MARGIN + column * (CELL + GAP)
        top = MARGIN + HEAD_HEIGHT + row * (height + GAP)
        _draw_card(picture, draw, card, left, top)
    return picture


def _draw_card(picture: Image.Image, draw: ImageDraw.ImageDraw, card: Card, left: int, top: int) -> None:
    box = (left, top, left + CELL, top + FRAME_HEIGHT + TEXT_HEIGHT)
    draw.rounded_rectangle(box, _RADIUS, fill=CARD, outline=LINE)
    picture.paste(_frame(card), (left, top), _rounded_above())
    if card.poster is None:
        draw.text((left + CELL / 2, top + FRAME_HEIGHT / 2), "no video", font=_font(20), fill=BAD, anchor="mm")
    x, y = left + _PADDING, top + FRAME_HEIGHT + 10
    took = f"{card.took_s:.1f} s" if card.took_s is not None else ""
    took_width = draw.textlength(took, font=_font(18))
    title, font = _drawable(card.title, "Untitled", 18)
    [title_line] = _wrapped(draw, title, font, CELL - 2 * _PADDING - took_width - 12, 1) or [""]
    draw.text((x, y), title_line, font=font, fill=TEXT)
    draw.text((left + CELL - _PADDING - took_width, y), took, font=_font(18), fill=GOOD)
    text, font = _drawable(card.problem or card.prompt, "No font here has this text; see the HTML page.", 15)
    for line in _wrapped(draw, text, font, CELL - 2 * _PADDING, _PROMPT_LINES):
        y += 24 if y < top + FRAME_HEIGHT + 30 else 20
        draw.text((x, y), line, font=font, fill=BAD if card.problem else SOFT)
    facts, font = _drawable(" · ".join(card.facts).replace("×", "x"), "", 15)
    [facts_line] = _wrapped(draw, facts, font, CELL - 2 * _PADDING, 1) or [""]
    draw.text((x, top + FRAME_HEIGHT + TEXT_HEIGHT - 32), facts_line, font=font, fill=TEXT)


def _frame(card: Card) -> Image.Image:
    """The video's poster, centred on a black background."""
    ground = Image.new("RGB", (CELL, FRAME_HEIGHT))
    if card.poster is not None:
        frame = card.poster.convert("RGB")
        frame.thumbnail(ground.size)
        ground.paste(frame, ((CELL - frame.width) // 2, (FRAME_HEIGHT - frame.height) // 2))
    return ground


@cache
def _rounded_above() -> Image.Image:
    mask = Image.new("L", (CELL, FRAME_HEIGHT))
    ImageDraw.Draw(mask).rounded_rectangle((0, 0, CELL - 1, FRAME_HEIGHT + _RADIUS), _RADIUS, fill=255)
    return mask


def _wrapped(draw: ImageDraw.ImageDraw, text: str, font: Font, width: float, most: int) -> list[str]:
    """The text in lines that fit; the last one ends in "…" if the text is cut. Chinese text may break anywhere."""
    lines: list[str] = []
    rest = " ".join(text.split())
    while rest and len(lines) < most:
        fits = len(rest)
        while fits > 1 and draw.textlength(rest[:fits], font=font) > width:
            fits -= 1
        if fits < len(rest) and (blank := rest.rfind(" ", 0, fits + 1)) > 0:
            fits = blank
        lines.append(rest[:fits].rstrip())
        rest = rest[fits:].lstrip()
    if rest and lines:
        last = lines[-1]
        while last and draw.textlength(f"{last}…", font=font) > width:
            last = last[:-1]
        lines[-1] = f"{last.rstrip()}…"
    return lines
