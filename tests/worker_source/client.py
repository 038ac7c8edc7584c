"""Stands for a worker of pytest-xdist, and lasts as long: the source gets its standard streams and forks the worker.

    python -I -S client.py NAME …

It uses only the standard library, because it runs once for each worker.
"""

from __future__ import annotations

import os
import socket
import sys


def main(name: str) -> None:
    """Ask the source of this name for a fork, and wait until it ends."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(f"\0{name}")
        socket.send_fds(connection, [b"."], [0, 1, 2])
        for stream in (0, 1):  # else a reader of the worker's output would wait for this process, too
            os.close(stream)
        connection.recv(1)


if __name__ == "__main__":
    main(sys.argv[1])
    os._exit(0)  # the standard streams are closed
