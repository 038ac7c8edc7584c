"""`/v1/accounts`: accounts at gateways. They need the scope admin."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from reelq_client.core.binding import Awaiting, Blocking, call
from reelq_client.core.requests import Flow, Request, as_json, given
from reelq_client.models.access import Account, AccountList

_ONE = "/v1/accounts/{name}"


class AccountRoutes:
    """Accounts at gateways. An admin of tenant `default` manages all of them; an admin of another tenant those that
    serve that tenant alone."""

    @call
    def list(self) -> Flow[AccountList]:
        """Every account, its limits, and whether it takes jobs."""
        answer = yield Request("accounts_list", "GET", "/v1/accounts")
        return answer.read(AccountList)

    @call
    def get(self, name: str) -> Flow[Account]:
        """One account."""
        answer = yield Request("accounts_get", "GET", _ONE, at={"name": name})
        return answer.read(Account)

    @call
    def create(
        self,
        name: str,
        gateway: str,
        api_key: str,
        *,
        tenants: Sequence[str] | None = None,
        base_url: str | None = None,
        max_in_flight: int | None = None,
        requests_per_minute: int | None = None,
        polls_per_minute: int | None = None,
        callbacks: bool | None = None,
        default_model: str | None = None,
        models: Mapping[str, Any] | None = None,
        rates: Sequence[Mapping[str, Any]] | None = None,
        user_id: int | None = None,
        user_token: str | None = None,
        webhook_secret: str | None = None,
    ) -> Flow[Account]:
        """Add an account; its keys are stored encrypted. The fields are those of `[[accounts]]`."""
        body = given(
            name=name,
            gateway=gateway,
            api_key=api_key,
            tenants=None if tenants is None else [*tenants],
            base_url=base_url,
            max_in_flight=max_in_flight,
            requests_per_minute=requests_per_minute,
            polls_per_minute=polls_per_minute,
            callbacks=callbacks,
            default_model=default_model,
            models=models,
            rates=rates,
            user_id=user_id,
            user_token=user_token,
            webhook_secret=webhook_secret,
        )
        answer = yield Request("accounts_create", "POST", "/v1/accounts", json=as_json(body))
        return answer.read(Account)

    @call
    def update(self, name: str, changes: Mapping[str, Any]) -> Flow[Account]:
        """Change fields of an account that the database has, as `{"max_in_flight": 20}`; None removes one."""
        answer = yield Request(
            "accounts_update", "PATCH", _ONE, at={"name": name}, json=as_json(changes), repeatable=True
        )
        return answer.read(Account)

    @call
    def rekey(
        self,
        name: str,
        api_key: str,
        *,
        user_token: str | None = None,
        webhook_secret: str | None = None,
        revoked: bool = False,
        other_project: bool = False,
    ) -> Flow[Account]:
        """Give an account a new key. `revoked`: the old one does not work any more, also not for tasks in flight.
        `other_project`: the new key's project does not know uploaded assets."""
        secrets = given(user_token=user_token, webhook_secret=webhook_secret)
        body = {"api_key": api_key, "revoked": revoked, "other_project": other_project, **secrets}
        answer = yield Request("accounts_rekey", "POST", f"{_ONE}/rekey", at={"name": name}, json=body)
        return answer.read(Account)

    @call
    def pause(self, name: str) -> Flow[Account]:
        """Submit nothing more to an account; its tasks go on."""
        answer = yield Request("accounts_pause", "POST", f"{_ONE}/pause", at={"name": name}, repeatable=True)
        return answer.read(Account)

    @call
    def resume(self, name: str) -> Flow[Account]:
        """Use an account again at once: after a pause, or after its key or its credit was corrected."""
        answer = yield Request("accounts_resume", "POST", f"{_ONE}/resume", at={"name": name}, repeatable=True)
        return answer.read(Account)

    @call
    def delete(self, name: str, *, drain: bool = False) -> Flow[None]:
        """Remove an account; `drain`: submit nothing more, and remove it when its last task has ended."""
        query = given(drain=drain or None)
        yield Request("accounts_delete", "DELETE", _ONE, at={"name": name}, query=query)


class Accounts(AccountRoutes, Blocking):
    """Accounts at gateways."""


class AsyncAccounts(AccountRoutes, Awaiting):
    """Accounts at gateways."""
