"""The process that collects the tests before the workers do. Each worker of pytest-xdist is a fork of it.

Workers that start by themselves each import the product and the tests, which takes 7 s of CPU, and 9 where the tests
have not been compiled yet. A fork has everything imported, and shares most of that memory.

The source opens nothing and starts no thread. It ends when its standard input does, as it does when pytest ends.
"""

from __future__ import annotations

import gc
import os
import random
import secrets
import selectors
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import execnet

END_S = 10.0
"""How long a worker may take to end after pytest has."""
_ROOT = Path(__file__).parents[2]
_MAIN = "import sys; sys.path.insert(0, sys.argv[1]); from tests.worker_source.source import main; main(*sys.argv[2:])"
# As execnet starts a worker.
_BEGIN = "import sys;exec(eval(sys.stdin.readline()))"
_CLIENT = Path(__file__).with_name("client.py")


@contextmanager
def running_source(arguments: Sequence[str], specs: Sequence[execnet.XSpec]) -> Iterator[None]:
    """Run the source, and let it start the workers of these specifications. `arguments`: the tests to collect."""
    name = f"reelq-tests-{secrets.token_hex(8)}"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"\0{name}")  # no file: a path may be too long
        listener.listen()
        number = listener.fileno()
        command = [sys.executable, "-c", _MAIN, str(_ROOT), str(number), *arguments]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, pass_fds=[number])
    for spec in specs:
        spec.python = shlex.join([sys.executable, "-I", "-S", str(_CLIENT), name])
    with process:  # at the end, its standard input is closed
        yield


def main(number: str, *arguments: str) -> None:
    """Be the source; `number`: of the socket on which clients ask."""
    with socket.socket(fileno=int(number)) as listener:
        listener.set_inheritable(False)
        # What is wrong with a test is said by the workers, which collect it again. Without capture, for a module that
        # keeps `sys.stderr` when it is imported would keep one that is closed.
        pytest.main(["--collect-only", "-qq", "-n", "0", "--capture=no", "-p", "no:cacheprovider", *arguments])
        assert threading.active_count() == 1, threading.enumerate()
        gc.collect()
        gc.freeze()
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        workers = []
        while (connection := _asked(listener)) is not None:
            with connection:
                if (worker := os.fork()) == 0:
                    listener.close()
                    _become_worker(connection)
                    return
                workers.append(worker)
        _end(workers)


def _asked(listener: socket.socket) -> socket.socket | None:
    """The next client; None: pytest has ended."""
    with selectors.DefaultSelector() as selector:
        selector.register(listener, selectors.EVENT_READ)
        selector.register(0, selectors.EVENT_READ)
        if any(key.fileobj == 0 for key, _ in selector.select()):
            return None
    return listener.accept()[0]


def _end(workers: list[int]) -> None:
    """Wait for the workers, and kill one that does not end, as pytest-xdist would kill its own."""
    until = time.monotonic() + END_S
    for worker in workers:
        while os.waitpid(worker, os.WNOHANG) == (0, 0):
            if time.monotonic() > until:
                os.kill(worker, signal.SIGKILL)
            time.sleep(0.01)


def _become_worker(connection: socket.socket) -> None:
    _, streams, _, _ = socket.recv_fds(connection, 1, 3)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.stdin, sys.stdout = open(0, closefd=False), open(1, "w", closefd=False)  # noqa: SIM115 - they stay open
    random.seed()
    gc.disable()  # as tests/conftest.py does where it is imported
    program = sys.modules["__main__"] = ModuleType("__main__")
    exec(_BEGIN, program.__dict__)
