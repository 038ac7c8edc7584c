"""The rows of a run at the server: of its database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING
from uuid import UUID

from producer.cli.campaigns.pace_text import hold_text
from producer.cli.campaigns.waiting import SHOWN_FAILURES
from producer.client import Producer
from storage.admission.campaign_pace import pace_of
from storage.campaigns.summaries import campaign_summaries
from storage.jobs import queries
from storage.jobs.records import JobView
from storage.jobs.states import JobState

if TYPE_CHECKING:
    from producer.operator_actions.standstill import Standstill


class RunRowsHere:
    """`RunRows` of a producer."""

    def __init__(self, producer: Producer, name: str) -> None:
        self._producer, self._name = producer, name

    def unfinished(self, ids: Sequence[UUID], /) -> int:
        """As `Watched`."""
        return self._producer.unfinished(ids)

    def counts(self, ids: Sequence[UUID], /) -> Mapping[JobState, int]:
        """As `Watched`."""
        return self._producer.counts(ids)

    def standing(self, ids: Sequence[UUID], /) -> Sequence[UUID]:
        """As `RunRows`."""
        return self._producer.standing(ids)

    follow = standing

    def standstill(self) -> Sequence[Standstill]:
        """As `RunRows`."""
        # Imported here, as below: a run that does not wait asks for neither.
        from producer.operator_actions.standstill import standstill_of

        with self._producer.database.begin() as conn:
            return standstill_of(conn, self._producer.settings, self._producer.tenant, self._name)

    def held(self) -> str | None:
        """As `RunRows`."""
        with self._producer.database.begin() as conn:
            found = campaign_summaries(conn, self._producer.tenant, name=self._name, limit=1)
            return hold_text(pace_of(conn, found[0]["id"])) if found else None

    def awaiting_review(self, ids: Sequence[UUID], /) -> Sequence[Standstill]:
        """As `RunRows`."""
        from producer.operator_actions.standstill import review_of

        with self._producer.database.begin() as conn:
            return review_of(conn, self._producer.tenant, self._name, ids)

    def unsuccessful(self, ids: Sequence[UUID], /) -> Sequence[JobView]:
        """As `RunRows`."""
        with self._producer.database.begin() as conn:
            return queries.unsuccessful_of(conn, self._producer.tenant, ids, SHOWN_FAILURES)
