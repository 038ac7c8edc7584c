"""Run many claims side by side, so that what they all ask at one step is one statement.

A claim is a generator. It yields questions, and finds the answer of each in the question when it continues.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import ClassVar, TypeVar

from storage.admission.seekers import Seeker


class Question:
    """Something that a claim asks the database. A subclass holds its answer, too."""

    __slots__ = ()

    seeker: Seeker
    """Who asks."""
    is_last: ClassVar[bool] = False
    """Whether the claim is over with this."""


T = TypeVar("T")
Step = Generator[list[Question], None, T]


def together(steps: Sequence[Step[T]]) -> Step[list[T]]:
    """Run several at once; gives their results in order. Their questions come in this order, too."""
    if len(steps) == 1:
        return [(yield from steps[0])]
    results: dict[int, T] = {}
    going = list(enumerate(steps))
    while going:
        asked: list[Question] = []
        left = []
        for index, step in going:
            try:
                asked += next(step)
                left.append((index, step))
            except StopIteration as end:
                results[index] = end.value
        going = left
        if asked:
            yield asked
    return [results[index] for index in range(len(steps))]


def run(step: Step[T], answer: Callable[[list[Question]], None]) -> T:
    """Run to the end; `answer` fills in the answers to the questions of one step."""
    while True:
        try:
            asked = next(step)
        except StopIteration as end:
            result: T = end.value
            return result
        answer(asked)
