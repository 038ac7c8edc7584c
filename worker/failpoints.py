"""Fail points: named places between two commits or side effects, where a test can stop or kill the process.

A fail point does nothing unless it is armed. Arming takes two environment variables, so that one set by mistake only
logs an error: `REELQ_FAILPOINTS="submit.after_begin=kill poll.after_query=stop"` names fail points and actions,
`REELQ_FAILPOINTS_ALLOWED=this-process-may-be-killed` permits them. `REELQ_FAILPOINTS_ONCE` may name a directory: a fail
point creates a file with its name there and acts only if there was none, so that a restarted process does not die too.
"""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Mapping
from pathlib import Path

log = logging.getLogger("reelq.failpoints")

ARM = "REELQ_FAILPOINTS"
ALLOW = "REELQ_FAILPOINTS_ALLOWED"
ALLOWED = "this-process-may-be-killed"
ONCE = "REELQ_FAILPOINTS_ONCE"

_SETTLE_S = 0.2
_SIGNALS = {"kill": signal.SIGKILL, "stop": signal.SIGSTOP}

POINTS = (
    "scheduler.after_maintenance",  # maintenance is committed; nothing is claimed yet
    "scheduler.before_commit",  # leases are written and locked, not committed
    "scheduler.after_claim",  # leases are committed; no message is sent
    "scheduler.after_publish",  # the messages of one queue are sent; the next ones are not
    "submit.after_load",  # the message was received; no attempt is begun
    "submit.after_begin",  # the attempts are committed; nothing is sent
    "submit.before_post",  # the lease was checked for the last time
    "submit.after_post",  # the gateway has answered; nothing is written
    "submit.before_commit",  # the outcome is written and its rows are locked; nothing is committed
    "submit.after_outcome",  # the outcome is committed
    "poll.after_load",
    "poll.after_query",  # the gateway has answered; nothing is written
    "poll.after_write",
    "reconcile.after_look",  # the gateway has listed its tasks; nothing is written
    "reconcile.after_write",
    "transfer.after_load",
    "transfer.after_open",  # the download is open; nothing is stored
    "transfer.after_first_part",  # a multipart upload has begun and has one part
    "transfer.after_put",  # the object is stored, with one PUT; the row is not updated
    "transfer.after_complete",  # the object is stored, from its parts; the row is not updated
    "transfer.after_companions",  # the companions are stored as well; the row is not updated
    "transfer.after_row",
    "playable.after_load",
    "playable.after_store",  # the copy is stored; no row is updated
    "notify.before_post",
    "notify.after_post",  # the receiver may have accepted the message; nothing is written
    "lifecycle.after_start",  # the process is about to receive its first message
    "lifecycle.before_close",  # the tasks are done, the connections are open
)


def read_points(environ: Mapping[str, str]) -> dict[str, signal.Signals]:
    """The armed fail points and the signal that each sends to its own process; empty if arming is not permitted.

    Raises:
        ValueError: a fail point or an action is unknown: a test that kills nothing would prove nothing.
    """
    wanted = environ.get(ARM, "").split()
    if not wanted:
        return {}
    if environ.get(ALLOW) != ALLOWED:
        log.error("failpoints.ignored %s is set, and %s does not permit it", ARM, ALLOW)
        return {}
    armed = {}
    for item in wanted:
        name, _, action = item.partition("=")
        if name not in POINTS or action not in _SIGNALS:
            raise ValueError(f"{ARM}: {item!r} is not one of {', '.join(POINTS)} with ={'|'.join(_SIGNALS)}")
        armed[name] = _SIGNALS[action]
    return armed


_armed = read_points(os.environ)
_once = Path(os.environ[ONCE]) if ONCE in os.environ else None


def failpoint(name: str) -> None:
    """Pass a fail point; does nothing unless it is armed."""
    if _armed and name in _armed:
        _act(name, _armed[name])


def _act(name: str, number: signal.Signals) -> None:
    if _once is not None:
        try:
            (_once / name).touch(exist_ok=False)
        except FileExistsError:
            return
    os.kill(os.getpid(), number)
    # Another thread may handle the signal a moment later; until then this one must not go past the fail point.
    time.sleep(_SETTLE_S)
