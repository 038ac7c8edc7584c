"""The page over real HTTP, without a browser: what it shows, to whom, and which forms it accepts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import httpx
import pytest
from psycopg.types.json import Json

from producer.campaigns.status import campaign_status
from producer.client import Producer
from producer.job_fields import JobFields
from storage import decisions
from storage.admission import model_limits
from storage.admission.circuit_breaker import Cause
from storage.admission.slot_limits import SlotLimit
from storage.admission.spending.budgets import set_budget
from storage.campaigns.controls import subject_of
from storage.database import connect
from storage.jobs.states import JobState
from storage.settings import Settings
from storage.tenants import keys
from tests.claiming import close_account
from tests.integration.api.api_server import bring, serving
from tests.waiting import wait_for

S = JobState
ZH = {"Accept-Language": "zh-CN,zh;q=0.9"}
HOSTILE = """</title><script>alert(1)</script><img src=x onerror='alert(2)'>"&amp;"""
PAGES = (
    "/",
    "/jobs",
    "/jobs/new",
    "/campaigns",
    "/accounts",
    "/docs",
    "/login",
    "/jobs/0198a000-0000-7000-8000-000000000000",
)


@pytest.fixture
def page(configured: Settings) -> Iterator[httpx.Client]:
    with serving(configured) as client:
        yield client


def send(page: httpx.Client, path: str, **fields: str) -> httpx.Response:
    """Send a form as a browser does that has seen a page before."""
    if "reelq_form" not in page.cookies:
        assert page.get("/login").status_code == 200
    return page.post(path, data={"token": page.cookies["reelq_form"]} | fields)


def make_key(settings: Settings, *scopes: str, tenant: str = "default") -> str:
    with connect(settings.require_database_url()) as conn:
        return keys.new_key(conn, tenant, "test", scopes)[0]


def test_every_page_has_a_strict_security_policy(page: httpx.Client, configured: Settings) -> None:
    for path in PAGES:
        answer = page.get(path)
        assert answer.headers["content-type"] == "text/html; charset=utf-8", path
        policy = dict(item.split(" ", 1) for item in answer.headers["content-security-policy"].split("; "))
        assert policy["default-src"] == policy["base-uri"] == policy["frame-ancestors"] == "'none'"
        assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == policy["form-action"] == "'self'"
        assert policy["media-src"] == f"'self' {configured.s3_endpoint_url}"
        drawn = " data:" if path == "/docs" else ""  # by Swagger UI's style
        assert policy["img-src"] == policy["media-src"] + drawn
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "same-origin"
        assert "private" in answer.headers["cache-control"]
        assert not re.search(r"<style|\sstyle=|\son[a-z]+=|<script(?![^>]*\ssrc=\"/static/)", answer.text), path
        for link in re.findall(r'(?:href|src|action)="([^"]*)"', answer.text):
            assert link.startswith(("/", "#")) and not link.startswith("//"), link


def test_hostile_text_is_escaped(page: httpx.Client, producer: Producer) -> None:
    row = {
        "prompt": HOSTILE,
        "tags": [HOSTILE],
        "metadata": {HOSTILE: HOSTILE, "retry_of": HOSTILE},
    }
    [job] = producer.enqueue_many([row], campaign="a")
    with producer.database.begin() as conn:  # as it could be named once
        conn.execute("UPDATE campaigns SET name = %s", [HOSTILE])
    bring(producer, str(job.id), S.FAILED, error={"code": HOSTILE, "message": HOSTILE, "gateway_code": HOSTILE})
    campaign = page.get("/campaigns").text
    [link] = re.findall(r'href="(/campaigns/[^"]+)"', campaign)
    for path in ("/", "/jobs", f"/jobs/{job.id}", "/campaigns", link, f"/jobs?q={HOSTILE}&tag={HOSTILE}"):
        answer = page.get(path)
        assert answer.status_code == 200
        assert "<script>" not in answer.text and "<img src=x" not in answer.text, path
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in answer.text, path
    hostile = send(page, "/jobs", prompt=HOSTILE, seed=HOSTILE, account=HOSTILE)
    assert hostile.status_code == 422
    assert "<script>" not in hostile.text


