"""The rows of a run from elsewhere: as the campaign shows them behind the API."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from uuid import UUID

from reelq_client import Reelq
from reelq_client.models.campaign_rows import CampaignRow

from producer.cli.campaigns.pace_text import hold_text, pace_in
from producer.cli.campaigns.waiting import SHOWN_FAILURES
from producer.cli.doors.there.jobs import as_view
from producer.cli.doors.there.translated import translated
from producer.operator_actions.standstill import Standstill, review_standstill
from storage.jobs.records import JobView
from storage.jobs.states import TERMINAL, JobState


class RunRowsThere:
    """`RunRows` of a client. It counts rows, whichever job stands for them."""

    def __init__(self, reelq: Reelq, name: str) -> None:
        self._reelq, self._name = reelq, name

    def unfinished(self, ids: Sequence[UUID], /) -> int:
        """As `Watched`."""
        counts = self.counts(ids)
        waiting = sum(number for state, number in counts.items() if state not in TERMINAL)
        if not counts.get(JobState.UNCONFIRMED):
            return waiting
        with translated(self._name):
            rows = self._reelq.campaigns.rows(self._name, state=["unconfirmed"])
            of_run = set(ids)
            return waiting - sum(row.job.held for row in rows if row.id in of_run)

    def counts(self, ids: Sequence[UUID], /) -> Mapping[JobState, int]:
        """As `Watched`: by the campaign's own counts, if these are all of its rows."""
        with translated(self._name):
            campaign = self._reelq.campaigns.get(self._name)
            if campaign.total == len(set(ids)):
                return {JobState(state): number for state, number in campaign.counts.items()}
            of_run = set(ids)
            return Counter(JobState(row.state) for row in self._rows() if row.id in of_run)

    def standing(self, ids: Sequence[UUID], /) -> Sequence[UUID]:
        """As `RunRows`."""
        with translated(self._name):
            jobs = {row.id: row.job.id for row in self._rows()}
        return [jobs.get(row_id, row_id) for row_id in ids]

    def follow(self, ids: Sequence[UUID], /) -> Sequence[UUID]:
        """As `RunRows`."""
        return ids

    def standstill(self) -> Sequence[Standstill]:
        """As `RunRows`."""
        with translated(self._name):
            found = self._reelq.campaigns.status(self._name).standstill
        return [Standstill(why.code, why.jobs, why.advice) for why in found]

    def held(self) -> str | None:
        """As `RunRows`."""
        with translated(self._name):
            pace = self._reelq.campaigns.get(self._name).pace
        return hold_text(pace_in(pace.model_dump()))

    def awaiting_review(self, ids: Sequence[UUID], /) -> Sequence[Standstill]:
        """As `RunRows`; of proofs of other runs of the campaign, too."""
        with translated(self._name):
            proofs = self._reelq.campaigns.status(self._name).proofs
        waiting = 0 if proofs is None else min(proofs.awaiting_review, len(set(ids)))
        return review_standstill(self._name, waiting)

    def unsuccessful(self, ids: Sequence[UUID], /) -> Sequence[JobView]:
        """As `RunRows`."""
        found: list[JobView] = []
        of_run = set(ids)
        with translated(self._name):
            for row in self._reelq.campaigns.rows(self._name, state=["failed", "cancelled", "unconfirmed"]):
                if row.job.id in of_run:
                    found.append(as_view(row.job))
                if len(found) == SHOWN_FAILURES:
                    break
        return found

    def _rows(self) -> Iterator[CampaignRow]:
        return self._reelq.campaigns.rows(self._name)
