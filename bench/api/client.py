"""Measure how fast the Python client stores jobs; runs as a separate process with a producer's configuration.

    python -m bench.api.client SINGLE_SECONDS BULK_JOBS

Prints one JSON object.
"""

from __future__ import annotations

import json
import sys
import time
from statistics import median

from bench.report import quantile
from producer import Producer

ROUNDS = 3


def row(number: int) -> dict[str, object]:
    """The row of one job."""
    return {"prompt": f"a harbour at dawn, take {number}", "duration": 4, "resolution": "480p"}


def main() -> None:
    """Measure and print."""
    seconds, count = float(sys.argv[1]), int(sys.argv[2])
    with Producer() as producer:
        producer.enqueue_row(row(0))  # opens the connection
        single: list[float] = []
        began = time.perf_counter()
        while time.perf_counter() - began < seconds:
            start = time.perf_counter()
            producer.enqueue_row(row(len(single)))
            single.append(time.perf_counter() - start)
        rate = len(single) / (time.perf_counter() - began)
        bulk = []
        for _ in range(ROUNDS):
            start = time.perf_counter()
            stored = producer.enqueue_many(row(number) for number in range(count))
            bulk.append(len(stored) / (time.perf_counter() - start))
    p50, p99 = (quantile(single, share) or 0.0 for share in (0.5, 0.99))
    figures = {"single_per_s": rate, "single_p50_ms": p50 * 1000, "single_p99_ms": p99 * 1000}
    print(json.dumps(figures | {"bulk_per_s": median(bulk), "stored": 1 + len(single) + ROUNDS * count}))


if __name__ == "__main__":
    main()
