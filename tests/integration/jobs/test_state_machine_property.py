"""In any order of events no job is lost, none is paid for twice, and ended jobs do not change.

Hypothesis enqueues, claims, delivers messages late, twice or never, answers POSTs and queries, ends leases, and cancels
and resolves jobs, all through the worker's own functions and a real PostgreSQL. Only the gateway is simulated; after
every step its record of accepted POSTs is compared with the rows.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from storage.settings import Settings
from tests.conftest import THOROUGH
from tests.integration.jobs.job_machine import GRACE_S, Jobs
from tests.integration.jobs.job_messages import LEASE_S
from tests.integration.submitting.held_gateway import HeldRuntime

# The test takes half a minute on an idle machine, and several times longer on a busy one.
pytestmark = pytest.mark.timeout(900)


def bounded(examples: int) -> settings:
    thorough = settings.get_current_profile_name() == THOROUGH  # `make chaos`
    return settings(
        max_examples=examples * (6 if thorough else 1),
        stateful_step_count=35,
        suppress_health_check=list(HealthCheck),
        print_blob=True,
        phases=(Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink),
    )


@pytest.mark.slow
@pytest.mark.parametrize(("policy", "examples"), [("hold", 40), ("resubmit", 20)])
def test_the_promises_hold_in_any_order_of_events(postgres_url: str, policy: str, examples: int) -> None:
    own = {"gateway": "anyfast", "api_key": "sk-1", "base_url": "https://gateway.example", "max_in_flight": 4}
    models = {"standard": "doubao-seedance-2-0"}
    ark = own | {"gateway": "ark", "name": "ark", "models": models, "callbacks": True}
    listed = own | {"name": "listed", "base_url": "https://other.example", "user_token": "t", "user_id": 7}
    runtime = HeldRuntime(
        Settings.model_validate(
            {
                "database_url": postgres_url,
                "accounts": [own | {"name": "anyfast"}, ark, listed],
                "public_url": "https://reelq.example",
                "unconfirmed_policy": policy,
                "unconfirmed_grace_seconds": GRACE_S,
                "lease_seconds": LEASE_S,
                "submit_timeout_seconds": 30.0,
            }
        )
    )
    with ThreadPoolExecutor(200) as pool:  # a batch that is not answered holds a thread to the end
        machine = type("JobsHere", (Jobs,), {"runtime": runtime, "pool": pool})
        try:
            run_state_machine_as_test(machine, settings=bounded(examples))
        finally:
            runtime.close()
