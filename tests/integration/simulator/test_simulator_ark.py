"""The simulated Ark: create, get, list, cancel and delete."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.simulator_client import Client, client_at, simulator

PATH = "/contents/generations/tasks"
MODEL = "doubao-seedance-2-0-260128"
FAST = "dreamina-seedance-2-0-fast-260128"
NEW = "doubao-seedance-2-5-260628"
FIRST_FRAME = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}, "role": "first_frame"}
VIDEO = {"type": "video_url", "video_url": {"url": "https://example.com/a.mp4"}, "role": "reference_video"}
SOUND = {"type": "audio_url", "audio_url": {"url": "https://example.com/a.mp3"}, "role": "reference_audio"}
TASK_TYPE = (400, "InvalidParameter.TaskTypeConstraint", "")


def body(model: str = MODEL, **fields: Any) -> dict[str, Any]:
    return {"model": model, "content": [{"type": "text", "text": "a red fox"}], **fields}


@pytest.fixture
def ark() -> Iterator[Client]:
    with simulator("/ark/api/v3", time="fixed", median_seconds=3) as client:
        yield client


def create(client: Client, **fields: Any) -> str:
    answer = client.post(PATH, body(**fields))
    assert answer.status_code == 200, answer.text
    return str(answer.json()["id"])


def test_2_5_chooses_its_length_and_shows_it_as_text(ark: Client) -> None:
    finish(ark)
    created = create(ark, model=NEW, resolution="480p", ratio="16:9")
    task = ark.until(lambda: (t := ark.get(f"{PATH}/{created}").json())["status"] == "succeeded" and t)
    [listed] = ark.get(f"{PATH}?filter.task_ids={created}").json()["items"]
    assert isinstance(task["duration"], str) and listed["duration"] == int(task["duration"])
    assert (task["output_format"], task["ratio"], task["draft"]) == ("mp4", "16:9", False)
    assert task["usage"]["total_tokens"] == 854 * 480 * (24 * listed["duration"] + 1) // 1024


def test_the_agent_plan_takes_undated_names_only() -> None:
    with simulator("/ark/api/plan/v3", time="fixed", median_seconds=3) as plan:
        assert create(plan, model="doubao-seedance-2.5").startswith("cgt-")
        assert error_of(plan.post(PATH, body()))[:2] == (404, "UnsupportedModel")


def finish(client: Client) -> None:
    """Make new tasks end at once."""
    client.http.put("/_sim/timing", json={"kind": "fixed", "median_s": 0.01})


def error_of(answer: httpx.Response) -> tuple[int, str, str]:
    error = answer.json()["error"]
    return answer.status_code, error["code"], error["param"]


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"model": "ep-20260101-abcde", "resolution": "1080p"},
        {"model": FAST, "resolution": "480p", "ratio": "adaptive", "duration": -1},
        {"service_tier": "default", "draft": False, "resolution": "4K", "priority": 3, "seed": 2**32 - 1},
        {"execution_expires_after": 3600, "safety_identifier": "user-1", "return_last_frame": True},
        {"callback_url": "https://example.com/hook", "tools": [{"type": "web_search"}]},
        {"model": NEW, "content": [SOUND], "duration": 30, "resolution": "4k", "output_format": "mov"},
        {"model": NEW, "content": [VIDEO], "omni_reference_task_type": "edit"},
        {"model": NEW, "content": [VIDEO], "omni_reference_task_type": "extend", "duration": 8},
        {"content": [{"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}]},
    ],
)
def test_documented_requests_are_accepted(ark: Client, fields: dict[str, Any]) -> None:
    assert create(ark, **fields).startswith("cgt-")


@pytest.mark.parametrize(
    ("fields", "refusal"),
    [
        ({"model": "sora-2"}, (404, "InvalidEndpointOrModel.NotFound", "")),
        ({"model": ""}, (400, "MissingParameter", "model")),
        ({"resolution": "2k"}, (400, "InvalidParameter", "resolution")),
        ({"model": FAST, "resolution": "1080p"}, (400, "InvalidParameter", "resolution")),
        ({"service_tier": "flex"}, (400, "InvalidParameter", "service_tier")),
        ({"camera_fixed": False}, (400, "InvalidParameter", "camera_fixed")),
        ({"model": NEW, "seed": 1}, (400, "InvalidParameter", "seed")),
        ({"model": NEW, "duration": 31}, (400, "InvalidParameter", "duration")),
        ({"model": NEW, "output_format": "webm"}, (400, "InvalidParameter", "output_format")),
        ({"output_format": "mov"}, (400, "InvalidParameter", "output_format")),
        ({"omni_reference_task_type": "reference"}, (400, "InvalidParameter", "omni_reference_task_type")),
        ({"model": NEW, "omni_reference_task_type": "edit"}, TASK_TYPE),
        ({"model": NEW, "content": [FIRST_FRAME], "ratio": "16:9"}, TASK_TYPE),
        ({"model": NEW, "content": [VIDEO], "omni_reference_task_type": "edit", "duration": 5}, TASK_TYPE),
        ({"model": NEW, "content": [VIDEO], "omni_reference_task_type": "edit", "ratio": "1:1"}, TASK_TYPE),
        ({"model": NEW, "content": [VIDEO], "omni_reference_task_type": "extend", "ratio": "1:1"}, TASK_TYPE),
        ({"content": [SOUND]}, (400, "InvalidParameter", "content.audio_url")),
        ({"draft": True}, (400, "InvalidParameter", "draft")),
        ({"frames": 57}, (400, "InvalidParameter", "frames")),
        ({"execution_expires_after": 60}, (400, "InvalidParameter", "execution_expires_after")),
        ({"priority": True}, (400, "InvalidParameter", "priority")),
        ({"callback_url": "http://10.1.1.1/"}, (400, "InvalidParameter", "callback_url")),
        ({"colour": "red"}, (400, "InvalidParameter", "colour")),
    ],
)
def test_undocumented_requests_are_refused(ark: Client, fields: dict[str, Any], refusal: tuple[int, str, str]) -> None:
    assert error_of(ark.post(PATH, body(**fields))) == refusal


def test_a_missing_key_an_unknown_task_and_an_unknown_path_are_refused(ark: Client) -> None:
    with client_at(str(ark.http.base_url), "/ark/api/v3", key="") as keyless:
        assert error_of(keyless.get(f"{PATH}/x")) == (401, "AuthenticationError", "")
    assert error_of(ark.get(f"{PATH}/cgt-nothing"))[:2] == (404, "NotFound.Task")
    assert error_of(ark.http.put(f"/ark/api/v3{PATH}"))[0] == 404


def test_a_succeeded_task_shows_its_parameters_usage_and_files(ark: Client) -> None:
    finish(ark)
    created = ark.post(PATH, body(seed=11, safety_identifier="user-1", priority=2, return_last_frame=True)).json()
    assert created["safety_identifier"] == "user-1"
    task = ark.until(lambda: (t := ark.get(f"{PATH}/{created['id']}").json())["status"] == "succeeded" and t)
    assert task["id"] == created["id"] and task["model"] == MODEL and task["error"] is None
    shown = [task[name] for name in ("seed", "priority", "ratio", "resolution", "duration", "framespersecond")]
    assert shown == [11, 2, "16:9", "720p", 5, 24]
    assert task["usage"] == {"completion_tokens": 108_900, "total_tokens": 108_900}
    for url in (task["content"]["video_url"], task["content"]["last_frame_url"]):
        assert ark.http.get(url).status_code == 200
    assert task["created_at"] <= task["updated_at"] <= ark.clock.now


def test_a_task_shows_arks_status_words(ark: Client) -> None:
    ark.arm({"kind": "fail", "code": "Boom", "times": 1}, {"kind": "inner_expired", "times": 1})
    waiting = create(ark, seed=1)
    assert ark.get(f"{PATH}/{waiting}").json()["status"] == "queued"
    ark.until(lambda: ark.get(f"{PATH}/{waiting}").json()["status"] == "running")
    failed = ark.until(lambda: (t := ark.get(f"{PATH}/{waiting}").json())["status"] == "failed" and t)
    assert failed["error"]["code"] == "Boom" and "content" not in failed
    finish(ark)
    expired = create(ark)
    ark.until(lambda: ark.get(f"{PATH}/{expired}").json()["status"] == "expired")


def test_the_list_filters_and_pages(ark: Client) -> None:
    running = [create(ark, seed=n) for n in range(3)]
    finish(ark)
    fast = [create(ark, model=FAST) for _ in range(4)]
    ark.until(lambda: ark.get(f"{PATH}?filter.status=succeeded").json()["total"] == 4)
    with client_at(str(ark.http.base_url), "/ark/api/v3", key="sk-other") as other:
        create(other)
        assert other.get(PATH).json()["total"] == 1

    def ids(query: str) -> list[str]:
        return [item["id"] for item in ark.get(f"{PATH}?{query}").json()["items"]]

    assert ids("") == [*reversed(fast), *reversed(running)]
    assert ids("page_num=2&page_size=3") == [fast[0], running[2], running[1]]
    assert ids("page_num=9&page_size=3") == []
    assert ids(f"filter.model={FAST}") == [*reversed(fast)]
    assert ids(f"filter.task_ids={fast[0]}&filter.task_ids={running[0]}") == [fast[0], running[0]]
    assert ids("filter.service_tier=flex") == []
    assert ark.get(f"{PATH}?page_size=1").json()["total"] == 7
    seeds = {item["id"]: item["created_at"] for item in ark.get(PATH).json()["items"]}
    assert set(seeds) == {*fast, *running}
    for wrong in ("page_size=0", "page_num=x", "filter.status=done", "order=asc", "page_size=501"):
        assert ark.get(f"{PATH}?{wrong}").status_code == 400


def test_a_delete_cancels_a_waiting_task_refuses_a_running_one_and_removes_a_finished_one(ark: Client) -> None:
    def delete(task_id: str) -> httpx.Response:
        return ark.http.delete(f"/ark/api/v3{PATH}/{task_id}")

    ark.http.put("/_sim/timing", json={"median_s": 10})
    waiting, running = create(ark), create(ark)
    assert (delete(waiting).status_code, delete(waiting).json()) == (200, {})
    assert ark.get(f"{PATH}/{waiting}").status_code == 404, "the second delete removed the cancelled record"
    ark.until(lambda: ark.get(f"{PATH}/{running}").json()["status"] == "running")
    assert error_of(delete(running))[0] == 409
    finish(ark)
    done = create(ark)
    ark.until(lambda: ark.get(f"{PATH}/{done}").json()["status"] == "succeeded")
    assert delete(done).status_code == 200
    assert ark.get(f"{PATH}/{done}").status_code == 404 and delete(done).status_code == 404
    assert len(ark.ledger()["tasks"]) == 3, "the ledger keeps deleted tasks"


def test_a_cancelled_task_stays_cancelled(ark: Client) -> None:
    waiting = create(ark)
    ark.http.delete(f"/ark/api/v3{PATH}/{waiting}")
    assert ark.get(f"{PATH}/{waiting}").json()["status"] == "cancelled"


def test_faults_apply_to_lists_and_deletes(ark: Client) -> None:
    ark.arm({"kind": "status", "where": "list", "status": 500}, {"kind": "garbage", "where": "delete"})
    assert error_of(ark.get(PATH))[:2] == (500, "InternalServiceError")
    assert ark.http.delete(f"/ark/api/v3{PATH}/{create(ark)}").content[:1] != b"{"


def test_exceeded_limits_answer_with_arks_codes() -> None:
    with simulator("/ark/api/v3", requests_per_minute=1) as ark:
        create(ark)
        assert error_of(ark.post(PATH, body()))[:2] == (429, "APIAccountRpmRateLimitExceeded")
    with simulator("/ark/api/v3", max_in_flight=1) as ark:
        create(ark)
        assert error_of(ark.post(PATH, body()))[:2] == (429, "ServerOverloaded")


def test_drafts_and_finals_follow_the_documents(ark: Client) -> None:
    finish(ark)
    created = create(ark, model=NEW, draft=True, resolution="480p", duration=5, ratio="16:9")
    final = {"model": NEW, "resolution": "1080p", "content": [{"type": "draft_task", "draft_task": {"id": created}}]}
    assert error_of(ark.post(PATH, final)) == (400, "InvalidParameter", "content[0].draft_task.id")
    draft = ark.until(lambda: (t := ark.get(f"{PATH}/{created}").json())["status"] == "succeeded" and t)
    assert (draft["draft"], draft["usage"]["total_tokens"]) == (True, 48_437)

    text = {"type": "text", "text": "a red fox"}
    wrong: list[tuple[dict[str, Any], tuple[str, str]]] = [
        *(({name: value}, ("InvalidParameter", name)) for name, value in _OF_THE_DRAFT.items()),
        ({"content": [*final["content"], text]}, ("InvalidParameter", "content")),
        ({"model": "dreamina-seedance-2-5-260628"}, ("InvalidParameter", "model")),
        ({"model": "dreamina-seedance-2-5-flash-261115"}, ("InvalidParameter", "content[0].type")),
        ({"resolution": "720p"}, ("InvalidResolutionParameter", "resolution")),
        ({"draft": True}, ("InvalidParameter", "draft")),
    ]
    for fields, refusal in wrong:
        assert error_of(ark.post(PATH, final | fields))[1:] == refusal
    own = {"output_format": "mov", "watermark": False, "return_last_frame": True, "draft": False}
    answer = ark.post(PATH, final | own | {"priority": 2, "execution_expires_after": 5000, "safety_identifier": "u"})
    assert answer.status_code == 200, answer.text
    [listed, _] = ark.get(PATH).json()["items"]
    assert (listed["draft"], listed["draft_task_id"]) == (False, created)
    made = ark.until(lambda: (t := ark.get(f"{PATH}/{listed['id']}").json())["status"] == "succeeded" and t)
    assert (made["usage"]["total_tokens"], made["ratio"], made["duration"]) == (245_025, "16:9", "5")

    ark.clock.now += 7 * 86_400
    assert error_of(ark.post(PATH, final))[2] == "content[0].draft_task.id"
    ark.clock.now -= 7 * 86_400 - 60
    assert ark.post(PATH, final).status_code == 200
    assert ark.http.delete(f"{ark.prefix}{PATH}/{created}").status_code == 200  # the record is gone, and the draft
    assert error_of(ark.post(PATH, final))[2] == "content[0].draft_task.id"


_OF_THE_DRAFT = {
    "duration": 5,
    "ratio": "16:9",
    "seed": 1,
    "generate_audio": True,
    "omni_reference_task_type": "auto",
    "tools": [{"type": "web_search"}],
}


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"resolution": "720p"}, "InvalidResolutionParameter"),
        ({}, "InvalidResolutionParameter"),
        ({"resolution": "480p", "return_last_frame": True}, "LastFrameNotSupported"),
    ],
)
def test_a_draft_is_480p_without_a_last_frame(ark: Client, fields: dict[str, Any], code: str) -> None:
    assert error_of(ark.post(PATH, body(NEW, draft=True, **fields)))[1] == code


def test_4k_counts_apart_from_the_other_tasks_of_a_model() -> None:
    with simulator("/ark/api/v3") as ark:
        create(ark, resolution="4k")
        assert error_of(ark.post(PATH, body(resolution="4k")))[:2] == (429, "ServerOverloaded"), "one at a time"
        create(ark)
        create(ark)
        limits = {"models": {f"{MODEL}@4k": {"requests_per_minute": 2}, MODEL: {"max_in_flight": 2}}}
        assert ark.http.put("/_sim/limits", json=limits).json()["models"].keys() == limits["models"].keys()
        assert error_of(ark.post(PATH, body(resolution="4k")))[:2] == (429, "APIAccountRpmRateLimitExceeded")
        assert error_of(ark.post(PATH, body()))[:2] == (429, "ServerOverloaded")
