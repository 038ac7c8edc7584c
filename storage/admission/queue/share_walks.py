"""Walk the queue from share to share: one leap in an index for each, however many jobs wait.

Within a share the jobs are apart by lane and by route, so what an account cannot serve costs a leap, too. Jobs that
were tried before have an index of their own with the same columns. One statement walks for all claims of a step; each
walk ends when it has found enough.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, LiteralString
from uuid import UUID

from storage.admission.campaign_pace import HAS_ROOM, IS_OPEN, used_of
from storage.admission.queue.places import ORDER, PIN, PLACE, SHARE
from storage.admission.queue.window import Window, walk_tenants
from storage.admission.seekers import Seeker, Spot, Which
from storage.admission.side_by_side import Question
from storage.database import Connection
from storage.jobs.claims import FRESH, ROUTE, TRIED
from storage.jobs.prices import NO_CAMPAIGN, room_of, something_fits
from storage.jsonb import dumps

# Whether the account can serve the first job of a place.
_FOUND: LiteralString = f"""due_at <= now() AND {PIN} IN ('', a.account) AND NOT a.closed ? lane
    AND a.gateway = ANY(gateways) AND a.account <> ALL(barred_accounts) AS found"""
LOOKED_THROUGH = 200
"""How many due jobs of a place are looked through at most for one that did not come back before."""
_IS_TRIED: LiteralString = f"coalesce({TRIED}, false) AS tried"
_QUEUED: LiteralString = "FROM jobs WHERE state = 'queued'"
_QUEUED_AGAIN: LiteralString = f"{_QUEUED} AND {TRIED}"
# LATERAL and LIMIT keep the order of a walk, which then ends as soon as enough was found.
_CAMPAIGN: LiteralString = "LEFT JOIN LATERAL (SELECT * FROM campaigns WHERE id = w.campaign LIMIT 1) c ON true"
_ASKED: LiteralString = """asked AS MATERIALIZED (
    SELECT a.*, c.names AS closed, b.names AS barren, d.names AS sure FROM jsonb_to_recordset(%(asked)s::jsonb) AS a(
        number int, account text, gateway text, lanes int, served text[], besides text[], in_vain int, known int,
        most int, fresh bool, tenant text, priority int, campaign uuid, pin text, after bool, is_known bool)
    JOIN jsonb_to_recordset(%(lists)s::jsonb) AS c(number int, names jsonb) ON c.number = a.lanes
    JOIN jsonb_to_recordset(%(lists)s::jsonb) AS b(number int, names jsonb) ON b.number = a.in_vain
    JOIN jsonb_to_recordset(%(lists)s::jsonb) AS d(number int, names jsonb) ON d.number = a.known
), known AS MATERIALIZED (
    SELECT * FROM jsonb_to_recordset(%(known)s::jsonb) AS k(
        number int, tenant text, priority int, campaign uuid, pin text)
)"""


# A place whose first job came back before may have others behind it. It cannot where an account is barred: then the
# route tells them apart, but the hash of an empty array does not depend on its seed.
def _is_wanted(of_place: LiteralString) -> LiteralString:
    """A condition on a place `v`: the account can serve it and, if it asks only for jobs that did not come back before,
    its first due job did not, or one of those behind it did not."""
    return f"""v.found AND (NOT a.fresh OR NOT v.tried OR v.barred_accounts = '{{}}' AND EXISTS (SELECT FROM (
        SELECT reason {of_place} AND lane = v.lane AND {ROUTE} = v.route AND due_at <= now()
        ORDER BY due_at, id LIMIT {LOOKED_THROUGH}) looked WHERE {FRESH}))"""


# The priorities are walked one by one: the index has them in descending order, and a leap needs one direction. OFFSET
# lets PostgreSQL read the turns of an account at once, and not tenant by tenant: those of tenants that wait, because it
# may have served very many others. Only when those that come next have nothing, the others are put in order, too.
# Beside a part of the tenants, those that an account serves alone are looked at, which may be in no part for long.
_AHEAD = 4
_IN_TURN: LiteralString = """
        SELECT names.*, u.taken, u.campaign, u.pin, u.share_taken
        FROM names LEFT JOIN (
            SELECT * FROM account_turns WHERE account = a.account AND tenant = ANY(ARRAY(SELECT tenant FROM names))
            OFFSET 0) u USING (tenant)
        WHERE (a.served IS NULL OR names.tenant = ANY(a.served)) AND names.tenant <> ALL(a.besides)
          AND NOT a.barren ? names.tenant
        ORDER BY u.served_at NULLS FIRST, names.tenant"""


def _tenants(queued: LiteralString) -> LiteralString:
    rows: LiteralString = f"{queued} AND priority = p.priority AND tenant = t.tenant"
    of_tenant: LiteralString = f"""
        SELECT {PLACE}, {_IS_TRIED}, barred_accounts, {_FOUND} {rows}"""
    of_share: LiteralString = f"""
        SELECT {PLACE}, {_FOUND} {queued} AND priority = k.priority AND tenant = k.tenant
            AND {NO_CAMPAIGN} = k.campaign AND {PIN} = k.pin"""
    wanted = _is_wanted(f"{rows} AND {NO_CAMPAIGN} = v.campaign AND {PIN} = v.pin")
    return f"""