def test_a_job_is_enqueued_with_the_form_and_found(page: httpx.Client, producer: Producer) -> None:
    sent = {"prompt": "雨夜的纸船", "duration": "5", "tags": "rain, 雨", "once": "0123456789ab", "audio": "no"}
    answer = send(page, "/jobs", **sent)
    assert answer.status_code == 303
    job = producer.get(answer.headers["location"].removeprefix("/jobs/"))
    assert (job.request["prompt"], job.request["duration"], job.request["audio"]) == ("雨夜的纸船", 5, False)
    assert job.tags == ["rain", "雨"]
    assert send(page, "/jobs", **sent).headers["location"] == answer.headers["location"]
    assert send(page, "/jobs", **sent | {"duration": "6"}).headers["location"] != answer.headers["location"]
    shown = page.get(answer.headers["location"])
    assert "雨夜的纸船" in shown.text and "anyfast" in shown.text
    for query in (
        {"q": str(job.id)[:13]},
        {"q": "纸船"},
        {"q": job.idempotency_key},
        {"tag": "雨"},
        {"state": "queued"},
    ):
        found = page.get("/jobs", params={name: str(value) for name, value in query.items()}).text
        assert f"/jobs/{job.id}" in found, query
    for query in ({"q": "nothing of it"}, {"state": "failed"}, {"campaign": "none"}, {"account": "main"}):
        assert f"/jobs/{job.id}" not in page.get("/jobs", params=query).text, query
    assert page.get("/jobs", params={"cursor": "x"}).status_code == 422


def test_the_form_shows_problems_and_costs(page: httpx.Client) -> None:
    wrong = send(page, "/jobs", prompt="a fox", duration="99", seed="many", idempotency_key="k" * 201)
    assert wrong.status_code == 422
    assert "must be 4 to 30 seconds" in wrong.text and "must be a whole number" in wrong.text
    assert wrong.text.count('aria-invalid="true"') == 3
    assert "a fox" in wrong.text
    cost = send(page, "/jobs/estimate", duration="6")
    assert "USD 3.00" in cost.text and "main" in cost.text and "<html" not in cost.text
    assert "Your rate" in cost.text
    assert "must be 4 to 30" in send(page, "/jobs/estimate", duration="3").text
    plain = send(page, "/jobs/new", prompt="a fox", duration="6")
    assert "USD 3.00" in plain.text and "a fox" in plain.text
    assert send(page, "/jobs", prompt="a fox", idempotency_key="mine").status_code == 303
    taken = send(page, "/jobs", prompt="another", idempotency_key="mine")
    assert taken.status_code == 422 and "asks for something else" in taken.text


def test_forms_of_other_sites_are_refused(page: httpx.Client, producer: Producer) -> None:
    page.get("/")
    token = page.cookies["reelq_form"]
    for given in ({}, {"token": ""}, {"token": "x" * 32}):
        refused = page.post("/jobs", data={"prompt": "a fox"} | given)
        assert refused.status_code == 403 and "stale_form" in refused.text
    other = page.post("/jobs", data={"prompt": "a", "token": token}, headers={"Origin": "https://attacker.example"})
    assert other.status_code == 403
    assert page.post("/jobs", content=b"{}", headers={"content-type": "application/json"}).status_code == 415
    assert page.post("/jobs", content=b"a" * (2**20 + 1), headers=_FORM).status_code == 413
    assert page.post("/jobs", content=b"prompt=%ff", headers=_FORM).status_code == 400
    assert page.post("/jobs", content=b"&".join(b"a=b" for _ in range(200)), headers=_FORM).status_code == 400
    with producer.database.begin() as conn:
        assert conn.execute("SELECT count(*) FROM jobs").fetchone() == (0,)


_FORM = {"content-type": "application/x-www-form-urlencoded"}


