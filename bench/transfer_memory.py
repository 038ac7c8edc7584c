"""How much more memory a large video takes than a small one: 2 GiB against 2 MiB.

    python -m bench.transfer_memory --large 2147483648

Each is copied, alone, by a fresh worker process from a simulated gateway into a real S3 server; compared are the
peaks of the two processes' resident memory. Ends with 1 if the difference is above the limit.
"""

from __future__ import annotations

import argparse
import sys

from bench.transfer_rig import rig

MIB = 2**20
SMALL = 2 * MIB
LIMIT_MIB = 64


def main() -> int:
    """Run and print a line for each size, then the difference."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--large", type=int, default=2048 * MIB)
    given = parser.parse_args()
    peaks = []
    with rig() as servers:
        for size in (SMALL, given.large):
            with servers.gateway(size) as gateway:
                servers.clear()
                servers.enqueue(gateway, 1)
                said = servers.run_worker(gateway)
            assert said["succeeded"] == 1, said
            assert said["bytes"] == size, said
            peaks.append(said["peak_rss_bytes"] / MIB)
            print(
                f"{size / MIB:8.0f} MiB copied in {said['took_s']:6.1f} s, {size / MIB / said['took_s']:6.1f} MiB/s, "
                f"{said['cpu_s']:6.1f} s CPU, peak {peaks[-1]:6.1f} MiB resident",
                flush=True,
            )
    more = peaks[1] - peaks[0]
    print(f"{more:.1f} MiB more for the large one; the limit is {LIMIT_MIB} MiB")
    return int(more > LIMIT_MIB)


if __name__ == "__main__":
    sys.exit(main())
