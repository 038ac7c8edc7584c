"""Ark's official SDK, unchanged, against our API: a base URL and a key are all that differs."""

from __future__ import annotations

import base64
import importlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from producer.client import Producer
from storage.database import connect
from storage.jobs.reasons import Reason
from storage.jobs.records import Move
from storage.jobs.states import JobState
from storage.jobs.transitions import move
from storage.settings import Settings
from storage.tenants import keys
from tests.integration.api.api_server import bring, serving
from tests.integration.webhooks.test_delivery import deliver
from tests.media_files import picture
from tests.webhook_receiver import receiving
from worker.runtime import Runtime

runtime: Any = importlib.import_module("byteplussdkarkruntime")  # its types do not pass mypy
errors: Any = importlib.import_module("byteplussdkarkruntime._exceptions")

S = JobState
MODEL = "dreamina-seedance-2-0-260128"
NEW = "doubao-seedance-2-5-260628"
TASKS = "/api/v3/contents/generations/tasks"
FOX = [{"type": "text", "text": "a red fox"}]
ARK = {"name": "main", "gateway": "ark", "api_key": "sk-secret-of-main"}


@dataclass
class Door:
    """A server, and a key of each of two tenants."""

    http: httpx.Client
    producer: Producer
    shop: str
    beta: str
    opened: list[Any] = field(default_factory=list)

    def sdk(self, key: str, **more: Any) -> Any:
        made = runtime.Ark(base_url=f"{self.http.base_url}/api/v3", api_key=key, **{"max_retries": 0} | more)
        self.opened.append(made)
        return made

    def count(self, tenant: str) -> int:
        with self.producer.database.begin() as conn:
            row = conn.execute("SELECT count(*) FROM jobs WHERE tenant = %s", [tenant]).fetchone()
        assert row is not None
        return int(row[0])


@pytest.fixture
def door(settings: Settings) -> Iterator[Door]:
    own = Settings.model_validate(settings.model_dump() | {"accounts": [ARK], "allow_private_networks": True})
    with connect(own.require_database_url()) as conn:
        made = [keys.new_key(conn, tenant, "sdk", ["enqueue", "read"])[0] for tenant in ("shop", "beta")]
    with serving(own) as client, Producer(own, tenant="shop") as producer:
        door = Door(client, producer, made[0], made[1])
        yield door
        for sdk in door.opened:
            sdk.close()


class LosesAnswers(httpx.BaseTransport):
    """Sends each request; the first `lost` answers are lost, together with their connection."""

    def __init__(self, lost: int) -> None:
        self.lost = lost
        self.sent: list[httpx.Request] = []
        self._inner = httpx.HTTPTransport()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        response = self._inner.handle_request(request)
        self.sent.append(request)
        if len(self.sent) <= self.lost:
            response.close()
            self._inner.close()
            self._inner = httpx.HTTPTransport()
            raise httpx.ReadTimeout("the answer is lost", request=request)
        return response

    def close(self) -> None:
        self._inner.close()


