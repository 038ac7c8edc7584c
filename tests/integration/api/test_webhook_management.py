"""Each tenant manages its webhooks over HTTP and with commands."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from producer.cli import main as cli
from storage.database import connect
from storage.settings import Settings
from storage.webhooks.messages import parse_webhook_id
from storage.webhooks.signing import new_secret, secret_bytes
from tests.integration.api.api_server import serving, with_account
from tests.integration.api.delivering import delivering
from tests.integration.api.doors.test_api_keys import ELSEWHERE, bearer, make_key
from tests.integration.webhooks.test_outbox import cancel, enqueue
from tests.servers import environ_for
from tests.waiting import wait_for
from tests.webhook_receiver import Receiver, Reply, receiving
from worker.runtime import Runtime

HOOK = "https://shop.example/hook"
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def configured(settings: Settings) -> Settings:
    return Settings.model_validate(with_account(settings).model_dump() | {"allow_private_networks": True})


@pytest.fixture
def worker(configured: Settings) -> Iterator[Runtime]:
    """A worker that sends what is due."""
    with delivering(configured) as runtime:
        yield runtime


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as running:
        yield running


@pytest.fixture
def run(
    configured: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]
) -> Run:
    monkeypatch.chdir(tmp_path)
    for name, value in (environ_for(configured) | {"REELQ_ALLOW_PRIVATE_NETWORKS": "true"}).items():
        monkeypatch.setenv(name, value)

    def run(*arguments: object) -> tuple[int, str, str]:
        code = cli.run(["webhooks", *map(str, arguments)])
        captured = capsysbinary.readouterr()
        return code, captured.out.decode(), captured.err.decode()

    return run


def ended(settings: Settings, count: int = 1, **fields: Any) -> list[str]:
    with connect(settings.require_database_url()) as conn:
        ids = enqueue(conn, count, **fields)
        cancel(conn, ids)
    return [str(job_id) for job_id in ids]


# --- HTTP --------------------------------------------------------------------


def test_an_endpoint_is_created_changed_and_removed(api: httpx.Client, configured: Settings) -> None:
    made = api.post("/v1/webhooks/endpoints", json={"url": HOOK, "events": ["job.succeeded", "job.cancelled"]})
    assert made.status_code == 201, made.text
    body = made.json()
    assert len(secret_bytes(body["secret"])) == 32
    path = made.headers["location"]
    shown = api.get(path).json()
    assert shown == {name: value for name, value in body.items() if name != "secret"}
    assert api.get("/v1/webhooks/endpoints").json() == {"data": [shown]}
    again = api.post("/v1/webhooks/endpoints", json={"url": HOOK})
    assert (again.status_code, again.json()["errors"][0]["field"]) == (422, "url")

    turned = api.post(f"{path}/rotate", json={"overlap_seconds": 60}).json()
    assert turned["secret"] != body["secret"]
    assert turned["previous_until"] is not None
    assert api.post(f"{path}/rotate", json={"overlap_seconds": -1}).status_code == 422

    assert api.patch(path, json={"disabled": True}).json()["disabled_reason"] == "by hand"
    ended(configured)
    assert api.get("/v1/webhooks/messages").json()["data"] == []
    assert api.patch(path, json={"disabled": False, "events": []}).json()["disabled_at"] is None
    ended(configured)
    [message] = api.get("/v1/webhooks/messages").json()["data"]
    assert (message["type"], message["state"], message["url"]) == ("job.cancelled", "pending", HOOK)
    assert api.delete(path).status_code == 204
    assert api.get(path).status_code == 404
    after = api.get(f"/v1/webhooks/messages/{message['id']}").json()
    assert (after["state"], after["url"]) == ("dead", None)
    refused = api.post(f"/v1/webhooks/messages/{message['id']}/replay")
    assert (refused.status_code, "removed" in refused.json()["detail"]) == (409, True)


NONSENSE: list[tuple[str, str, Any]] = [
    ("POST", "endpoints", {}),
    ("POST", "endpoints", {"url": 7}),
    ("POST", "endpoints", {"url": "ftp://a.example"}),
    ("POST", "endpoints", {"url": HOOK, "events": ["video.completed"]}),
    ("POST", "endpoints", {"url": HOOK, "events": ["webhook.test"]}),
    ("POST", "endpoints", {"url": HOOK, "events": "job.failed"}),
    ("POST", "endpoints", {"url": HOOK, "secret": "mine"}),
    ("POST", "replay", {}),
    ("POST", "replay", {"dead": "yes"}),
    ("POST", "replay", {"since": "yesterday"}),
    ("POST", "replay", {"since": "2030-01-31T18:00:00"}),
    ("POST", "replay", {"dead": True, "endpoint_id": "x"}),
    ("POST", "test", {}),
    ("POST", "test", {"url": HOOK, "endpoint_id": str(uuid4())}),
    ("GET", "messages?cursor=x", None),
    ("GET", "messages?cursor=ffffffffffffffff-00000000000000000000000000000000", None),
    ("GET", "messages?state=lost", None),
    ("GET", "endpoints/x", None),
]


def test_invalid_values_are_refused_by_field(api: httpx.Client) -> None:
    for method, path, body in NONSENSE:
        found = api.request(method, f"/v1/webhooks/{path}", json=body)
        assert found.status_code == 422, (path, body, found.text)
        assert found.json()["detail"]


def test_what_is_not_there_is_not_found(api: httpx.Client) -> None:
    for method, path in [
        ("GET", f"endpoints/{uuid4()}"),
        ("PATCH", f"endpoints/{uuid4()}"),
        ("DELETE", f"endpoints/{uuid4()}"),
        ("POST", f"endpoints/{uuid4()}/rotate"),
        ("GET", "messages/x"),
        ("GET", f"messages/msg_{uuid4().hex}"),
        ("POST", f"messages/{uuid4()}/replay"),
    ]:
        found = api.request(method, f"/v1/webhooks/{path}", json={} if method == "PATCH" else None)
        assert (found.status_code, found.json()["code"]) == (404, "webhook_not_found"), path


def test_pages_and_filters(api: httpx.Client, configured: Settings) -> None:
    first, *_ = ended(configured, 5, webhook_url=HOOK)
    seen: list[str] = []
    cursor = None
    while True:
        page = api.get("/v1/webhooks/messages", params={"limit": 2} | ({"cursor": cursor} if cursor else {})).json()
        seen += [item["id"] for item in page["data"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert (len(seen), len(set(seen))) == (5, 5)
    queries: list[tuple[dict[str, Any], int]] = [
        ({"job_id": first}, 1),
        ({"type": "job.cancelled"}, 5),
        ({"type": "job.failed"}, 0),
        ({"state": ["dead", "pending"]}, 5),
        ({"state": "delivered"}, 0),
        ({"since": "2999-01-01T00:00:00Z"}, 0),
        ({"endpoint_id": str(uuid4())}, 0),
    ]
    for query, number in queries:
        assert len(api.get("/v1/webhooks/messages", params=query).json()["data"]) == number, query


def test_endpoints_belong_to_one_tenant_and_only_admins_change_them(api: httpx.Client, configured: Settings) -> None:
    def headers(tenant: str, *scopes: str) -> dict[str, str]:
        return ELSEWHERE | bearer(make_key(configured, *scopes, tenant=tenant))

    mine, theirs, reader = headers("a", "admin"), headers("b", "admin"), headers("a", "read", "enqueue")
    made = api.post("/v1/webhooks/endpoints", json={"url": HOOK}, headers=mine).json()
    path = f"/v1/webhooks/endpoints/{made['id']}"
    ended(configured, tenant="a")
    [message] = api.get("/v1/webhooks/messages", headers=mine).json()["data"]
    for listed in ("endpoints", "messages"):
        assert api.get(f"/v1/webhooks/{listed}", headers=theirs).json()["data"] == []
        assert len(api.get(f"/v1/webhooks/{listed}", headers=reader).json()["data"]) == 1
    probes: list[tuple[str, str, Any]] = [
        ("DELETE", path, None),
        ("PATCH", path, {"disabled": True}),
        ("POST", f"{path}/rotate", None),
        ("POST", f"/v1/webhooks/messages/{message['id']}/replay", None),
        ("POST", "/v1/webhooks/test", {"endpoint_id": made["id"]}),
    ]
    for method, where, body in probes:
        assert api.request(method, where, json=body, headers=theirs).status_code == 404, where
        assert api.request(method, where, json=body, headers=reader).status_code == 403, where
    assert api.post("/v1/webhooks/replay", json={"since": "2020-01-01T00:00:00Z"}, headers=theirs).json() == {
        "replayed": 0
    }
    assert api.post("/v1/webhooks/endpoints", json={"url": f"{HOOK}/2"}, headers=reader).status_code == 403
    assert api.get("/v1/webhooks/secret", headers=reader).status_code == 403
    secrets = [api.get("/v1/webhooks/secret", headers=item).json()["secrets"] for item in (mine, theirs)]
    assert secrets == [configured.webhook_secrets("a"), configured.webhook_secrets("b")]
    assert secrets[0] != secrets[1]


def test_a_webhook_test_answers_with_its_result(api: httpx.Client, worker: Runtime, receiver: Receiver) -> None:
    receiver.replies["/no"] = Reply(403, body=b"not you")
    found = api.post("/v1/webhooks/test", json={"url": f"{receiver.url}/yes"})
    assert (found.status_code, found.json()["state"], found.json()["last_status"]) == (200, "delivered", 200)
    found = api.post("/v1/webhooks/test", json={"url": f"{receiver.url}/no"})
    assert (found.json()["state"], found.json()["last_answer"]) == ("dead", "not you")
    made = api.post("/v1/webhooks/endpoints", json={"url": receiver.url}).json()
    assert api.post("/v1/webhooks/test", json={"endpoint_id": made["id"]}).json()["state"] == "delivered"
    assert receiver.deliveries[-1].verified(made["secret"])["type"] == "webhook.test"


def test_a_job_with_a_private_webhook_url_is_refused(settings: Settings) -> None:
    with serving(with_account(settings)) as api:
        found = api.post("/v1/jobs", json={"prompt": "a fox", "webhook_url": "http://10.0.0.1/hook"})
    assert (found.status_code, found.json()["error"]["param"]) == (422, "webhook_url")


# --- the command line --------------------------------------------------------


def test_the_commands(run: Run, configured: Settings, worker: Runtime, receiver: Receiver) -> None:
    code, out, err = run("add", receiver.url, "--event", "job.cancelled")
    assert code == 0, err
    secret = out.strip()
    assert "receives job.cancelled" in err
    [job] = ended(configured)
    worker_has_sent(run, 1)
    assert receiver.deliveries[0].verified(secret)["data"]["id"] == job
    listed = json.loads(run("list", "--json")[1])
    [endpoint], [message] = listed["endpoints"], listed["messages"]
    assert "secret" not in endpoint
    table = run("list", "--state", "delivered", "--job", job[:30])[1]
    assert message["id"] in table
    assert receiver.url in table
    assert message["id"] not in run("list", "--state", "dead")[1]

    short = endpoint["id"][:30]
    assert run("replay", message["id"])[1] == "1 message will be sent again\n"
    worker_has_sent(run, 1)
    assert len(receiver.deliveries) == 2
    assert len({item.id for item in receiver.deliveries}) == 1
    assert json.loads(run("replay", "--since", "2020-01-01", "--endpoint", short, "--json")[1]) == {"replayed": 1}
    assert run("replay", "--dead")[1] == "0 messages will be sent again\n"

    code, out, _ = run("rotate", short, "--overlap", "0")
    assert code == 0
    assert out.strip() != secret
    code, out, _ = run("test", short)
    assert (code, "HTTP 200, accepted" in out) == (0, True)
    receiver.otherwise = Reply(500, body=b"broken \x1b[31m")
    code, out, _ = run("test", f"{receiver.url}/x")
    assert (code, "HTTP 500, not accepted\n" in out, "\x1b" in out) == (1, True, False)
    assert run("disable", short)[1].endswith("is disabled\n")
    assert "disabled (by hand)" in run("list")[1]
    assert run("test", short)[0] == 2
    assert run("enable", short)[0] == 0
    assert run("remove", short)[1].endswith("is removed\n")
    assert "no endpoints" in run("list")[2]


def worker_has_sent(run: Run, number: int) -> None:
    def sent() -> bool:
        states = [item["state"] for item in json.loads(run("list", "--json")[1])["messages"]]
        return states.count("delivered") == number

    wait_for(f"{number} messages are sent", sent)


def test_what_the_commands_refuse(run: Run) -> None:
    for arguments, said in [
        (("add", "ftp://a.example"), "url: must be an http(s) URL"),
        (("add", HOOK, "--event", "job.lost"), "events: 'job.lost' is not an event; events are job.succeeded"),
        (("remove", "0"), "there is no webhook endpoint 0"),
        (("replay",), "choose messages"),
        (("replay", "msg_1"), "there is no webhook message"),
        (("replay", "msg_1", "--dead"), "give either message ids, or --dead"),
        (("list", "--state", "lost"), "--state: 'lost' is unknown"),
        (("test", "ftp://a"), "url: must be an http(s) URL"),
    ]:
        code, _, err = run(*arguments)
        assert (code, said in err) == (2, True), (arguments, err)


def test_the_secret_of_jobs_own_urls_is_shown(run: Run, configured: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run("secret")[1].split() == configured.webhook_secrets("default")
    assert run("secret", "--tenant", "shop")[1].split() == configured.webhook_secrets("shop")
    fresh = run("secret", "--new")[1].strip()
    assert len(secret_bytes(fresh)) == 32
    monkeypatch.setenv("REELQ_WEBHOOK_SECRET", f"{fresh} {new_secret()}")
    assert len(json.loads(run("secret", "--json")[1])["secrets"]) == 2
    monkeypatch.delenv("REELQ_WEBHOOK_SECRET")
    code, _, err = run("secret")
    assert (code, "webhook_secret: is not set" in err) == (2, True)


def test_a_message_id_is_read_in_both_forms() -> None:
    message = uuid4()
    assert parse_webhook_id(f"msg_{message.hex}") == parse_webhook_id(str(message)) == message
