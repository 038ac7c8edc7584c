"""As whom PostgreSQL runs: it refuses to be root, and a name for its user must be known."""

from __future__ import annotations

import os
import pwd
import signal
import subprocess
from functools import cache
from pathlib import Path

from producer.local.errors import StackError
from producer.local.processes.spec import ChildSpec

PROGRAM_TIMEOUT_S = 120.0
"""For one of PostgreSQL's programs that takes a second or less; a loaded machine may need many times that."""


def _has_name(uid: int) -> bool:
    try:
        pwd.getpwuid(uid)
    except KeyError:
        return False
    return True


def _unprivileged() -> str | None:
    for name in ("postgres", "nobody", "daemon"):
        try:
            user = pwd.getpwnam(name)
        except KeyError:
            continue
        return f"uid:{user.pw_uid}:{user.pw_gid}"
    return None


def _works(identity: str, program: Path) -> bool:
    spec = ChildSpec("probe", (str(program), "--version"), Path("/"), Path(os.devnull), identity=identity)
    try:
        done = subprocess.run(spec.launch_command(), capture_output=True, timeout=PROGRAM_TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


@cache
def for_server(program: Path) -> str:
    """The identity under which a server runs that does not want to be root.

    An ordinary user runs it as himself. For root there are two ways, neither of which adds a user or opens a directory
    to others. A user namespace without a mapping comes first: the files stay root's own. Where namespaces are
    forbidden, as in most containers, it is an existing unprivileged user, to whom the database files are given.

    Raises:
        StackError: neither is possible here.
    """
    uid = os.geteuid()
    if uid != 0 and _has_name(uid):
        return "same"
    # An unmapped user is seen as the overflow user, usually `nobody`; initdb asks for its name.
    candidates = ["userns"] if _has_name(_overflow_uid()) else []
    if uid == 0 and (other := _unprivileged()):
        candidates.append(other)
    for identity in candidates:
        if _works(identity, program):
            return identity
    if uid != 0:
        raise StackError(f"PostgreSQL needs a user name and user id {uid} has none; add one, or configure database_url")
    raise StackError(
        "PostgreSQL refuses to run as root and no other identity could be taken on here; "
        "start `reelq up` as an ordinary user, or configure database_url"
    )


def _overflow_uid() -> int:
    try:
        return int(Path("/proc/sys/kernel/overflowuid").read_text())
    except (OSError, ValueError):
        return 65_534


def owner_of(identity: str) -> tuple[int, int]:
    """The user and group id that files of a server with this identity have."""
    if identity.startswith("uid:"):
        _, uid, gid = identity.split(":")
        return int(uid), int(gid)
    return os.geteuid(), os.getegid()


def give(directory: Path, identity: str) -> None:
    """Let a directory and all in it belong to that identity; does nothing where it already does."""
    uid, gid = owner_of(identity)
    if directory.stat().st_uid == uid:
        return
    for parent, _, files in os.walk(directory):
        os.lchown(parent, uid, gid)
        for name in files:
            os.lchown(os.path.join(parent, name), uid, gid)


DEATH_SIGNAL = signal.SIGQUIT
"""For PostgreSQL: its immediate shutdown. It ends its own children and frees its shared memory, unlike SIGKILL."""