def test_the_page_cancels_retries_and_resolves_jobs(page: httpx.Client, producer: Producer) -> None:
    queued, held, failed, running = (producer.enqueue(f"a fox {i}") for i in range(4))
    bring(producer, str(held.id), S.UNCONFIRMED)
    bring(producer, str(failed.id), S.FAILED)
    bring(producer, str(running.id), S.GENERATING)
    assert str(held.id) in page.get("/").text
    assert send(page, f"/jobs/{queued.id}/cancel").status_code == 303
    assert producer.get(queued.id).state is S.CANCELLED
    again = send(page, f"/jobs/{failed.id}/retry").headers["location"]
    assert str(failed.id) in page.get(again).text
    assert "will be billed in any case" in page.get(f"/jobs/{running.id}").text
    assert send(page, f"/jobs/{running.id}/cancel").status_code == 409
    assert send(page, f"/jobs/{running.id}/cancel", how="discard").status_code == 422, "not confirmed"
    assert send(page, f"/jobs/{running.id}/cancel", how="discard", confirm="yes").status_code == 303
    assert producer.get(running.id).state is S.CANCELLED
    at = f"/jobs/{held.id}/resolve"
    for wrong in ({}, {"action": "resubmit"}, {"action": "adopt"}, {"action": "adopt", "task_id": " "}):
        assert send(page, at, **wrong).status_code == 422, wrong
    assert producer.get(held.id).state is S.UNCONFIRMED
    assert send(page, at, action="resubmit", confirm="yes").status_code == 303
    assert producer.get(held.id).state is S.QUEUED
    assert send(page, at, action="abandon").status_code == 409
    assert send(page, "/jobs/x/cancel").status_code == 404


def test_the_page_controls_campaigns_and_accounts(page: httpx.Client, producer: Producer) -> None:
    ids = [job.id for job in producer.enqueue_many([{"prompt": f"a fox {i}"} for i in range(30)], campaign="春 a b")]
    with producer.database.begin() as conn:  # as it could be named once
        conn.execute("UPDATE campaigns SET name = '春/a b'")
    at = "/campaigns/%E6%98%A5%2Fa%20b"
    shown = page.get(at).text
    assert "春/a b" in shown and "0 of 30 jobs ended" in shown
    [older] = re.findall(r'rel="next" href="([^"]+)"', shown)
    assert str(ids[0]) in page.get(older.replace("&amp;", "&")).text
    assert send(page, f"{at}/pause").headers["location"] == at
    assert f"{at}/resume" in page.get(at).text
    assert "campaign is paused" in page.get(f"/jobs/{ids[0]}").text
    assert send(page, f"{at}/resume").status_code == 303
    assert send(page, f"{at}/cancel").status_code == 422
    assert send(page, f"{at}/cancel", confirm="yes").status_code == 303
    assert {job.state for job in (producer.get(job_id) for job_id in ids)} == {S.CANCELLED}
    assert page.get("/campaigns/none").status_code == send(page, "/campaigns/none/pause").status_code == 404
    with producer.database.begin() as conn:
        close_account(conn, "main", Cause.ACCOUNT, "no credit left")
    for path in ("/", "/accounts"):
        assert "no credit left" in page.get(path).text
    assert send(page, "/accounts/main/resume").status_code == 303
    assert "no credit left" not in page.get("/accounts").text
    with producer.database.begin() as conn:
        close_account(conn, "main", Cause.OUTAGE, "no route", code="not_sent")
    [waiting] = producer.enqueue_many([{"prompt": "a fox"}])
    for path in ("/", "/accounts", f"/jobs/{waiting.id}"):
        shown = page.get(path).text
        assert "no route" in shown and ("unreachable" in shown or "cannot be reached" in shown), path
        assert "no route" in page.get(path, headers=ZH).text
    assert send(page, "/accounts/main/resume").status_code == 303
    assert send(page, "/accounts/other/resume").status_code == 404


