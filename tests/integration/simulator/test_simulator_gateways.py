"""The simulated uniAll, 12AI and EvoLink: what they accept, what they refuse, and their task objects."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from tests.simulator_client import Client, client_at, simulator

URL = "https://example.com/a.png"
CREATE = {"uniall": "/v1/video/generations", "12ai": "/v1/videos", "evolink": "/v1/videos/generations"}
QUERY = {"uniall": "/v1/videos/", "12ai": "/v1/videos/", "evolink": "/v1/tasks/"}
Clients = Callable[[str], Client]


def uniall(**fields: Any) -> dict[str, Any]:
    return {"model": "seedance2.0-720p", "prompt": "a red fox", **fields}


def twelve(metadata: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    return {"model": "seedance-2-official", "prompt": "a red fox", "metadata": metadata or {}, **fields}


def evolink(mode: str = "text-to-video", **fields: Any) -> dict[str, Any]:
    return {"model": f"seedance-2.0-{mode}", "prompt": "a red fox", **fields}


@pytest.fixture(scope="module")
def clients() -> Iterator[Clients]:
    with simulator("", seed=1, time="fixed", median_seconds=0.4) as client:
        yield lambda gateway: replace(client, prefix=f"/{gateway}")


GOOD = {
    "uniall": [
        uniall(),
        uniall(model="seedance2.0-4k", duration="15", aspect_ratio="9:16"),
        uniall(extra_body={"generate_audio": False, "seed": 42, "watermark": "false", "camera_fixed": False}),
        uniall(image=URL, last_image=URL, extra_body={"operation": "first_last_frame"}),
        uniall(images=[URL] * 9, videos=[URL] * 3, audios=[URL], extra_body={"operation": "edit_video"}),
    ],
    "12ai": [
        twelve(),
        twelve(images=[URL], duration=15, size="720p"),
        twelve(images=[URL, URL]),
        twelve(images=[URL] * 3, prompt="use @image_file_3"),
        twelve({"action": "multi_ref"}, images=[URL, URL]),
        twelve({"action": "multi_ref", "video_urls": [URL], "audio_urls": [URL]}),
        twelve({"web_search": True, "ratio": "21:9", "watermark": True}),
        twelve(model="seedance-2-official2-fast", images=["asset://asset-1", URL, URL]),
    ],
    "evolink": [
        evolink(),
        evolink(duration=15, quality="1080p", aspect_ratio="adaptive", content_filter=False),
        evolink("fast-text-to-video", model_params={"web_search": True}),
        evolink("image-to-video", image_urls=[URL, URL]),
        evolink("mini-reference-to-video", image_urls=[URL] * 9, video_urls=[URL] * 3, audio_urls=[URL] * 3),
        evolink(callback_url="https://example.com/hook"),
    ],
}
BAD: dict[str, list[tuple[dict[str, Any], str]]] = {
    "uniall": [
        (uniall(colour="red"), "colour"),
        (uniall(prompt=" "), "prompt"),
        (uniall(duration=4), "duration"),
        (uniall(duration="16"), "duration"),
        (uniall(duration=-1), "duration"),
        (uniall(aspect_ratio="4:3"), "aspect_ratio"),
        (uniall(aspect_ratio="adaptive"), "aspect_ratio"),
        (uniall(last_image=URL), "last_image"),
        (uniall(image=URL, images=[URL]), "image"),
        (uniall(image="data:image/png;base64,aGk="), "image"),
        (uniall(images=[URL] * 10), "images"),
        (uniall(videos=[URL] * 4), "videos"),
        (uniall(audios=[URL]), "audios"),
        (uniall(images="x"), "images"),
        (uniall(extra_body={"operation": "edit_video"}), "extra_body.operation"),
        (uniall(extra_body={"operation": "dance"}), "extra_body.operation"),
        (uniall(extra_body={"fps": 30}), "extra_body.fps"),
        (uniall(extra_body={"generate_audio": "yes"}), "extra_body.generate_audio"),
        (uniall(extra_body={"seed": -2}), "extra_body.seed"),
    ],
    "12ai": [
        (twelve(seed=1), "seed"),
        (twelve({"seed": 1}), "metadata.seed"),
        (twelve(prompt="x" * 2501), "prompt"),
        (twelve(duration=3), "duration"),
        (twelve(duration=4.5), "duration"),
        (twelve(size="1080p"), "size"),
        (twelve({"ratio": "adaptive"}), "metadata.ratio"),
        (twelve(images=[URL] * 10), "images"),
        (twelve(images=["data:image/png;base64,aGk="]), "images[0]"),
        (twelve(images=["asset://asset-1"]), "images[0]"),
        (twelve({"video_urls": [URL]}), "metadata.video_urls"),
        (twelve({"audio_urls": [URL]}, images=[URL, URL]), "metadata.audio_urls"),
        (twelve({"action": "image_to_video"}), "images"),
        (twelve({"action": "multi_ref"}), "images"),
        (twelve({"action": "fly"}), "metadata.action"),
        (twelve({"web_search": True}, images=[URL]), "metadata.web_search"),
        (twelve(images=[URL] * 3, prompt="use @video_file_1"), "prompt"),
        (twelve({"webhook_url": "ftp://example.com"}), "metadata.webhook_url"),
        (twelve({"webhook_url": "http://10.0.0.1/"}), "metadata.webhook_url"),
    ],
    "evolink": [
        (evolink(seed=1), "seed"),
        (evolink(prompt=""), "prompt"),
        (evolink(prompt="狐" * 10_001), "prompt"),
        (evolink(duration=-1), "duration"),
        (evolink(duration="5"), "duration"),
        (evolink("fast-text-to-video", quality="1080p"), "quality"),
        (evolink(aspect_ratio="2:1"), "aspect_ratio"),
        (evolink(image_urls=[URL]), "image_urls"),
        (evolink("image-to-video"), "image_urls"),
        (evolink("image-to-video", image_urls=[URL] * 3), "image_urls"),
        (evolink("image-to-video", image_urls=[URL], video_urls=[URL]), "video_urls"),
        (evolink("reference-to-video", audio_urls=[URL]), "audio_urls"),
        (evolink("reference-to-video", image_urls=[URL], video_urls=[URL] * 4), "video_urls"),
        (evolink("image-to-video", image_urls=[URL], model_params={"web_search": True}), "model_params"),
        (evolink("mini-text-to-video", model_params={"web_search": True}), "model_params"),
        (evolink(callback_url="http://example.com/"), "callback_url"),
        (evolink(callback_url="https://192.168.1.1/"), "callback_url"),
        (evolink(callback_url="https://example.com/" + "x" * 2048), "callback_url"),
        (evolink(model="seedance-2.0"), "model"),
    ],
}


@pytest.mark.parametrize(("gateway", "body"), [(name, body) for name, bodies in GOOD.items() for body in bodies])
def test_documented_requests_are_accepted(clients: Clients, gateway: str, body: dict[str, Any]) -> None:
    answer = clients(gateway).post(CREATE[gateway], body)
    assert answer.status_code == 200, answer.text
    assert answer.json()["status"] == ("pending" if gateway == "evolink" else "queued")


@pytest.mark.parametrize(
    ("gateway", "body", "field"),
    [(name, body, field) for name, cases in BAD.items() for body, field in cases],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_undocumented_requests_are_refused(clients: Clients, gateway: str, body: dict[str, Any], field: str) -> None:
    answer = clients(gateway).post(CREATE[gateway], body)
    assert answer.status_code == 400
    error = answer.json()["error"] if gateway == "evolink" else answer.json()
    assert error["code"] == "invalid_request" and error["message"].startswith(f"{field}: ")
    if gateway == "evolink":
        assert error["type"] == "invalid_request_error"


@pytest.mark.parametrize("gateway", ["uniall", "12ai"])
def test_new_api_refuses_unknown_models_and_tasks(clients: Clients, gateway: str) -> None:
    client = clients(gateway)
    answer = client.post(CREATE[gateway], {"model": "sora-2", "prompt": "x"})
    assert answer.status_code == 503 and answer.json()["error"]["code"] == "model_not_found"
    assert client.post(CREATE[gateway], {"prompt": "x"}).json()["error"]["type"] == "new_api_error"
    assert client.http.post(client.prefix + CREATE[gateway], content=b"{").json()["code"] == "invalid_request"
    assert client.get(QUERY[gateway] + "task_nothing").json()["code"] == "task_not_exist"


def walk(client: Client, gateway: str, body: dict[str, Any]) -> list[dict[str, Any]]:
    """The task object in each of its statuses."""
    task_id = client.post(CREATE[gateway], body).json()["id"]
    shown: list[dict[str, Any]] = []

    def over() -> bool:
        task = client.get(QUERY[gateway] + task_id).json()
        if not shown or shown[-1]["status"] != task["status"]:
            shown.append(task)
        return task["status"] in ("completed", "failed")

    client.until(over)
    return shown


def test_a_uniall_task_completes_with_links(clients: Clients) -> None:
    client = clients("uniall")
    shown = walk(client, "uniall", uniall(aspect_ratio="1:1", extra_body={"return_last_frame": "true"}))
    assert [task["status"] for task in shown][-2:] == ["processing", "completed"]
    done = shown[-1]
    assert done["id"] == done["task_id"] and done["object"] == "video.generation.job" and done["progress"] == 100
    assert client.http.get(done["video_url"]).status_code == 200
    assert client.http.get(done["last_frame_url"]).status_code == 200
    assert "video_url" not in shown[0]


def test_a_12ai_task_completes_with_an_unsigned_link(clients: Clients) -> None:
    client = clients("12ai")
    shown = walk(client, "12ai", twelve({"ratio": "9:16"}))
    assert [task["status"] for task in shown][-2:] == ["in_progress", "completed"]
    assert {task["object"] for task in shown} == {"video"}
    assert shown[-2]["progress"] == 30 and "metadata" not in shown[-2]
    url = shown[-1]["metadata"]["url"]
    assert "?" not in url and url.endswith(f"/{shown[-1]['id']}.mp4"), "the platform's own store does not sign links"
    assert client.http.get(url).headers["Content-Type"] == "video/mp4"
    running_id = client.post("/v1/videos", twelve()).json()["id"]
    assert client.http.get(f"/files/videos/{running_id}.mp4").status_code == 404, "no file before the task succeeds"


def test_an_evolink_task_completes_with_one_result(clients: Clients) -> None:
    client = clients("evolink")
    created = client.post("/v1/videos/generations", evolink(duration=8)).json()
    assert created["id"].startswith("task-unified-") and created["object"] == "video.generation.task"
    assert created["task_info"] == {"can_cancel": True, "estimated_time": 165, "video_duration": 8}
    assert created["usage"] == {"billing_rule": "per_second", "credits_reserved": 50.0, "user_group": "default"}
    shown = walk(client, "evolink", evolink())
    assert [task["status"] for task in shown][-2:] == ["processing", "completed"]
    assert client.http.get(shown[-1]["results"][0]).status_code == 200 and len(shown[-1]["results"]) == 1
    assert "results" not in shown[0] and "error" not in shown[-1]


def test_evolink_answers_errors_with_its_codes(clients: Clients) -> None:
    client = clients("evolink")
    bad, unknown = client.get("/v1/tasks/task_1"), client.get("/v1/tasks/task-unified-1-x")
    assert (bad.status_code, bad.json()["error"]["code"]) == (400, "invalid_task_id")
    assert unknown.status_code == 404
    with client_at(str(client.http.base_url), "/evolink", key="") as keyless:
        answer = keyless.post("/v1/videos/generations", evolink())
        assert (answer.status_code, answer.json()["error"]["type"]) == (401, "authentication_error")
    codes = {"no_money": (402, "insufficient_quota"), "rate_limit": (429, "rate_limit_exceeded")}
    for kind, expected in codes.items():
        client.arm({"kind": kind, "gateway": "evolink", "times": 1})
        answer = client.post("/v1/videos/generations", evolink())
        assert (answer.status_code, answer.json()["error"]["code"]) == expected
    client.arm({"kind": "moderate_input", "gateway": "evolink", "times": 1})
    answer = client.post("/v1/videos/generations", evolink())
    assert answer.json()["error"]["code"] == "content_policy_violation"


@pytest.mark.parametrize("gateway", ["uniall", "12ai", "evolink"])
@pytest.mark.parametrize(
    ("rule", "codes"),
    [
        ({"kind": "fail", "code": "Boom", "message": "it broke"}, {"Boom"}),
        (
            {"kind": "moderate_output"},
            {"OutputVideoSensitiveContentDetected", "content_filter", "content_policy_violation"},
        ),
        ({"kind": "lost"}, {"upstream_error", "", "service_error"}),
    ],
)
def test_a_failed_task_shows_the_gateways_error(
    clients: Clients, gateway: str, rule: dict[str, Any], codes: set[str]
) -> None:
    client = clients(gateway)
    client.arm({**rule, "gateway": gateway, "times": 1})
    body = {"uniall": uniall(), "12ai": twelve(), "evolink": evolink()}[gateway]
    failed = walk(client, gateway, body)[-1]
    assert failed["status"] == "failed" and failed["error"]["code"] in codes and failed["error"]["message"]
    assert "http://" not in json.dumps(failed)


@pytest.mark.parametrize(
    ("gateway", "body", "status"),
    [("12ai", twelve(), "in_progress"), ("uniall", uniall(), "processing"), ("evolink", evolink(), "failed")],
)
def test_an_expired_task_shows_the_gateways_status(
    clients: Clients, gateway: str, body: dict[str, Any], status: str
) -> None:
    client = clients(gateway)
    client.arm({"kind": "inner_expired", "gateway": gateway, "times": 1})
    task_id = client.post(CREATE[gateway], body).json()["id"]

    def expired() -> bool:
        return any(task["id"] == task_id and task["status"] == "expired" for task in client.ledger()["tasks"])

    client.until(expired)
    task = client.get(QUERY[gateway] + task_id).json()
    assert task["status"] == status
    if gateway == "evolink":
        assert task["error"]["code"] == "generation_timeout"
    else:
        assert task["progress"] == 30


@pytest.mark.parametrize("gateway", ["anyfast", "uniall", "12ai"])
def test_new_api_lists_the_tasks_of_a_user(gateway: str) -> None:
    body = {
        "anyfast": {"model": "seedance", "content": [{"type": "text", "text": "a red fox"}]},
        "uniall": uniall(),
        "12ai": twelve(),
    }[gateway]
    path = "/v1/videos" if gateway == "12ai" else "/v1/video/generations"
    user = {"Authorization": "access-token", "New-Api-User": "7"}
    with simulator(f"/{gateway}", time="fixed", median_seconds=2) as client:
        start = int(client.clock.now)
        created = []
        for key in ("sk-one", "sk-two", "sk-two"):
            created.append(client.post(path, body, Authorization=f"Bearer {key}").json()["id"])
            client.clock.now += 10

        def listed(query: str = "", **headers: str) -> dict[str, Any]:
            url = f"{client.prefix}/api/task/self{query}"
            return dict(client.http.get(url, headers=user | headers).json())

        newest, *_ = everything = listed()["data"]["items"]
        assert [item["task_id"] for item in everything] == created[::-1], "of all keys, newest first"
        assert newest["properties"]["input"] == "a red fox"
        assert newest["properties"]["origin_model_name"] == body["model"]
        assert (newest["status"], newest["submit_time"]) == ("SUCCESS", start + 20)
        page = listed(f"?p=2&page_size=1&start_timestamp={start}&end_timestamp={start + 10}")["data"]
        assert (page["total"], [item["task_id"] for item in page["items"]]) == (2, created[:1])
        assert listed("?page_size=1000&p=x&start_timestamp=x")["data"]["page_size"] == 100
        for refused in (
            {"Authorization": ""},
            {"Authorization": "Bearer sk-one"},
            {"New-Api-User": ""},
            {"New-Api-User": "x"},
        ):
            assert listed(**refused)["success"] is False, refused
        client.arm({"kind": "status", "where": "list", "status": 502, "body": "html"})
        assert client.http.get(f"{client.prefix}/api/task/self", headers=user).status_code == 502
