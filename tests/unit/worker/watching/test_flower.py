"""What Flower shows of our tasks, and when it must not start."""

from __future__ import annotations

import threading
from contextvars import copy_context
from types import SimpleNamespace
from uuid import UUID, uuid4

import pytest

from worker.exposure import why_refused
from worker.watching import tally as tallies
from worker.watching.configured import why_no_sign_in
from worker.watching.pages import jobs_row, shown_task
from worker.watching.tally import Tally, Verdict, begin_tally, current_tally, tally_of
from worker.watching.words import NAMED, described

JOB, OTHER = UUID("0190a3b4-0000-7000-8000-000000000001"), UUID("0190a3b4-0000-7000-8000-000000000002")


def verdict(tally: Tally) -> Verdict:
    said: list[Verdict] = []
    tally.when_done(said.append)
    return said[0]


def test_a_task_says_what_it_achieved_and_is_red_only_when_that_is_nothing() -> None:
    empty = verdict(Tally())
    assert (empty.text, empty.failed) == ("nothing left to do", False)
    mixed = Tally()
    mixed.good("stored", 7)
    mixed.bad(JOB, "link_expired")
    assert (verdict(mixed).text, verdict(mixed).failed) == (f"stored 7; failed 1: {JOB} link_expired", False)
    lost = Tally()
    for number in range(tallies.MAX_FAILURES + 1):
        lost.bad(f"msg_{number}", "refused by https://user:hidden@host.example/hook?token=hidden")
    assert verdict(lost).failed and verdict(lost).text.startswith(
        "failed 6: msg_0 refused by https://host.example/hook"
    )
    assert verdict(lost).text.endswith(", …") and "hidden" not in verdict(lost).text


def test_a_task_is_done_when_its_work_in_the_background_is() -> None:
    tally, said = Tally(), list[Verdict]()
    tally.hold()
    tally.hold()
    tally.when_done(said.append)
    tally.release()
    assert said == []
    tally.good("stored")
    thread = threading.Thread(target=tally.release)
    thread.start()
    thread.join()
    assert [item.text for item in said] == ["stored 1"]


def test_the_tally_is_that_of_the_task_that_runs() -> None:
    copy_context().run(_two_tasks)  # each task of a worker has a context of its own, too


def _two_tasks() -> None:
    begin_tally("one")
    begin_tally("two")
    current_tally().good("stored")
    assert tally_of("one") is None
    two = tally_of("two")
    assert two is not None and verdict(two).text == "stored 1"


def test_arguments_name_the_account_and_the_jobs() -> None:
    assert described("evolink", [JOB]) == f"evolink, 1 job: {JOB}"
    assert described("acme 1", [JOB, OTHER], "message") == f"acme 1, 2 messages: {JOB}, {OTHER}"
    many = described("evolink", [uuid4() for _ in range(100)])
    assert many.startswith("evolink, 100 jobs: ") and many.endswith(f" and {100 - NAMED} more")


def test_a_task_links_to_its_jobs() -> None:
    row = jobs_row("worker.poll", described("evolink", [JOB, OTHER]), "https://reelq.example")
    assert row.count("<a href=") == 2 and f'<a href="https://reelq.example/jobs/{JOB}">' in row
    assert "<a " not in jobs_row("worker.poll", str(JOB), "") and str(JOB) in jobs_row("worker.poll", str(JOB), "")
    assert jobs_row("worker.notify", str(JOB), "https://reelq.example") == ""
    assert jobs_row("worker.sweep", "()", "https://reelq.example") == jobs_row("worker.poll", None, "") == ""


def test_a_failure_is_shown_where_a_result_is() -> None:
    failed = SimpleNamespace(result=None, exception="failed 1: x", args="()", kwargs="{}")
    assert shown_task(failed) == SimpleNamespace(result="failed 1: x", exception=None, args="", kwargs="")
    good = SimpleNamespace(result="stored 1", exception=None, args="evolink, …", kwargs="{}")
    assert shown_task(good).result == "stored 1"


GOOD = ["reelq:a-long-password"]


@pytest.mark.parametrize(
    ("address", "socket", "passwords", "oauth"),
    [
        ("127.0.0.1", "", [], ""),
        ("localhost", "", [], ""),
        ("::1", "", [], ""),
        ("", "/run/flower.sock", [], ""),
        ("0.0.0.0", "", GOOD, ""),
        ("", "", [], ".*@example.com"),
    ],
)
def test_flower_starts_where_only_who_may_can_reach_it(
    address: str, socket: str, passwords: list[str], oauth: str
) -> None:
    assert why_refused(address, socket, passwords, oauth) is None


@pytest.mark.parametrize(
    ("address", "passwords", "why"),
    [
        ("", [], "every address of this machine without a password; set FLOWER_BASIC_AUTH"),
        ("0.0.0.0", [], "0.0.0.0 without a password"),
        ("10.0.0.7", [], "10.0.0.7 without a password"),
        ("10.0.0.7", ["reelq:short"], "at least 12 characters"),
        ("10.0.0.7", ["no-colon-in-this-one"], "must be user:password"),
        ("10.0.0.7", [*GOOD, ":a-long-password"], "must be user:password"),
        ("127.0.0.1", ["reelq:"], "must be user:password"),
    ],
)
def test_flower_does_not_start_open(address: str, passwords: list[str], why: str) -> None:
    assert why in (why_refused(address, "", passwords, "") or "")


OAUTH = {
    "auth": ".*@example.com",
    "auth_provider": "flower.views.auth.OktaLoginHandler",
    "oauth2_key": "key",
    "oauth2_secret": "secret",
    "oauth2_redirect_uri": "https://flower.example.com/login",
}
OKTA = "https://okta.example.com/oauth2/default"


@pytest.mark.parametrize(
    ("given", "okta_url", "why"),
    [
        ({}, OKTA, None),
        ({"auth_provider": "flower.views.auth.GithubLoginHandler"}, None, None),
        ({"auth": "a@example.com|b@example.com"}, OKTA, None),
        ({"auth": "", "auth_provider": None}, None, None),
        ({"auth": r".*@example\.com"}, OKTA, "would let no one in"),
        ({"auth": ".*@.*"}, OKTA, "would let no one in"),
        ({"auth": ""}, OKTA, "FLOWER_AUTH: is not set"),
        ({"auth_provider": None}, OKTA, "FLOWER_AUTH_PROVIDER: is not set"),
        ({"auth_provider": "flower.views.auth.NoLoginHandler"}, OKTA, "there is no 'flower.views.auth.NoLoginHandler'"),
        ({"auth_provider": "flower.views.auth.is_safe_redirect"}, OKTA, "there is no 'flower.views.auth.is_safe_redir"),
        ({"oauth2_redirect_uri": None}, OKTA, "FLOWER_OAUTH2_REDIRECT_URI: is not set"),
        ({}, None, "FLOWER_OAUTH2_OKTA_BASE_URL: is not set"),
    ],
)
def test_oauth_that_would_let_no_one_in_is_refused(
    given: dict[str, str | None], okta_url: str | None, why: str | None
) -> None:
    found = why_no_sign_in(SimpleNamespace(**OAUTH | given), okta_url)
    assert found == why if why is None else why in (found or "")
