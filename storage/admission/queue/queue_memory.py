"""Remember for a while which tenants have nothing that an account can serve, so that it is not asked in each round.

To find nothing, a claim walks over all places of a tenant, or of all tenants: a leap in an index for each, for each
account, in each round. Where claims find less than they ask for and the queue has many places, all places are read
once, and the walks of the next second leave out what is known to be in vain: tenants, and of a tenant with many places
all shares but those that the account can serve. If very many tenants wait, that is the part of them that the round
looks at. What took long to read is remembered for longer, so that reading takes a small part of the time.

This only delays: a claim never gets what it would not get without it. What a tenant enqueues that is not in the
memory at all is seen at once; a job of another kind than all that its tenant had waiting, at accounts that can serve
none of those, waits for a second at most, or for as long as what was read is remembered. Times, budgets, limits and
pauses of campaigns are not remembered, and claims that want only jobs that came back, or only others, remember nothing.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping
from typing import LiteralString
from uuid import UUID

from storage.admission.queue.places import KEY, ORDER, PLACE, SHARE
from storage.admission.queue.share_walks import NextShares, NextTenants
from storage.admission.queue.window import Window, next_window, walk_tenants
from storage.admission.seekers import Seeker, Spot, Which
from storage.database import Connection
from storage.jobs.claims import ROUTE

AGE_S = 1.0
NO_LIMIT = 1_000_000
"""More jobs than a round claims."""
FEW = 64
"""With no more places than this, walks cost little, and nothing is remembered; so it is for the places of a tenant."""
WALKED, FEW_SHARES = 16, 8
"""A walk over more shares than this, to find one that the account can serve, shows that a memory is of use. It is used
where the account can serve one share in as many at most, and at most `FEW_SHARES`."""

MANY, MANY_SHARES = 300_000, 50_000
"""With more places than `MANY` at a priority, of the tenants that are looked at, nothing is remembered, and of a tenant
with more than `MANY_SHARES` not its shares: to read them would take seconds."""
LARGE = 2_000
"""With more places than this, walks in vain take so long that the places are read before there is one."""
READING = 20
"""What was read is remembered for as many times as long as it took to read."""

_WALK: LiteralString = walk_tenants(
    f"tenant, {PLACE}, gateways, barred_accounts",
    "FROM jobs WHERE state = 'queued'",
    ORDER,
    f"({KEY}) > (w.tenant, w.campaign, w.pin, w.lane, w.route)",
)
_PLACES: LiteralString = f"""
SELECT w.tenant, p.priority, w.pin, w.lane, w.route, w.gateways, w.barred_accounts, count(*)
FROM generate_series(9, 0, -1) AS p(priority) CROSS JOIN LATERAL ({_WALK} LIMIT {MANY}) w
GROUP BY w.tenant, p.priority, w.pin, w.lane, w.route, w.gateways, w.barred_accounts
"""  # noqa: S608 - as above

_PLACE_OF_TENANT: LiteralString = f"""
SELECT {PLACE}, gateways, barred_accounts
FROM jobs WHERE state = 'queued' AND priority = p.priority AND tenant = p.tenant"""  # noqa: S608 - as above
_SHARES: LiteralString = f"""
SELECT p.tenant, p.priority, w.campaign, w.pin, w.lane, w.route, w.gateways, w.barred_accounts
FROM unnest(%(tenants)s::text[], %(priorities)s::int[]) AS p(tenant, priority) CROSS JOIN LATERAL (
    WITH RECURSIVE walk AS (
        ({_PLACE_OF_TENANT} {ORDER})
        UNION ALL
        SELECT n.* FROM walk w CROSS JOIN LATERAL (
            {_PLACE_OF_TENANT} AND ({SHARE}, lane, {ROUTE}) > (w.campaign, w.pin, w.lane, w.route) {ORDER}) n
    ) SELECT * FROM walk) w
