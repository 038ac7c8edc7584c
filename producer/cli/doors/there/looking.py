"""Models, explanations and tenants from elsewhere: of the API."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from reelq_client import Reelq
from reelq_client.models.access import Tenant
from reelq_client.models.explanations import ExplainedJob

from producer.campaigns.files import SUFFIXES, opened
from producer.campaigns.reading.options import ReadingOptions
from producer.cli.campaigns.through_api import of_file
from producer.cli.doors.there.translated import translated
from producer.cli.shared.output import say
from producer.explanation import AccountAnswer, Explanation, job_of
from seedance.problems import InvalidInput, Problem


class LookingThere:
    """A door on a client."""

    def __init__(self, reelq: Reelq) -> None:
        self._reelq = reelq

    def models(self, account: str | None) -> Sequence[Mapping[str, Any]]:
        """As `LookingDoor`."""
        with translated():
            found = self._reelq.capabilities.models(account=account)
        return [item.model_dump(include={"account", "gateway", "tiers", "row"}) for item in found]

    def explain(
        self,
        texts: Sequence[str],
        account: str | None,
        options: ReadingOptions,
        mapped: Sequence[str],
        note: Callable[[str], None],
    ) -> Iterator[Explanation]:
        """As `LookingDoor`."""
        how: dict[str, Any] = {"sheet": options.sheet, "encoding": options.encoding, "delimiter": options.delimiter}
        for text in texts:
            if text.lower().endswith(SUFFIXES):
                path = Path(text)
                with opened(path):  # what is wrong with the file itself is said as at the server
                    pass
                with translated():
                    found = self._reelq.jobs.explain(path, account=account, map=mapped, **how)
                yield from (_explanation(job, of_file(job.where, path)) for job in found.jobs)
                for said in found.notes:
                    note(of_file(said, path))
                continue
            try:
                fields = job_of(text)
            except InvalidInput as exc:
                yield Explanation("", {}, exc.problems)
                continue
            with translated():
                found = self._reelq.jobs.explain([fields], account=account)
            yield from (_explanation(job, "") for job in found.jobs)

    def tenants(self) -> Sequence[Mapping[str, Any]]:
        """As `LookingDoor`; only that of the key."""
        with translated():
            found = self._reelq.tenant.get()
        say(f"only {found.name}, the tenant of this key, is shown; the server itself lists all tenants")
        return [found.model_dump(include=set(Tenant.model_fields) - {"scopes"})]


def _explanation(job: ExplainedJob, where: str) -> Explanation:
    answers = []
    for item in job.accounts:
        document = item.model_dump(include=set(type(item).model_fields) - {"can_serve"})
        document |= {name: _problems(document[name]) for name in ("errors", "warnings")}
        answers.append(AccountAnswer(**document))
    problems_of_job = _problems([problem.model_dump() for problem in job.problems])
    return Explanation(where, job.job, problems_of_job, answers)


def _problems(found: Sequence[Mapping[str, Any]]) -> list[Problem]:
    return [Problem(item["field"], item["message"]) for item in found]
