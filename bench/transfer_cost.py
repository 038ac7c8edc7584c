"""What a small video costs: CPU of the transfer worker a job, with and without a poster.

python -m bench.transfer_cost --jobs 500 --bytes 262144
"""

from __future__ import annotations

import argparse

from bench.transfer_rig import rig


def main() -> None:
    """Run and print one line for each way."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=500)
    parser.add_argument("--bytes", type=int, default=256 * 1024)
    given = parser.parse_args()
    with rig() as servers, servers.gateway(given.bytes) as gateway:
        for what, poster in (("warm up", "true"), ("without poster", "false"), ("with poster", "true")):
            with_jobs = given.jobs if what != "warm up" else 20
            servers.clear()
            servers.enqueue(gateway, with_jobs)
            said = servers.run_worker(gateway, REELQ_POSTER=poster)
            assert said["succeeded"] == with_jobs, said
            print(
                f"{what:16} {said['succeeded']:5d} jobs {said['took_s']:7.2f} s "
                f"{said['succeeded'] / said['took_s']:7.1f} jobs/s "
                f"{said['cpu_s'] / with_jobs * 1000:6.2f} ms CPU a job "
                f"and {said['decoder_cpu_s'] / with_jobs * 1000:5.2f} ms for its poster"
            )


if __name__ == "__main__":
    main()