WITH {_ASKED}, queue AS MATERIALIZED (
    SELECT p.priority, w.tenant FROM generate_series(9, 0, -1) AS p(priority)
    CROSS JOIN LATERAL ({walk_tenants("tenant", queued, ORDER, "tenant > w.tenant")}) w
    UNION
    SELECT p.priority, o.tenant FROM (SELECT DISTINCT unnest(served) AS tenant FROM asked) o
    CROSS JOIN generate_series(9, 0, -1) AS p(priority)
    CROSS JOIN LATERAL (SELECT {queued} AND priority = p.priority AND tenant = o.tenant {ORDER}) one
    WHERE %(is_part)s
), names AS MATERIALIZED (
    SELECT q.tenant, array_agg(q.priority ORDER BY q.priority DESC) AS priorities, coalesce(min(n.weight), 1) AS weight
    FROM queue q LEFT JOIN tenants n ON n.name = q.tenant
    LEFT JOIN budgets b ON b.tenant = q.tenant AND b.campaign_id = '00000000-0000-0000-0000-000000000000'
    WHERE coalesce(b.held_until <= now(), true) GROUP BY q.tenant
)
SELECT a.number, s.* FROM asked a CROSS JOIN LATERAL (
    SELECT t.tenant, f.priorities, t.weight, coalesce(t.taken, 0), t.campaign, t.pin, coalesce(t.share_taken, 0) FROM (
        SELECT * FROM ({_IN_TURN} LIMIT a.most + {_AHEAD}) first
        UNION ALL
        SELECT * FROM ({_IN_TURN} OFFSET a.most + {_AHEAD}) others) t
    CROSS JOIN LATERAL (
        SELECT ARRAY(SELECT * FROM unnest(t.priorities) p(one) WHERE p.one <= k.priority) AS priorities
        FROM (SELECT * FROM known k WHERE k.number = a.number AND k.tenant = t.tenant ORDER BY priority DESC) k
        CROSS JOIN LATERAL (
            WITH RECURSIVE walk AS (
                ({of_share} {ORDER})
                UNION ALL
                SELECT n.* FROM walk w CROSS JOIN LATERAL (
                    {of_share} AND (lane, {ROUTE}) > (w.lane, w.route) {ORDER}) n
            ) SELECT FROM (SELECT * FROM walk v WHERE v.found) w {_CAMPAIGN}
            WHERE c.paused_at IS NULL AND {IS_OPEN} LIMIT 1) w
        UNION ALL
        SELECT t.priorities[p.place::int:]
        FROM unnest(CASE WHEN NOT a.sure ? t.tenant THEN t.priorities END) WITH ORDINALITY AS p(priority, place)
        CROSS JOIN LATERAL (
            WITH RECURSIVE walk AS (
                ({of_tenant} {ORDER})
                UNION ALL
                SELECT n.* FROM walk w CROSS JOIN LATERAL ({of_tenant}
                    AND ({SHARE}, lane, {ROUTE}) > (w.campaign, w.pin, w.lane, w.route) {ORDER}) n
            )
            SELECT FROM (SELECT * FROM walk v WHERE {wanted}) w {_CAMPAIGN}
            WHERE c.paused_at IS NULL AND {IS_OPEN} LIMIT 1) w
        LIMIT 1) f
    LIMIT a.most) s
