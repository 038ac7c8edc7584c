"""A message of copies that waited until its leases were almost over."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from storage.jobs import claims
from storage.settings import Settings
from tests.transfers import Files, a_video, generated, row_of, running_runtime
from tests.waiting import PATIENCE_S, wait_for
from worker.runtime import Runtime
from worker.transferring.transfer import transfer_batch

LEFT_S = 3.0


def lease_left_s(runtime: Runtime) -> float:
    with runtime.database.begin() as conn:
        [(left_s,)] = conn.execute("SELECT extract(epoch FROM due_at - now())::float8 FROM jobs").fetchall()
    return float(left_s)


def test_a_lease_that_is_almost_over_is_renewed_in_time(settings: Settings) -> None:
    """Else the job is claimed again while its copy runs: one of the two is given up, and a fetch of its link."""
    files = Files({"/small.mp4": a_video()}, held_at=100)
    with (
        files.running() as base,
        running_runtime(settings, base) as runtime,
        ThreadPoolExecutor(1) as pool,
    ):
        job_id = generated(settings, f"{base}/small.mp4")
        with runtime.database.begin() as conn:
            conn.execute("UPDATE jobs SET due_at = now()")
            claimed = claims.claim_transfers(conn, 1, LEFT_S)
        copying = pool.submit(transfer_batch, runtime, [(item.id, item.claim) for item in claimed])
        try:
            wait_for("the copy has begun", lambda: len(files.asked) == 1)

            def is_renewed() -> bool:
                left_s = lease_left_s(runtime)
                assert left_s > 0, "another worker may copy it, too"
                return left_s > LEFT_S

            wait_for("the lease is renewed", is_renewed)
        finally:
            files.go_on.set()
        copying.result(PATIENCE_S)
        assert (row_of(runtime, job_id)["state"], files.asked) == ("succeeded", ["/small.mp4"])
