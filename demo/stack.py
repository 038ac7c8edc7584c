"""The stack that the demonstration runs on: local servers and the simulator, whatever else is configured here."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from producer.local.background import BackgroundStack, start
from producer.local.errors import StackError
from producer.local.private_file import private_directory
from storage.settings import DEFAULT_DATA_DIR, STACK_FILE

_MARK = "demo.toml"
_MARK_TEXT = (
    "# Left empty on purpose: the demonstration uses no account, so the simulator generates and nothing costs money.\n"
)


def choose_directory(given: Path | None) -> Path:
    """Where the demonstration lives: what was given, `./.reelq` if it is new or an earlier demonstration's and nothing
    runs in it, else a temporary directory.

    Raises:
        StackError: a stack already runs in the given directory.
    """
    if given is not None:
        if (given / STACK_FILE).exists():
            raise StackError(f"a stack runs in {given} already; stop it, or give another --data-dir")
        return private_directory(given)
    usual = Path(DEFAULT_DATA_DIR)
    try:
        if not usual.exists() or ((usual / _MARK).exists() and not (usual / STACK_FILE).exists()):
            return private_directory(usual)
    except OSError:
        pass  # not writable here
    return Path(tempfile.mkdtemp(prefix="reelq-demo-"))


def start_demo_stack(directory: Path, *, keep: bool) -> BackgroundStack:
    """Start a stack that knows nothing of what is configured here. With `keep` it outlives us; otherwise it stops when
    we end, however we do.

    Raises:
        StackError: the directory cannot be written.
    """
    mark = directory.absolute() / _MARK
    mark.write_text(_MARK_TEXT)
    environ = {name: value for name, value in os.environ.items() if not name.startswith("REELQ_")}
    return start(directory, keep=keep, environ=environ | {"REELQ_CONFIG": str(mark)}, cwd=directory)
