"""Remove environment variables of other programs that Celery or Flower would obey.

With the `CELERY_BROKER_URL` or `BROKER_URL` of another application, workers would wait at its broker. reelq has its own
settings, so it takes no setting of Celery from the environment. Celery's command line copies `BROKER_URL` to
`CELERY_BROKER_URL` before it imports the app, and reads its configuration after that.
"""

from __future__ import annotations

import os
import re
from collections.abc import MutableMapping

_LINK = re.compile(r"(tcp|udp|sctp)://")


def ignore_others(environ: MutableMapping[str, str] = os.environ) -> None:
    """Remove the variables from this process's environment."""
    for name in [name for name in environ if name.startswith("CELERY_")]:
        del environ[name]
    # Kubernetes sets it to the address of a service named "flower"; it is not the port to listen on.
    if _LINK.match(environ.get("FLOWER_PORT", "")):
        del environ["FLOWER_PORT"]