def test_a_campaign_lists_decisions_about_its_rows_and_its_links(page: httpx.Client, producer: Producer) -> None:
    producer.enqueue_many([{"prompt": "a fox"}], campaign="spring")
    at = "/v1/campaigns/spring"
    assert page.post(f"{at}/cancel", json={"all": True}).status_code == 200
    assert page.post(f"{at}/retry", json={"all": True}).status_code == 200
    share = page.post(f"{at}/shares", json={}).raise_for_status().json()
    assert page.delete(f"{at}/shares/{share['id']}").status_code == 204
    with producer.database.begin() as conn:  # by a newer program
        decisions.record(conn, "default", "campaign.made_up", subject_of(campaign_status(conn, "default", "spring").id))
    shown = page.get("/campaigns/spring").raise_for_status().text
    said = re.findall(r"<li><span>([^<]*)</span> <span class=\"quiet\">", shown)
    assert said == ["made up", "Shared link ended", "Link shared", "Rows retried", "Rows cancelled"]
    assert "已取消部分行" in page.get("/campaigns/spring", headers=ZH).text


def test_a_job_that_two_budgets_hold_names_both(page: httpx.Client, producer: Producer) -> None:
    [waiting] = producer.enqueue_many([{"prompt": "a fox", "duration": 5}], campaign="spring <1>")
    with producer.database.begin() as conn:
        campaign_id = campaign_status(conn, "default", "spring <1>").id
        set_budget(conn, "default", campaign_id, Decimal(1), "USD")
        set_budget(conn, "default", None, Decimal(7), "CNY")
    shown = page.get(f"/jobs/{waiting.id}").text
    of_campaign = "The budget of campaign spring &lt;1&gt; (USD 1.00) has USD 1.00 left"
    assert f"{of_campaign}, and this job may cost USD 2.50" in shown
    assert "The budget of the tenant (CNY 7.00) is in CNY, but no price in CNY is known for this job" in shown
    shown = page.get(f"/jobs/{waiting.id}", headers=ZH).text
    assert "批次 spring &lt;1&gt; 的预算" in shown and "租户的预算" in shown


def test_a_campaign_shows_its_budget_and_what_is_left(page: httpx.Client, producer: Producer) -> None:
    producer.enqueue_many([{"prompt": "a fox"}], campaign="spring")
    with producer.database.begin() as conn:
        set_budget(conn, "default", campaign_status(conn, "default", "spring").id, Decimal(60), "CNY")
    shown = "<dt>Budget</dt><dd>CNY 60.00<small>CNY 60.00 left</small>"
    wait_for("the page shows it", lambda: shown in page.get("/campaigns/spring").text)
    assert "剩余 CNY 60.00" in page.get("/campaigns/spring", headers=ZH).text


def test_a_campaign_says_when_every_account_for_it_is_closed(page: httpx.Client, producer: Producer) -> None:
    """Seen: `1 queued`, and the reason on other pages only."""
    producer.enqueue_many([{"prompt": "a fox", "account": "main"}], campaign="spring")
    assert "no account for them" not in page.get("/campaigns/spring").text
    with producer.database.begin() as conn:
        close_account(conn, "main", Cause.ACCOUNT, "no credit left")
    said = "1 queued: no account for them is open: each is suspended, paused, being removed, or its key may not use"
    wait_for("the page says it", lambda: said in page.get("/campaigns/spring").text)
    assert (
        "1 个排队中：没有可用的账号：已停用、已暂停、正在移除，或密钥不能使用该模型"
        in page.get("/campaigns/spring", headers=ZH).text
    )


def test_a_retry_says_when_the_same_request_would_fail_again(page: httpx.Client, producer: Producer) -> None:
    """Seen: the page offered to pay again for a prompt that the gateway had flagged."""
    flagged, unlucky = (producer.enqueue(f"a fox {i}") for i in range(2))
    for job, stage in ((flagged, "input"), (unlucky, "output")):
        bring(producer, str(job.id), S.FAILED)
        with producer.database.begin() as conn:
            error = {"code": "moderation_blocked", "message": "flagged", "stage": stage}
            conn.execute("UPDATE jobs SET error = %s WHERE id = %s", [Json(error), job.id])
    assert "It would fail again for the same reason" in page.get(f"/jobs/{flagged.id}").text
    assert "It would fail again" not in page.get(f"/jobs/{unlucky.id}").text


