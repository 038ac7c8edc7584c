"""Which listed task belongs to which attempt."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from seedance.gateways.base import ListedTask, TaskStatus
from seedance.gateways.registry import DIALECTS
from storage.jobs.doubts import OpenAttempt
from tests.unit.worker.doubts import an_attempt, listed
from worker.polling.evidence import Evidence, Found, Unproven
from worker.polling.matching import CLOCK_SKEW_S, MOST_SKEW_S, Matching, Times

ARK = DIALECTS["ark"]
LEASE_S, GRACE_S = 90.0, 3600.0
DONE = TaskStatus.SUCCEEDED


def match(attempts: list[OpenAttempt], tasks: list[ListedTask], known: Any = ()) -> Matching:
    return Matching(attempts, tasks, ARK, Times(LEASE_S, GRACE_S), known)


def evidence(attempt: OpenAttempt, tasks: list[ListedTask], *others: OpenAttempt) -> Evidence:
    return match([attempt, *others], tasks).evidence((attempt.job_id, attempt.number))


def evidences(attempts: list[OpenAttempt], tasks: list[ListedTask]) -> list[Evidence]:
    found = match(attempts, tasks)
    return [found.evidence((item.job_id, item.number)) for item in attempts]


MARKED = an_attempt(mark=130_000, seed=7)


@pytest.mark.parametrize(
    ("tasks", "expected"),
    [
        ([], Unproven.NOT_SHOWN),
        ([listed("a", 130_000)], Found("a")),
        ([listed("a", 172_800), listed("b", 130_000), listed("c", 130_001)], Found("b")),
        # A list of which nothing is known may show Ark's default, or another name, in place of what was sent.
        ([listed("a", 172_800)], Unproven.PENDING),
        ([listed("a", 172_800, model="seedance-pro", status=DONE)], Unproven.UNCLEAR),
        ([listed("a", 172_800, resolution="480p")], Unproven.PENDING),
        ([listed("a", 172_800, status=DONE, seed=8)], Unproven.NOT_SHOWN),
        ([listed("a", 130_000, status=TaskStatus.FAILED)], Found("a")),
        ([listed("a", 130_000), listed("b", 130_000)], Unproven.UNCLEAR),
        ([listed("a", 130_000, after_s=GRACE_S * 3)], Found("a")),
        ([listed("a", 130_000, after_s=None)], Found("a")),
        ([listed("a", 130_000, after_s=-MOST_SKEW_S + 5)], Found("a")),
        ([listed("a", 130_000, after_s=-MOST_SKEW_S - 5)], Unproven.NOT_SHOWN),
        ([listed("a", 130_000, model="another-model")], Unproven.PENDING),
        # A list that shows no marks: by the attempt's own seed, once the task has ended.
        ([listed("a", seed=7, status=DONE)], Found("a")),
        ([listed("a")], Unproven.PENDING),
        ([listed("a", status=TaskStatus.QUEUED), listed("b", seed=8, status=DONE)], Unproven.PENDING),
        ([listed("a", status=TaskStatus.FAILED)], Unproven.NOT_SHOWN),
        ([listed("a", status=DONE)], Unproven.UNCLEAR),
        ([listed("a", after_s=GRACE_S + MOST_SKEW_S + 5)], Unproven.NOT_SHOWN),
        ([listed("a", model="doubao-seedance-2-0-fast-260128")], Unproven.PENDING),
        ([listed("a", model="doubao-seedance-2-0-fast-260128", seed=8, status=DONE)], Unproven.NOT_SHOWN),
    ],
)
def test_a_task_is_found_by_its_own_mark_or_left_open(tasks: list[ListedTask], expected: Evidence) -> None:
    assert evidence(MARKED, tasks) == expected


def test_many_jobs_with_one_seed_are_told_apart_by_their_marks() -> None:
    jobs = [an_attempt(f"job {n}", mark=130_000 + n, seed=42) for n in range(40)]
    tasks = [listed(f"t{n}", 130_000 + n, seed=42, status=DONE) for n in range(0, 40, 3)]
    found = evidences(jobs, tasks)
    assert found == [Found(f"t{n}") if n % 3 == 0 else Unproven.NOT_SHOWN for n in range(40)]


def test_two_jobs_that_asked_for_the_same_seed_without_marks_are_not_told_apart() -> None:
    own = {"execution_expires_after": 5000}
    first, second = (
        replace(job, seed=42, request=job.request | {"seed": 42})
        for job in (an_attempt(prompt, gateway_options=own) for prompt in ("a", "b"))
    )
    task = listed("t", 5000, seed=42, status=DONE)
    assert evidence(first, [task]) == Found("t", sure=False)
    assert evidences([first, second], [task]) == [Unproven.UNCLEAR, Unproven.UNCLEAR]


def by_prompt(task_id: str, prompt: str = "a fox", **fields: Any) -> ListedTask:
    return listed(task_id, prompt=prompt, **fields)


def test_without_marks_the_prompt_tells() -> None:
    fox, hen = an_attempt("a fox"), an_attempt("a hen")
    tasks = [by_prompt("t1"), by_prompt("t2", "a hen"), by_prompt("t3", "a cow")]
    assert evidences([fox, hen], tasks) == [Found("t1", sure=False), Found("t2", sure=False)]


def test_a_prompt_alone_does_not_count_outside_the_attempts_time() -> None:
    late = by_prompt("t", after_s=LEASE_S + CLOCK_SKEW_S + 5)
    assert evidence(an_attempt(), [late]) is Unproven.PENDING
    early = by_prompt("t", after_s=-CLOCK_SKEW_S - 5)
    assert evidence(an_attempt(), [early]) is Unproven.PENDING
    earlier = by_prompt("t", after_s=-MOST_SKEW_S - 5)
    assert evidence(an_attempt(), [earlier]) is Unproven.NOT_SHOWN


def test_what_differs_beside_the_prompt_rules_a_task_out() -> None:
    attempt = an_attempt(duration=5, first_frame="https://e.com/1.png")
    assert evidence(attempt, [by_prompt("t", duration=8.0)]) is Unproven.NOT_SHOWN
    assert evidence(attempt, [by_prompt("t", media=("https://e.com/2.png",))]) is Unproven.NOT_SHOWN
    assert evidence(attempt, [by_prompt("t", model="seedance-fast")]) is Unproven.PENDING, "it may be another name"
    known = [(an_attempt("a hen"), by_prompt("o", "a hen"))]
    found = match([attempt], [by_prompt("t", model="seedance-fast")], known)
    assert found.evidence((attempt.job_id, 1)) is Unproven.NOT_SHOWN, "this list shows models as they were asked for"
    own = by_prompt("t", duration=5.0, media=("https://e.com/1.png",))
    assert evidence(attempt, [own]) == Found("t", sure=False)


def test_a_task_that_does_not_show_its_size_yet_may_be_of_another() -> None:
    attempt = an_attempt(duration=5)
    assert evidence(attempt, [by_prompt("t")]) is Unproven.PENDING
    assert evidence(attempt, [by_prompt("t", status=DONE)]) == Found("t", sure=False), "it never shows more"
    assert evidence(replace(attempt, mark=130_000), [by_prompt("t", mark=130_000)]) == Found("t")


def test_attempts_that_ask_for_the_very_same_thing_get_any_of_its_tasks() -> None:
    same = [an_attempt(after_s=n) for n in range(3)]
    three = [by_prompt(f"t{n}", after_s=n + 5) for n in range(3)]
    assert evidences(same, three) == [Found(f"t{n}", sure=False) for n in range(3)]
    assert evidences(same, three[:2]) == [Found("t0", sure=False), Found("t1", sure=False), Unproven.NOT_SHOWN]
    four = [*three, by_prompt("t4")]
    assert evidences(same, four) == [Unproven.UNCLEAR] * 3, "one of them belongs to another program"


def test_an_attempt_that_was_given_up_may_own_a_task_as_well() -> None:
    waiting, given_up = an_attempt(), an_attempt(standing="given_up")
    two = [by_prompt("t1"), by_prompt("t2")]
    assert evidence(waiting, two, given_up) == Found("t1", sure=False)
    assert evidence(waiting, two) is Unproven.UNCLEAR


def test_a_post_that_is_still_under_way_is_waited_for() -> None:
    assert evidence(an_attempt(), [by_prompt("t")], an_attempt(standing="in_flight")) is Unproven.PENDING


def test_a_rival_that_asks_for_something_else_leaves_the_task_to_a_person() -> None:
    """The list shows no media: the task is of either."""
    first = an_attempt(first_frame="https://e.com/1.png")
    second = an_attempt(first_frame="https://e.com/2.png")
    assert evidences([first, second], [by_prompt("t")]) == [Unproven.UNCLEAR, Unproven.UNCLEAR]
    shown = [by_prompt("t", media=("https://e.com/2.png",))]
    assert evidences([first, second], shown) == [Unproven.NOT_SHOWN, Found("t", sure=False)]


def test_a_task_with_another_attempts_mark_is_not_open_for_one_without() -> None:
    blind = an_attempt("no mark", gateway_options={"execution_expires_after": 130_000})
    task = listed("t", 130_000, status=DONE)
    assert evidence(blind, [task]) is Unproven.UNCLEAR
    assert evidence(blind, [task], MARKED) is Unproven.NOT_SHOWN


def test_a_list_that_drops_marks_rules_nothing_out() -> None:
    own = [(an_attempt(mark=140_000 + n), listed(f"o{n}", 172_800)) for n in range(2)]
    found = match([MARKED], [listed("t", 172_800)], own)
    assert found.evidence((MARKED.job_id, 1)) is Unproven.PENDING
    kept = [(an_attempt(mark=140_000), listed("o", 140_000))]
    assert match([MARKED], [listed("t", 172_800)], kept).evidence((MARKED.job_id, 1)) is Unproven.NOT_SHOWN


def test_a_clock_that_is_far_behind_is_seen_by_tasks_whose_time_is_known() -> None:
    for after_s, behind in ((1.0, False), (-MOST_SKEW_S + 5, False), (-MOST_SKEW_S - 5, True), (9 * 3600.0, False)):
        own = [(an_attempt(mark=140_000), listed("o", 140_000, after_s=after_s))]
        assert match([MARKED], [], own).clock_is_behind is behind


def test_candidates_show_what_matches_and_what_does_not() -> None:
    attempt = an_attempt(duration=5, resolution="720p")
    tasks = [
        by_prompt("other length", duration=8.0),
        listed("no prompt shown", resolution="720p"),
        by_prompt("both", duration=5.0),
        listed("another prompt", prompt="a cow"),
        by_prompt("late", after_s=GRACE_S + MOST_SKEW_S + 5, duration=8.0),
    ]
    found = match([attempt], tasks).candidates((attempt.job_id, 1))
    assert [item["task_id"] for item in found] == ["both", "no prompt shown", "other length"]
    assert found[0]["matches"] == ["prompt", "model", "duration"]
    assert found[2]["differs"] == {"duration": {"asked": "5", "shown": "8.0"}}
    assert found[0]["source"] == "list"


def test_tasks_of_attempts_that_were_given_up_are_seen_by_their_marks() -> None:
    gone = an_attempt(mark=150_000, standing="given_up")
    found = match([MARKED, gone], [listed("t", 150_000), listed("u", 130_000), by_prompt("v")])
    assert found.of_given_up() == [(gone.job_id, 1, "t")]
