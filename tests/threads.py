"""What other threads are doing."""

from __future__ import annotations

import threading


def is_waited_for(condition: threading.Condition) -> bool:
    """Whether a thread waits for this condition now."""
    return bool(vars(condition)["_waiters"])