def test_jobs_in_every_state_have_a_page(page: httpx.Client, producer: Producer) -> None:
    everything: JobFields = {
        "tags": ["a"],
        "metadata": {"sku": 1},
        "deadline": 9_000,
        "account": "main",
        "return_last_frame": True,
    }
    shown: dict[str, str] = {}
    for state in S:
        job = producer.enqueue(f"a fox that is {state}", **everything if state is not S.FAILED else {})
        if state is S.CANCELLED:
            producer.cancel(job.id)
        elif state is not S.QUEUED:
            bring(producer, str(job.id), state)
        for language in ({}, ZH):
            answer = page.get(f"/jobs/{job.id}", headers=language)
            assert answer.status_code == 200, f"{state}: {answer.text}"
        shown[state] = str(job.id)
    assert "/last-frame" in page.get(f"/jobs/{shown['succeeded']}").text
    with producer.database.begin() as conn:
        conn.execute(
            """UPDATE jobs SET video_expires_at = now() + interval '9 min', expiry_alarm = 90,
                               reason = 'download_failed'
               WHERE state = 'transferring'"""
        )
        conn.execute("UPDATE jobs SET cancel_request = 'keep' WHERE state = 'submitting'")
        conn.execute(
            """UPDATE jobs SET deleted_at = now(), cost = '{"amount": 2.5, "currency": "USD", "tokens": 100}'
               WHERE state = 'succeeded'"""
        )
        conn.execute(
            """UPDATE jobs SET error = '{"code": "generation_failed", "message": null}' WHERE state = 'failed'"""
        )
        close_account(conn, "main", Cause.THROTTLED, "too many", model="seedance", code="throttled")
        model_limits.set_limit(conn, "main", "seedance", SlotLimit(1))
    assert "1 video is about to expire" in page.get("/").text
    assert "the download failed" in page.get(f"/jobs/{shown['transferring']}").text
    assert "asking the gateway to cancel" in page.get(f"/jobs/{shown['submitting']}").text
    assert "main reported too many requests" in page.get(f"/jobs/{shown['queued']}").text
    deleted = page.get(f"/jobs/{shown['succeeded']}").text
    assert "was deleted" in deleted and "<video" not in deleted and "USD 2.50" in deleted
    assert "the generation failed" in page.get(f"/jobs/{shown['failed']}").text
    assert "throttled" in page.get("/accounts").text
    for window in ("hour", "day", "week", "nonsense"):
        assert page.get("/", params={"window": window}, headers=ZH).status_code == 200


def test_the_language_is_the_browsers_or_the_chosen_one(page: httpx.Client) -> None:
    assert '<html lang="en"' in page.get("/").text
    chinese = page.get("/", headers=ZH).text
    assert '<html lang="zh-Hans"' in chinese and "概览" in chinese and "Overview" not in chinese
    switched = send(page, "/preferences", language="zh", theme="dark", next="/jobs")
    assert switched.headers["location"] == "/jobs"
    found = page.get("/jobs").text
    assert "任务" in found and 'data-theme="dark"' in found
    assert send(page, "/preferences", language="xx", next="//evil.example").headers["location"] == "/"
    assert "任务" in page.get("/jobs").text


def test_a_fragment_has_no_frame(page: httpx.Client, producer: Producer) -> None:
    job = producer.enqueue("a fox")
    for path in ("/", "/jobs", "/campaigns", "/accounts", f"/jobs/{job.id}"):
        part = page.get(path, headers={"X-Reelq-Fragment": "1"}).text
        assert part.lstrip().startswith("<title>") and '<main id="main"' in part and "<header class=" not in part
    assert 'data-stream="/v1/events"' in part or f'data-stream="/v1/jobs/{job.id}/events"' in part
    producer.cancel(job.id)
    assert "data-stream" not in page.get(f"/jobs/{job.id}").text


def test_static_files_may_be_cached_for_ever(page: httpx.Client) -> None:
    links = set(re.findall(r'"(/static/[^"]+)"', page.get("/").text))
    assert {link.rpartition(".")[2] for link in links} == {"css", "js", "svg"}
    for link in links:
        answer = page.get(link)
        assert answer.status_code == 200 and "immutable" in answer.headers["cache-control"]
    assert page.get("/static/page.css").status_code == page.get("/static/..%2f..%2fjob.py").status_code == 404


