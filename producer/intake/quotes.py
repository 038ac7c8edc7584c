"""What a job would cost at each configured account."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from producer.intake.estimates import estimate_of
from producer.intake.finals import without_draft
from producer.intake.job_spec import parse_job
from producer.intake.routing import able, fits
from producer.intake.uploads import LocalFiles
from storage.settings import Settings


def estimates(fields: Mapping[str, Any], settings: Settings) -> dict[str, Any]:
    """What a job would cost at each account, and which account is tried first.

    Raises:
        InvalidInput: it could not be enqueued.
    """
    spec = LocalFiles(None).replace(parse_job(without_draft(fields)))
    request = spec.request()
    found = fits(request, settings, spec.account)
    chosen = able(found)[0]
    answers = []
    for fit in found:
        serves = not fit.problems
        answers.append(
            {
                "account": fit.account.name,
                "gateway": fit.account.gateway,
                "can_serve": serves,
                "problems": [{"field": item.field, "message": item.message} for item in fit.problems],
                "estimate": estimate_of(fit.account, request, {}) if serves else None,
            }
        )
    return {"chosen": chosen.name, "estimate": estimate_of(chosen, request, {}), "accounts": answers}
