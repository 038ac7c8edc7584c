"""A worker is killed during the upload of an asset: the asset is found, and not paid for again."""

from __future__ import annotations

from pathlib import Path

import pytest

from storage.database import connect
from tests.media_files import picture
from tests.servers import TestServers
from tests.stack import running_stack
from tests.waiting import wait_for

pytestmark = pytest.mark.slow

# Long enough that the hanging call still hangs when the worker is killed.
LONG = {
    "REELQ_LEASE_SECONDS": "500",
    "REELQ_SUBMIT_TIMEOUT_SECONDS": "400",
    "REELQ_QUERY_TIMEOUT_SECONDS": "400",
}


def test_a_worker_killed_between_an_upload_and_its_answer_pays_once(tmp_path: Path, servers: TestServers) -> None:
    (tmp_path / "hero.png").write_bytes(picture())
    with running_stack(tmp_path, LONG, servers=servers) as stack:
        # The calls: find the group, create it, find the file, create its asset. The fourth is billed and hangs.
        stack.add_faults({"kind": "hang", "where": "asset", "seconds": 600, "accepted": True, "after": 3, "times": 1})
        for prompt in ("one", "two"):
            done = stack.reelq("submit", prompt, "--first-frame", "hero.png", "--duration", "4")
            assert done.returncode == 0, done.stderr
        wait_for("the asset is created", lambda: stack.ledger()["totals"]["assets"] == 1)
        assert set(stack.states()) == {"queued"}
        stack.kill("worker-submit-poll")
        with connect(stack.info()["database_url"]) as conn:  # as an hour later, when every claim has ended
            conn.execute("UPDATE assets SET updated_at = updated_at - interval '1 h'")
            conn.execute("UPDATE jobs SET due_at = now()")
        assert stack.wait_final() == {"succeeded": 2}
        ledger = stack.ledger()
        assert ledger["totals"]["asset_calls_billed"] == {"volc-asset": 2}, "a group and an image"
        [asset] = ledger["assets"]
        used = {task["body"]["content"][1]["image_url"]["url"] for task in ledger["tasks"]}
        assert used == {f"asset://{asset['id']}"}
        stack.assert_promises(stack.jobs())
