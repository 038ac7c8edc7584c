"""What a scheduler sends and a worker processes, for the model of the property test."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass

from storage.admission.grants import grants
from storage.database import Connection
from storage.jobs import callbacks, claims
from storage.leases import Claimed
from tests.integration.submitting.held_gateway import Call, HeldRuntime
from worker.polling.look_back import look_back_batch
from worker.polling.poll import poll_batch
from worker.polling.reconcile import reconcile_batch
from worker.scheduling.admission import claim_for
from worker.submitting.submit import submit_batch

KINDS = ("submit", "poll", "transfer", "reconcile", "look_back")
BATCHES = {
    "submit": submit_batch,
    "poll": poll_batch,
    "reconcile": reconcile_batch,
    "look_back": look_back_batch,
}
LEASE_S = 60.0


@dataclass
class Message:
    kind: str
    account: str
    claimed: list[Claimed]


@dataclass
class Delivery:
    """A batch that a worker is processing: its calls wait for answers."""

    work: Future[None]
    calls: list[Call]


def prompts_of(calls: list[Call]) -> set[str]:
    """The prompts of the POSTs among some calls."""
    return {call.post.prompt for call in calls if call.post is not None}


def claimed_of(conn: Connection, runtime: HeldRuntime, kind: str, limit: int) -> Iterator[tuple[str, list[Claimed]]]:
    """What a scheduler claims of one kind, account by account."""
    if kind == "submit":
        for grant in grants(conn, runtime.live.refresh(conn)):  # as the dispatcher does
            yield grant.account.name, claim_for(conn, [grant], limit, LEASE_S)
        return
    by_kind: dict[str, Callable[[Connection, int, float], list[Claimed]]]
    by_kind = {
        "poll": claims.claim_polls,
        "transfer": claims.claim_transfers,
        "reconcile": claims.claim_unconfirmed,
        "look_back": callbacks.claim_looks,
    }
    by_account: dict[str, list[Claimed]] = defaultdict(list)
    for item in by_kind[kind](conn, limit, LEASE_S):
        by_account[item.account].append(item)
    yield from by_account.items()
