"""What a check found: a part, how bad it is, and one line that says what is wrong and what to do."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How bad a finding is; the worst first."""

    BAD = "bad"  # jobs stand still, fail or are lost to sight
    WARN = "warn"  # jobs run, but a person should look
    SKIPPED = "skipped"  # it could not be checked, and why
    OK = "ok"


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding. `code`: its row in docs/doctor.md; None: nothing is to be done."""

    part: str
    level: Level
    message: str
    code: str | None = None


def good(part: str, message: str) -> Finding:
    """The part works."""
    return Finding(part, Level.OK, message)


def warn(part: str, message: str, code: str) -> Finding:
    """The part works, but a person should look."""
    return Finding(part, Level.WARN, message, code)


def bad(part: str, message: str, code: str) -> Finding:
    """The part does not work."""
    return Finding(part, Level.BAD, message, code)


def worst_first(findings: Iterable[Finding]) -> list[Finding]:
    """The findings by how bad they are, otherwise in their order."""
    order = list(Level)
    return sorted(findings, key=lambda finding: order.index(finding.level))
