"""Files with secrets: only their owner can read them, and writes are atomic."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def write_private(path: Path, text: str) -> None:
    """Write a file of mode 0600 atomically: readers see the old content or the new."""
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    partial.unlink(missing_ok=True)  # a crashed process with the same id may have left it; O_EXCL applies our mode
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def write_private_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write an object as JSON, like `write_private`."""
    write_private(path, json.dumps(value, indent=2) + "\n")


def private_directory(path: Path) -> Path:
    """Create a directory of mode 0700 and its parents if they are missing."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path
