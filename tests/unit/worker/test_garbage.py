"""Collections of garbage do not walk what a process loaded when it started."""

from __future__ import annotations

import subprocess
import sys

COUNTED = """
import gc
import worker.__main__
print(gc.isenabled())
import worker.scheduling.scheduler
from worker.garbage import spare_loaded
before = len(gc.get_objects())
spare_loaded()
class Knot: pass
knot = Knot(); knot.itself = knot
import weakref
gone = weakref.ref(knot)
del knot
gc.collect()
print(gc.isenabled(), before > 50_000, len(gc.get_objects()) < before / 50, gone() is None)
"""


def test_what_was_loaded_is_left_out_and_new_garbage_is_collected() -> None:
    command = [sys.executable, "-c", COUNTED]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.stderr) == ("False\nTrue True True True\n", "")


ROLES = """
import gc
from types import SimpleNamespace
from worker import garbage, lifecycle
from storage.bucket.requests import StoreUnavailable
def no_store():
    raise StoreUnavailable("none here")
def chosen(*queues):
    lifecycle._prepare(SimpleNamespace(
        queues=frozenset(queues),
        outbound=SimpleNamespace(authorities=SimpleNamespace(context=lambda: None)),
        objects=SimpleNamespace(check_bucket=no_store),
    ))
    return gc.get_threshold()
print(chosen("submit", "poll") == garbage.SELDOM, chosen("transfer") == chosen("submit", "transfer") == garbage.OFTEN)
"""


def test_a_process_that_copies_videos_collects_more_often() -> None:
    command = [sys.executable, "-c", ROLES]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout == "True True\n", done.stderr