def test_the_sdk_creates_gets_lists_and_deletes_tasks(door: Door) -> None:
    tasks = door.sdk(door.shop).content_generation.tasks
    made = tasks.create(
        model=MODEL,
        content=FOX,
        resolution="480P",
        ratio="9:16",
        duration=4,
        generate_audio=False,
        return_last_frame=True,
        service_tier="default",
        execution_expires_after=3600,
        priority=7,
        safety_identifier="user-1",
        extra_body={"tools": [{"type": "web_search"}]},
    )
    assert made.safety_identifier == "user-1"
    job = door.producer.get(made.id)
    asked = {"resolution": "480p", "ratio": "9:16", "duration": 4, "audio": False, "return_last_frame": True}
    own = {"prompt": "a red fox", "web_search": True, "gateway_options": {"ark": {"safety_identifier": "user-1"}}}
    assert job.request == asked | own and job.priority == 7
    assert job.deadline_at is not None and round((job.deadline_at - job.created_at).total_seconds()) == 3600
    waiting = tasks.get(task_id=made.id)
    assert (waiting.status, waiting.model, waiting.execution_expires_after) == ("queued", MODEL, 3600)

    usage = {"completion_tokens": 48_000, "total_tokens": 48_000}
    bring(door.producer, made.id, S.GENERATING)
    assert tasks.get(task_id=made.id).status == "running"
    with pytest.raises(errors.ArkConflictError) as refused:
        door.sdk(door.shop, max_retries=2).content_generation.tasks.delete(made.id)
    assert refused.value.code == "InvalidAction.RunningTaskDeletion"
    bring(door.producer, made.id, S.SUCCEEDED, usage=usage, seed=7, last_frame_key="videos/x.last.png")
    done = tasks.get(task_id=made.id)
    assert (done.status, done.seed, done.ratio, done.resolution, done.duration) == ("succeeded", 7, "9:16", "480p", 4)
    assert done.usage.completion_tokens == 48_000 and done.error is None
    assert done.content.video_url.startswith("http") and "Signature" in done.content.video_url
    assert ".last.png" in done.content.last_frame_url

    second = tasks.create(model=NEW, content=FOX)
    found = tasks.list(page_num=1, page_size=5, status="succeeded", task_ids=[made.id, second.id], model=MODEL)
    assert (found.total, [item.id for item in found.items]) == (1, [made.id])
    assert [item.id for item in tasks.list(model=NEW).items] == [second.id]
    assert (tasks.list(page_num=2, page_size=1).items[0].id, tasks.list(page_num=9).total) == (made.id, 2)
    assert tasks.list(service_tier="flex").total == 0

    tasks.delete(second.id)
    tasks.delete(second.id)
    assert tasks.get(task_id=second.id).status == "cancelled"
    tasks.delete(made.id)
    with pytest.raises(errors.ArkNotFoundError):
        tasks.get(task_id=made.id)
    assert door.producer.get(made.id).deleted_at is not None, "the record stays for those who pay"


def test_no_task_of_another_tenant_is_seen_or_touched(door: Door) -> None:
    made = door.sdk(door.shop).content_generation.tasks.create(model=MODEL, content=FOX)
    others = door.sdk(door.beta).content_generation.tasks
    for name in ("get", "delete"):
        with pytest.raises(errors.ArkNotFoundError) as unknown:
            getattr(others, name)(task_id=made.id)
        assert unknown.value.code == "NotFound.Task"
    assert others.list(task_ids=[made.id]).total == 0
    assert others.create(model=MODEL, content=FOX).id != made.id
    with pytest.raises(errors.ArkAuthenticationError) as wrong:
        door.sdk("rq_no_such_key").content_generation.tasks.list()
    assert wrong.value.code == "AuthenticationError"


def test_a_create_whose_answer_was_lost_is_paid_once(door: Door) -> None:
    lossy = LosesAnswers(2)
    with httpx.Client(transport=lossy, base_url=f"{door.http.base_url}/api/v3") as client:
        made = door.sdk(door.shop, max_retries=2, http_client=client).content_generation.tasks.create(
            model=MODEL, content=FOX
        )
    ids = {request.headers["x-client-request-id"] for request in lossy.sent}
    assert (len(lossy.sent), len(ids)) == (3, 3), "the SDK says nothing that would tell a repetition"
    assert door.count("shop") == 1
    # The same of another tenant is another task, also while this one's answer is in doubt.
    other = door.sdk(door.beta).content_generation.tasks.create(model=MODEL, content=FOX)
    assert other.id != made.id and door.count("beta") == 1


def test_a_client_that_has_the_answer_makes_another_task(door: Door) -> None:
    tasks = door.sdk(door.shop).content_generation.tasks
    ids = [tasks.create(model=MODEL, content=FOX).id for _ in range(3)]
    assert len(set(ids)) == 3, "on one connection each answer arrived before the next request"
    again = door.sdk(door.shop).content_generation.tasks
    assert again.create(model=MODEL, content=FOX).id == ids[-1], "on another connection the last may be lost"
    assert again.get(task_id=ids[-1]).status == "queued"
    assert door.sdk(door.shop).content_generation.tasks.create(model=MODEL, content=FOX).id not in ids


def test_behind_a_proxy_a_connection_proves_nothing(door: Door) -> None:
    body = {"model": MODEL, "content": FOX}
    headers = {"Authorization": f"Bearer {door.shop}", "X-Forwarded-For": "192.0.2.7"}
    answers = [door.http.post(TASKS, json=body, headers=headers) for _ in range(2)]
    assert answers[0].json() == answers[1].json()
    assert answers[1].headers["idempotency-replayed"] == "true"


