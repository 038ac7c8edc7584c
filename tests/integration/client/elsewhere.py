"""Commands at the server and elsewhere, compared."""

from __future__ import annotations

import re
from collections.abc import Callable

Run = Callable[..., tuple[int, str, str]]


def _timeless(part: object) -> str:
    """Output without ages and waits, which differ by the time between two commands."""
    return re.sub(r"\b\d+(\.\d+)? (s|min)\b|\b\d+(s|m)  +", "T", str(part))


def both(run: Run, away: dict[str, str], *arguments: object) -> tuple[int, str]:
    """What a command that only reads says; the same at the server and elsewhere."""
    local, remote = run(*arguments, here=True), run(*arguments, **away)
    said = f"{arguments}\n{local}\n{remote}"
    assert [_timeless(part) for part in remote] == [_timeless(part) for part in local], said
    return remote[0], remote[1]
