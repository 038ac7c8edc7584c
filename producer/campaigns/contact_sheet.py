"""A contact sheet as one HTML file: each video's frame, its request, and how long it took."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from urllib.parse import quote

from PIL import Image

POSTER_WIDTH = 640


@dataclass(frozen=True, slots=True)
class Card:
    """One job on the sheet. Times are in seconds; `poster` None: there is no video; `link` opens the video."""

    title: str
    prompt: str
    facts: Sequence[str]
    """Short texts: ratio, resolution, duration, …"""
    took_s: float | None
    poster: Image.Image | None
    link: str | None
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Sheet:
    """A whole sheet; `summary` is one line about all of it."""

    title: str
    summary: str
    cards: Sequence[Card]


_STYLE = """
:root { color-scheme: dark; --back: #101216; --card: #191c22; --line: #2a2e37; --text: #e9ebef; --soft: #9aa1ad;
  --good: #6fcf97; --bad: #ff7b72; }
* { box-sizing: border-box; }
body { margin: 0; padding: 2.5rem clamp(1rem, 4vw, 4rem); background: var(--back); color: var(--text);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", "PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC",
  sans-serif; }
h1 { margin: 0; font-size: 1.6rem; letter-spacing: -0.01em; }
header p { margin: .3rem 0 2rem; color: var(--soft); }
main { display: grid; gap: 1.25rem; grid-template-columns: repeat(auto-fill, minmax(290px, 1fr)); }
article { background: var(--card); border: 1px solid var(--line); border-radius: 12px; overflow: hidden; display: flex;
  flex-direction: column; }
.frame { aspect-ratio: 16 / 9; background: #000; position: relative; }
.frame video, .frame img { position: absolute; inset: 0; width: 100%; height: 100%; object-fit: contain; }
.frame.none { display: grid; place-items: center; color: var(--bad); }
.words { padding: .9rem 1rem 1rem; display: flex; flex-direction: column; gap: .55rem; flex: 1; }
h2 { margin: 0; font-size: 1rem; display: flex; justify-content: space-between; gap: 1rem; }
h2 time { color: var(--good); font-weight: 500; white-space: nowrap; font-variant-numeric: tabular-nums; }
.prompt { margin: 0; color: var(--soft); flex: 1; }
.problem { margin: 0; color: var(--bad); }
ul { list-style: none; margin: 0; padding: 0; display: flex; flex-wrap: wrap; gap: .35rem; }
li { border: 1px solid var(--line); border-radius: 99px; padding: .05rem .6rem; font-size: .82rem; color: var(--text); }
"""


def as_html(sheet: Sheet) -> str:
    """The sheet as one page that needs no other file; the videos play if they are at the linked places."""
    cards = "\n".join(_card(card) for card in sheet.cards)
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(sheet.title)}</title>
<style>{_STYLE}</style>
</head>
<body>
<header><h1>{escape(sheet.title)}</h1><p>{escape(sheet.summary)}</p></header>
<main>
{cards}
</main>
</body>
</html>
"""


def _card(card: Card) -> str:
    took = f"<time>{card.took_s:.1f} s</time>" if card.took_s is not None else ""
    facts = "".join(f"<li>{escape(fact)}</li>" for fact in card.facts)
    problem = f'<p class="problem">{escape(card.problem)}</p>' if card.problem else ""
    return f"""<article>
{_frame(card)}
<div class="words"><h2>{escape(card.title)}{took}</h2>
<p class="prompt">{escape(card.prompt)}</p>{problem}<ul>{facts}</ul></div>
</article>"""


def _frame(card: Card) -> str:
    if card.poster is None:
        return '<div class="frame none">no video</div>'
    picture = f"data:image/jpeg;base64,{base64.b64encode(_jpeg(card.poster)).decode()}"
    if card.link is None:
        return f'<div class="frame"><img src="{picture}" alt=""></div>'
    link = escape(quote(card.link), quote=True)
    show = "this.controls = true"  # only now, because the controls cover a third of the picture
    return (
        f'<div class="frame"><video preload="none" tabindex="0" onmouseover="{show}" onfocus="{show}" '
        f'poster="{picture}" src="{link}"></video></div>'
    )


def _jpeg(image: Image.Image) -> bytes:
    small = image.convert("RGB")
    small.thumbnail((POSTER_WIDTH, POSTER_WIDTH))
    out = io.BytesIO()
    small.save(out, "JPEG", quality=82, optimize=True)
    return out.getvalue()
