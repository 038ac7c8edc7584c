"""An account with its own models is granted only jobs of the tiers that it names."""

from __future__ import annotations

from producer import Producer
from storage.database import connect
from storage.settings import Settings
from tests.claiming import claim_submits

ACCOUNTS = [
    {"name": "quick", "gateway": "ark", "api_key": "k", "models": {"fast": "ep-1"}},
    {"name": "all", "gateway": "ark", "api_key": "k"},
]


def test_a_claim_keeps_to_the_tiers_of_the_account(settings: Settings) -> None:
    configured = Settings.model_validate(settings.model_dump() | {"accounts": ACCOUNTS})
    with Producer(configured) as producer:
        standard, fast = producer.enqueue("standard"), producer.enqueue("fast", tier="fast")
    with connect(configured.require_database_url()) as conn:
        claimed = claim_submits(conn, "quick", "ark", 9, 60.0, models={"fast": "ep-1"})
        assert [item.id for item in claimed] == [fast.id]
        assert [item.id for item in claim_submits(conn, "all", "ark", 9, 60.0)] == [standard.id]
