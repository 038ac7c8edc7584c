"""Variables that other programs set, and that Celery or Flower would obey.

Where a broker of another application stands in `CELERY_BROKER_URL` or `BROKER_URL`, workers would wait there. What
reelq needs is in its own settings, so nothing of Celery is taken from the environment. Call it before Celery reads its
configuration: Celery's command line itself copies `BROKER_URL` to `CELERY_BROKER_URL` first.
"""

from __future__ import annotations

import os
import re
from collections.abc import MutableMapping

_LINK = re.compile(r"(tcp|udp|sctp)://")


def ignore_others(environ: MutableMapping[str, str] = os.environ) -> None:
    """Remove them from this process's environment."""
    for name in [name for name in environ if name.startswith("CELERY_")]:
        del environ[name]
    # Kubernetes sets it for a service named "flower": its address, not the port to listen on.
    if _LINK.match(environ.get("FLOWER_PORT", "")):
        del environ["FLOWER_PORT"]
