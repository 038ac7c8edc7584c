"""The cost estimate that is stored with a job."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from producer.intake.media_check import MediaFacts
from seedance import pricing
from seedance.account import Account
from seedance.request import GenerationRequest


def estimate_of(account: Account, request: GenerationRequest, facts: Mapping[str, MediaFacts]) -> dict[str, Any] | None:
    """What a request will cost at an account; None if no price is known.

    `facts`: facts about local files, by reference.
    """
    found = pricing.estimate(request, account.dialect, account.rates, _input_video_s(request, facts))
    if found is None:
        return None
    return {"account": account.name, "model": account.dialect.model_for(request)} | found.as_dict()


def example_of(account: Account) -> dict[str, Any] | None:
    """The estimate of a video of five seconds and 16:9 at the account's first tier, or of its defaults if it cannot
    make that; None if no price is known."""
    for fields in ({"duration": 5, "ratio": "16:9"}, {}):
        request = GenerationRequest.model_validate({"prompt": "a", "tier": account.tiers[0], **fields})
        if not account.dialect.refusals(request):
            return estimate_of(account, request, {})
    return None


def prices_of(estimates: Mapping[str, Mapping[str, Any] | None]) -> dict[str, dict[str, float]]:
    """The most that a request will cost, by account and currency, from the estimate of each account. An account without
    a known price gets an empty mapping."""
    return {account: {} if found is None else _highest(found) for account, found in estimates.items()}


def _highest(estimate: Mapping[str, Any]) -> dict[str, float]:
    other = {currency: float(of["high"]) for currency, of in estimate["also"].items()}
    return {str(estimate["currency"]): float(estimate["high"])} | other


def _input_video_s(request: GenerationRequest, facts: Mapping[str, MediaFacts]) -> float | None:
    """The total length of the reference videos; None if one of them is not a local file, and cannot be measured."""
    lengths = [facts[video].seconds if video in facts else None for video in request.reference_videos]
    known = [length for length in lengths if length is not None]
    return sum(known) if len(known) == len(lengths) else None
