"""After a restore: put into the database what its journal knows and it does not.

A POST that only the journal knows becomes an attempt of its job. If the gateway accepted it, the job goes on with that
task; if the outcome is unknown, the job is unconfirmed, and is looked for like any other; a refused POST changes
nothing. A job whose video is in the bucket has succeeded. Jobs that the database does not know are listed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, LiteralString
from uuid import UUID

from storage.database import Connection
from storage.jobs import attempts
from storage.jobs.claims import NEXT_ATTEMPT
from storage.jobs.late import settle_acceptances
from storage.jobs.reasons import Reason
from storage.jobs.records import AttemptOutcome, Move
from storage.jobs.states import TERMINAL, JobState
from storage.jobs.transitions import move
from storage.journal.entries import Answered, Entry, Kept, Sent
from storage.jsonb import dumps

OVERLAP = timedelta(seconds=60)
"""A transaction of that length may have begun before `through` and be missing in a backup made after it."""
CHECK_S = 1.0
_NO_ACCOUNT: Mapping[str, Any] = {"account": None, "gateway": None, "model": None}
_BEFORE_TASK = (JobState.QUEUED, JobState.SUBMITTING, JobState.UNCONFIRMED)
_UNKNOWN: frozenset[str | None] = frozenset({None, Reason.OUTCOME_UNKNOWN, Reason.TASK_TAKEN, Reason.SUBMIT_LOST})
_STEPS: Sequence[tuple[tuple[JobState, ...], JobState, Mapping[str, Any]]] = (
    (_BEFORE_TASK, JobState.GENERATING, {}),
    ((JobState.GENERATING,), JobState.TRANSFERRING, {"video_url": ""}),
    ((JobState.TRANSFERRING,), JobState.SUCCEEDED, {"video_url": None, "last_frame_url": None}),
)
"""The way of a job to its video, with what each state must have."""
_Key = tuple[UUID, int]
_Post = tuple[UUID, datetime]
"""A job and when its POST began. The number says less: another attempt may have had it since a restore."""


@dataclass(frozen=True, slots=True)
class Missing:
    """What the journal knows and the database does not."""

    sent: Sequence[Sent] = ()
    """POSTs of known jobs without a row."""
    answered: Sequence[Answered] = ()
    """Outcomes of those, and of known attempts whose outcome the database does not know."""
    kept: Sequence[Kept] = ()
    """Videos of jobs that have not ended here."""
    of_lost_jobs: Sequence[Entry] = ()
    """Entries about jobs that this database does not have."""

    def __bool__(self) -> bool:
        return bool(self.sent or self.answered or self.kept or self.of_lost_jobs)


@dataclass(frozen=True, slots=True)
class Recovered:
    """Counts of jobs: `adopted` go on with their task, `unconfirmed` may have been accepted, `stored` have their video,
    `lost` are unknown to this database."""

    adopted: int
    unconfirmed: int
    stored: int
    lost: int
    until: datetime | None = None
    """The newest entry that was missing."""


_ATTEMPTS: LiteralString = "SELECT job_id, number, started_at, outcome FROM attempts WHERE job_id = ANY(%(ids)s)"
_JOBS: LiteralString = "SELECT id, state FROM jobs WHERE id = ANY(%(ids)s)"


def missing(conn: Connection, entries: Iterable[Entry], since: datetime | None) -> Missing:
    """Compare entries with the database. `since`: the database had everything then; None: that is not known."""
    found = [e for e in entries if since is None or isinstance(e, Answered) or _time_of(e) > since - OVERLAP]
    ids = {"ids": list({entry.job_id for entry in found})}
    states: dict[UUID, str] = dict(conn.execute(_JOBS, ids).fetchall())
    known = {(row[0], row[2]): (row[1], row[3]) for row in conn.execute(_ATTEMPTS, ids)}
    sent = {_post(e): e for e in found if isinstance(e, Sent) and e.job_id in states and _post(e) not in known}
    unknown = {e.job_id for e in found if not isinstance(e, Answered) and e.job_id not in states}
    kept = {e.job_id: e for e in found if isinstance(e, Kept) and states.get(e.job_id, "failed") not in TERMINAL}
    return Missing(
        list(sent.values()),
        [
            # An earlier comparison may have given the attempt another number.
            replace(answer, number=known[key][0]) if key in known else answer
            for key, answer in _answers(found).items()
            if key in sent or (key in known and _says_more(answer, known[key][1]))
        ],
        list(kept.values()),
        [entry for entry in found if entry.job_id in unknown],
    )


def _says_more(answer: Answered, known: str | None) -> bool:
    return known is None or (known in _UNKNOWN and answer.outcome not in _UNKNOWN)


def _answers(entries: Iterable[Entry]) -> dict[_Post, Answered]:
    """The last answer to each POST; an acceptance is never replaced."""
    found: dict[_Post, Answered] = {}
    for entry in entries:
        if isinstance(entry, Answered):
            before = found.get(_post(entry))
            if before is None or before.outcome != Reason.ACCEPTED:
                found[_post(entry)] = entry
    return found


def recover(conn: Connection, lost: Missing, in_bucket: Collection[UUID]) -> Recovered:
    """Write what is missing. `in_bucket`: jobs whose video was found under the key that the journal names."""
    numbers = _insert(conn, lost.sent)
    outcomes = {(answer.job_id, numbers.get(_post(answer), answer.number)): answer for answer in lost.answered}
    taken = attempts.store_outcomes(
        conn,
        [
            AttemptOutcome(job_id, number, answer.outcome, answer.http_status, answer.gateway_task_id)
            for (job_id, number), answer in outcomes.items()
        ],
    )
    unusable = {(item.job_id, item.number) for item in taken}
    accepted = {key[0] for key, answer in outcomes.items() if answer.outcome == Reason.ACCEPTED and key not in unusable}
    _leave_submitting(conn, accepted)
    settle_acceptances(conn, list(accepted))
    doubtful = _settle_others(conn, lost.sent, numbers, outcomes, accepted)
    stored = _keep(conn, [entry for entry in lost.kept if entry.job_id in in_bucket])
    unknown = _list_lost_jobs(conn, lost.of_lost_jobs)
    times = [_time_of(entry) for group in (lost.sent, lost.answered, lost.kept, lost.of_lost_jobs) for entry in group]
    return Recovered(
        len(accepted - stored),
        len(doubtful - stored),
        len(stored),
        unknown,
        max(times, default=None),
    )


_INSERT: LiteralString = """
INSERT INTO attempts (job_id, number, started_at, account, key_id, gateway, model, model_key, seed, mark, callback_hash)
SELECT i.job_id, i.number, i.started_at, i.account, i.key_id, i.gateway, i.model, i.model_key, i.seed, i.mark,
       i.callback_hash
