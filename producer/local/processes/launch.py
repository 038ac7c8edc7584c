"""Set up a new process so that it cannot outlive its parent, then exec a program in it.

    python -I -S launch.py PARENT_PID DEATH_SIGNAL IDENTITY PROGRAM [ARGUMENT…]

It uses only the standard library and runs in the new process, because the setup must happen between fork and exec,
where a parent with threads must not run Python code. IDENTITY is one of: `same`; `userns`, a new user namespace without
a mapping, in which root has no privileges but still owns its files; `uid:UID:GID`, another user, who keeps only the
capability to access files below private directories.
"""

from __future__ import annotations

import ctypes
import os
import struct
import sys

FAILED = 126
_CLONE_NEWUSER = 0x10000000
_PR_SET_PDEATHSIG, _PR_SET_KEEPCAPS, _PR_SET_SECUREBITS, _PR_CAP_AMBIENT = 1, 8, 28, 47
_PR_CAP_AMBIENT_RAISE = 2
_SECBIT_NO_SETUID_FIXUP = 1 << 2
_CAP_DAC_OVERRIDE = 1
_CAPABILITY_VERSION_3 = 0x20080522


def _checked(result: int, what: str) -> None:
    if result != 0:
        raise OSError(ctypes.get_errno(), f"{what}: {os.strerror(ctypes.get_errno())}")


def _become(libc: ctypes.CDLL, uid: int, gid: int) -> None:
    """Change to another user, keeping CAP_DAC_OVERRIDE across the exec.

    Without the capability that user cannot reach a virtual environment or a data directory below a private home.
    """
    # Without this bit access(2) ignores the capability, and PostgreSQL calls access(2) for its own files.
    _checked(libc.prctl(_PR_SET_SECUREBITS, _SECBIT_NO_SETUID_FIXUP, 0, 0, 0), "securebits")
    _checked(libc.prctl(_PR_SET_KEEPCAPS, 1, 0, 0, 0), "keepcaps")
    os.setgroups([])
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)
    keep = 1 << _CAP_DAC_OVERRIDE
    header = struct.pack("=Ii", _CAPABILITY_VERSION_3, 0)
    _checked(libc.capset(header, struct.pack("=6I", keep, keep, keep, 0, 0, 0)), "capset")
    _checked(libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, _CAP_DAC_OVERRIDE, 0, 0), "ambient capability")


def main(arguments: list[str]) -> None:
    """Set the identity and the death signal, then exec the program."""
    parent, death_signal, identity, *command = arguments
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        if identity == "userns":
            _checked(libc.unshare(_CLONE_NEWUSER), "unshare")
        elif identity != "same":
            _, uid, gid = identity.split(":")
            _become(libc, int(uid), int(gid))
        # After the change of identity, because that clears the death signal.
        _checked(libc.prctl(_PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0), "pdeathsig")
    if os.getppid() != int(parent):
        raise OSError("the parent process has exited")
    os.execv(command[0], command)  # noqa: S606 - the whole purpose; the command is built in producer.local


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except OSError as exc:
        sys.stderr.write(f"launch: {exc}\n")
        sys.exit(FAILED)
