"""Run a program under another hostname, as on another host.

    python on_host.py NAME PROGRAM [ARGUMENT…]

The process stays the same, so that signals and the parent's death reach the program.
"""

from __future__ import annotations

import ctypes
import os
import socket
import sys

CLONE_NEWUTS = 0x04000000


def main(name: str, *command: str) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWUTS) != 0:
        sys.exit(f"cannot have a hostname of its own: {os.strerror(ctypes.get_errno())}")
    socket.sethostname(name)
    os.execvp(command[0], command)


if __name__ == "__main__":
    main(*sys.argv[1:])
