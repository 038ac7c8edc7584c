"""Whether jobs can run now. It is asked often: it is cheap, and never waits for a server that is down."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from producer.health.accounts import some_shared_stopped
from producer.health.findings import Finding, Level, bad, warn
from producer.health.journal import check_journal
from producer.health.servers import check_broker, check_database
from producer.health.work import check_links, check_parts
from storage import broker
from storage.accounts.live import LiveSettings
from storage.bucket.objects import Objects
from storage.database import Connection, Database
from storage.database_errors import first_line
from storage.faults import Fault
from storage.settings import Settings

log = logging.getLogger("reelq.api")

CHECK_TIMEOUT_S = 3.0
FRESH_S = 15.0
"""A part that was not seen for this long, by the database's clock, counts as not running."""
WRITE_EVERY_S = 5.0
STORE_EVERY_S, STORE_WRITE_EVERY_S = 10.0, 60.0
"""How long a good result of the store holds. A write costs more than a read, and may leave a version of the probe."""
WORK_EVERY_S = 10.0
"""How long the state of links and accounts holds: reading it costs more than the rest."""
INTAKE = frozenset({"database"})
"""The parts without which no job can be taken; the others only delay it."""

Purpose = Literal["jobs", "intake"]


@dataclass(frozen=True, slots=True)
class Answer:
    """What the checks found. `missing`: every part that does not work, and why. `warnings`: what else a person should
    look at, by the row of docs/doctor.md; without names of accounts and hosts, because everyone may ask."""

    missing: dict[str, str] = field(default_factory=dict)
    warnings: dict[str, str] = field(default_factory=dict)

    def ready(self, purpose: Purpose) -> bool:
        """`jobs`: whether jobs can run; `intake`: whether they can be taken and stored, to run later."""
        return not (self.missing.keys() & INTAKE if purpose == "intake" else self.missing)


class Readiness:
    """The checks, with their connections."""

    def __init__(self, settings: Settings) -> None:
        self._database = Database(
            settings.require_database_url(),
            name="reelq readiness",
            size=2,
            wait_s=CHECK_TIMEOUT_S,
            prepared=settings.database_prepared_statements,
        )
        self._live = LiveSettings(settings)
        self._objects = Objects(settings)
        self._broker_url = settings.require_broker()
        self._broker = broker.client(self._broker_url, CHECK_TIMEOUT_S)
        self._database_turn, self._store_turn = _Turn(WRITE_EVERY_S), _Turn(STORE_WRITE_EVERY_S)
        self._work_turn = _Turn(WORK_EVERY_S)
        self._work: list[Finding] = []
        self._checks: Mapping[str, _Check] = {
            "database": _Check("database", lambda: asyncio.to_thread(self._check_database)),
            "broker": _Check("broker", lambda: asyncio.to_thread(self._check_broker)),
            # A check of the bucket is a request to the store; its result holds for a while.
            "bucket": _Check("bucket", lambda: asyncio.to_thread(self._check_bucket), good_for_s=STORE_EVERY_S),
        }

    async def look(self) -> Answer:
        """What does not work, and what a person should look at. Answers within a few seconds."""
        answer = Answer()
        for found in await asyncio.gather(*(check.findings() for check in self._checks.values())):
            for finding in found:
                if finding.level is Level.BAD:
                    answer.missing[finding.part] = finding.message
                elif finding.level is Level.WARN and finding.code is not None:
                    answer.warnings[finding.code] = finding.message
        return answer

    def _check_database(self) -> list[Finding]:
        with self._database_turn.taken() as write, self._database.begin() as conn:
            found = list(check_database(conn, write=write))
            found += check_parts(conn, FRESH_S)
            found += check_journal(conn)
            with self._work_turn.taken() as due:
                if due:
                    self._work = [*check_links(conn), *self._check_accounts(conn)]
        return [_for_everyone(finding) for finding in (*found, *self._work)]

    def _check_accounts(self, conn: Connection) -> Iterable[Finding]:
        if some_shared_stopped(conn, self._live.refresh(conn)):
            yield warn("accounts", "some accounts cannot take jobs at the moment", "accounts_stopped")

    def _check_broker(self) -> list[Finding]:
        return list(check_broker(self._broker, self._broker_url))

    def _check_bucket(self) -> list[Finding]:
        with self._store_turn.taken() as write:
            self._objects.check_bucket(write=write)
        return []

    async def close(self) -> None:
        """Close the connections."""
        await asyncio.to_thread(self._broker.close)
        await asyncio.to_thread(self._database.close)


_IN_PUBLIC = {
    "versions_differ": "several versions of reelq run; `reelq doctor` names them",
    "journal_not_listed": "the journal in the bucket cannot be listed; see `reelq doctor`",
    "journal_behind": "submits cannot be written into the journal; see `reelq doctor`",
    "links_end": "links of finished videos end before they are copied; see `reelq doctor`",
}

_STOPPED_IN_PUBLIC = {
    "journal_held": "nothing is submitted until a person decides; see `reelq db status`",
    "journal_not_read": "the journal in the bucket cannot be read; see `reelq doctor`",
}


def _for_everyone(finding: Finding) -> Finding:
    """The finding without hosts and numbers of jobs: `/readyz` needs no key."""
    text = _IN_PUBLIC.get(finding.code or "")
    if finding.code in _STOPPED_IN_PUBLIC:
        return replace(finding, message=_STOPPED_IN_PUBLIC[finding.code])
    return finding if text is None else warn(finding.part, text, finding.code or "")


class _Turn:
    """Says when something that costs more is to be done again: `every_s` after it last went well."""

    def __init__(self, every_s: float) -> None:
        self._every_s = every_s
        self._done_at = float("-inf")

    @contextmanager
    def taken(self) -> Iterator[bool]:
        """Whether it is to be done now. If it fails, it is to be done next time."""
        now = time.monotonic()
        due = now - self._done_at > self._every_s
        yield due
        if due:
            self._done_at = now


class _Check:
    """One check. It runs once for all requests, and continues when they stop waiting."""

    def __init__(self, part: str, run: Callable[[], Awaitable[list[Finding]]], *, good_for_s: float = 0.0) -> None:
        self._part = part
        self._run = run
        self._good_for_s = good_for_s
        self._good_until = 0.0
        self._task: asyncio.Future[list[Finding]] | None = None

    async def findings(self) -> list[Finding]:
        if time.monotonic() < self._good_until:
            return []
        if self._task is None or self._task.done():
            self._task = asyncio.ensure_future(self._run())
        task: asyncio.Future[Any] = self._task
        done, _ = await asyncio.wait({task}, timeout=CHECK_TIMEOUT_S)
        if not done:
            return [bad(self._part, f"did not answer within {CHECK_TIMEOUT_S:g} s", "no_answer")]
        try:
            found: list[Finding] = task.result()
        except Fault as exc:
            return [bad(self._part, str(exc), exc.code)]
        except Exception as exc:  # a bug in the check: whether jobs can run is unknown
            log.exception("readiness.check_failed part=%s", self._part)
            text = f"the check failed: {type(exc).__name__}: {first_line(exc)}"
            return [bad(self._part, text, "check_failed")]
        self._good_until = time.monotonic() + self._good_for_s
        return found
