"""What commands say about a campaign that waits."""

from __future__ import annotations

from shlex import quote

from producer.intake.start import Start


def waiting_text(rows: int, name: str, start: Start) -> str:
    """What of a new campaign waits for `reelq campaign resume`; "": nothing."""
    if start.paused:
        return f"; paused until `reelq campaign resume {quote(name)}`"
    if start.first_rows is not None and start.first_rows < rows:
        return f"; the rest after the first {start.first_rows} waits for `reelq campaign resume {quote(name)}`"
    return ""
