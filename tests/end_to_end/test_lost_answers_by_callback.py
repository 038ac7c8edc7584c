"""Jobs whose POST got no answer: adopted by a callback."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest

from tests.end_to_end.lost_answers import JOBS, PATHS, stack_with
from tests.servers import TestServers
from tests.stack import END_S, Stack
from tests.waiting import wait_for

pytestmark = pytest.mark.slow

# Only a callback can bring the result in time.
LONG_GRACE = {"REELQ_UNCONFIRMED_GRACE_SECONDS": "3600", "REELQ_POLL_MAX_SECONDS": "30"}


@pytest.fixture(scope="module")
def stack(servers: TestServers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with stack_with(servers, tmp_path_factory.mktemp("callback"), LONG_GRACE, *PATHS, callbacks=True) as started:
        yield started


@pytest.mark.parametrize("gateway", PATHS)
def test_a_callback_adopts_a_job_and_makes_polls_rare(stack: Stack, gateway: str) -> None:
    before = stack.ledger()["totals"]
    stack.add_faults({"kind": "rst_after_accept", "where": "create", "first": 4})
    stack.start_campaign(JOBS, gateway, account=gateway)
    # Not `wait_final`: an unconfirmed job may still get its callback.
    wait_for("every job succeeded", lambda: stack.states(gateway) == {"succeeded": JOBS}, END_S)
    stack.clear_faults()
    ledger = stack.ledger()
    assert Counter(task["gateway"] for task in ledger["tasks"])[gateway] == JOBS
    assert ledger["totals"]["tasks"] - before["tasks"] == JOBS
    stack.assert_promises(stack.jobs())
    assert ledger["totals"]["polls"] - before["polls"] <= JOBS * 3
