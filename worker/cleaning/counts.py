"""Correct kept counts that are wrong because another program wrote rows while their triggers were off, and add up those
of old ends."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager

from storage.counted.kept_count import KeptCount
from storage.database import Connection, DatabaseUnavailable, limit
from storage.heartbeats import take_turn
from storage.reporting import count_checks, count_rounds, rollups
from storage.reporting.recounts import LIMITS, recount_messages, recount_tenant

log = logging.getLogger("reelq.counts")

NAME, ALL = "counts", "counts of every tenant"
EVERY_S = 100.0  # less than the scheduler's interval, or every second call would come a moment too early
ALL_EVERY_S = 3600.0
"""How often every tenant may be compared at once: statistics of PostgreSQL say that many jobs are not counted."""
AT_ONCE = 1_000_000
"""Jobs that are compared in one sweep, besides the last tenant's."""
ROLLED_AT_ONCE = 200_000
"""Rows of kept counts that are looked at in one sweep, of each table: six seconds of PostgreSQL if all are old."""
ROLL_EVERY_S = 6 * 3600.0
"""How often old ends are looked for: each day, those of one more day are old."""
Begin = Callable[[], AbstractContextManager[Connection]]


def sweep_counts(begin: Begin) -> int:
    """Look at the counts of the first tenants by name, compare those of the next ones with all their jobs, and correct
    what is wrong; returns how many groups were wrong."""
    with begin() as conn:
        if not take_turn(conn, NAME, EVERY_S):
            return 0
        wrong = count_checks.look(conn, count_checks.tenants(conn))
        messages_are_right = count_checks.look_at_messages(conn)
        every = not wrong and count_checks.many_are_uncounted(conn) and take_turn(conn, ALL, ALL_EVERY_S)
    try:
        corrected = sum(_recount(begin, tenant) for tenant in wrong)
        if not messages_are_right:
            corrected += _recount_messages(begin)
        for kept in rollups.AGEING:
            _roll_up(begin, kept)
        return corrected + (_compare_all(begin) if every else _go_on(begin))
    except DatabaseUnavailable as exc:
        log.warning("counts.later error=%s", exc)
        return 0


def _go_on(begin: Begin) -> int:
    """The next tenants, and the webhook messages, if their time has come."""
    corrected = 0
    with begin() as conn:
        place = count_rounds.take(conn, count_rounds.JOBS, LIMITS.statement_s)
        following = [] if place is None else count_checks.tenants(conn, place)
    if place is not None:
        looked, place = 0, ""  # at the end, the first tenant is next
        for tenant in following:
            jobs, wrong = _compare(begin, tenant)
            looked, corrected = looked + jobs, corrected + wrong
            if looked >= AT_ONCE or (tenant == following[-1] and len(following) == count_checks.TENANTS):
                place = tenant
                break
        with begin() as conn:
            count_rounds.rest(conn, count_rounds.JOBS, place, looked)
    with begin() as conn:
        are_due = count_rounds.take(conn, count_rounds.MESSAGES, LIMITS.statement_s) is not None
    if are_due:
        with begin() as conn:
            limit(conn, LIMITS)
            messages, are_right = count_checks.compare_messages(conn)
        corrected += 0 if are_right else _recount_messages(begin)
        with begin() as conn:
            count_rounds.rest(conn, count_rounds.MESSAGES, "", messages)
    return corrected


def _compare_all(begin: Begin) -> int:
    corrected, after = 0, ""
    while True:
        with begin() as conn:
            following = count_checks.tenants(conn, after)
        if not following:
            return corrected
        corrected += sum(_compare(begin, tenant)[1] for tenant in following)
        after = following[-1]


def _compare(begin: Begin, tenant: str) -> tuple[int, int]:
    """The tenant's jobs, and how many groups were wrong."""
    with begin() as conn:
        limit(conn, LIMITS)
        jobs, is_right = count_checks.compare(conn, tenant)
    return jobs, 0 if is_right else _recount(begin, tenant)


def _roll_up(begin: Begin, kept: KeptCount) -> None:
    """Go on with the walk over a table of counts, if its time has come."""
    name = f"old ends in {kept.table}"
    with begin() as conn:
        place = count_rounds.take(conn, name, LIMITS.statement_s)
    if place is None:
        return
    looked, rewritten, after = 0, 0, int(place or 0)
    while looked < ROLLED_AT_ONCE:
        with begin() as conn:
            step = rollups.roll_up(conn, kept, after)
        looked, rewritten = looked + step.looked, rewritten + step.rewritten
        if step.last is None:
            after = 0
            break
        after = step.last
    with begin() as conn:
        least_s = count_rounds.REST_S if after else ROLL_EVERY_S
        count_rounds.rest(conn, name, str(after) if after else "", looked, least_s)
    if rewritten:
        log.info("counts.added_up table=%s rows=%d", kept.table, rewritten)


def _recount(begin: Begin, tenant: str) -> int:
    with begin() as conn:
        corrected = recount_tenant(conn, tenant)
    log.warning("counts.corrected tenant=%s groups=%d", tenant, corrected)
    return corrected


def _recount_messages(begin: Begin) -> int:
    with begin() as conn:
        corrected = recount_messages(conn)
    log.warning("counts.corrected groups=%d: counts of webhook messages", corrected)
    return corrected
