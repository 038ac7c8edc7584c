"""Proofs: a cheap first video of each row, from which a person chooses what is made in full.

A proof is a draft where an account that can serve the row makes drafts, and can make of it what the row asks for. Else
it is a look: the same request in the lowest resolution that costs less. A row that is the cheapest already is made as
it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Final, get_args

from producer.intake.intake import MadeLater, Prepared, as_prepared
from producer.intake.job_spec import JobSpec
from producer.intake.media_check import MediaFacts
from producer.intake.offers import Offers
from seedance.account import Account
from seedance.drafts import SET_FOR_FINAL, final_refusals
from seedance.problems import InvalidInput
from seedance.request import DRAFT_RESOLUTION, Resolution
from storage.settings import Settings

_OPEN: Final[Mapping[str, Any]] = dict.fromkeys(SET_FOR_FINAL)
"""The fields that only the final has, left open."""


def as_proofs(jobs: Iterable[Prepared], settings: Settings, facts: Mapping[str, MediaFacts]) -> Iterator[Prepared]:
    """The jobs as proofs of themselves, with what is made of each later; drafts and finals that a row asks for itself
    stay as they are. `facts`: about their files, by reference."""
    shared = Offers()
    for job in jobs:
        yield _as_proof(job, settings, facts, shared)


def _as_proof(job: Prepared, settings: Settings, facts: Mapping[str, MediaFacts], shared: Offers) -> Prepared:
    spec = job.spec
    if spec.draft or spec.draft_of is not None:
        return job
    return _draft(job, settings, facts, shared) or _look(job, settings, facts, shared) or job


def _draft(job: Prepared, settings: Settings, facts: Mapping[str, MediaFacts], shared: Offers) -> Prepared | None:
    """The draft of a job; None: no account makes one of which that video could be made."""
    asked = job.spec
    wanted = asked.model_copy(update={**_OPEN, "resolution": DRAFT_RESOLUTION, "draft": True})
    try:
        draft = as_prepared(wanted, settings, job.row, facts, shared)
    except InvalidInput:
        return None
    accounts = [account for name in draft.prices if (account := settings.account(name)) is not None]
    fields = {name: value for name in SET_FOR_FINAL if (value := getattr(asked, name)) is not None}
    resolutions = {resolution for account in accounts for resolution in _final_resolutions(account, wanted, asked)}
    if len(resolutions) != 1:  # none, or not the same one wherever the draft may be made
        return None
    [resolution] = resolutions
    if resolution is None:
        return None
    try:
        full = as_prepared(asked.model_copy(update={"resolution": resolution}), settings, job.row, facts, shared)
    except InvalidInput:
        return None
    prices = full.prices
    if prices.keys() != draft.prices.keys():  # else the same object for all rows, of which there may be very many
        prices = {name: prices.get(name, {}) for name in draft.prices}
    return replace(
        draft, idempotency_key=job.idempotency_key, later=MadeLater(True, fields, full.estimate, prices, asked.priority)
    )


def _final_resolutions(account: Account, draft: JobSpec, asked: JobSpec) -> Iterator[Resolution | None]:
    """The resolution of the final at one account; None: it cannot make what is asked."""
    row = account.dialect.row_of(draft)
    if row is None or row.drafts is None:
        yield None
        return
    final = asked.model_copy(update={"resolution": asked.resolution or row.drafts.final_resolutions[0]})
    refused = any(final_refusals(account.gateway, row, final.request(), {}))
    yield None if refused else final.resolution


def _look(job: Prepared, settings: Settings, facts: Mapping[str, MediaFacts], shared: Offers) -> Prepared | None:
    """The look of a job; None: nothing costs less than the job itself."""
    asked = job.spec
    for resolution in get_args(Resolution):  # the lowest first
        if resolution == asked.resolution:
            return None
        try:
            look = as_prepared(asked.model_copy(update={"resolution": resolution}), settings, job.row, facts, shared)
        except InvalidInput:
            continue
        if not _is_cheaper(look, job):
            return None
        fields = {name: getattr(asked, name) for name in SET_FOR_FINAL}
        later = MadeLater(False, fields, job.estimate, job.prices, asked.priority)
        return replace(look, idempotency_key=job.idempotency_key, later=later)
    return None


def _is_cheaper(look: Prepared, full: Prepared) -> bool:
    """Whether a look costs less; without prices, whether it is surely smaller."""
    for account, prices in full.prices.items():
        for currency, price in prices.items():
            if currency in look.prices.get(account, {}):
                return look.prices[account][currency] < price
    return full.spec.resolution is not None