FROM jsonb_to_recordset(%(rows)s::jsonb)
    AS i(job_id uuid, number int, started_at timestamptz, account text, key_id bigint, gateway text, model text,
         model_key text, seed bigint, mark int, callback_hash text)
"""
_COUNT: LiteralString = """
UPDATE jobs j SET attempt = greatest(j.attempt, i.number)
FROM unnest(%(ids)s::uuid[], %(numbers)s::int[]) AS i(id, number) WHERE j.id = i.id
"""


def _insert(conn: Connection, sent: Sequence[Sent]) -> dict[_Post, int]:
    """Store the attempts. Returns their numbers: another attempt may have had the number since the restore."""
    if not sent:
        return {}
    ids = sorted({entry.job_id for entry in sent})
    conn.execute("SELECT id FROM jobs WHERE id = ANY(%s) ORDER BY id FOR UPDATE", [ids])
    used: dict[UUID, set[int]] = {job_id: set() for job_id in ids}
    for row in conn.execute(_ATTEMPTS, {"ids": ids}):
        used[row[0]].add(row[1])
    numbers: dict[_Post, int] = {}
    rows = []
    for entry in sorted(sent, key=lambda item: (item.started_at, item.job_id)):
        own = used[entry.job_id]
        number = entry.number if entry.number not in own else max(own) + 1
        own.add(number)
        numbers[_post(entry)] = number
        names = ("started_at", "account", "key_id", "gateway", "model", "model_key", "seed", "mark", "callback_hash")
        rows.append({"job_id": entry.job_id, "number": number, **{name: getattr(entry, name) for name in names}})
    conn.execute(_INSERT, {"rows": dumps(rows)})
    last = {job_id: max(own) for job_id, own in used.items()}
    conn.execute(_COUNT, {"ids": list(last), "numbers": list(last.values())})
    return numbers


def _leave_submitting(conn: Connection, job_ids: Collection[UUID]) -> None:
    """No POST is in flight in a restored database: what looks like it can be settled."""
    source, target = (JobState.SUBMITTING,), JobState.UNCONFIRMED
    move(conn, [Move(job_id, source, target, Reason.SENT_BEFORE_RESTORE) for job_id in job_ids])


def _settle_others(
    conn: Connection,
    sent: Sequence[Sent],
    numbers: Mapping[_Post, int],
    outcomes: Mapping[_Key, Answered],
    accepted: Collection[UUID],
) -> set[UUID]:
    """Move the jobs whose last POST was not accepted. Returns those that may have been accepted."""
    latest: dict[UUID, tuple[int, Sent | None]] = {}
    for entry in sent:
        number = numbers[_post(entry)]
        if number > latest.get(entry.job_id, (0, None))[0]:
            latest[entry.job_id] = number, entry
    for job_id, number in outcomes:
        if number > latest.get(job_id, (0, None))[0]:
            latest[job_id] = number, None
    moves: list[Move] = []
    doubtful: set[UUID] = set()
    for job_id, (number, last) in latest.items():
        if job_id in accepted:
            continue
        answer = outcomes.get((job_id, number))
        # An acceptance whose task another attempt has is a doubt as well.
        if answer is None or answer.outcome in _UNKNOWN or answer.outcome == Reason.ACCEPTED:
            doubtful.add(job_id)
            moves += [] if last is None else [_doubt(last)]
        else:  # the gateway had refused it
            moves.append(_refused(job_id, number))
    move(conn, moves)
    return doubtful


def _doubt(entry: Sent) -> Move:
    patch = {"account": entry.account, "gateway": entry.gateway, "model": entry.model}
    message = f"sent to {entry.account} at {entry.started_at:%Y-%m-%d %H:%M:%S} UTC, before the restore"
    reason, target = Reason.SENT_BEFORE_RESTORE, JobState.UNCONFIRMED
    return Move(entry.job_id, _BEFORE_TASK, target, reason, due_in_s=CHECK_S, patch=patch, detail={"message": message})


def _refused(job_id: UUID, number: int) -> Move:
    source = (JobState.SUBMITTING, JobState.UNCONFIRMED)
    reason = Reason.PROVEN_NOT_SUBMITTED
    return Move(job_id, source, JobState.QUEUED, reason, attempt=number, patch=_NO_ACCOUNT)


_KEPT_ATTEMPTS: LiteralString = f"""
WITH input AS (
    SELECT i.* FROM jsonb_to_recordset(%(rows)s::jsonb)
        AS i(job_id uuid, account text, gateway text, model text, gateway_task_id text, stored_at timestamptz)
), begun AS (
    UPDATE jobs j SET attempt = {NEXT_ATTEMPT} FROM input i
    WHERE j.id = i.job_id AND j.state IN ('queued', 'submitting', 'unconfirmed') RETURNING j.id, j.attempt
)
INSERT INTO attempts (job_id, number, account, gateway, model, started_at, outcome, finished_at, gateway_task_id)
SELECT i.job_id, b.attempt, i.account, i.gateway, i.model, i.stored_at, 'accepted', i.stored_at, i.gateway_task_id
FROM input i JOIN begun b ON b.id = i.job_id ON CONFLICT DO NOTHING
"""  # noqa: S608 - put together from constants


def _keep(conn: Connection, kept: Sequence[Kept]) -> set[UUID]:
    """Jobs whose videos are in the bucket have succeeded, whatever their gateways still know of them."""
    if not kept:
        return set()
    rows = [{"job_id": entry.job_id, "stored_at": entry.stored_at, **entry.columns} for entry in kept]
    conn.execute(_KEPT_ATTEMPTS, {"rows": dumps(rows)})  # of jobs whose POST was not written down
    for sources, target, patch in _STEPS:
        steps = [
            Move(entry.job_id, sources, target, Reason.FOUND_STORED, patch={**entry.columns, **patch}) for entry in kept
        ]
        move(conn, steps)
    succeeded = conn.execute(
        "SELECT id FROM jobs WHERE id = ANY(%s) AND state = 'succeeded'", [[entry.job_id for entry in kept]]
    )
    return {row[0] for row in succeeded}


_LOST_JOBS: LiteralString = """
INSERT INTO lost_jobs (job_id, tenant, idempotency_key, account, gateway_task_id, outcome, object_key, sent_at)
SELECT job_id, tenant, idempotency_key, account, gateway_task_id, outcome, object_key, sent_at
FROM jsonb_to_recordset(%(rows)s::jsonb)
    AS i(job_id uuid, tenant text, idempotency_key text, account text, gateway_task_id text, outcome text,
         object_key text, sent_at timestamptz)
