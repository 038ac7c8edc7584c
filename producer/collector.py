"""Python's garbage collector while very many plain objects are made at once.

It looks for circles each time that the objects have grown by a quarter, and jobs that are being enqueued are in none:
with its usual thresholds it takes as long as all checks of the jobs together.
"""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager

YOUNG = 50_000
"""It still runs after this number of new objects, and looks at these."""
_lock = threading.Lock()
_inside = 0
_usual = (0, 0, 0)


@contextmanager
def fewer_collections() -> Iterator[None]:
    """Collect less often, in the whole process. A program that has switched the collector off keeps it so."""
    global _inside, _usual
    with _lock:
        if _inside == 0:
            _usual = gc.get_threshold()
            if _usual[0]:
                gc.set_threshold(max(_usual[0], YOUNG), *_usual[1:])
        _inside += 1
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if _inside == 0 and _usual[0]:
                gc.set_threshold(*_usual)
