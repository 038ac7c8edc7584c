"""What is wrong with a request, field by field. All bad input is reported in this form."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem with one field.

    `field` is the name as the caller wrote it (`reference_images[3]`), or "" for the input as a whole.
    `message` says what is allowed and what was given.
    """

    field: str
    message: str

    def __str__(self) -> str:
        return f"{self.field}: {self.message}" if self.field else self.message


class InvalidInput(ValueError):
    """The input breaks a rule; nothing was sent, stored or charged.

    `where` names the place ("jobs.jsonl line 3"), "" when there is only one.
    """

    def __init__(self, problems: Sequence[Problem], where: str = "") -> None:
        self.problems = tuple(problems)
        self.where = where
        super().__init__(self.problems, where)

    def __str__(self) -> str:
        text = "; ".join(str(problem) for problem in self.problems)
        return f"{self.where}: {text}" if self.where else text


def shorten(value: object, limit: int = 80) -> str:
    """A value for use in a message: quoted, and cut so that a data URI does not fill the screen."""
    text = repr(value)
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def similar(name: str, known: Iterable[str]) -> str | None:
    """The known name that was probably meant; None: none is close."""
    found = get_close_matches(name, list(known), n=1, cutoff=0.7)
    return found[0] if found else None
