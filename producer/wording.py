"""Texts that several doors show."""

from __future__ import annotations


def plural(number: int, word: str) -> str:
    """`1 poll`, `2 polls`, `1,200 polls`."""
    return f"{number:,} {word}" if number == 1 else f"{number:,} {word}s"


def continues(number: int | None) -> str:
    """Of jobs that are no longer waited for; None: of an unknown number."""
    return "it continues" if number == 1 else "they continue"


def repair_account(name: str) -> str:
    """What to do about an account that its gateway refuses."""
    return f"repair its key or credit, then run `reelq accounts resume {name}`"
