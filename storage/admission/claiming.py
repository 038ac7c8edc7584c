"""Answer what claims ask at one step: one statement for each kind of question, whatever the number of accounts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from storage.admission.leasing import Leases
from storage.admission.ledger import NothingFits
from storage.admission.queue.queue_memory import WALKED, QueueMemory
from storage.admission.queue.share_walks import NextShares, NextTenants, find_shares, find_tenants
from storage.admission.side_by_side import Question, Step, run
from storage.admission.turns import EndOfTurn, record_turns
from storage.database import Connection

Kind = TypeVar("Kind", bound=Question)
T = TypeVar("T")


def claim(conn: Connection, step: Step[T], lease_s: float, memory: QueueMemory | None = None) -> T:
    """Run claims of accounts that are locked, as those of `grants` are; jobs are leased for `lease_s` seconds.
    `memory`: what the scheduler remembers of the queue; None: nothing."""
    leases = Leases(conn, lease_s)
    known = memory or QueueMemory()

    def answer(asked: Sequence[Question]) -> None:
        _walk(conn, known, _of(NextTenants, asked), _of(NextShares, asked))
        leases.answer(asked)
        leases.ledger.hold([question.tenant for question in _of(NothingFits, asked)])
        record_turns(conn, _of(EndOfTurn, asked))

    return run(step, answer)


def _walk(conn: Connection, memory: QueueMemory, tenants: list[NextTenants], shares: list[NextShares]) -> None:
    if tenants or shares:
        memory.prepare(conn)
    for question in tenants:
        question.barren, question.known = memory.barren(question.seeker), memory.known_of(question.seeker)
    for asked_shares in shares:
        asked_shares.known = memory.known(asked_shares)
    find_tenants(conn, tenants, memory.window)
    find_shares(conn, [question for question in shares if not memory.is_in_vain(question)])
    for asked in tenants:
        memory.note(asked, is_short=len(asked.found) < asked.most)
    for of_tenant in shares:
        memory.note(of_tenant, is_short=not of_tenant.found or of_tenant.walked > WALKED)


def _of(kind: type[Kind], asked: Sequence[Question]) -> list[Kind]:
    return [question for question in asked if isinstance(question, kind)]
