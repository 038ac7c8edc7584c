"""A campaign's videos as one page to look at: posters, play on hover, filters, light and dark, English and Chinese.

The page needs no other file: styles and script are in it, posters too, unless they have URLs of their own.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from functools import cache
from html import escape
from importlib.resources import files
from typing import Final

from producer.campaigns.results.columns import Links, Words, gateways_words
from producer.campaigns.results.posters import Poster
from producer.campaigns.results.results import Result
from storage.campaigns.reviews import Review
from storage.jobs.states import TERMINAL, JobState

POSTER_PX: Final = 360
POSTER_FORM: Final = "WEBP"
_PROMPT_CHARS: Final = 600
Languages = Mapping[str, Words]
"""The texts of each language, by its code; `en` and `zh`."""


@cache
def _file(name: str) -> str:
    return files("producer.campaigns.results").joinpath("wall_files", name).read_text(encoding="utf-8")


@cache
def content_security_policy() -> str:
    """What a server says with the page: its own style and script run, nothing else does. Videos and posters may lie
    anywhere, because the bucket does."""

    def source(name: str) -> str:
        return f"'sha256-{base64.b64encode(hashlib.sha256(_file(name).encode()).digest()).decode()}'"

    return (
        f"default-src 'none'; style-src {source('wall.css')}; script-src {source('wall.js')}; "
        "img-src 'self' data: https: http:; media-src 'self' https: http:; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    )


def as_wall(
    title: str,
    results: Iterable[tuple[Result, Poster | None]],
    languages: Languages,
    links: Links,
    *,
    language: str = "en",
    made_at: datetime | None = None,
) -> Iterator[str]:
    """The page, in pieces. A poster that is given is part of the page; else `links` may give its URL."""
    made = f"{made_at or datetime.now(UTC):%Y-%m-%d %H:%M} UTC"
    yield _head(title, languages, language, made)
    for result, poster in results:
        yield _card(result, poster, languages, links)
    yield f"</main>\n<script>{_file('wall.js')}</script>\n</body>\n</html>\n"


def _head(title: str, languages: Languages, language: str, made: str) -> str:
    states = "".join(_option(languages, "state", state) for state in JobState)
    reviews = "".join(_option(languages, "review", review) for review in Review)
    return f"""<!doctype html>
<html lang="{language}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<link rel="icon" href="data:,">
<title>{escape(title)}</title>
<style>{_file("wall.css")}</style>
</head>
<body>
<header><h1>{escape(title)}</h1><p>{made}</p>
<button id="language" type="button" {_both(languages, "wall", "language")}></button>
<button id="theme" type="button" {_both(languages, "wall", "theme")}></button></header>
<nav><input id="search" type="search" {_both(languages, "wall", "search")}>
<select id="state">{_option(languages, "wall", "every_state", "")}{states}</select>
<select id="review">{_option(languages, "wall", "every_review", "")}{reviews}</select>
<output id="count"></output></nav>
<main>
"""


def _both(languages: Languages, group: str, code: object) -> str:
    """A text in both languages, as attributes."""
    return " ".join(f'data-{name}="{escape(words.word(group, code))}"' for name, words in languages.items())


def _option(languages: Languages, group: str, code: object, value: str | None = None) -> str:
    return f'<option value="{escape(str(code) if value is None else value)}" {_both(languages, group, code)}></option>'


def _card(result: Result, poster: Poster | None, languages: Languages, links: Links) -> str:
    row, request = result.row, result.shown.request
    whole = str(request.get("prompt") or "")
    prompt = escape(whole[:_PROMPT_CHARS])
    title = " · ".join(part for part in (row.key or f"#{row.number}", row.label) if part)
    texts = (str(cell) for cell in result.cells if isinstance(cell, str | int | float))
    cells = " ".join(text for text in texts if text not in whole)
    text = escape(f"{whole[_PROMPT_CHARS:]} {cells}".strip()[: 3 * _PROMPT_CHARS])
    facts = [str(request[name]) for name in ("ratio", "resolution", "tier") if request.get(name)]
    if isinstance(seconds := request.get("duration"), int) and seconds > 0:
        facts.append(f"{seconds} s")
    kind = row.state if row.state in TERMINAL else "waiting"
    chips = f'<li class="{kind}" {_both(languages, "state", row.state)}></li>'
    if row.review is not Review.OPEN:
        chips += f'<li class="{row.review}" {_both(languages, "review", row.review)}></li>'
    chips += "".join(f"<li>{escape(fact)}</li>" for fact in facts)
    return f"""<article data-state="{row.state}" data-review="{row.review}" data-text="{text}">
{_frame(result, poster, languages, links, title)}
<div class="words"><h2><span>{escape(title)}</span><small>{row.number}</small></h2>
<p class="prompt">{prompt}</p>{_problem(result, languages)}
<ul>{chips}</ul></div>
</article>
"""


def _problem(result: Result, languages: Languages) -> str:
    if result.earlier is not None and result.has_video:
        return f'<p class="prompt" {_both(languages, "wall", "coming")}></p>'
    if result.row.state in (JobState.SUCCEEDED, JobState.GENERATING, JobState.SUBMITTING, JobState.TRANSFERRING):
        return f'<p class="prompt">{escape(result.row.review_comment)}</p>' if result.row.review_comment else ""
    said = gateways_words(result.job.error) if result.row.state is JobState.FAILED else None
    quoted = f'<p class="problem">{escape(said[:_PROMPT_CHARS])}</p>' if said else ""
    return f'<p class="problem" {_both(languages, "reason", result.row.reason)}></p>{quoted}'


def _frame(result: Result, poster: Poster | None, languages: Languages, links: Links, title: str) -> str:
    if not result.has_video:
        return f'<div class="frame"><span {_both(languages, "wall", "no_video")}></span></div>'
    picture: str | None = None
    if poster is not None:
        picture = f"data:image/webp;base64,{base64.b64encode(poster.picture).decode()}"
    elif result.has_poster:
        picture = links.poster(result)
    image = "" if picture is None else f'<img loading="lazy" src="{escape(picture)}" alt="">'
    url = links.video(result)
    button = (
        ""
        if url is None
        else f'<button type="button" data-video="{escape(url)}" aria-label="{escape(title)}"></button>'
    )
    return f'<div class="frame">{image}{button}</div>'
