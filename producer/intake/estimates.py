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


def prices_of(estimates: Mapping[str, Mapping[str, Any] | None]) -> dict[str, dict[str, float]]:
    """The most that a request will cost, by account and currency, from the estimate of each account. An account without
    a known price gets an empty mapping."""
    return {
        account: {} if found is None else {str(found["currency"]): float(found["high"])}
        for account, found in estimates.items()
    }


def _input_video_s(request: GenerationRequest, facts: Mapping[str, MediaFacts]) -> float | None:
    """The total length of the reference videos; None if one of them is not a local file, and cannot be measured."""
    lengths = [facts[video].seconds if video in facts else None for video in request.reference_videos]
    known = [length for length in lengths if length is not None]
    return sum(known) if len(known) == len(lengths) else None
