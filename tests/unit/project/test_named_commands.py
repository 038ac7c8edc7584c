"""An advice is a command that runs as it stands."""

from __future__ import annotations

import re
from pathlib import Path

PAGES = sorted(path for suffix in ("py", "html", "toml") for path in Path("producer").rglob(f"*.{suffix}"))


def test_the_advice_to_create_a_key_has_the_name_that_it_needs() -> None:
    advice = [
        (path, options)
        for path in PAGES
        for options in re.findall(r"(?:`|<code>)reelq keys create([^`<]*)", path.read_text(encoding="utf-8"))
    ]
    assert len(advice) >= 5
    assert all("--name NAME" in options for _, options in advice), advice
