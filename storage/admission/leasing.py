"""Lease jobs from the shares that fair share has dealt slots to, for many accounts and tenants at once.

Jobs go to the claim that comes first, as if the claims ran one after the other. A claim that asks for what an earlier
one may still take, because that one got less than it asked for, is deferred.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from uuid import UUID

from storage.admission.campaign_pace import within_limits
from storage.admission.ledger import Admitted, Ledger, Taken
from storage.admission.queue.share_walks import Share
from storage.admission.queued_claims import Lease, Place, lease, lock_oldest
from storage.admission.seekers import Seeker, Which
from storage.admission.side_by_side import Question
from storage.database import Connection
from storage.leases import Claimed


@dataclass(slots=True)
class LeaseShares(Question):
    """Lease up to `wanted` jobs from each of these shares of a tenant. The oldest of a share come first, from all its
    lanes and routes together, and no model gets more than it has slots."""

    seeker: Seeker
    tenant: str
    priority: int
    shares: Sequence[Share]
    wanted: Sequence[int]
    deferred: bool = False
    """Nothing was leased: claims before this one come first."""
    claimed: list[Claimed] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)
    """How many of each share were leased."""
    used_up: set[str] = field(default_factory=set)
    """Models that have no slot left."""
    again: set[int] = field(default_factory=set)
    """Shares that gave less than wanted only because of another question of the same step."""
    _places: dict[int, list[Place]] = field(default_factory=dict)

    def places(self, turn: int) -> list[Place]:
        """Where the jobs of a share wait."""
        if turn not in self._places:
            share = self.shares[turn]
            account = self.seeker.account if share.limited else ""
            of_share = (self.priority, self.tenant, *share.key)
            which = self.seeker.which
            self._places[turn] = [Place(*of_share, spot.lane, spot.route, account, which) for spot in share.spots]
        return self._places[turn]

    def wanted_by(self, seeker: Seeker) -> bool:
        """Whether another claim would lease from one of these shares, or use the limit of its campaign."""
        if self.tenant not in seeker.serves:
            return False
        return any(
            share.most is not None or any(seeker.wants(share.key[1], spot) for spot in share.spots)
            for share in self.shares
        )


@dataclass(frozen=True, slots=True)
class _Chosen:
    turn: int
    id: UUID
    model: str


Pools = Mapping[Place, Sequence[tuple[datetime, UUID]]]


@dataclass(slots=True, eq=False)
class _Attempt:
    """A question, how many jobs each share may give within the limits of campaigns, and what was chosen. `skipped`:
    shares and models of jobs that were not chosen for lack of a slot of their model."""

    question: LeaseShares
    given: Sequence[int]
    chosen: list[_Chosen] = field(default_factory=list)
    skipped: list[tuple[int, str]] = field(default_factory=list)
    is_contended: bool = False
    """Whether claims before this one took jobs at the same step that it would have chosen."""

    @property
    def is_short(self) -> bool:
        """Whether less was chosen than wanted."""
        return len(self.chosen) < sum(self.question.wanted)

    def choose(self, pools: Pools, gone: set[UUID]) -> None:
        """Choose jobs that were not chosen before, and take the slots of their models."""
        question, lanes = self.question, self.question.seeker.lanes
        dealt: list[tuple[int, int, UUID, str]] = []
        for turn, count in enumerate(self.given):
            if count:
                waiting = [
                    (due_at, job_id, lanes.model_of(place.lane))
                    for place in question.places(turn)
                    for due_at, job_id in pools[place]
                ]
                oldest = sorted(job for job in waiting if job[1] not in gone)[:count]
                self.is_contended |= len(oldest) < min(count, len(waiting))
                dealt += [(nth, turn, job_id, model) for nth, (_, job_id, model) in enumerate(oldest)]
        for _, turn, job_id, model in sorted(dealt):  # the first of each share, then the second of each, and so on
            if lanes.has_slot(model):
                lanes.take(model)
                self.chosen.append(_Chosen(turn, job_id, model))
            else:
                self.skipped.append((turn, model))
        self.chosen.sort(key=lambda job: (job.turn, job.id))

    def undo(self) -> None:
        """Choose nothing."""
        for job in self.chosen:
            self.question.seeker.lanes.give_back(job.model)
        self.chosen.clear()
        self.skipped.clear()

    def limited(self) -> set[UUID]:
        """Campaigns with a limit."""
        return {share.key[0] for share in self.question.shares if share.most is not None}

    def record(self, numbers: Mapping[UUID, int], admitted: Admitted) -> None:
        """Record which of the chosen jobs were leased and admitted."""
        question = self.question
        question.counts = [0] * len(question.shares)
        for job in self.chosen:
            if job.id in admitted.ids:
                question.counts[job.turn] += 1
                question.claimed.append(Claimed(job.id, numbers[job.id], question.seeker.account))
            else:
                question.seeker.lanes.give_back(job.model)
                if job.id in admitted.crowded:
                    question.again.add(job.turn)

    def note_the_rest(self, unused: set[UUID]) -> None:
        """Note which models are used up, and which shares may have more. `unused`: campaigns whose limit gave more than
        was leased."""
        question, lanes = self.question, self.question.seeker.lanes
        models = {lanes.model_of(spot.lane) for share in question.shares for spot in share.spots}
        question.used_up = {model for model in models if not lanes.has_slot(model)}
        question.again |= {turn for turn, model in self.skipped if lanes.has_slot(model)}
        question.again |= {
            turn
            for turn, share in enumerate(question.shares)
            if share.key[0] in unused and question.counts[turn] == self.given[turn] < question.wanted[turn]
        }


class Leases:
    """Answers these questions within one transaction."""

    def __init__(self, conn: Connection, lease_s: float) -> None:
        self._conn = conn
        self._lease_s = lease_s
        self.ledger = Ledger(conn)

    def answer(self, asked: Sequence[Question]) -> None:
        """Lease what those of these questions ask for that are to lease; the others show who goes on."""
        attempts = self._within_limits([question for question in asked if isinstance(question, LeaseShares)])
        if not attempts:
            return
        _choose_in_order(asked, attempts, lock_oldest(self._conn, _places(attempts)))
        leases = [
            Lease(job.id, attempt.question.seeker.account, attempt.question.seeker.gateway)
            for attempt in attempts
            for job in attempt.chosen
        ]
        numbers = lease(self._conn, leases, self._lease_s)
        admitted = self.ledger.admit(
            [
                Taken(attempt.question.seeker.lanes.account, [job.id for job in attempt.chosen if job.id in numbers])
                for attempt in attempts
            ]
        )
        for attempt in attempts:
            attempt.record(numbers, admitted)
        unused = _unused_limits(attempts)
        for attempt in attempts:
            attempt.note_the_rest(unused)

    def _within_limits(self, questions: Sequence[LeaseShares]) -> list[_Attempt]:
        limits = [(share.key[0], share.most) for question in questions for share in question.shares]
        wanted = [count for question in questions for count in question.wanted]
        given = iter(within_limits(self._conn, limits, wanted))
        return [_Attempt(question, [next(given) for _ in question.shares]) for question in questions]


def _places(attempts: Sequence[_Attempt]) -> dict[Place, int]:
    """How many jobs of each place to lock, so that there are enough for all who want them.

    Where prices differ from account to account, each account has a list of its own, long enough that those before it
    leave it what it wants.
    """
    wanted = Counter[Place]()
    before = Counter[Place]()
    for attempt in attempts:
        for turn, count in enumerate(attempt.given):
            for place in attempt.question.places(turn) if count else ():
                is_own = place.account or place.which is not Which.ANY
                common = place._replace(account="", which=Which.ANY) if is_own else place
                before[common] += count
                wanted[place] = before[common]
    return dict(wanted)


def _choose_in_order(asked: Sequence[Question], attempts: Sequence[_Attempt], pools: Pools) -> None:
    """Choose for one claim after the other; some are deferred."""
    of = {id(attempt.question): attempt for attempt in attempts}
    gone, limited = set[UUID](), set[UUID]()
    going: list[Seeker] = []
    for seeker, questions in groupby(asked, lambda question: question.seeker):
        every = list(questions)
        own = [of[id(question)] for question in every if isinstance(question, LeaseShares)]
        if not own:
            if not all(question.is_last for question in every):
                going.append(seeker)
            continue
        deferred = any(attempt.question.wanted_by(other) for attempt in own for other in going)
        if not deferred:
            for attempt in own:
                attempt.choose(pools, gone)
            is_short = any(attempt.is_short for attempt in own)
            # It would have asked for something else if claims before it had not taken these at the same step.
            deferred = not seeker.began and any(
                attempt.is_contended or (attempt.is_short and attempt.limited() & limited) for attempt in own
            )
            if is_short and not deferred:
                going.append(seeker)
        for attempt in own:
            attempt.question.deferred = deferred
            if deferred:
                attempt.undo()
            gone |= {job.id for job in attempt.chosen}
            limited |= set() if deferred else attempt.limited()
        if deferred:
            going.append(seeker)
        seeker.began = seeker.began or not deferred


def _unused_limits(attempts: Sequence[_Attempt]) -> set[UUID]:
    """Campaigns with a limit of which less was leased than the limit gave."""
    left = Counter[UUID]()
    for attempt in attempts:
        for share, count, given in zip(attempt.question.shares, attempt.question.counts, attempt.given, strict=True):
            if share.most is not None:
                left[share.key[0]] += given - count
    return {campaign for campaign, unused in left.items() if unused}
