"""Every dialect over HTTP against the simulator, which implements the same documents independently."""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeVar

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from seedance.client import GatewayClient
from seedance.errors import (
    AccountProblem,
    GatewayError,
    ModelProblem,
    Moderated,
    NotServed,
    OutcomeUnknown,
    Rejected,
    TaskUnknown,
    Throttled,
    TooLate,
)
from seedance.gateways.base import (
    AttemptOptions,
    Callback,
    CallbackProof,
    Dialect,
    TaskReport,
    TaskStatus,
    WireAnswer,
    WireCall,
)
from seedance.gateways.new_api.dialect import NewApiDialect
from seedance.gateways.registry import DIALECTS
from seedance.gateways.signatures import keys_of_jwks
from seedance.lanes import limits_apart
from seedance.request import GenerationRequest, parse_request
from simulator.dialects.registry import all_dialects
from simulator.main import SimulatorOptions, running
from tests.contract import clients
from tests.contract.clients import KEY, account_url
from tests.contract.recorded import load
from tests.contract.strategies import requests_for
from tests.simulator_client import Clock
from tests.waiting import PATIENCE_S

T = TypeVar("T")
WEBHOOK_SECRET = "whsec-contract-tests"
EVERY_DIALECT = pytest.mark.parametrize("dialect", DIALECTS.values(), ids=DIALECTS)
TERMINAL = (TaskStatus.SUCCEEDED, TaskStatus.FAILED, TaskStatus.CANCELLED, TaskStatus.EXPIRED, TaskStatus.LOST)
FOX = parse_request({"prompt": "a fox in the snow", "duration": 5})


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    options = SimulatorOptions(
        seed=7, time="fixed", median_seconds=0.1, api_keys=frozenset({KEY}), webhook_secret=WEBHOOK_SECRET
    )
    with running(options) as base_url:
        # Ark makes one 4k video at a time; here many are asked for at once.
        models = {
            model: {"requests_per_minute": None, "max_in_flight": None} for model in limits_apart(DIALECTS["ark"])
        }
        httpx.put(f"{base_url}/_sim/limits", json={"models": models}, trust_env=False).raise_for_status()
        yield base_url


@pytest.fixture
def faults(url: str) -> Iterator[Callable[..., None]]:
    def arm(**rule: Any) -> None:
        httpx.post(f"{url}/_sim/faults", json=[rule], trust_env=False).raise_for_status()

    yield arm
    httpx.delete(f"{url}/_sim/faults", trust_env=False).raise_for_status()


def with_client(url: str, dialect: Dialect, work: Callable[[GatewayClient], Awaitable[T]], key: str = KEY) -> T:
    return clients.with_client(url, dialect.name, work, api_key=key)


async def generate(client: GatewayClient, request: GenerationRequest, attempt: AttemptOptions) -> TaskReport:
    """Submit and poll to the end."""
    return (await generated(client, request, attempt))[1]


async def generated(
    client: GatewayClient, request: GenerationRequest, attempt: AttemptOptions
) -> tuple[str, TaskReport]:
    """The same, with the task's id."""
    task_id = (await client.submit(request, attempt)).task_id
    async with asyncio.timeout(PATIENCE_S):
        while (report := await client.query(task_id)).status not in TERMINAL:
            assert report.status is not TaskStatus.UNKNOWN, report.raw_status
            await asyncio.sleep(0.05)
    return task_id, report


async def final_of_a_draft(client: GatewayClient, request: GenerationRequest) -> TaskReport:
    """Generate a draft, then the final of it, of which nothing else is taken from its recorded attempt."""
    draft = parse_request({"prompt": "a walk", "model": "seedance-2.5", "draft": True, "duration": 5})
    task_id, _ = await generated(client, draft, AttemptOptions())
    options = AttemptOptions(draft_task_id=task_id, draft_model=client.dialect.model_for(draft))
    return await generate(client, request, options)


