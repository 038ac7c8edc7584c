"""Drafts and finals from end to end: the queue, the simulated Ark and its ledger, and the ways in."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid4

import pytest

from producer.errors import NotPossible
from seedance.problems import InvalidInput
from storage.jobs import claims
from storage.jobs.prices import bring_back
from storage.jobs.records import IdempotencyConflict
from storage.settings import Settings
from tests.integration.submitting.doubtful_gateway import LOST, DoubtfulGateway, doubtful_gateway, world_at
from tests.integration.submitting.rounds import World

DRAFT: dict[str, Any] = {"model": "seedance-2.5", "draft": True, "duration": 5, "ratio": "16:9", "audio": True}
DAY_S = 86_400.0
RATES = [
    {"per": "million_tokens", "currency": "CNY", "as_of": "2026-11-28", "resolutions": ["480p"], "price": "70"},
    {"per": "million_tokens", "currency": "CNY", "as_of": "2026-11-28", "resolutions": ["1080p"], "price": "77"},
]


@pytest.fixture
def gateway() -> Iterator[DoubtfulGateway]:
    with doubtful_gateway() as made:
        yield made


@pytest.fixture
def world(settings: Settings, gateway: DoubtfulGateway) -> Iterator[World]:
    """Two accounts at Ark, of which only one made the drafts."""
    second = gateway.account("ark")
    with world_at(settings, main=gateway.account("ark", rates=RATES), other=second) as made:
        yield made


def made(world: World, gateway: DoubtfulGateway, count: int = 1, **fields: Any) -> list[UUID]:
    """Drafts that have succeeded, at the account main."""
    ids = world.enqueue(count, account="main", **DRAFT | fields)
    done(world, gateway)
    return ids


def done(world: World, gateway: DoubtfulGateway) -> None:
    world.round()
    gateway.finish()
    world.poll()
    world.transfer()


def at_gateway(gateway: DoubtfulGateway) -> list[dict[str, Any]]:
    return [task["body"] for task in gateway.ledger()["tasks"]]


def test_a_final_is_made_of_a_draft_at_its_account(world: World, gateway: DoubtfulGateway) -> None:
    [draft_id] = made(world, gateway)
    draft = world.producer.get(draft_id)
    assert draft.state == "succeeded" and draft.draft_ends_at is not None and draft.submitted_at is not None
    assert draft.request["resolution"] == "480p"
    assert 6.9 * DAY_S < (draft.draft_ends_at - draft.submitted_at).total_seconds() <= 7 * DAY_S

    final = world.producer.finalize(draft_id, output_format="mov")
    assert world.producer.finalize(draft_id, output_format="mov", resolution="1080p").id == final.id, "paid once"
    assert (final.draft_of, final.account_pin) == (draft_id, "main")
    assert world.producer.get(draft_id).finals == [final.id]
    assert (final.request["prompt"], final.request["duration"]) == ("a cat 0", 5)
    assert draft.estimate is not None and final.estimate is not None
    assert draft.estimate["high"] == pytest.approx(48_437 * 70e-6, rel=0.001)
    assert final.estimate["high"] == pytest.approx(245_025 * 77e-6, rel=0.001)

    done(world, gateway)
    final = world.producer.get(final.id)
    assert (final.state, final.account, final.model) == ("succeeded", "main", draft.model)
    assert final.draft_ends_at == draft.draft_ends_at
    first, second = at_gateway(gateway)
    assert (first["draft"], first["resolution"], first["return_last_frame"]) == (True, "480p", False)
    assert second["content"] == [{"type": "draft_task", "draft_task": {"id": draft.gateway_task_id}}]
    own = {"model", "content", "resolution", "output_format", "execution_expires_after"}
    assert set(second) - {"callback_url"} == own
    assert final.cost is not None and final.cost["amount"] == pytest.approx(245_025 * 77e-6, rel=0.001)


def test_lost_answers_of_drafts_and_finals_are_adopted_by_their_marks(world: World, gateway: DoubtfulGateway) -> None:
    gateway.arm(LOST | {"first": 2})
    ids = world.enqueue(3, account="main", **DRAFT)
    world.round()
    assert world.states() == {"unconfirmed": 2, "generating": 1}
    gateway.finish()
    world.reconcile()
    done(world, gateway)
    assert world.states() == {"succeeded": 3}
    gateway.arm(LOST | {"every": 2})
    finals = [world.producer.finalize(draft_id).id for draft_id in ids]
    finals.append(world.producer.finalize(ids[0], output_format="mov").id)  # a second final of the same draft
    world.round()
    assert world.states() == {"succeeded": 3, "unconfirmed": 2, "generating": 2}
    gateway.finish()
    world.reconcile()
    assert world.states() == {"succeeded": 3, "generating": 4}
    tasks = {task["id"]: task["body"] for task in gateway.ledger()["tasks"]}
    assert len(tasks) == 7, "nothing is paid for twice"
    for job in world.jobs():
        if job["id"] in finals:
            body = tasks[job["gateway_task_id"]]
            assert body["content"][0]["draft_task"]["id"] == job["draft_task_id"]
            assert body.get("output_format", "mp4") == job["request"].get("output_format", "mp4")


def test_finals_whose_draft_dies_first_are_served_first(world: World, gateway: DoubtfulGateway) -> None:
    drafts = [made(world, gateway)[0] for _ in range(3)]
    with world.begin() as conn:  # the second dies first, then the third
        for draft_id, hours in zip(drafts, (50, 10, 30), strict=True):
            conn.execute(
                "UPDATE jobs SET draft_ends_at = now() + make_interval(hours => %s) WHERE id = %s", [hours, draft_id]
            )
    [plain] = world.enqueue(1, "an ordinary job", account="main", model="seedance-2.5", resolution="1080p")
    finals = [world.producer.finalize(draft_id).id for draft_id in drafts]
    in_order = [finals[1], finals[2], finals[0], plain]
    served = [item for _ in range(4) for item in world.claim(1)]
    assert [item.id for item in served] == in_order
    with world.begin() as conn:
        claims.release(conn, [(item.id, item.claim) for item in served])
    assert [item.id for _ in range(3) for item in world.claim(1)] == in_order[:3], "no worker began them"
    with world.begin() as conn:
        known = {"ids": in_order}
        conn.execute("UPDATE jobs SET account = NULL, reason = 'over_budget' WHERE id = ANY(%(ids)s)", known)
        assert bring_back(conn) == 4
    assert [item.id for _ in range(4) for item in world.claim(1)] == in_order, "their budget had no room"


def test_a_final_whose_draft_dies_in_the_queue_fails_before_the_post(world: World, gateway: DoubtfulGateway) -> None:
    drafts = made(world, gateway, 2)
    final = world.producer.finalize(drafts[0])
    world.later(7 * DAY_S)
    world.round()
    assert world.producer.get(final.id).state == "failed"
    error = world.producer.get(final.id).error
    assert error is not None and error["code"] == "draft_expired" and "nothing was submitted" in error["message"]
    with pytest.raises(InvalidInput, match="make a new draft"):
        world.producer.finalize(drafts[1])
    with pytest.raises(NotPossible, match="too old"):
        world.producer.retry(final.id)
    assert len(at_gateway(gateway)) == 2


def test_a_final_of_a_deleted_record_fails_in_the_gateways_words(world: World, gateway: DoubtfulGateway) -> None:
    [draft_id] = made(world, gateway)
    gateway.clock.now += 7 * DAY_S  # the gateway's clock decides there
    final = world.producer.finalize(draft_id)
    world.round()
    error = world.producer.get(final.id).error
    assert error is not None and error["code"] == "invalid_request" and "7 days" in error["message"]


def test_rows_name_their_draft_and_set_only_what_a_final_may_set(world: World, gateway: DoubtfulGateway) -> None:
    [draft_id] = made(world, gateway)
    [early] = world.enqueue(1, account="main", **DRAFT)
    [plain] = world.enqueue(1, account="main", model="seedance-2.5")
    wrong: dict[str, dict[str, Any]] = {
        "prompt": {"draft_of": draft_id, "prompt": "a dog"},
        "duration": {"draft_of": draft_id, "duration": 5},
        "account": {"draft_of": draft_id, "account": "other"},
        "resolution": {"draft_of": draft_id, "resolution": "720p"},
        "gateway_options.service_tier": {"draft_of": draft_id, "gateway_options": {"service_tier": "default"}},
        "draft_of": {"draft_of": "x"},
    }
    for field, row in wrong.items():
        with pytest.raises(InvalidInput) as caught:
            world.producer.enqueue_row(row)
        assert [problem.field for problem in caught.value.problems] == [field]
    for job_id, says in ((uuid4(), "no job"), (early, "queued"), (plain, "not a draft")):
        with pytest.raises(InvalidInput, match=says):
            world.producer.enqueue_row({"draft_of": job_id})
    with pytest.raises(InvalidInput, match="no job"):
        world.producer.as_tenant("another").enqueue_row({"draft_of": draft_id})

    row = {"draft_of": str(draft_id), "idempotency_key": "k1", "watermark": True, "tags": ["x"]}
    first, created = world.producer.enqueue_row(row)
    assert created and first.request["watermark"] is True
    world.later(8 * DAY_S)  # a repetition is no new final, so the draft may be over
    assert world.producer.enqueue_row(row) == (world.producer.get(first.id), False)
    with pytest.raises(IdempotencyConflict):
        world.producer.enqueue_row(row | {"watermark": False})
    with pytest.raises(InvalidInput, match="make a new draft"):
        world.producer.enqueue_row(row | {"idempotency_key": "k2"})


def test_a_failed_final_is_retried_by_the_same_command(world: World, gateway: DoubtfulGateway) -> None:
    [draft_id] = made(world, gateway)
    final = world.producer.finalize(draft_id)
    world.producer.cancel(final.id)
    again = world.producer.finalize(draft_id)
    assert again.id != final.id and again.metadata["retry_of"] == str(final.id)
    assert again.draft_of == draft_id
    done(world, gateway)
    assert world.producer.get(again.id).state == "succeeded"


def test_a_final_that_may_be_billed_is_not_made_again_by_the_same_command(
    world: World, gateway: DoubtfulGateway
) -> None:
    [draft_id] = made(world, gateway)
    final = world.producer.finalize(draft_id)
    world.round()
    with world.begin() as conn:  # as after many polls to which the gateway said that it has no such task
        ended = "SET state = 'failed', reason = 'task_lost', due_at = NULL, finished_at = now(), error = '{}'"
        assert conn.execute(f"UPDATE jobs {ended} WHERE id = %s AND state = 'generating'", [final.id]).rowcount == 1
    assert world.producer.finalize(draft_id).id == final.id
    again = world.producer.retry(final.id)
    assert again.metadata["retry_of"] == str(final.id)


def test_an_ordinary_video_is_generated_again_only_on_request(world: World, gateway: DoubtfulGateway) -> None:
    [look] = world.enqueue(1, tier="mini", resolution="480p", account="main", duration=5)
    with pytest.raises(NotPossible, match="is queued"):
        world.producer.finalize(look)
    done(world, gateway)
    with pytest.raises(NotPossible, match="will differ"):
        world.producer.finalize(look)
    final = world.producer.finalize(look, regenerate=True, tier="standard")
    assert final.draft_of is None and final.metadata["final_of_look"] == str(look)
    assert (final.request["resolution"], final.request["prompt"]) == ("1080p", "a cat 0")
    assert world.producer.finalize(look, regenerate=True, tier="standard").id == final.id
