"""Answer what claims ask at one step: one statement for each kind of question, whatever the number of accounts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from storage.admission.leasing import Leases
from storage.admission.ledger import NothingFits
from storage.admission.share_walks import NextShares, NextTenants, find_shares, find_tenants
from storage.admission.side_by_side import Question, Step, run
from storage.admission.turns import EndOfTurn, record_turns
from storage.database import Connection

Kind = TypeVar("Kind", bound=Question)
T = TypeVar("T")


def claim(conn: Connection, step: Step[T], lease_s: float) -> T:
    """Run claims of accounts that are locked, as those of `grants` are; jobs are leased for `lease_s` seconds."""
    leases = Leases(conn, lease_s)

    def answer(asked: Sequence[Question]) -> None:
        find_tenants(conn, _of(NextTenants, asked))
        find_shares(conn, _of(NextShares, asked))
        leases.answer(asked)
        leases.ledger.hold([question.tenant for question in _of(NothingFits, asked)])
        record_turns(conn, _of(EndOfTurn, asked))

    return run(step, answer)


def _of(kind: type[Kind], asked: Sequence[Question]) -> list[Kind]:
    return [question for question in asked if isinstance(question, kind)]