"""  # noqa: S608 - put together from constants


# The share that was served last comes first if its turn was interrupted, and else last. Where it is known which ones
# the account can serve, no other is looked at.
def _shares(queued: LiteralString) -> LiteralString:
    of_tenant: LiteralString = f"{queued} AND priority = a.priority AND tenant = a.tenant"
    share: LiteralString = f"SELECT {NO_CAMPAIGN} AS campaign, {PIN} AS pin"
    of_share: LiteralString = f"{of_tenant} AND {NO_CAMPAIGN} = w.campaign AND {PIN} = w.pin"
    place: LiteralString = f"""
        SELECT lane, {ROUTE} AS route, gateways, barred_accounts, {_IS_TRIED}, {_FOUND} {of_share}"""
    return f"""
WITH {_ASKED}, {used_of("ARRAY(SELECT tenant FROM asked)")}
SELECT a.number, s.* FROM asked a CROSS JOIN LATERAL (
    SELECT w.nth, w.campaign, w.pin, p.spots, coalesce(c.weight, 1), r.room IS NOT NULL, c.max_concurrent FROM (
        SELECT a.campaign, a.pin, 0 AS nth WHERE NOT a.after
        UNION ALL
        SELECT * FROM (
            WITH RECURSIVE walk AS (
                ({share}, 1 AS nth {of_tenant} AND NOT a.is_known AND ({SHARE}) > (a.campaign, a.pin) {ORDER})
                UNION ALL
                SELECT n.* FROM walk w CROSS JOIN LATERAL (
                    {share}, w.nth + 1 {of_tenant} AND ({SHARE}) > (w.campaign, w.pin) {ORDER}) n
            ) SELECT * FROM walk) behind
        UNION ALL
        SELECT * FROM (
            WITH RECURSIVE walk AS (
                ({share}, 1 AS nth {of_tenant} AND NOT a.is_known AND ({SHARE}) < (a.campaign, a.pin) {ORDER})
                UNION ALL
                SELECT n.* FROM walk w CROSS JOIN LATERAL (
                    {share}, w.nth + 1 {of_tenant} AND ({SHARE}) > (w.campaign, w.pin)
                        AND ({SHARE}) < (a.campaign, a.pin) {ORDER}) n
            ) SELECT * FROM walk) before
        UNION ALL
        SELECT * FROM (
            SELECT k.campaign, k.pin, 0 FROM known k
            WHERE k.number = a.number AND (k.campaign, k.pin) <> (a.campaign, a.pin)
            ORDER BY (k.campaign, k.pin) < (a.campaign, a.pin), k.campaign, k.pin) ring
        UNION ALL
        SELECT a.campaign, a.pin, 0 WHERE a.after) w
    {_CAMPAIGN}
    CROSS JOIN LATERAL (
        SELECT jsonb_agg(jsonb_build_array(f.lane, f.route, f.gateways, f.barred_accounts, f.tried)) AS spots FROM (
            WITH RECURSIVE walk AS (
                ({place} {ORDER})
                UNION ALL
                SELECT n.* FROM walk v CROSS JOIN LATERAL (
                    {place} AND (lane, {ROUTE}) > (v.lane, v.route) {ORDER}) n
            ) SELECT * FROM walk v WHERE {_is_wanted(of_share)}) f
        WHERE w.pin IN ('', a.account)
        HAVING count(*) > 0) p
    CROSS JOIN LATERAL {room_of("a.tenant", "w.campaign")} r
    WHERE c.paused_at IS NULL AND {IS_OPEN} AND {HAS_ROOM} AND {something_fits("a.tenant", "w.campaign")}
    LIMIT a.most) s
