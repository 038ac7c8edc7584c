"""The user that PostgreSQL runs as: it refuses to run as root, and the user must have a name."""

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
"""Time limit for PostgreSQL's programs. They need a second or less; a loaded machine may need many times as much."""


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


def _can_run(identity: str, program: Path) -> bool:
    spec = ChildSpec("probe", (str(program), "--version"), Path("/"), Path(os.devnull), identity=identity)
    try:
        done = subprocess.run(spec.launch_command(), capture_output=True, timeout=PROGRAM_TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


@cache
def for_server(program: Path) -> str:
    """The identity for a server that refuses to run as root.

    An ordinary user runs it under their own id. For root there are two ways, neither of which adds a user or opens a
    directory to others. The first is a user namespace without a mapping: the files still belong to root. Where
    namespaces are forbidden, as in most containers, an existing unprivileged user runs it and owns the database files.

    Raises:
        StackError: neither is possible here.
    """
    uid = os.geteuid()
    if uid != 0 and _has_name(uid):
        return "same"
    # An unmapped user appears as the overflow user, usually `nobody`, and initdb looks up its name.
    candidates = ["userns"] if _has_name(_overflow_uid()) else []
    if uid == 0 and (other := _unprivileged()):
        candidates.append(other)
    for identity in candidates:
        if _can_run(identity, program):
            return identity
    if uid != 0:
        raise StackError(f"PostgreSQL: user id {uid} has no user name; add one, or configure database_url")
    raise StackError(
        "PostgreSQL: refuses to run as root, and switching to another user is not possible here; "
        "run `reelq up` as an ordinary user, or configure database_url"
    )


def _overflow_uid() -> int:
    try:
        return int(Path("/proc/sys/kernel/overflowuid").read_text())
    except (OSError, ValueError):
        return 65_534


def owner_of(identity: str) -> tuple[int, int]:
    """User and group id of the files of a server with this identity."""
    if identity.startswith("uid:"):
        _, uid, gid = identity.split(":")
        return int(uid), int(gid)
    return os.geteuid(), os.getegid()


def change_owner(directory: Path, identity: str) -> None:
    """Change the owner of a directory and its content to this identity, unless the directory already has it."""
    uid, gid = owner_of(identity)
    if directory.stat().st_uid == uid:
        return
    for parent, _, files in os.walk(directory):
        os.lchown(parent, uid, gid)
        for name in files:
            os.lchown(os.path.join(parent, name), uid, gid)


DEATH_SIGNAL = signal.SIGQUIT
"""PostgreSQL's signal for an immediate shutdown. Unlike SIGKILL, it ends its children and frees its shared memory."""
