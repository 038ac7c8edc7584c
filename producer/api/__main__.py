"""`python -m producer.api`: the server."""

from __future__ import annotations

import gc
import sys

# What is imported and built until the server runs is no garbage, and to look through it takes a fifth of the start.
gc.disable()

from producer.api.serving import main  # noqa: E402 - after the collector is off

if __name__ == "__main__":
    sys.exit(main())