"""  # noqa: S608 - as above

_Kind = tuple[str, Spot]
"""A pinned account (empty: none), and what the jobs of all places of this kind have in common."""
_Who = tuple[str, str, frozenset[str]]
_Share = tuple[UUID, str]
_Shares = dict[int, set[_Share]]
"""By the number of a kind: the shares that have jobs of it."""


class QueueMemory:
    """What one scheduler remembers of the queue."""

    def __init__(self, *, at_once: bool = False) -> None:
        """`at_once`: read the places at first, before a walk is in vain."""
        self._kinds: list[_Kind] = []
        self._places: dict[str, dict[int, set[int]]] = {}
        self._shares: dict[tuple[str, int], _Shares] = {}
        """Those of tenants, at priorities, with many places."""
        self.window = Window()
        """The tenants to look at."""
        self._since: float | None = None
        """Since when (`time.monotonic`) these are looked at."""
        self._has_read = False
        """Whether the places were read since then."""
        self._age_s = AGE_S
        """For how long they are looked at and remembered."""
        self._wanted: dict[_Who, set[int]] = {}
        self._barren: dict[_Who, frozenset[str]] = {}
        self._known: dict[_Who, Mapping[str, Collection[tuple[int, *_Share]]]] = {}
        self._is_of_use = at_once
        """Whether a claim found less than it asked for, or would have, since the places were read; or they are
        very many."""
        self._is_used_up = False
        """Whether a claim found fewer tenants than it asked for in this window."""

    def begin(self, conn: Connection) -> None:
        """Begin a round: of the tenants that follow, unless all are looked at, or these have more and were read."""
        if not self.window.is_whole and (self._is_used_up or not self._has_read):
            self._since = None
        self.prepare(conn)

    def prepare(self, conn: Connection) -> None:
        """Forget what is too old; read the places again if that is of use."""
        now = time.monotonic()
        if self._since is None or now - self._since > self._age_s:
            self._forget()
            self.window, self._since, self._age_s = next_window(conn, self.window), now, AGE_S
            self._has_read = self._is_used_up = False
        if self._is_of_use and not self._has_read:
            began = time.monotonic()
            self._read(conn)
            self._age_s = max(AGE_S if self.window.is_whole else 0.0, READING * (time.monotonic() - began))
            self._since = time.monotonic()

    def _forget(self) -> None:
        self._kinds, self._places, self._shares = [], {}, {}
        self._wanted, self._barren, self._known = {}, {}, {}

    def _read(self, conn: Connection) -> None:
        self._forget()
        self._has_read, self._is_of_use = True, False
        rows = conn.execute(_PLACES, self.window.parameters).fetchall()
        of_priority = Counter[int]()
        for _, priority, *_, count in rows:
            of_priority[priority] += count
        self._is_of_use = of_priority.total() > LARGE
        if of_priority.total() <= FEW or max(of_priority.values()) == MANY:
            return
        numbers: dict[tuple[object, ...], int] = {}

        def number_of(pin: str, lane: str, route: int, gateways: list[str], barred: list[str]) -> int:
            number = numbers.setdefault((pin, lane, route, *gateways, "", *barred), len(self._kinds))
            if number == len(self._kinds):
                self._kinds.append((pin, Spot(lane, route, gateways, barred, False)))
            return number

        places: dict[str, dict[int, set[int]]] = defaultdict(lambda: defaultdict(set))
        sizes = Counter[tuple[str, int]]()
        for tenant, priority, *kind, count in rows:
            places[tenant][priority].add(number_of(*kind))
            sizes[tenant, priority] += count
        self._places = places
        many = [of_tenant for of_tenant, size in sizes.items() if FEW < size <= MANY_SHARES]
        if many:
            parameters = {"tenants": [tenant for tenant, _ in many], "priorities": [priority for _, priority in many]}
            self._shares = {of_tenant: defaultdict(set) for of_tenant in many}
            for tenant, priority, campaign, pin, *rest in conn.execute(_SHARES, parameters):
                self._shares[tenant, priority][number_of(pin, *rest)].add((campaign, pin))

    def barren(self, seeker: Seeker) -> frozenset[str]:
        """The tenants that are known to have nothing for a claim."""
        who = _who(seeker)
        if seeker.which is Which.ANY and who not in self._barren:
            wanted = self._wanted_by(seeker)
            self._barren[who] = frozenset(
                tenant
                for tenant, priorities in self._places.items()
                if all(wanted.isdisjoint(kinds) for kinds in priorities.values())
            )
        return self._barren.get(who, frozenset())

    def is_in_vain(self, question: NextShares) -> bool:
        """Whether it is known that a tenant has no share, at this priority, for a claim."""
        kinds = self._places.get(question.tenant, {}).get(question.priority)
        if (
            not kinds
            or question.seeker.which is not Which.ANY
            or not self._wanted_by(question.seeker).isdisjoint(kinds)
        ):
            return False
        self._is_of_use = True
        return True

    def known(self, question: NextShares) -> Collection[_Share] | None:
        """The shares that have a job for a claim, if they are few of many; None: it is not known."""
        found = self._few(question.seeker, question.tenant, question.priority)
        self._is_of_use |= found is not None
        return found

    def known_of(self, seeker: Seeker) -> Mapping[str, Collection[tuple[int, *_Share]]]:
        """The same for whole tenants: for each, the priorities and shares that have a job. Tenants are missing of which
        it is not known at all their priorities."""
        who = _who(seeker)
        if who not in self._known:
            known: dict[str, list[tuple[int, *_Share]]] = {}
            for tenant in {tenant for tenant, _ in self._shares}:
                few = {priority: self._few(seeker, tenant, priority) for priority in self._places[tenant]}
                if any(few.values()) and None not in few.values():
                    known[tenant] = [(priority, *share) for priority, shares in few.items() for share in shares or ()]
            self._known[who] = known
        return self._known[who]

    def _few(self, seeker: Seeker, tenant: str, priority: int) -> Collection[_Share] | None:
        if seeker.which is not Which.ANY:
            return None
        wanted, shares = self._wanted_by(seeker), self._shares.get((tenant, priority))
        if shares is None:
            kinds = self._places.get(tenant, {}).get(priority)
            return () if kinds and wanted.isdisjoint(kinds) else None
        found = [own for kind, own in shares.items() if kind in wanted]
        size = sum(map(len, found))
        is_few = size <= FEW_SHARES and size * WALKED <= sum(map(len, shares.values()))
        return set[_Share]().union(*found) if is_few else None

    def most_for(self, seeker: Seeker) -> int:
        """How many jobs a claim may lease at most: as many as there are slots for the models of what waits. No limit if
        one of these models has none, or if nothing that waits is known."""
        models = {seeker.lanes.model_of(self._kinds[number][1].lane) for number in self._wanted_by(seeker)}
        slots = [seeker.lanes.most.get(model, NO_LIMIT) for model in models]
        most = sum(slots) if slots else NO_LIMIT
        self._is_of_use |= most < NO_LIMIT
        return min(most, NO_LIMIT)

    def note(self, question: NextTenants | NextShares, *, is_short: bool) -> None:
        """Note whether a question was answered with less than it asked for, or after a long walk."""
        if is_short and question.seeker.which is Which.ANY:
            self._is_of_use = True
            self._is_used_up |= isinstance(question, NextTenants)

    def _wanted_by(self, seeker: Seeker) -> set[int]:
        who = _who(seeker)
        if who not in self._wanted:
            self._wanted[who] = {number for number, (pin, spot) in enumerate(self._kinds) if seeker.wants(pin, spot)}
        return self._wanted[who]


def _who(seeker: Seeker) -> _Who:
    return (seeker.account, seeker.gateway, seeker.closed())