"""  # noqa: S608 - as above


# By whether only jobs that came back before are asked for.
_TENANTS = {False: _tenants(_QUEUED), True: _tenants(_QUEUED_AGAIN)}
_SHARES = {False: _shares(_QUEUED), True: _shares(_QUEUED_AGAIN)}


@dataclass(frozen=True, slots=True)
class TenantInTurn:
    """A tenant with a job that the account can serve, and where its last turn ended.

    `priorities`: those that may have such jobs, the highest first. `taken`: slots taken of its turn. `campaign`: that
    of the share that was served last (None: it was never served), with its pinned account and the jobs taken of its
    turn.
    """

    name: str
    priorities: list[int]
    weight: int
    taken: int
    campaign: UUID | None
    pin: str | None
    share_taken: int


@dataclass(slots=True)
class NextTenants(Question):
    """Which tenants have a job that the account can serve? At most `most`, none of `besides`, no job of the `closed`
    lanes; the one whose turn is next comes first."""

    seeker: Seeker
    most: int
    besides: Sequence[str] = ()
    barren: frozenset[str] = frozenset()
    """Tenants that are known to have no such job."""
    known: Mapping[str, Collection[tuple[int, UUID, str]]] = field(default_factory=dict)
    """By tenant: the priorities and shares that are known to have such a job, in which case no other is looked at."""
    found: list[TenantInTurn] = field(default_factory=list)

    def row(self) -> dict[str, object]:
        """Its row of `asked`."""
        serves = self.seeker.serves
        served = None if serves.only is None else sorted(serves.only)
        return {"served": served, "besides": [*sorted(serves.besides), *self.besides], "most": self.most}

    def known_shares(self) -> Iterator[dict[str, object]]:
        """Its rows of `known`."""
        for tenant, shares in self.known.items():
            for priority, campaign, pin in shares:
                yield {"tenant": tenant, "priority": priority, "campaign": campaign, "pin": pin}

    def add(self, *values: Any) -> None:
        """Add one row of the answer."""
        self.found.append(TenantInTurn(*values))


@dataclass(frozen=True, slots=True)
class Share:
    """One share of a tenant, at one priority. `key`: its campaign (all zeros: none) and pinned account (empty: none);
    `spots`: its lanes and routes with jobs that the account can serve; `limited`: a budget limits it; `most`: how many
    of its campaign's jobs may be at gateways at once, None: any."""

    key: tuple[UUID, str]
    spots: tuple[Spot, ...]
    weight: int
    limited: bool
    most: int | None


@dataclass(slots=True)
class NextShares(Question):
    """Which shares of a tenant have a job of one priority that the account can serve? At most `most`, in the order of
    their turns: from the share `last` on, or `after` it."""

    seeker: Seeker
    most: int
    tenant: str
    priority: int
    last: tuple[UUID, str]
    after: bool
    known: Collection[tuple[UUID, str]] | None = None
    """Those that are known to have such a job, in which case the others are not looked at. None: it is not known."""
    found: list[Share] = field(default_factory=list)
    walked: int = 0
    """How many were looked at for those that were found, and more."""

    def row(self) -> dict[str, object]:
        """Its row of `asked`."""
        share = {"campaign": self.last[0], "pin": self.last[1], "after": self.after, "is_known": self.known is not None}
        return {"tenant": self.tenant, "priority": self.priority, "most": self.most, **share}

    def known_shares(self) -> Iterator[dict[str, object]]:
        """Its rows of `known`."""
        return ({"campaign": campaign, "pin": pin} for campaign, pin in self.known or ())

    def add(self, walked: int, campaign: UUID, pin: str, spots: list[Any], *of: Any) -> None:
        """Add one row of the answer."""
        self.walked = max(self.walked, walked)
        self.found.append(Share((campaign, pin), tuple(Spot(*spot) for spot in spots), *of))


def find_tenants(conn: Connection, asked: Sequence[NextTenants], window: Window) -> None:
    """Answer these questions, from the tenants of a window."""
    _find(conn, _TENANTS, asked, window.parameters | {"is_part": not window.is_whole})


def find_shares(conn: Connection, asked: Sequence[NextShares]) -> None:
    """Answer these questions."""
    _find(conn, _SHARES, asked, {})


def _find(
    conn: Connection,
    sql: Mapping[bool, LiteralString],
    asked: Sequence[NextTenants] | Sequence[NextShares],
    more: Mapping[str, object],
) -> None:
    for again, statement in sql.items():
        own = [question for question in asked if (question.seeker.which is Which.TRIED) is again]
        if not own:
            continue
        lists: dict[frozenset[str], int] = {}
        rows = []
        for number, question in enumerate(own):
            seeker = question.seeker
            barren = known = frozenset[str]()
            if isinstance(question, NextTenants):
                barren, known = question.barren, frozenset(question.known)
            lanes, in_vain, known_of = (
                lists.setdefault(names, len(lists)) for names in (seeker.closed(), barren, known)
            )
            who = {"number": number, "account": seeker.account, "gateway": seeker.gateway}
            who["fresh"] = seeker.which is Which.FRESH
            rows.append({**who, "lanes": lanes, "in_vain": in_vain, "known": known_of, **question.row()})
        given = [{"number": number, "names": dict.fromkeys(names, 1)} for names, number in lists.items()]
        known_shares = [
            {"number": number, **share} for number, question in enumerate(own) for share in question.known_shares()
        ]
        parameters = {**more, "asked": dumps(rows), "lists": dumps(given), "known": dumps(known_shares)}
        for number, *values in conn.execute(statement, parameters):
            own[number].add(*values)
