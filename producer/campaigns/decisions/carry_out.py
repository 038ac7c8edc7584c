"""Carry out a decision: one transaction, once for each operation id."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import Any, Protocol
from uuid import UUID, uuid4

from producer.campaigns.decisions.choice import Choice
from producer.campaigns.decisions.decide import decide
from producer.campaigns.decisions.decision import Act, Decision, Done, Left
from producer.campaigns.decisions.verdicts import Terms, Verb, Why
from producer.campaigns.status import campaign_status, pause_campaign
from producer.errors import OperationConflict
from producer.intake.intake import as_new_job
from producer.operator_actions.job_actions import what_cancelling_does
from seedance.problems import InvalidInput, Problem
from storage import decisions
from storage.actors import acting
from storage.campaigns import operations
from storage.campaigns.changes import change_queued, note_decision
from storage.campaigns.controls import ensure_campaign, subject_of
from storage.campaigns.reviews import Review, set_reviews
from storage.campaigns.rows import lock_rows, stream_rows
from storage.campaigns.versions import NewVersion, add_versions
from storage.database import BULK, Connection, Database, limit
from storage.jobs import callbacks, claims, transitions
from storage.jobs.enqueue import enqueue_jobs
from storage.jobs.reasons import Reason
from storage.jobs.records import Move
from storage.jobs.states import JobState
from storage.settings import Settings
from storage.uploads.uses import UploadUnknown

MAX_OPERATION_CHARS = 200
_REVIEWS = {Verb.APPROVE: (Review.APPROVED, Reason.APPROVED), Verb.REJECT: (Review.REJECTED, Reason.REJECTED)}


class Decides(Protocol):
    """The part of `producer.client.Producer` that is used here."""

    tenant: str
    actor: str

    @property
    def settings(self) -> Settings: ...

    @property
    def database(self) -> Database: ...


def preview(decider: Decides, campaign: str, verb: Verb, choice: Choice, terms: Terms | None = None) -> Decision:
    """What a decision would do now; nothing is written.

    Raises:
        CampaignNotFound: the tenant has no such campaign.
        InvalidInput: a field to set is not valid.
    """
    choice, terms = choice.narrowed(), terms or Terms(datetime.now(UTC))
    with decider.database.begin() as conn:
        limit(conn, BULK)
        return decide(conn, decider.settings, decider.tenant, campaign, verb, choice, terms)


def carry_out(
    decider: Decides,
    campaign: str,
    verb: Verb,
    choice: Choice,
    terms: Terms | None = None,
    operation: str | None = None,
) -> Done:
    """Decide about the chosen rows as they are now, all in one transaction. `operation`: an id of the caller's; the
    same one again does nothing and answers as the first time. None: a new one.

    Raises:
        CampaignNotFound: the tenant has no such campaign.
        InvalidInput: a field to set is not valid, or a file was removed a moment ago.
        OperationConflict: the operation was something else.
        PurseExhausted: the jobs cost more than a purse still has.
        DatabaseUnavailable: the database does not answer; the same operation can be repeated safely.
    """
    terms = terms or Terms(datetime.now(UTC))
    operation, asked = _checked(operation), _hash_of(choice, terms)
    choice = choice.narrowed()
    with acting(decider.actor), decider.database.begin() as conn:
        limit(conn, BULK)
        campaign_id = campaign_status(conn, decider.tenant, campaign).id
        known = operations.begin(conn, decider.tenant, operation, campaign_id, verb, asked)
        if known is not None:
            return _as_before(known, operation, campaign_id, verb, asked)
        ensure_campaign(conn, decider.tenant, campaign)  # it is open again, and no enqueue adds rows beside this
        chosen = [row.id for row in stream_rows(conn, campaign_id, choice.wanted)]
        lock_rows(conn, campaign_id, chosen)
        # Decided again: what was locked may have changed since it was read.
        decision = decide(conn, decider.settings, decider.tenant, campaign, verb, choice, terms)
        try:
            done = _Writing(conn, decider.tenant, decision, terms, operation).write()
        except UploadUnknown as exc:  # it was removed a moment ago
            raise InvalidInput([Problem("", str(exc))]) from exc
        operations.end(conn, decider.tenant, operation, done.document)
        return done


def carried_out(
    decider: Decides, campaign: str, verb: Verb, choice: Choice, terms: Terms | None, operation: str
) -> Done | None:
    """What an operation did when it was carried out; None: it was not.

    Raises:
        CampaignNotFound: the tenant has no such campaign.
        InvalidInput: its id is not valid.
        OperationConflict: the operation was something else.
    """
    with decider.database.begin() as conn:
        campaign_id = campaign_status(conn, decider.tenant, campaign).id
        known = operations.find(conn, decider.tenant, _checked(operation))
    if known is None:
        return None
    return _as_before(known, operation, campaign_id, verb, _hash_of(choice, terms or Terms(datetime.now(UTC))))


def _checked(operation: str | None) -> str:
    if operation is None:
        return str(uuid4())
    if not operation.strip() or len(operation) > MAX_OPERATION_CHARS or not operation.isprintable():
        raise InvalidInput([Problem("operation", f"must be 1 to {MAX_OPERATION_CHARS} printable characters")])
    return operation


def _hash_of(choice: Choice, terms: Terms) -> str:
    """What makes an operation the same: the choice of rows as it was given, and what is done with them."""
    wanted = {name: value and sorted(value) for name, value in asdict(choice.wanted).items()}
    asked = wanted | {
        "comment": terms.comment,
        "discard": terms.discard,
        "fields": dict(terms.fields),
        "whole": terms.whole,
    }
    return hashlib.sha256(json.dumps(asked, sort_keys=True, default=str).encode()).hexdigest()


def _as_before(known: operations.Known, operation: str, campaign_id: UUID, verb: Verb, asked: str) -> Done:
    if (known.campaign_id, known.verb) != (campaign_id, verb):
        of = "" if known.campaign_id == campaign_id else " of another campaign"
        raise OperationConflict(f"{operation} was another operation: {known.verb}{of}; use another id")
    if known.asked_hash not in {None, asked}:
        raise OperationConflict(
            f"{operation} was another operation: {verb} of other rows, or with other values; use another id"
        )
    document = known.result or {}
    return Done(operation, int(document.get("done", 0)), int(document.get("asked", 0)), True, {}, document)


class _Writing:
    """Writes one decision in its transaction."""

    def __init__(self, conn: Connection, tenant: str, decision: Decision, terms: Terms, operation: str) -> None:
        self._conn = conn
        self._tenant = tenant
        self._decision = decision
        self._terms = terms
        self._operation = operation

    def write(self) -> Done:
        decision = self._decision
        jobs: Mapping[UUID, UUID] = {}
        asked = 0
        changing: Sequence[Act] = ()
        match decision.verb:
            case Verb.APPROVE | Verb.REJECT:
                self._review()
                jobs, changing = self._enqueue([act for act in decision.acts if act.made is not None])
            case Verb.RETRY | Verb.REROLL:
                jobs, changing = self._enqueue(decision.acts)
            case Verb.CANCEL:
                asked, changing = self._cancel()
            case Verb.RESUME:
                changing = self._resume()
            case Verb.SET:
                changing = self._change()
        left = [*decision.left]
        if changing:
            left.append(Left(Why.CHANGING, [act.row for act in changing]))
        gone = {act.row.id for act in changing}
        done = len(decision.acts) - len(gone)
        document = replace(decision, left=left).as_dict() | {
            "operation": self._operation,
            "acts": done,
            "acting": [],
            "done": done,
            "asked": asked,
            "jobs": [
                {"row": act.row.number, "key": act.row.key, "id": act.row.id, "job_id": jobs[act.row.id]}
                for act in decision.acts
                if act.row.id in jobs
            ],
        }
        if done:
            detail = {"operation": self._operation, "rows": done, "comment": self._terms.comment}
            what = f"campaign.rows.{decision.verb}"
            decisions.record(self._conn, self._tenant, what, subject_of(decision.campaign_id), **detail)
        return Done(self._operation, done, asked, False, jobs, document)

    def _detail(self, act: Act) -> dict[str, Any]:
        found: dict[str, Any] = {"operation": self._operation, "what": self._decision.verb, "row": act.row.number}
        if self._terms.comment:
            found["comment"] = self._terms.comment
        return found

    def _review(self) -> None:
        review, reason = _REVIEWS[self._decision.verb]
        acts = self._decision.acts
        set_reviews(self._conn, self._decision.campaign_id, [act.row.id for act in acts], review, self._terms.comment)
        detail = {"operation": self._operation, "comment": self._terms.comment}
        note_decision(self._conn, [act.job.id for act in acts], reason, detail)

    def _enqueue(self, acts: Sequence[Act]) -> tuple[dict[UUID, UUID], list[Act]]:
        """Store the new jobs; returns them by row, and the rows whose next version another session has just made."""
        new = [
            replace(as_new_job(act.made, self._tenant, self._decision.campaign_id), detail=self._detail(act))
            for act in acts
            if act.made is not None
        ]
        stored = enqueue_jobs(self._conn, new)
        made = [(act, item.id) for act, item in zip(acts, stored, strict=True) if item.created]
        versions = [
            NewVersion(act.row.id, job_id, act.kind, act.verdict.new_draft)
            for act, job_id in made
            if act.kind is not None
        ]
        add_versions(self._conn, versions)
        changing = [act for act, item in zip(acts, stored, strict=True) if not item.created]
        return {act.row.id: job_id for act, job_id in made}, changing

    def _cancel(self) -> tuple[int, list[Act]]:
        """Cancel what can be; returns how many gateways are asked, and what changed in between."""
        asked, changing = 0, []
        moves = []
        for act in self._decision.acts:
            job = act.job
            if what_cancelling_does(job) == "asks":
                if transitions.request_cancel(self._conn, job.id, "discard" if self._terms.discard else "keep"):
                    asked += 1
                else:
                    changing.append(act)
                continue
            reason = Reason.CANCELLED if job.state is JobState.QUEUED else Reason.DISCARDED
            moves.append(Move(job.id, (job.state,), JobState.CANCELLED, reason, detail=self._detail(act)))
        moved = {item.id for item in transitions.move(self._conn, moves)}
        callbacks.look_again(self._conn, list(moved))
        unmoved = {move.id for move in moves} - moved
        changing += [act for act in self._decision.acts if act.job.id in unmoved]
        return asked, changing

    def _resume(self) -> list[Act]:
        """Submit what was kept back; returns those rows that are no longer."""
        if self._terms.whole:
            pause_campaign(self._conn, self._tenant, self._decision.campaign, paused=False)
            return []
        woken = claims.wake_jobs(self._conn, [act.job.id for act in self._decision.acts], Reason.KEPT_BACK)
        return [act for act in self._decision.acts if act.job.id not in woken]

    def _change(self) -> list[Act]:
        """Change queued jobs; returns those that were submitted in between, or may have been."""
        changed = change_queued(
            self._conn,
            [
                replace(
                    as_new_job(act.made, self._tenant, self._decision.campaign_id),
                    id=act.job.id,
                    detail=self._detail(act) | {"fields": sorted(self._terms.fields)},
                )
                for act in self._decision.acts
                if act.made is not None
            ],
        )
        return [act for act in self._decision.acts if act.job.id not in changed]
