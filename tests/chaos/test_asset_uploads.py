"""A worker that dies while an upload is under way: the file is found again and not paid for a second time."""

from __future__ import annotations

from pathlib import Path

import pytest

from storage.database import connect
from tests.media_files import picture
from tests.stack import running_stack
from tests.waiting import wait_for

pytestmark = pytest.mark.slow

# So long that the call that hangs still does so when the worker dies.
LONG = {
    "REELQ_LEASE_SECONDS": "500",
    "REELQ_SUBMIT_TIMEOUT_SECONDS": "400",
    "REELQ_QUERY_TIMEOUT_SECONDS": "400",
}


def test_a_worker_is_killed_between_an_upload_and_its_answer(tmp_path: Path) -> None:
    (tmp_path / "hero.png").write_bytes(picture())
    with running_stack(tmp_path, LONG) as stack:
        # The group is looked for and made, the file is looked for and made: the fourth call is billed and hangs.
        stack.add_faults({"kind": "hang", "where": "asset", "seconds": 600, "accepted": True, "after": 3, "times": 1})
        for prompt in ("one", "two"):
            done = stack.reelq("submit", prompt, "--first-frame", "hero.png", "--duration", "4")
            assert done.returncode == 0, done.stderr
        wait_for("the upload is made", lambda: stack.ledger()["totals"]["assets"] == 1)
        assert set(stack.states()) == {"queued"}
        stack.kill("worker-submit-poll")
        with connect(stack.info()["database_url"]) as conn:  # an hour later: nobody holds them any more
            conn.execute("UPDATE assets SET updated_at = updated_at - interval '1 h'")
            conn.execute("UPDATE jobs SET due_at = now()")
        assert stack.wait_final() == {"succeeded": 2}
        ledger = stack.ledger()
        assert ledger["totals"]["asset_calls_billed"] == {"volc-asset": 2}, "a group and a picture"
        [asset] = ledger["assets"]
        used = {task["body"]["content"][1]["image_url"]["url"] for task in ledger["tasks"]}
        assert used == {f"asset://{asset['id']}"}
        stack.assert_promises(stack.jobs())
