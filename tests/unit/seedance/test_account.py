"""The secrets of an account: its API key, and the token of its user."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Coroutine
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from pydantic import ValidationError

from seedance.account import Account
from seedance.client import GatewayClient
from seedance.errors import GatewayError
from seedance.problems import InvalidInput

TOKEN = "user-token-0123456789"
USER = {"user_token": TOKEN, "user_id": 42}


def account(**fields: Any) -> Account:
    defaults = {"name": "main", "gateway": "anyfast", "api_key": "sk-secret-key"}
    return Account.model_validate(defaults | fields)


def test_a_user_needs_both_a_token_and_a_number() -> None:
    assert account().user() is None
    assert account(**USER).user() == (TOKEN, "42")
    for fields in ({"user_token": TOKEN}, {"user_token_env": "MY_TOKEN"}, {"user_id": 42}):
        with pytest.raises(ValidationError, match=r"user_token.* and user_id together, or neither"):
            account(**fields)
    with pytest.raises(ValidationError, match="at most one of user_token and user_token_env"):
        account(**USER, user_token_env="MY_TOKEN")
    for number in (0, -1, "x"):
        with pytest.raises(ValidationError, match="user_id"):
            account(user_token=TOKEN, user_id=number)


def test_the_token_can_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    main = account(user_token_env="MY_TOKEN", user_id=42)
    with pytest.raises(InvalidInput, match=r"accounts\.main\.user_token_env: MY_TOKEN is not set"):
        main.user()
    monkeypatch.setenv("MY_TOKEN", TOKEN)
    assert main.user() == (TOKEN, "42")
    monkeypatch.setenv("MY_TOKEN", "a\nb")
    with pytest.raises(InvalidInput, match="control characters"):
        main.user()


def test_no_secret_is_shown() -> None:
    main = account(**USER)
    for shown in (repr(main), str(main), main.model_dump_json(), str(main.model_dump())):
        assert TOKEN not in shown and "sk-secret-key" not in shown
    with pytest.raises(ValidationError) as caught:
        account(user_token=TOKEN)
    assert TOKEN not in str(caught.value)


@pytest.mark.parametrize(
    ("gateway", "alone", "with_user"),
    [
        ("anyfast", False, True),
        ("uniall", False, True),
        ("12ai", False, True),
        ("ark", True, None),
        ("evolink", False, None),
    ],
)
def test_an_account_lists_tasks_only_where_its_gateway_does(gateway: str, alone: bool, with_user: bool | None) -> None:
    fields = {"gateway": gateway, "base_url": "https://gateway.example"}
    assert account(**fields).can_list is alone
    if with_user is None:
        with pytest.raises(ValidationError, match="does not list tasks by user token"):
            account(**fields, **USER)
    else:
        assert account(**fields, **USER).can_list is with_user


def test_the_users_token_is_sent_with_the_list_only_and_is_in_no_error() -> None:
    seen: dict[str, tuple[str | None, str | None]] = {}

    class Gateway(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            token = self.headers["Authorization"]
            seen[self.path.partition("?")[0]] = (token, self.headers["New-Api-User"])
            body = json.dumps({"success": False, "message": f"bad token {token}"}).encode()
            self.send_response(401)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    async def errors_of(main: Account) -> list[GatewayError]:
        async with GatewayClient(main, main.dialect, submit_timeout_s=5, query_timeout_s=5) as client:
            return [error for call in (client.list_tasks(1), client.query("t")) if (error := await failed(call))]

    async def failed(call: Coroutine[Any, Any, object]) -> GatewayError | None:
        try:
            await call
        except GatewayError as exc:
            return exc
        return None

    with ThreadingHTTPServer(("127.0.0.1", 0), Gateway) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        base_url = f"http://127.0.0.1:{server.server_address[1]}"
        errors = asyncio.run(errors_of(account(**USER, base_url=base_url)))
        server.shutdown()
    assert seen == {
        "/api/task/self": (TOKEN, "42"),
        "/v1/video/generations/t": ("Bearer sk-secret-key", None),
    }
    assert len(errors) == 2
    for error in errors:
        assert "bad token" in error.message
        assert TOKEN not in str(error.as_dict()) and "sk-secret-key" not in str(error.as_dict())


def test_only_a_gateway_that_signs_with_a_secret_takes_one(monkeypatch: pytest.MonkeyPatch) -> None:
    router = account(gateway="openrouter", webhook_secret_env="MY_WEBHOOK_SECRET")
    with pytest.raises(InvalidInput, match=r"webhook_secret_env: MY_WEBHOOK_SECRET is not set"):
        router.callback_secret()
    monkeypatch.setenv("MY_WEBHOOK_SECRET", "whsec-0123456789")
    assert router.callback_secret() == "whsec-0123456789"
    assert account(gateway="kie").callback_secret() is None
    assert "whsec" not in repr(account(gateway="kie", webhook_secret="whsec-0123456789"))
    with pytest.raises(ValidationError, match="at most one of webhook_secret and webhook_secret_env"):
        account(gateway="kie", webhook_secret="a", webhook_secret_env="B")
    for gateway in ("anyfast", "fal"):
        with pytest.raises(ValidationError, match=f"must be left out: {gateway} signs nothing with a secret"):
            account(gateway=gateway, webhook_secret="a")


def test_fals_own_keys_verify_only_what_comes_from_fal() -> None:
    assert account(gateway="fal").callback_keys_url == "https://rest.alpha.fal.ai/.well-known/jwks.json"
    elsewhere = account(gateway="fal", base_url="http://127.0.0.1:1/fal")
    assert elsewhere.callback_keys_url is None
    keys_url = "http://127.0.0.1:1/fal/.well-known/jwks.json"
    assert (
        account(gateway="fal", base_url="http://127.0.0.1:1/fal", webhook_keys_url=keys_url).callback_keys_url
        == keys_url
    )
    with pytest.raises(ValidationError, match="ark publishes no keys"):
        account(gateway="ark", webhook_keys_url=keys_url)


def test_ones_own_new_api_needs_an_address_and_names() -> None:
    with pytest.raises(ValidationError, match="is required: new-api publishes no address"):
        account(gateway="new-api", models={"standard": "ours"})
    with pytest.raises(ValidationError, match="is required: it maps standard"):
        account(gateway="new-api", base_url="https://new-api.example.com")
    ours = account(gateway="new-api", base_url="https://new-api.example.com", models={"seedance-2.5": "ours-2-5"})
    assert ours.dialect.catalog.models["seedance-2.5"].models == ("ours-2-5",)


@pytest.mark.parametrize(
    "own_id", ["seedance", "bytedance:seedance/v2", "bytedance/seedance:2/text-to-video", "bytedance//x"]
)
def test_fals_ids_begin_with_an_owner_and_an_application(own_id: str) -> None:
    with pytest.raises(ValidationError, match="must begin with OWNER/APPLICATION"):
        account(gateway="fal", models={"seedance-2.5": own_id})
    ours = account(gateway="fal", models={"seedance-2.5": "ours/seedance-2.5-eu"}).dialect
    assert (
        ours.query_call(ours.task_handle("r-1", "ours/seedance-2.5-eu")).path
        == "/ours/seedance-2.5-eu/requests/r-1/status"
    )
