"""The simulated AnyFast validates as its documentation says and answers in new-api's format."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.simulator_client import Client, client_at, simulator

PATH = "/v1/video/generations"
TEXT = {"type": "text", "text": "a red fox in the snow"}


def image(role: str = "reference_image", url: str = "https://example.com/a.png") -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url}, "role": role}


def video(url: str = "https://example.com/a.mp4") -> dict[str, Any]:
    return {"type": "video_url", "video_url": {"url": url}, "role": "reference_video"}


def audio(url: str = "https://example.com/a.mp3") -> dict[str, Any]:
    return {"type": "audio_url", "audio_url": {"url": url}, "role": "reference_audio"}


def body(*content: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"model": "seedance", "content": list(content or (TEXT,)), **fields}


@pytest.fixture(scope="module")
def anyfast() -> Iterator[Client]:
    with simulator(time="fixed", median_seconds=0.3) as client:
        yield client


PNG = "data:image/png;base64," + base64.b64encode(b"\x89PNG some bytes").decode()


@pytest.mark.parametrize(
    "good",
    [
        body(),
        body(duration=-1, ratio="adaptive", resolution="480p", seed=42, watermark=False, return_last_frame=True),
        body(tools=[{"type": "web_search"}]),
        body(TEXT, image("first_frame")),
        body(image("first_frame", PNG)),
        body(TEXT, image("first_frame"), image("last_frame"), model="seedance-fast"),
        body(TEXT, *[image()] * 9, *[video()] * 3, *[audio()] * 3),
        body(TEXT, image(url="asset://asset-20260427160000-xxxxx"), video("asset://asset-1"), audio("asset://asset-2")),
        body(TEXT, video(), duration=8, generate_audio=False),
        body(ratio=None, seed=None),
    ],
    ids=lambda good: f"{len(good['content'])} items",
)
def test_documented_requests_are_accepted(anyfast: Client, good: dict[str, Any]) -> None:
    answer = anyfast.post(PATH, good)
    assert answer.status_code == 200, answer.text
    shown = answer.json()
    assert shown["id"] == shown["task_id"] and shown["id"].startswith("asyntask_")
    assert (shown["object"], shown["model"], shown["status"], shown["progress"]) == ("video", good["model"], "", 0)
    assert shown["created_at"] == int(anyfast.clock.now)


@pytest.mark.parametrize(
    ("bad", "code", "param"),
    [
        (body(colour="red"), "InvalidParameter", "colour"),
        (body(callback_url="https://example.com"), "InvalidParameter", "callback_url"),
        (body(camera_fixed=True), "InvalidParameter", "camera_fixed"),
        (body(frames=29), "InvalidParameter", "frames"),
        (body(service_tier="flex"), "InvalidParameter", "service_tier"),
        ({"model": "seedance"}, "MissingParameter", "content"),
        ({"model": "seedance", "content": []}, "InvalidParameter", "content"),
        ({"model": "seedance", "content": "a fox"}, "InvalidParameter", "content"),
        (body({"type": "text", "text": "  "}), "InvalidParameter", "content[0].text"),
        (body({"type": "prompt", "text": "a"}), "InvalidParameter", "content[0].type"),
        (body(TEXT, TEXT), "InvalidParameter", "content[1]"),
        (body(TEXT, image("hero")), "InvalidParameter", "content[1].role"),
        (body(TEXT, {"type": "image_url", "image_url": {"url": "https://a.b/c"}}), "MissingParameter", "content.role"),
        (
            body(TEXT, {"type": "image_url", "image_url": "https://a.b/c"}),
            "MissingParameter",
            "content[1].image_url.url",
        ),
        (body(TEXT, image(url="file:///etc/passwd")), "InvalidImageURL.InvalidFormat", "content[1].image_url"),
        (body(TEXT, image(url="data:image/png;base64,@@")), "InvalidImageURL.InvalidFormat", "content[1].image_url"),
        (body(TEXT, image(url="data:text/html;base64,aGk=")), "InvalidImageURL.InvalidFormat", "content[1].image_url"),
        (body(TEXT, image(url="asset://")), "InvalidImageURL.InvalidFormat", "content[1].image_url"),
        (body(TEXT, video("data:video/mp4;base64,aGk=")), "InvalidParameter", "content[1].video_url"),
        (body(TEXT, image() | {"weight": 1}), "InvalidParameter", "content[1].weight"),
        (body(TEXT, video(), image()), "InvalidParameter", "content"),
        (body(TEXT, audio(), video()), "InvalidParameter", "content"),
        (body(image(), TEXT), "InvalidParameter", "content"),
        (body(TEXT, audio()), "InvalidParameter", "content.audio_url"),
        (body(TEXT, image("last_frame")), "InvalidParameter", "content"),
        (body(TEXT, image("first_frame"), image("first_frame")), "InvalidParameter", "content"),
        (body(TEXT, image("first_frame"), image()), "InvalidParameter", "content"),
        (body(TEXT, image("first_frame"), video()), "InvalidParameter", "content"),
        (body(TEXT, *[image()] * 10), "InvalidParameter", "content.image_url"),
        (body(TEXT, *[video()] * 4), "InvalidParameter", "content.video_url"),
        (body(TEXT, video(), *[audio()] * 4), "InvalidParameter", "content.audio_url"),
        (body(duration=3), "InvalidParameter", "duration"),
        (body(duration=16), "InvalidParameter", "duration"),
        (body(duration="5"), "InvalidParameter", "duration"),
        (body(duration=True), "InvalidParameter", "duration"),
        (body(ratio="2:1"), "InvalidParameter", "ratio"),
        (body(resolution="1080p"), "InvalidParameter", "resolution"),
        (body(generate_audio="yes"), "InvalidParameter", "generate_audio"),
        (body(seed=2**32), "InvalidParameter", "seed"),
        (body(tools=[{"type": "calculator"}]), "InvalidParameter", "tools"),
        (body(TEXT, image(), tools=[{"type": "web_search"}]), "InvalidParameter", "tools"),
        (body(model="seedance-fast", tools=[{"type": "web_search"}]), "InvalidParameter", "tools"),
        (body(TEXT, video(), model="seedance-fast"), "InvalidParameter", "content.video_url"),
        (body(TEXT, image(), audio(), model="seedance-fast"), "InvalidParameter", "content.audio_url"),
    ],
    ids=str,
)
def test_arks_refusals_are_wrapped_as_text(anyfast: Client, bad: dict[str, Any], code: str, param: str) -> None:
    answer = anyfast.post(PATH, bad)
    assert answer.status_code == 400
    outer = answer.json()
    assert outer["code"] == "fail_to_fetch_task" and outer["data"] is None
    inner = json.loads(outer["message"])["error"]
    assert (inner["code"], inner["param"], inner["type"]) == (code, param, "BadRequest")
    assert "Request id: 0217" in inner["message"]


def test_invalid_json_is_refused_in_new_apis_format(anyfast: Client) -> None:
    for text in (b"{", b"[]", b"", b"\xff"):
        answer = anyfast.http.post(anyfast.prefix + PATH, content=text)
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")


def test_an_unknown_model_is_a_503_and_a_missing_one_a_400(anyfast: Client) -> None:
    answer = anyfast.post(PATH, body(model="sora-2"))
    assert answer.status_code == 503 and answer.json()["error"]["code"] == "model_not_found"
    assert anyfast.post(PATH, {"content": [TEXT]}).status_code == 400


def test_a_request_without_a_key_is_refused(anyfast: Client) -> None:
    with client_at(str(anyfast.http.base_url), key="") as keyless:
        for answer in (keyless.post(PATH, body()), keyless.get(f"{PATH}/x")):
            assert answer.status_code == 401
            assert answer.json()["error"]["type"] == "new_api_error"


def test_only_configured_keys_are_accepted() -> None:
    with simulator(api_keys=frozenset({"sk-other"})) as client:
        assert client.post(PATH, body()).status_code == 401
        with client_at(str(client.http.base_url), key="sk-other") as other:
            assert other.post(PATH, body()).status_code == 200


def test_an_unknown_task_and_another_accounts_task_are_a_400(anyfast: Client) -> None:
    task_id = anyfast.post(PATH, body()).json()["id"]
    with client_at(str(anyfast.http.base_url), key="sk-stranger") as stranger:
        for answer in (anyfast.get(f"{PATH}/asyntask_nothing"), stranger.get(f"{PATH}/{task_id}")):
            assert (answer.status_code, answer.json()["code"]) == (400, "task_not_exist")


def test_an_unknown_path_is_a_404(anyfast: Client) -> None:
    assert anyfast.get("/v1/videos/x").status_code == 404
    assert anyfast.http.get("/nothing").status_code == 404


def test_a_body_over_64_mib_is_refused(anyfast: Client) -> None:
    answer = anyfast.http.post(anyfast.prefix + PATH, content=b" " * (64 * 1024 * 1024 + 1))
    assert (answer.status_code, answer.json()["code"]) == (413, "read_request_body_failed")


def test_a_task_goes_from_not_start_to_success() -> None:
    with simulator(time="fixed", median_seconds=1.5) as client:
        asked = body(TEXT, video(), duration=8, ratio="21:9", seed=4304, return_last_frame=True)
        created = client.post(PATH, asked)
        assert created.headers["X-New-Api-Other-Ratios"] == '{"video_input":0.6086}'
        task_id = created.json()["id"]
        seen: list[str] = []

        def succeeded() -> Any:
            task = client.get(f"{PATH}/{task_id}").json()["data"]
            if task["status"] not in seen:
                seen.append(task["status"])
            if task["status"] != "SUCCESS":
                assert task["result_url"] == task["fail_reason"] == "" and task["finish_time"] == 0
            return task if task["status"] == "SUCCESS" else None

        task = client.until(succeeded)
        order = ["NOT_START", "SUBMITTED", "QUEUED", "IN_PROGRESS", "SUCCESS"]
        assert seen == order
        inner = task["data"]
        assert task["progress"] == "100%" and task["submit_time"] <= task["start_time"] <= task["finish_time"]
        assert inner["content"]["video_url"] == task["result_url"] == task["fail_reason"]
        assert "X-Tos-Expires=86400" in task["result_url"] and inner["content"]["last_frame_url"]
        assert inner["id"].startswith("cgt-") and inner["status"] == "succeeded"
        shown = [inner[name] for name in ("model", "seed", "ratio", "resolution", "duration", "framespersecond")]
        assert shown == ["doubao-seedance-2-0-260128", 4304, "21:9", "720p", 8, 24]
        tokens = 1470 * 630 * (24 * 5 + 24 * 8 + 1) // 1024
        assert inner["usage"] == {"completion_tokens": tokens, "total_tokens": tokens}
        later = client.get(f"{PATH}/{task_id}").json()["data"]
        assert later["result_url"] != task["result_url"], "each query returns a new link"


def test_links_of_tasks_with_assets_last_twelve_hours(anyfast: Client) -> None:
    task_id = anyfast.post(PATH, body(TEXT, image(url="asset://asset-1"))).json()["id"]
    url = anyfast.until(lambda: anyfast.get(f"{PATH}/{task_id}").json()["data"]["result_url"])
    assert "X-Tos-Expires=43200" in url


def test_an_automatic_duration_is_chosen_and_reported(anyfast: Client) -> None:
    task_id = anyfast.post(PATH, body(duration=-1)).json()["id"]
    anyfast.until(lambda: anyfast.get(f"{PATH}/{task_id}").json()["data"]["result_url"])
    inner = anyfast.get(f"{PATH}/{task_id}").json()["data"]["data"]
    assert 4 <= inner["duration"] <= 15 and inner["ratio"] == "16:9"


def test_the_ledger_counts_creates_polls_fetches_and_refusals() -> None:
    with simulator(time="fixed", median_seconds=0.1) as client:
        first = client.post(PATH, body(seed=1)).json()["id"]
        second = client.post(PATH, body(seed=2)).json()["id"]
        client.post(PATH, body(TEXT, image(url=PNG + "A" * 20_000)))
        client.post(PATH, body(duration=3))
        url = client.until(lambda: client.get(f"{PATH}/{first}").json()["data"]["result_url"])
        size = len(client.http.get(url).content)
        ledger = client.ledger()
        by_id = {task["id"]: task for task in ledger["tasks"]}
        assert len(by_id) == 3 and by_id[first]["polls"] >= 1 and by_id[second]["polls"] == 0
        moved = [by_id[first][name] for name in ("fetches", "complete_fetches", "bytes_served", "size", "status")]
        assert moved == [1, 1, size, size, "succeeded"]
        assert len(by_id[first]["sha256"]) == 64 and by_id[second]["sha256"] is None
        assert by_id[first]["submissions"] == by_id[second]["submissions"] == 2
        (duplicate,) = ledger["duplicates"]
        assert duplicate["count"] == 2 and set(duplicate["ids"]) == {first, second}
        (refusal,) = ledger["refused"]
        assert refusal["status"] == 400 and refusal["reason"].startswith("InvalidParameter")
        assert "sk-test" not in json.dumps(ledger), "keys are not stored"
        assert len(json.dumps(ledger)) < 10_000, "inline media are shortened"
        summary = client.http.get("/_sim/ledger?summary=1").json()
        assert summary == ledger["totals"] and summary["duplicate_tasks"] == 1
        assert client.http.post("/_sim/reset").status_code == 200
        assert client.ledger()["tasks"] == [] and client.ledger()["refused"] == []


def test_exceeded_limits_answer_429_without_retry_after() -> None:
    with simulator(requests_per_minute=2, time="fixed", median_seconds=60) as client:
        assert [client.post(PATH, body()).status_code for _ in range(3)] == [200, 200, 429]
        answer = client.post(PATH, body())
        assert "Retry-After" not in answer.headers and "1分钟内最多请求2次" in answer.json()["error"]["message"]
        limits = {"max_in_flight": 1, "accounts": {"sk-big": {"max_in_flight": 3}}}
        assert client.http.put("/_sim/limits", json=limits).status_code == 200
        answer = client.post(PATH, body())
        assert (answer.status_code, answer.json()["message"]) == (429, "当前分组上游负载已饱和，请稍后再试")
        with client_at(str(client.http.base_url), key="sk-big") as big:
            assert [big.post(PATH, body()).status_code for _ in range(4)] == [200, 200, 200, 429]
        assert {refusal["reason"] for refusal in client.ledger()["refused"]} == {
            "limit: requests_per_minute",
            "limit: max_in_flight",
        }


def test_the_timing_can_be_changed_while_running() -> None:
    with simulator() as client:
        changed = client.http.put("/_sim/timing", json={"kind": "fixed", "median_s": 7.5})
        assert changed.json()["median_s"] == 7.5
        client.post(PATH, body())
        assert client.only_task()["generation_s"] == 7.5
        for wrong in ({"kind": "uniform"}, {"median_s": "3"}, {"speed": 1}):
            assert client.http.put("/_sim/timing", json=wrong).status_code == 422
