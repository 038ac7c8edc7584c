"""Requeue a job whose files this account cannot send to its gateway, for an account that can.

The row keeps the accounts that cannot serve the job, so that it is not granted to them again.
"""

from __future__ import annotations

from seedance.account import Account
from seedance.delivery import delivery_of
from seedance.media import MediaKind, media_kind
from seedance.problems import InvalidInput
from seedance.request import GenerationRequest, parse_request
from storage.jobs.reasons import Reason
from storage.jobs.records import Work
from storage.jobs.states import JobState
from storage.settings import Settings
from worker.decisions import NO_ACCOUNT, Decision


def elsewhere(settings: Settings, work: Work, why: str) -> Decision | None:
    """Requeue the job for another account; None: no other account can serve it. `why`: what this account cannot do."""
    try:
        request = parse_request(work.request)
    except InvalidInput:  # no account can
        return None
    others = [account for account in settings.for_tenant(work.tenant).accounts if _may_have(account, work)]
    able = {account.name for account in others if _can_serve(settings, account, request)}
    if not able:
        return None
    barred = {*work.barred_accounts, work.account, *(account.name for account in others if account.name not in able)}
    patch = {**NO_ACCOUNT, "barred_accounts": sorted(barred)}
    return Decision(JobState.QUEUED, Reason.NOT_DELIVERABLE, 0.0, patch, {"message": why, "account": work.account})


def _may_have(account: Account, work: Work) -> bool:
    tried = account.name == work.account or account.name in work.barred_accounts
    return not tried and account.gateway in work.gateways and work.account_pin in (None, account.name)


def _can_serve(settings: Settings, account: Account, request: GenerationRequest) -> bool:
    """Whether the account can serve the request according to the configuration."""
    row = account.dialect.row_of(request)
    if row is None or account.dialect.refusals(request):
        return False
    reachable = settings.bucket_reachable_by(account)
    return all(
        delivery_of(account, row, modality, reachable=reachable) is not None
        for _, modality, value in request.media()
        if media_kind(value) is MediaKind.UPLOAD
    )
