"""Find out what a decision does, before it is carried out; nothing is written."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from producer.campaigns.decisions.choice import Choice
from producer.campaigns.decisions.decision import Act, Decision, Left
from producer.campaigns.decisions.verdicts import Terms, Verb, Verdict, Why, makes_final, verdict_on
from producer.campaigns.planning.costs import costs_of, reach_of
from producer.campaigns.status import campaign_status
from producer.intake.intake import Prepared, Row, as_prepared
from producer.intake.job_spec import parse_job
from producer.intake.uploads import LocalFiles
from producer.operator_actions.finals import final_of, with_final_key
from producer.operator_actions.job_actions import fields_of
from seedance.problems import InvalidInput
from storage.admission.spending import budgets
from storage.campaigns.rows import PAGE, RowFilter, RowView, edits_of, finals_of, stream_rows
from storage.campaigns.versions import VersionKind
from storage.database import Connection
from storage.jobs import drafts, queries
from storage.jobs.records import JobView
from storage.settings import Settings
from storage.uploads.uses import unknown_files

_SEEDS = 2**31
_SHOWN_MISSING = 100


def decide(
    conn: Connection, settings: Settings, tenant: str, campaign: str, verb: Verb, choice: Choice, terms: Terms
) -> Decision:
    """What a verb does with the chosen rows of a tenant's campaign now.

    Raises:
        CampaignNotFound: the tenant has no such campaign.
        InvalidInput: a field to set is not valid for any row.
    """
    status = campaign_status(conn, tenant, campaign)
    work = _Work(conn, settings, tenant, verb, terms, paused=status.paused_at is not None)
    page: list[RowView] = []
    seen: set[int] = set()
    keys: set[str | None] = set()
    ids: set[UUID] = set()
    for row in stream_rows(conn, status.id, choice.wanted):
        page.append(row)
        if choice.names_rows:
            seen.add(row.number)
            keys.add(row.key)
            ids.add(row.id)
        if len(page) == PAGE:
            work.judge(page)
            page = []
    work.judge(page)
    made = [act.made for act in work.acts if act.made is not None and act.kind is not None]
    own = next(iter(budgets.budgets_of(conn, tenant, [status.id])), None)
    order = sorted(range(len(made)), key=lambda place: -made[place].spec.priority)
    reach = reach_of(made, order, None, own) if made else None
    costs, unpriced = costs_of(made, reach.currency if reach is not None else None)
    missing = list(_missing(choice.wanted, seen, keys, ids)) if choice.names_rows else []
    return Decision(status.id, campaign, verb, work.acts, work.left(), costs, unpriced, reach, missing)


def _missing(wanted: RowFilter, numbers: set[int], keys: set[str | None], ids: set[UUID]) -> Iterator[str]:
    """Single numbers, keys and ids that no row has. A range may have gaps, but not be empty."""
    if wanted.states or wanted.reviews or wanted.reasons:
        return  # rows that do not match the filter are not missing
    found = [
        *(
            f"row {first}" if first == last else f"rows {first}-{last}"
            for first, last in wanted.numbers or ()
            if not (first in numbers if first == last else any(first <= number <= last for number in numbers))
        ),
        *(f"key {key}" for key in wanted.keys or () if key not in keys),
        *(f"id {row_id}" for row_id in wanted.ids or () if row_id not in ids),
    ]
    yield from found[:_SHOWN_MISSING]


@dataclass(slots=True)
class _Work:
    """Judges rows, a page at a time."""

    conn: Connection
    settings: Settings
    tenant: str
    verb: Verb
    terms: Terms
    paused: bool = False
    acts: list[Act] = field(default_factory=list)
    _left: dict[tuple[Why, str], list[RowView]] = field(default_factory=dict)
    _finals: Mapping[UUID, Mapping[str, Any]] = field(default_factory=dict)

    def judge(self, page: Sequence[RowView]) -> None:
        """Judge some rows."""
        ids = {row.job_id for row in page} | {row.newest_job_id for row in page}
        jobs = queries.get_jobs(self.conn, self.tenant, list(ids))
        edits = edits_of(self.conn, [row.id for row in page if row.edited])
        begun = len(self.acts)
        if self.verb is Verb.APPROVE:
            self._finals = finals_of(self.conn, [row.id for row in page if row.proof])
        for row in page:
            standing, newest = jobs.get(row.job_id), jobs.get(row.newest_job_id)
            if newest is None:  # retention has just deleted it
                continue
            standing = standing or newest
            verdict = verdict_on(self.verb, row, standing, newest, self.terms, paused=self.paused)
            if verdict.why is not None:
                self._leave(row, verdict.why)
                continue
            try:
                self.acts.append(self._act(row, standing, newest, verdict, edits.get(row.id)))
            except InvalidInput as exc:
                self._leave(row, Why.NOT_SERVED, "; ".join(str(item) for item in exc.problems))
            except LookupError:
                self._leave(row, Why.DRAFT_GONE)
        self._leave_without_files(begun)

    def _leave_without_files(self, begun: int) -> None:
        """Leave rows that name files which the tenant does not have, so that the others go on."""
        made = {act.row.id: act.made.request for act in self.acts[begun:] if act.made is not None}
        if not (unknown := unknown_files(self.conn, self.tenant, made.values())):
            return
        page, self.acts[begun:] = self.acts[begun:], []
        for act in page:
            named = () if act.made is None else act.made.spec.media()
            if gone := [value for _, _, value in named if value in unknown]:
                self._leave(act.row, Why.FILE_UNKNOWN, gone[0])
            else:
                self.acts.append(act)

    def left(self) -> list[Left]:
        """The rows that take no part, the most frequent reason first."""
        found = [Left(why, rows, detail) for (why, detail), rows in self._left.items()]
        return sorted(found, key=lambda item: -len(item.rows))

    def _leave(self, row: RowView, why: Why, detail: str = "") -> None:
        self._left.setdefault((why, detail), []).append(row)

    def _act(
        self, row: RowView, standing: JobView, newest: JobView, verdict: Verdict, edit: Mapping[str, Any] | None
    ) -> Act:
        match self.verb:
            case Verb.APPROVE if makes_final(row, standing):
                return Act(row, standing, verdict, self._final(row, standing), VersionKind.FINAL)
            case Verb.APPROVE | Verb.REJECT:
                return Act(row, standing, verdict)
            case Verb.RETRY:
                return Act(row, newest, verdict, self._again(newest, newest, verdict, edit), VersionKind.RETRY)
            case Verb.REROLL:
                origin = self._draft_of(newest) if verdict.new_draft else newest
                return Act(row, newest, verdict, self._again(newest, origin, verdict, edit), VersionKind.REROLL)
            case Verb.SET:
                return Act(row, newest, verdict, self._set(newest))
            case _:
                return Act(row, newest, verdict)

    def _again(self, newest: JobView, origin: JobView, verdict: Verdict, edit: Mapping[str, Any] | None) -> Prepared:
        """The job of `origin` again, as the next version after `newest`."""
        if edit is not None:
            wanted: Mapping[str, Any] = edit
        else:
            wanted = fields_of(origin) | _changes(origin, verdict)
        own: dict[str, Any] = {"idempotency_key": f"{self.verb}:{newest.id}"}
        if self.verb is Verb.RETRY:
            own["metadata"] = dict(wanted.get("metadata") or {}) | {"retry_of": str(newest.id)}
        draft = None if edit is not None or verdict.new_draft else drafts.draft_of_final(self.conn, origin.id)
        return as_prepared(parse_job(dict(wanted) | own), self.settings, Row("", {}, draft=draft))

    def _draft_of(self, final: JobView) -> JobView:
        """The draft that a final was made of.

        Raises:
            LookupError: its job was deleted.
        """
        if final.draft_of is None:
            return final
        return queries.get_jobs(self.conn, self.tenant, [final.draft_of])[final.draft_of]

    def _final(self, row_of: RowView, proof: JobView) -> Prepared:
        """What is made of a proof, or of a draft that a row asked for itself."""

        def find(job_id: UUID, key: str | None) -> drafts.Draft | None:
            return drafts.find_draft(self.conn, self.tenant, job_id, key)

        given = dict(self._finals.get(row_of.id, {}))
        if proof.deadline_at is not None and proof.deadline_at > self.terms.now:
            given["deadline"] = proof.deadline_at
        is_look = not proof.request.get("draft")
        row = with_final_key(final_of(self.settings, find, proof, given, regenerate=is_look), proof)
        return as_prepared(parse_job(row.fields), self.settings, row)

    def _set(self, job: JobView) -> Prepared:
        wanted = fields_of(job) | dict(self.terms.fields)
        given = {name: value for name, value in wanted.items() if value is not None}  # None takes a field away
        spec = LocalFiles(None).replace(parse_job(given))
        draft = drafts.draft_of_final(self.conn, job.id) if job.draft_of is not None else None
        return as_prepared(spec, self.settings, Row("", {}, draft=draft))


def _changes(origin: JobView, verdict: Verdict) -> dict[str, Any]:
    """Fields in which a new version differs. Without a seed in the request, each attempt has a seed of its own."""
    changes: dict[str, Any] = {}
    seed = origin.request.get("seed")
    if verdict.new_seed and isinstance(seed, int) and seed >= 0:
        changes["seed"] = (seed + 1 + secrets.randbelow(_SEEDS - 1)) % _SEEDS
    if verdict.no_sound:
        changes["audio"] = False
    return changes
