"""Whether a listed task may be an attempt's: every field that a list shows, and none that it does not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from seedance.comparison import EXPIRES, Sent, can_be, compare, unreliable_fields
from seedance.gateways.base import ListedTask, TaskReport, TaskStatus
from seedance.gateways.registry import DIALECTS
from seedance.request import parse_request

ARK = DIALECTS["ark"]
MODEL = "doubao-seedance-2-0-260128"
UPLOAD = "upload://" + "a" * 64 + ".png"
TASK = ListedTask("t", 1000, MODEL, TaskReport(TaskStatus.RUNNING, "running"))


def sent(mark: int | None = None, seed: int | None = None, model: str = MODEL, **fields: Any) -> Sent:
    return Sent(ARK, model, parse_request({"prompt": "a  red fox"} | fields), seed, mark)


def shown(seed: int | None = None, **fields: Any) -> ListedTask:
    return replace(TASK, report=TaskReport(TaskStatus.SUCCEEDED, "succeeded", seed=seed), **fields)


FIRST: dict[str, Any] = {"first_frame": "https://e.com/1.png"}


@pytest.mark.parametrize(
    ("attempt", "task", "matches", "differs"),
    [
        (sent(), TASK, {"model"}, set()),
        (sent(), replace(TASK, model=""), set(), set()),
        (sent(), replace(TASK, model="doubao-seedance-2-0-fast-260128"), set(), {"model"}),
        (sent(model="seedance"), replace(TASK, model="seedance-fast"), set(), {"model"}),
        (sent(model="doubao-seedance-2-0"), TASK, {"model"}, set()),
        (sent(model="ep-2026"), TASK, set(), set()),
        (sent(model="ep-2026"), replace(TASK, model="ep-2027"), set(), {"model"}),
        (sent(mark=150_000), shown(execution_expires_after=150_000), {"model", "execution_expires_after"}, set()),
        (sent(mark=150_000), shown(execution_expires_after=172_800), {"model"}, {"execution_expires_after"}),
        (sent(mark=150_000), TASK, {"model"}, set()),
        (sent(), shown(execution_expires_after=172_800), {"model"}, set()),
        (
            sent(gateway_options={"execution_expires_after": 5000}),
            shown(execution_expires_after=172_800),
            {"model"},
            {"execution_expires_after"},
        ),
        (sent(seed=7), shown(seed=7), {"model", "seed"}, set()),
        (sent(seed=7), shown(seed=8), {"model"}, {"seed"}),
        (sent(seed=7, prompt="x"), TASK, {"model"}, set()),
        (Sent(ARK, MODEL, parse_request({"prompt": "x", "seed": 9})), shown(seed=9), {"model", "seed"}, set()),
        (Sent(ARK, MODEL, parse_request({"prompt": "x", "seed": 9})), shown(seed=8), {"model"}, {"seed"}),
        (sent(), shown(seed=8), {"model"}, set()),
        (sent(), replace(TASK, prompt="a red\nfox "), {"model", "prompt"}, set()),
        (sent(), replace(TASK, prompt="a red dog"), {"model"}, {"prompt"}),
        (sent(duration=5), replace(TASK, duration=5.0), {"model", "duration"}, set()),
        (sent(duration=5), replace(TASK, duration=4.71), {"model", "duration"}, set()),
        (sent(duration=5), replace(TASK, duration=8.0), {"model"}, {"duration"}),
        (sent(duration=-1), replace(TASK, duration=8.0), {"model"}, set()),
        (sent(duration=5), replace(TASK, duration=-1.0), {"model"}, set()),
        (sent(), replace(TASK, duration=8.0), {"model"}, set()),
        (sent(resolution="720p"), replace(TASK, resolution="480p"), {"model"}, {"resolution"}),
        (sent(), replace(TASK, resolution="720p"), {"model"}, set()),
        (sent(ratio="16:9"), replace(TASK, ratio="9:16"), {"model"}, {"ratio"}),
        (sent(ratio="adaptive"), replace(TASK, ratio="9:16"), {"model"}, set()),
        (sent(audio=True), replace(TASK, audio=False), {"model"}, {"audio"}),
        (sent(), replace(TASK, audio=False), {"model"}, set()),
        (sent(), replace(TASK, service_tier="default"), {"model", "service_tier"}, set()),
        (sent(), replace(TASK, service_tier="flex"), {"model"}, {"service_tier"}),
        (sent(), replace(TASK, draft=True), {"model"}, {"draft"}),
        (sent(), replace(TASK, draft=False), {"model"}, set()),
        (sent(**FIRST), replace(TASK, media=("https://e.com/1.png",)), {"model", "media"}, set()),
        (sent(**FIRST), replace(TASK, media=("https://e.com/2.png",)), {"model"}, {"media"}),
        (sent(**FIRST), replace(TASK, media=()), {"model"}, {"media"}),
        (sent(**FIRST), TASK, {"model"}, set()),
        (sent(), replace(TASK, media=("https://e.com/1.png",)), {"model"}, {"media"}),
        (sent(), replace(TASK, media=()), {"model"}, set()),
        (
            sent(first_frame=UPLOAD),
            replace(TASK, media=(f"https://s3.example/b/inputs/{UPLOAD[9:]}?X-Amz-Signature=1",)),
            {"model", "media"},
            set(),
        ),
        (sent(first_frame=UPLOAD), replace(TASK, media=("https://s3.example/b/other.png",)), {"model"}, {"media"}),
        (sent(first_frame=UPLOAD), replace(TASK, media=()), {"model", "media"}, set()),
    ],
)
def test_every_field_that_both_sides_tell_counts(
    attempt: Sent, task: ListedTask, matches: set[str], differs: set[str]
) -> None:
    found = compare(attempt, task)
    assert set(found.matches) == matches
    assert set(found.differs) == differs
    assert can_be(attempt, task) is (found.marked or not found.differs)


@pytest.mark.parametrize(
    ("attempt", "task", "recognised", "marked"),
    [
        (sent(), TASK, False, False),
        (sent(), replace(TASK, prompt="a red fox"), True, False),
        (sent(duration=5), replace(TASK, prompt="a red fox", duration=8.0), False, False),
        (sent(mark=150_000), shown(execution_expires_after=150_000), True, True),
        (sent(seed=7), shown(seed=7), True, True),
        (Sent(ARK, MODEL, parse_request({"prompt": "x", "seed": 9}), 9), shown(seed=9), True, False),
        (
            sent(gateway_options={"execution_expires_after": 5000}),
            shown(execution_expires_after=5000),
            False,
            False,
        ),
        (sent(mark=150_000, seed=7), shown(seed=7, execution_expires_after=172_800), False, True),
    ],
)
def test_a_task_is_recognised_by_a_mark_a_seed_or_the_prompt(
    attempt: Sent, task: ListedTask, recognised: bool, marked: bool
) -> None:
    found = compare(attempt, task)
    assert (found.recognised, found.marked) == (recognised, marked)


def test_with_its_own_mark_a_task_is_never_ruled_out() -> None:
    """Whatever else it shows: to call it absent would be to pay for it twice."""
    task = shown(execution_expires_after=150_000, model="renamed")
    assert can_be(sent(mark=150_000), task)
    assert not compare(sent(mark=150_000), task).recognised


def test_a_list_that_shows_our_own_tasks_differently_is_not_relied_on_for_that() -> None:
    """A proxy that drops the mark shows its default for every task: that rules none of them out."""
    own = [(sent(mark=150_000 + n), shown(execution_expires_after=172_800)) for n in range(3)]
    besides = unreliable_fields(own)
    assert besides == {EXPIRES}
    stranger = shown(execution_expires_after=172_800)
    assert not can_be(sent(mark=150_009), stranger)
    assert can_be(sent(mark=150_009), stranger, besides)
    one_wrong = [*((sent(mark=150_000), shown(execution_expires_after=150_000)) for _ in range(2)), own[0]]
    assert unreliable_fields(one_wrong) == set()
    assert unreliable_fields([]) == set()


@pytest.mark.parametrize(
    ("asked", "seen", "unseen"),
    [
        ({"duration": 5, "resolution": "480p", "ratio": "1:1"}, {}, {"duration", "resolution", "ratio"}),
        ({"duration": 5, "resolution": "480p"}, {"duration": 5.0}, {"resolution"}),
        ({"duration": -1, "resolution": "480p", "ratio": "adaptive"}, {"resolution": "480p"}, set()),
    ],
)
def test_sizes_that_are_not_shown_are_named(asked: dict[str, Any], seen: dict[str, Any], unseen: set[str]) -> None:
    assert set(compare(sent(**asked), shown(**seen)).unseen) == unseen


def test_values_that_the_row_replaced_are_not_held_against_a_task() -> None:
    video = {"reference_videos": ["https://e.com/1.mp4"], "operation": "edit", "duration": 5, "ratio": "16:9"}
    model = "doubao-seedance-2-5-260628"
    edit = Sent(ARK, model, parse_request({"prompt": "x", "model": "seedance-2.5"} | video), mark=150_000)
    made = shown(model=model, duration=16.709, ratio="1:1", execution_expires_after=150_000)
    assert compare(edit, made).recognised
    # The default model has been changed since the attempt: what counts is the model that it was sent to.
    before = Sent(ARK, model, parse_request({"prompt": "x"} | video), mark=150_000)
    assert compare(before, made).recognised
    assert can_be(Sent(ARK, model, parse_request({"prompt": "x"} | video)), made)
    old = Sent(ARK, MODEL, parse_request({"prompt": "x"} | video), mark=150_000)
    assert set(compare(old, replace(made, model=MODEL)).differs) == {"duration", "ratio"}
