"""Named places between two commits or side effects, where a test can stop or kill the process that passes them.

A place does nothing unless it is armed, and arming takes two environment variables, so that one set by mistake does
nothing but say so: `REELQ_FAILPOINTS="submit.after_begin=kill poll.after_query=stop"` names places and what happens
there, `REELQ_FAILPOINTS_ALLOWED=this-process-may-be-killed` permits it. `REELQ_FAILPOINTS_ONCE` may name a directory: a
place that finds a file of its name there has had its turn, and otherwise makes one, so that the process that is started
in place of the killed one does not die at once.
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
    "scheduler.after_maintenance",  # what the database alone decides is committed; nothing is claimed yet
    "scheduler.before_commit",  # leases are written and locked, not committed
    "scheduler.after_claim",  # leases are committed; no message is sent
    "scheduler.after_publish",  # one message is sent; those after it are not
    "submit.after_load",  # the message was taken from the broker; no attempt is begun
    "submit.after_begin",  # the attempts are committed; nothing is sent
    "submit.before_post",  # the last look at the clock is past
    "submit.after_post",  # the gateway has answered; nothing is written
    "submit.before_commit",  # the outcome is written and its rows are locked; nothing is committed
    "submit.after_outcome",  # the outcome is committed
    "poll.after_load",
    "poll.after_query",  # the gateway has said what came of the task; nothing is written
    "poll.after_write",
    "reconcile.after_look",  # the gateway has said which tasks it has; nothing is written
    "reconcile.after_write",
    "transfer.after_load",
    "transfer.after_open",  # the download is open; nothing is stored
    "transfer.after_first_part",  # an upload in parts is begun and has one
    "transfer.after_put",  # the object is there, by one PUT; the row does not know
    "transfer.after_complete",  # the object is there, made of its parts; the row does not know
    "transfer.after_companions",  # what lies beside the video is there as well; the row does not know
    "transfer.after_row",
    "notify.before_post",
    "notify.after_post",  # the receiver may have taken the message; nothing is written
    "lifecycle.after_start",  # the process is about to take its first message
    "lifecycle.before_close",  # its tasks are done, its connections are open
)


def read_points(environ: Mapping[str, str]) -> dict[str, signal.Signals]:
    """The armed places and the signal that the process sends itself there; empty where arming is not permitted.

    Raises:
        ValueError: a place or what is to happen there is unknown: a test that kills nothing would prove nothing.
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
    """Pass a place; does nothing unless it is armed."""
    if _armed and name in _armed:
        _act(name, _armed[name])


def _act(name: str, number: signal.Signals) -> None:
    if _once is not None:
        try:
            (_once / name).touch(exist_ok=False)
        except FileExistsError:
            return
    os.kill(os.getpid(), number)
    # Another thread may take the signal a moment later; until then this one must not go past the place.
    time.sleep(_SETTLE_S)
