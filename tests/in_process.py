"""Run `reelq` in this process as another process would run it: to start one takes half a second of CPU."""

from __future__ import annotations

import io
import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path

from producer.cli import main as cli


def run_here(
    arguments: Sequence[str], environ: Mapping[str, str], cwd: Path, timeout_s: float
) -> subprocess.CompletedProcess[str]:
    """Run a command line with these variables and no other, in this directory.

    Raises:
        TimeoutError: it has not ended after `timeout_s`.
    """
    out, err = _stream(), _stream()
    # In a thread of its own, for a browser's driver keeps a loop running in the one that tests run in.
    with (
        _inside(environ, cwd),
        redirect_stdout(out),
        redirect_stderr(err),
        ThreadPoolExecutor(1, "reelq") as pool,
    ):
        code = pool.submit(cli.run, arguments).result(timeout_s)
    return subprocess.CompletedProcess(["reelq", *arguments], code, _text(out), _text(err))


def _stream() -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True)


def _text(stream: io.TextIOWrapper) -> str:
    stream.seek(0)
    return stream.read()


@contextmanager
def _inside(environ: Mapping[str, str], cwd: Path) -> Iterator[None]:
    kept, before = dict(os.environ), Path.cwd()
    os.environ.clear()
    os.environ.update(environ)
    os.chdir(cwd)
    try:
        yield
    finally:
        os.chdir(before)
        os.environ.clear()
        os.environ.update(kept)
