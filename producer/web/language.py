"""The page's texts in each language, and the reader's preferred language."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from storage.jobs.reasons import Reason

LANGUAGES = ("en", "zh")
"""The first one is the default."""


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Every text of one language by its key, such as `job.cancel`."""

    language: str
    texts: Mapping[str, str]

    def text(self, key: str, **values: object) -> str:
        """A text with its values filled in. `n` = 1 selects `KEY_one` if the language has that form.

        Raises:
            KeyError: there is no such text.
        """
        if values.get("n") == 1 and f"{key}_one" in self.texts:
            key = f"{key}_one"
        return self.texts[key].format_map(values) if values else self.texts[key]

    def word(self, group: str, code: object) -> str:
        """The words for a code such as a reason; the code itself if there are none."""
        return self.texts.get(f"{group}.{code}", str(code).replace("_", " "))


@cache
def catalogue(language: str) -> Catalogue:
    """The catalogue of one of `LANGUAGES`."""
    data = tomllib.loads(files("producer.web").joinpath("locale", f"{language}.toml").read_text(encoding="utf-8"))
    if language == LANGUAGES[0]:  # reasons are worded in one place, in this language
        data["reason"] = {reason.value: reason.line for reason in Reason}
    texts = dict(_flat("", data))
    return Catalogue(language, texts | {"reason.None": texts[f"reason.{Reason.ENQUEUED}"]})


def _flat(prefix: str, table: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in table.items():
        if isinstance(value, dict):
            yield from _flat(f"{prefix}{name}.", value)
        else:
            yield f"{prefix}{name}", str(value)


def choose(cookie: str | None, accept: str) -> str:
    """The language of the cookie, else the browser's preferred one of `LANGUAGES`."""
    if cookie in LANGUAGES:
        return cookie
    wanted = []
    for place, part in enumerate(accept.split(",")[:20]):
        tag, _, weight = part.partition(";")
        wanted.append((-_quality(weight), place, tag.strip().partition("-")[0].lower()))
    return next((tag for weight, _, tag in sorted(wanted) if tag in LANGUAGES and weight < 0), LANGUAGES[0])


def _quality(text: str) -> float:
    name, _, value = text.strip().partition("=")
    try:
        return float(value) if name.strip() == "q" else 1.0
    except ValueError:
        return 0.0