# --- with keys -------------------------------------------------------------------------------------------------------


@pytest.fixture
def away(configured: Settings) -> Iterator[httpx.Client]:
    """A browser that needs a key."""
    with serving(configured.model_copy(update={"api_require_keys": True})) as client:
        client.headers["accept"] = "text/html"
        yield client


def sign_in(away: httpx.Client, key: str) -> httpx.Response:
    away.get("/login")
    return away.post("/login", data={"token": away.cookies["reelq_form"], "key": key, "next": "/jobs"})


def test_a_viewer_without_a_key_must_sign_in(away: httpx.Client, configured: Settings) -> None:
    sent = away.get("/jobs?state=failed")
    assert (sent.status_code, sent.headers["location"].partition("?")[0]) == (303, "/login")
    assert sign_in(away, "rq_wrong").status_code == 401
    assert away.get("/").status_code == away.get("/docs").status_code == 303
    followed = away.get("/login?next=/jobs", headers={"Sec-Fetch-Site": "cross-site"})
    assert 'content="0; url=/jobs"' in followed.text
    done = sign_in(away, make_key(configured, "admin"))
    assert (done.status_code, done.headers["location"]) == (303, "/jobs")
    cookie = done.headers["set-cookie"].lower()
    assert "reelq_session=" in cookie and "httponly" in cookie and "samesite=strict" in cookie
    assert "/logout" in away.get("/").text
    assert send(away, "/logout").status_code == 303
    assert away.get("/").status_code == 303


def test_a_key_shows_its_tenants_jobs_and_allowed_actions(
    away: httpx.Client, configured: Settings, producer: Producer
) -> None:
    other = producer.enqueue_many([{"prompt": "a secret fox"}], campaign="secret")[0]
    own = producer.as_tenant("acme").enqueue("an open fox")
    bring(producer, str(other.id), S.UNCONFIRMED)
    sign_in(away, make_key(configured, "read", tenant="acme"))
    for path in ("/", "/jobs", "/campaigns", "/jobs?q=fox", f"/jobs?q={other.id}", "/jobs?campaign=secret"):
        assert "secret fox" not in away.get(path).text, path
        assert "/campaigns/secret" not in away.get(path).text, path
    for path in (f"/jobs/{other.id}", "/campaigns/secret"):
        assert away.get(path).status_code == 404
    assert away.get("/accounts").status_code == 403
    shown = away.get(f"/jobs/{own.id}").text + away.get("/").text
    assert "an open fox" in shown and "acme" in shown
    assert set(re.findall(r'action="([^"]+)"', shown)) == {"/preferences", "/logout"}
    for path, fields in _decisions(str(own.id)):
        assert send(away, path, **fields).status_code == 403, path
    sign_in(away, make_key(configured, "enqueue", "read", tenant="acme"))
    assert f"/jobs/{own.id}/cancel" in away.get(f"/jobs/{own.id}").text
    assert send(away, f"/jobs/{other.id}/cancel").status_code == 404
    assert send(away, "/campaigns/secret/cancel", confirm="yes").status_code == 404
    bring(producer.as_tenant("acme"), str(own.id), S.UNCONFIRMED)
    assert "/resolve" not in away.get(f"/jobs/{own.id}").text
    assert send(away, f"/jobs/{own.id}/resolve", action="abandon").status_code == 403
    sign_in(away, make_key(configured, "admin", tenant="acme"))
    assert f"/jobs/{own.id}/resolve" in away.get(f"/jobs/{own.id}").text
    assert send(away, "/accounts/main/resume").status_code == 403
    assert producer.get(other.id).state is S.UNCONFIRMED


def _decisions(job_id: str) -> list[tuple[str, dict[str, Any]]]:
    return [
        ("/jobs", {"prompt": "a"}),
        (f"/jobs/{job_id}/cancel", {}),
        (f"/jobs/{job_id}/retry", {}),
        (f"/jobs/{job_id}/resolve", {"action": "abandon"}),
        ("/campaigns/x/cancel", {"confirm": "yes"}),
        ("/accounts/main/resume", {}),
    ]
