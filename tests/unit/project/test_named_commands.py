"""An advice is a command that runs as it stands."""

from __future__ import annotations

import re
from pathlib import Path

PAGES = sorted(
    path
    for folder, suffixes in (("producer", ("py", "html", "toml")), ("storage", ("py",)), ("docs", ("md",)))
    for suffix in suffixes
    for path in Path(folder).rglob(f"*.{suffix}")
    if "decisions" not in path.parts
)


def test_the_advice_to_create_a_key_has_the_name_that_it_needs() -> None:
    advice = [
        (path, options)
        for path in PAGES
        for options in re.findall(r"(?:`|<code>|^)reelq keys create([^`<#\n]*)", path.read_text(encoding="utf-8"), re.M)
    ]
    assert len(advice) >= 5
    assert all("--name " in options for _, options in advice), advice
