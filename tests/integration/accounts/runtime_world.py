"""A world whose accounts change while it runs: accounts of the database at a simulator, where each key has tasks of its
own, as the projects of a gateway have."""

from __future__ import annotations

from typing import Any

from storage.accounts import changes
from storage.accounts.live import with_accounts
from storage.sealing import new_master_key
from storage.settings import Settings
from tests.integration.submitting.rounds import World

MASTER = new_master_key()


class RuntimeWorld(World):
    """Changes accounts as an operator does. The scheduler of the next round knows of them; the worker must notice."""

    def __init__(self, settings: Settings, gateway: str, **accounts: dict[str, Any]) -> None:
        self.gateway = gateway
        given = {name: self.at_gateway() | of for name, of in accounts.items()}
        super().__init__(settings.model_copy(update={"master_key": None}), **given)
        self.know_master_keys(MASTER)

    def at_gateway(self) -> dict[str, Any]:
        return {"gateway": "anyfast", "base_url": f"{self.gateway}/anyfast"}

    def know_master_keys(self, keys: str | None) -> None:
        """Set the master keys of scheduler, worker and producer, as if they had been restarted with them."""
        found = Settings.model_validate(
            self.settings.model_dump() | {"accounts": self.settings.configured_accounts, "master_key": keys}
        )
        self.settings = found
        for live in (self.runtime.live, self.producer.live):
            live.__init__(found)  # type: ignore[misc]  # in place, as the worker does
        self.notice()

    def notice(self) -> None:
        """The scheduler reads the accounts, as it does within a tick of a change."""
        with self.begin() as conn:
            self.settings = with_accounts(conn, self.settings)

    def notice_all(self) -> None:
        """Every process reads the accounts."""
        self.notice()
        with self.begin() as conn:
            self.runtime.live.refresh(conn)
            self.producer.live.refresh(conn)

    def add(self, name: str, key: str = "", **fields: Any) -> None:
        with self.begin() as conn:
            given = self.at_gateway() | {"max_in_flight": 100} | fields
            changes.add_account(conn, self.settings, name, given, {"api_key": key or f"sk-{name}"})
        self.notice_all()

    def rekey(self, name: str, key: str, *, revoked: bool = False) -> None:
        """The worker does not read the accounts here: it notices by itself."""
        with self.begin() as conn:
            changes.rekey_account(conn, self.settings, name, {"api_key": key}, revoked=revoked)
        self.notice()

    def places(self) -> dict[str, str | None]:
        """The account of each job, by its prompt."""
        return {job["prompt"]: job["account"] for job in self.jobs()}

    def keys_used(self) -> list[set[str]]:
        """The prompts of the jobs that each key submitted, the oldest key first."""
        found: dict[int, set[str]] = {}
        sql = "SELECT a.key_id, j.request ->> 'prompt' AS prompt FROM attempts a JOIN jobs j ON j.id = a.job_id"
        for row in self.rows(sql):
            found.setdefault(row["key_id"], set()).add(row["prompt"])
        return [found[key_id] for key_id in sorted(found)]