def test_an_explicit_key_decides_alone(door: Door) -> None:
    tasks = door.sdk(door.shop).content_generation.tasks
    one = [tasks.create(model=MODEL, content=FOX, extra_headers={"Idempotency-Key": "a"}).id for _ in range(2)]
    assert one[0] == one[1]
    with pytest.raises(errors.ArkBadRequestError, match="asks for something else"):
        tasks.create(model=MODEL, content=FOX, duration=8, extra_headers={"Idempotency-Key": "a"})


REFUSED: list[tuple[dict[str, Any], str, str]] = [
    ({"model": "seedance-9"}, "InvalidEndpointOrModel.NotFound", "model"),
    ({"duration": 3}, "InvalidParameter", "duration"),
    ({"service_tier": "flex"}, "InvalidParameter", "service_tier"),
    ({"frames": 49}, "InvalidParameter", "frames"),
    ({"camera_fixed": True}, "InvalidParameter", "camera_fixed"),
    ({"draft": True}, "InvalidParameter", "draft"),
    ({"extra_body": {"guidance": 2}}, "InvalidParameter", "guidance"),
    ({"execution_expires_after": 60}, "InvalidParameter", "execution_expires_after"),
    ({"callback_url": "ftp://a"}, "InvalidParameter", "callback_url"),
    ({"content": []}, "MissingParameter", "content"),
    ({"content": [{"type": "text", "text": "a fox --dur 5 --style oil"}]}, "InvalidParameter", "content.text"),
]


def test_what_cannot_be_honoured_is_refused_in_arks_form(door: Door) -> None:
    tasks = door.sdk(door.shop).content_generation.tasks
    for more, code, param in REFUSED:
        with pytest.raises((errors.ArkBadRequestError, errors.ArkNotFoundError)) as refused:
            tasks.create(**{"model": MODEL, "content": FOX} | more)
        assert (refused.value.code, refused.value.param) == (code, param), more
    assert door.count("shop") == 0


def test_pictures_in_the_body_are_stored_and_text_flags_are_read(door: Door) -> None:
    data = f"data:image/png;base64,{base64.b64encode(picture(720, 1280)).decode()}"
    content = [
        {"type": "text", "text": "she turns --rs 720p --rt adaptive --dur 6 --wm true"},
        {"type": "image_url", "image_url": {"url": data}, "role": "first_frame"},
        {"type": "image_url", "image_url": {"url": "https://pictures.example/b.png"}, "role": "last_frame"},
    ]
    made = door.sdk(door.shop).content_generation.tasks.create(model=MODEL, content=content)
    request = door.producer.get(made.id).request
    assert request["first_frame"].startswith("upload://") and request["last_frame"] == "https://pictures.example/b.png"
    flags = {"resolution": "720p", "ratio": "adaptive", "duration": 6, "watermark": True}
    assert {name: request[name] for name in flags} == flags and request["prompt"] == "she turns"


def test_the_callback_has_arks_own_body_at_each_change(door: Door) -> None:
    with receiving() as receiver:
        url = f"{receiver.url}/ark?token=1"
        tasks = door.sdk(door.shop).content_generation.tasks
        made = tasks.create(model=MODEL, content=FOX, callback_url=url)
        late = tasks.create(model=MODEL, content=FOX, callback_url=url, duration=5)
        settings = door.producer.settings
        work = Runtime(Settings.model_validate(settings.model_dump() | {"lease_seconds": 61.0}))
        try:
            bring(door.producer, made.id, S.GENERATING)
            deliver(work)
            bring(door.producer, made.id, S.SUCCEEDED)
            error = {"code": "deadline_exceeded", "message": "the deadline passed"}
            with door.producer.database.begin() as conn:
                job = door.producer.get(late.id)
                move(conn, [Move(job.id, (S.QUEUED,), S.FAILED, Reason.DEADLINE_EXCEEDED, patch={"error": error})])
            deliver(work)
        finally:
            work.close()
        bodies = [delivery.content() for delivery in receiver.at("/ark?token=1")]
    listed = door.http.get("/v1/webhooks/messages", headers={"Authorization": f"Bearer {door.shop}"}).json()["data"]
    assert {item["type"] for item in listed} == {"ark.running", "ark.succeeded", "ark.expired"}
    assert [(body["id"], body["status"]) for body in bodies[:1]] == [(made.id, "running")]
    assert {(body["id"], body["status"]) for body in bodies[1:]} == {(made.id, "succeeded"), (late.id, "expired")}
    succeeded = next(body for body in bodies if body["status"] == "succeeded")
    assert succeeded["model"] == MODEL and succeeded["content"]["video_url"].startswith("http")
