"""A dialect's closed list of refusals: which pairs of HTTP status and code prove that a submit started nothing.

Every entry has a source that documents it as a refusal made before the work. Anything else leaves the outcome unknown.
A new entry needs its source and a recorded example (`tests/contract/<name>/errors.json`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

RefusalKind = Literal[
    "rejected",
    "moderated",
    "throttled",
    "input_not_ready",
    "auth",
    "billing",
    "permission",
    "not_open",
    "unknown_model",
    "limit",
    "not_served",
]


@dataclass(frozen=True, slots=True)
class Refusal:
    """The meaning of a refusal. `pause_s`: how long to pause the account and model, None if the answer does not say;
    its `Retry-After` takes precedence."""

    kind: RefusalKind
    pause_s: float | None = None


@dataclass(frozen=True, slots=True)
class Codes:
    """Pairs of HTTP status and code. A code that ends in ".*" matches every code with that beginning."""

    pairs: frozenset[tuple[int, str]]

    @classmethod
    def of(cls, *pairs: tuple[int, str]) -> Codes:
        return cls(frozenset(pairs))

    def __contains__(self, pair: tuple[int, str]) -> bool:
        status, code = pair
        return any((status, form) in self.pairs for form in _forms(code))


class RefusalList:
    """The list, by status and then by meaning; a code occurs once per status."""

    def __init__(self, table: Mapping[int, Mapping[RefusalKind, tuple[str, ...]]]) -> None:
        self._kinds = {
            (status, code): kind for status, kinds in table.items() for kind, codes in kinds.items() for code in codes
        }

    def __iter__(self) -> Iterator[tuple[int, str, RefusalKind]]:
        return ((status, code, kind) for (status, code), kind in self._kinds.items())

    def find(self, status: int, code: str) -> RefusalKind | None:
        """The meaning of a pair; None if it is not on the list. A longer entry wins over a shorter one."""
        found = (self._kinds.get((status, form)) for form in _forms(code))
        return next((kind for kind in found if kind is not None), None)


def _forms(code: str) -> Iterator[str]:
    """A code and the entries that match it: `A.B.C`, `A.B.*`, `A.*`."""
    yield code
    parts = code.split(".")
    for length in range(len(parts) - 1, 0, -1):
        yield ".".join(parts[:length]) + ".*"
