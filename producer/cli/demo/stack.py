"""The stack of the demo: local servers and the simulator, without the user's configuration."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from producer.local.background import BackgroundStack, start
from producer.local.errors import StackError
from producer.local.private_file import private_directory
from storage.settings import DEFAULT_DATA_DIR, STACK_FILE

_MARK = "demo.toml"
_MARK_TEXT = "# Empty on purpose: without an account the demo uses the simulator, which costs nothing.\n"


def choose_directory(given: Path | None) -> Path:
    """The data directory of the demo: `given`; else `./.reelq`, if it is new or an earlier demo's and no stack runs in
    it; else a temporary directory.

    Raises:
        StackError: a stack already runs in the given directory.
    """
    if given is not None:
        if (given / STACK_FILE).exists():
            raise StackError(f"a stack runs in {given} already; stop it, or choose another --data-dir")
        return private_directory(given)
    usual = Path(DEFAULT_DATA_DIR)
    try:
        if not usual.exists() or ((usual / _MARK).exists() and not (usual / STACK_FILE).exists()):
            return private_directory(usual)
    except OSError:
        pass  # not writable here
    return Path(tempfile.mkdtemp(prefix="reelq-demo-"))


def start_demo_stack(directory: Path, *, keep: bool) -> BackgroundStack:
    """Start a stack without the user's configuration. With `keep` it outlives this process; otherwise it stops when
    this process ends for any reason.

    Raises:
        StackError: the directory cannot be written.
    """
    mark = directory.absolute() / _MARK
    mark.write_text(_MARK_TEXT)
    environ = {name: value for name, value in os.environ.items() if not name.startswith("REELQ_")}
    return start(directory, keep=keep, environ=environ | {"REELQ_CONFIG": str(mark)}, cwd=directory)