@EVERY_DIALECT
def test_every_recorded_request_is_accepted_and_its_video_is_found(url: str, dialect: Dialect) -> None:
    recorded = load(dialect.name, "requests")
    finals = [row for row in recorded if "draft_of" in row["request"]]
    rows = [row for row in recorded if row not in finals]

    async def work(client: GatewayClient) -> list[TaskReport]:
        made = await asyncio.gather(
            *(
                generate(client, parse_request(row["request"]), AttemptOptions(seed=row.get("attempt", {}).get("seed")))
                for row in rows
            )
        )
        return made + [await final_of_a_draft(client, parse_request(row["request"])) for row in finals]

    for row, report in zip(rows + finals, with_client(url, dialect, work), strict=True):
        assert report.status is TaskStatus.SUCCEEDED, row["name"]
        assert report.video_url is not None
        if row["request"].get("return_last_frame"):
            assert report.last_frame_url is not None


@EVERY_DIALECT
@given(data=st.data(), seed=st.none() | st.integers(0, 2**32 - 1))
@settings(
    max_examples=100,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
def test_what_the_dialect_does_not_refuse_is_accepted(
    url: str, dialect: Dialect, data: st.DataObject, seed: int | None
) -> None:
    request = data.draw(requests_for(dialect.capabilities()))
    if not dialect.refusals(request):
        with_client(url, dialect, lambda client: client.submit(request, AttemptOptions(seed)))


@EVERY_DIALECT
def test_an_unknown_task_is_reported_as_unknown(url: str, dialect: Dialect) -> None:
    with pytest.raises(TaskUnknown):
        with_client(url, dialect, lambda client: client.query(all_dialects()[dialect.name].new_id()))


@EVERY_DIALECT
def test_a_wrong_key_is_reported_as_such(url: str, dialect: Dialect) -> None:
    with pytest.raises(AccountProblem) as caught:
        with_client(url, dialect, lambda client: client.submit(FOX, AttemptOptions()), key="sk-wrong-key")
    assert caught.value.kind == "auth"
    assert "sk-wrong-key" not in str(caught.value)


ON_CREATE: list[tuple[dict[str, Any], type[GatewayError], dict[str, Any]]] = [
    ({"kind": "rate_limit"}, Throttled, {"retry_after_s": None}),
    ({"kind": "rate_limit", "retry_after": 7}, Throttled, {"retry_after_s": 7.0}),
    ({"kind": "no_money"}, AccountProblem, {"kind": "billing"}),
    ({"kind": "moderate_input"}, Moderated, {"stage": "input"}),
    ({"kind": "accept_then_500"}, OutcomeUnknown, {"status": 500}),
    ({"kind": "accept_then_500", "status": 503}, OutcomeUnknown, {"status": 503}),
    ({"kind": "status", "status": 503, "retry_after": 5}, OutcomeUnknown, {"status": 503}),
    ({"kind": "status", "status": 404}, NotServed, {"status": 404}),
    ({"kind": "status", "status": 405, "body": "html"}, NotServed, {"status": 405}),
    ({"kind": "status", "status": 403, "body": "html"}, NotServed, {"status": 403}),
    ({"kind": "status", "status": 403, "body": "empty"}, OutcomeUnknown, {"status": 403}),
    ({"kind": "status", "status": 429, "body": "html", "retry_after": 5}, OutcomeUnknown, {"status": 429}),
    ({"kind": "accept_then_500", "body": "html"}, OutcomeUnknown, {"status": 500}),
    ({"kind": "status", "status": 502, "body": "html"}, OutcomeUnknown, {"status": 502}),
    ({"kind": "status", "status": 400}, Rejected, {"status": 400}),
    ({"kind": "garbage"}, OutcomeUnknown, {"status": 200}),
    ({"kind": "html_200"}, OutcomeUnknown, {"status": 200}),
    ({"kind": "empty_200"}, OutcomeUnknown, {"status": 200}),
    ({"kind": "close_after_accept"}, OutcomeUnknown, {"status": None}),
]


@EVERY_DIALECT
@pytest.mark.parametrize(("rule", "kind", "attributes"), ON_CREATE, ids=[str(case[0]) for case in ON_CREATE])
def test_a_failed_create_has_the_documented_meaning(
    url: str,
    faults: Callable[..., None],
    dialect: Dialect,
    rule: dict[str, Any],
    kind: type[GatewayError],
    attributes: dict[str, Any],
) -> None:
    faults(where="create", gateway=dialect.name, **rule)
    with pytest.raises(GatewayError) as caught:
        with_client(url, dialect, lambda client: client.submit(FOX, AttemptOptions()))
    if kind is Throttled and not any(meaning == "throttled" for _, _, meaning in dialect.errors.refusals):
        kind, attributes = OutcomeUnknown, {}  # a gateway that documents no such refusal
    assert type(caught.value) is kind
    if dialect.name == "kie" and caught.value.status == 200:
        attributes = {name: value for name, value in attributes.items() if name != "status"}
    assert {name: getattr(caught.value, name) for name in attributes} == attributes


@EVERY_DIALECT
def test_an_unknown_model_is_refused(url: str, dialect: Dialect) -> None:
    model = dialect.model_for(FOX)

    async def work(client: GatewayClient) -> WireAnswer:
        call = client.dialect.submit_call(FOX, AttemptOptions())
        body = {name: f"{model}-9" if value == model else value for name, value in (call.json or {}).items()}
        path = call.path.replace(f"/{model}", f"/{model}-9")
        return await client.call("submit", replace(call, path=path, json=body))

    with pytest.raises((ModelProblem, Rejected)) as caught:
        with_client(url, dialect, work)
    # A gateway without a code for it blames the request.
    has_a_code = any(kind == "unknown_model" for _, _, kind in dialect.errors.refusals)
    assert getattr(caught.value, "kind", None) == ("unknown_model" if has_a_code else None)


FATES: list[tuple[dict[str, Any], TaskStatus, str]] = [
    ({"kind": "fail"}, TaskStatus.FAILED, "generation_failed"),
    ({"kind": "moderate_output"}, TaskStatus.FAILED, "moderation_blocked"),
]


@EVERY_DIALECT
@pytest.mark.parametrize(("rule", "status", "code"), FATES, ids=[case[2] for case in FATES])
def test_a_failed_task_has_the_documented_meaning(
    url: str, faults: Callable[..., None], dialect: Dialect, rule: dict[str, Any], status: TaskStatus, code: str
) -> None:
    faults(where="create", gateway=dialect.name, **rule)
    report = with_client(url, dialect, lambda client: generate(client, FOX, AttemptOptions()))
    assert report.status is status
    assert report.failure is not None and report.failure.code == code


@pytest.mark.parametrize("name", [name for name, found in DIALECTS.items() if isinstance(found, NewApiDialect)])
def test_a_task_lost_by_new_api_is_gateway_lost(url: str, faults: Callable[..., None], name: str) -> None:
    faults(where="create", gateway=name, kind="lost")
    report = with_client(url, DIALECTS[name], lambda client: generate(client, FOX, AttemptOptions()))
    assert report.status is TaskStatus.LOST


def test_an_inner_expiry_wins_over_the_outer_status(url: str, faults: Callable[..., None]) -> None:
    faults(where="create", gateway="anyfast", kind="inner_expired")
    report = with_client(url, DIALECTS["anyfast"], lambda client: generate(client, FOX, AttemptOptions()))
    assert report.status is TaskStatus.EXPIRED


@EVERY_DIALECT
def test_an_unknown_status_keeps_the_task_polled(url: str, faults: Callable[..., None], dialect: Dialect) -> None:
    faults(where="query", gateway=dialect.name, kind="unknown_status", status="ARCHIVED")

    async def work(client: GatewayClient) -> TaskReport:
        return await client.query((await client.submit(FOX, AttemptOptions())).task_id)

    report = with_client(url, dialect, work)
    assert report.status is TaskStatus.UNKNOWN
    assert "ARCHIVED" in report.raw_status


def send(http: httpx.Client, call: WireCall) -> WireAnswer:
    answer = http.request(call.method, call.path, params=dict(call.params), json=call.json)
    return WireAnswer(
        answer.status_code, {name.lower(): value for name, value in answer.headers.items()}, answer.content
    )


@pytest.mark.parametrize("name", [name for name, found in DIALECTS.items() if found.capabilities().callbacks])
def test_a_callback_names_the_task(url: str, name: str) -> None:
    dialect = DIALECTS[name]
    came: queue.Queue[Callback] = queue.Queue()

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            came.put(Callback(headers, self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Receiver) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        callback_url = f"http://127.0.0.1:{server.server_address[1]}/callbacks/{name}/token"
        assert dialect.callback_problem(callback_url, allow_private=True) is None
        attempt = AttemptOptions(callback_url=callback_url)
        submitted = with_client(url, dialect, lambda client: client.submit(FOX, attempt))
        callback = came.get(timeout=PATIENCE_S)
        named = dialect.read_callback(callback.body)
        assert dialect.task_handle(named, dialect.model_for(FOX)) == submitted.task_id
        check_signature(url, dialect, callback)
        server.shutdown()


def check_signature(url: str, dialect: Dialect, callback: Callback) -> None:
    """The right key accepts the callback now, and nothing else does."""
    now, keys = time.time(), [WEBHOOK_SECRET]
    if dialect.callback_proof is CallbackProof.NONE:
        assert dialect.callback_forgery(callback, [], now) is None
        return
    if dialect.callback_proof is CallbackProof.PUBLISHED:
        jwks = httpx.get(f"{url}/{dialect.name}/.well-known/jwks.json", trust_env=False)
        keys = list(keys_of_jwks(jwks.raise_for_status().content))
    assert dialect.callback_forgery(callback, ["another", *keys], now) is None
    assert dialect.callback_forgery(callback, ["another"], now) is not None
    assert dialect.callback_forgery(callback, keys, now + 400) is not None
    assert dialect.callback_forgery(Callback({}, callback.body), keys, now) is not None
    other = callback.body.replace(dialect.read_callback(callback.body).encode(), b"another-task")
    assert dialect.callback_forgery(Callback(callback.headers, other), keys, now) is not None


def sent(http: httpx.Client, call: WireCall | None) -> WireAnswer:
    assert call is not None
    return send(http, call)


def test_ark_lists_tasks_with_the_seeds_of_their_attempts(url: str) -> None:
    ark = DIALECTS["ark"]
    with_client(url, ark, lambda client: generate(client, FOX, AttemptOptions(seed=11)))
    with ark_over(url) as http:
        newest = ark.read_list(sent(http, ark.list_call(page_size=1)))
        (task,) = newest.tasks
        assert newest.total is not None and newest.total >= 1
        assert (task.report.seed, task.model, task.report.status) == (11, ark.model_for(FOX), TaskStatus.SUCCEEDED)
        assert task.created_at is not None and abs(task.created_at - time.time()) < 60
        by_id = ark.read_list(sent(http, ark.list_call(task_ids=[task.task_id, "cgt-unknown"])))
        assert [found.task_id for found in by_id.tasks] == [task.task_id]
    many = with_client(url, ark, lambda client: client.query_many([task.task_id, "cgt-unknown"]))
    assert {task_id: report.seed for task_id, report in many.items()} == {task.task_id: 11}
    with ark_over(url) as http:
        assert ark.read_list(sent(http, ark.list_call(flex=True))).tasks == ()


def test_ark_cancels_queued_tasks_and_refuses_running_ones() -> None:
    ark = DIALECTS["ark"]
    clock = Clock()
    options = SimulatorOptions(seed=7, time="fixed", median_seconds=60, clock=clock)
    with running(options) as base_url, ark_over(base_url) as http:
        task_id = ark.read_submitted(send(http, ark.submit_call(FOX, AttemptOptions()))).task_id
        assert sent(http, ark.cancel_call(task_id)).status == 200
        assert ark.read_report(send(http, ark.query_call(task_id))).status is TaskStatus.CANCELLED
        assert type(ark.read_error("cancel", sent(http, ark.cancel_call("cgt-unknown")))) is TaskUnknown
        task_id = ark.read_submitted(send(http, ark.submit_call(FOX, AttemptOptions()))).task_id
        clock.now += 30
        assert ark.read_report(send(http, ark.query_call(task_id))).status is TaskStatus.RUNNING
        assert type(ark.read_error("cancel", sent(http, ark.cancel_call(task_id)))) is TooLate


@contextmanager
def ark_over(url: str) -> Iterator[httpx.Client]:
    base_url = account_url(url, "ark")
    with httpx.Client(base_url=base_url, headers={"Authorization": f"Bearer {KEY}"}, trust_env=False) as http:
        yield http
