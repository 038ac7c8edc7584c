"""The Makefile calls what is there."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[3]


def test_every_file_and_module_that_a_target_names_exists() -> None:
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    files = re.findall(r"[\w./-]+/[\w.-]+\.(?:py|lock|in|toml)\b", text)
    modules = [
        name.replace(".", "/") for name in re.findall(r"python -m ([\w.]+)", text) if name not in ("pip", "compileall")
    ]
    assert files and modules
    missing = [path for path in files if not (ROOT / path).exists()]
    missing += [path for path in modules if not ((ROOT / path).is_dir() or (ROOT / f"{path}.py").is_file())]
    assert missing == []