ON CONFLICT (job_id) DO UPDATE SET gateway_task_id = coalesce(excluded.gateway_task_id, lost_jobs.gateway_task_id),
    object_key = coalesce(excluded.object_key, lost_jobs.object_key), outcome = excluded.outcome
"""


def _list_lost_jobs(conn: Connection, entries: Sequence[Entry]) -> int:
    rows: dict[UUID, dict[str, Any]] = {}
    for entry in entries:
        row = rows.setdefault(entry.job_id, {"job_id": entry.job_id})
        match entry:
            case Sent():
                row |= {"account": entry.account, "sent_at": entry.started_at}
            case Answered():
                row |= {"outcome": entry.outcome}
                row |= {"gateway_task_id": entry.gateway_task_id} if entry.gateway_task_id is not None else {}
            case Kept():
                row |= {"object_key": entry.columns.get("object_key")}
        if not isinstance(entry, Answered):
            row |= {"tenant": entry.tenant, "idempotency_key": entry.idempotency_key}
    known = [row for row in rows.values() if "tenant" in row]
    if known:
        conn.execute(_LOST_JOBS, {"rows": dumps(known)})
    return len(known)


def _post(entry: Sent | Answered) -> _Post:
    return entry.job_id, entry.started_at


def _time_of(entry: Entry) -> datetime:
    return entry.stored_at if isinstance(entry, Kept) else entry.started_at
