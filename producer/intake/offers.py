"""Where requests can be served, and for how much, found once for those that have it in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import orjson

from producer.intake.estimates import estimate_of, prices_of
from producer.intake.job_spec import JobSpec
from producer.intake.media_check import MediaFacts
from producer.intake.routing import able, fits
from seedance.pricing import today
from seedance.request import RANDOM_SEED
from storage.settings import Settings

MAX_OFFERS = 1_000
"""How many different ones are kept between calls, at most; gateway options can say anything."""
MAX_TENANTS = 100
_PRICELESS = frozenset({"prompt", "seed"})
"""Fields of a request that no price depends on, nor where it is served if it has no files; see `Offers`."""


@dataclass(frozen=True, slots=True)
class Offer:
    """Where a request can be served, and for how much: see `intake.Prepared`."""

    gateways: Sequence[str]
    estimate: Mapping[str, Any] | None
    prices: Mapping[str, Mapping[str, float]]


class Offers:
    """Offers that rows have in common: a hundred thousand rows have few different ones. Of one settings object.

    Text alone is served alike whatever it says and whatever its seed, so it is checked once for each set of the other
    fields. A prompt that is long enough for a gateway to refuse it is checked each time, and so are files.
    """

    def __init__(self) -> None:
        self._known: dict[bytes, Offer] = {}
        self._sure_chars: int | None = None

    @property
    def full(self) -> bool:
        """Whether no more should be kept."""
        return len(self._known) >= MAX_OFFERS

    def of(
        self, spec: JobSpec, settings: Settings, request: Mapping[str, Any], facts: Mapping[str, MediaFacts]
    ) -> Offer:
        """The offer for a request.

        Raises:
            InvalidInput: no configured account can serve it.
        """
        if self._sure_chars is None:
            self._sure_chars = min((account.dialect.sure_prompt_chars for account in settings.accounts), default=0)
        alone = spec.draft_of is None and next(spec.media(), None) is None
        if not alone or len(spec.prompt) > self._sure_chars:
            return _offer(spec, settings, facts)
        kind = {name: value for name, value in request.items() if name not in _PRICELESS}
        seed = None if spec.seed is None else spec.seed == RANDOM_SEED
        key = orjson.dumps([kind, spec.account, seed], option=orjson.OPT_SORT_KEYS)
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = _offer(spec, settings, facts)
        return found


def _offer(spec: JobSpec, settings: Settings, facts: Mapping[str, MediaFacts]) -> Offer:
    accounts = able(fits(spec, settings, spec.account, facts))
    estimates = {account.name: estimate_of(account, spec, facts) for account in accounts}
    gateways = tuple(dict.fromkeys(account.gateway for account in accounts))
    return Offer(gateways, estimates[accounts[0].name], prices_of(estimates))


class KeptOffers:
    """The offers of one day, kept between calls for each tenant while its settings stay the same. Threads may share it:
    at worst one finds again what another has found."""

    def __init__(self) -> None:
        self._of: dict[str, tuple[Settings, date, Offers]] = {}

    def of(self, tenant: str, settings: Settings) -> Offers:
        """The offers by these settings, which are those of a tenant, at the prices of today."""
        kept, day = self._of.get(tenant), today()
        if kept is None or kept[0] is not settings or kept[1] != day or kept[2].full:
            if len(self._of) >= MAX_TENANTS:
                self._of.clear()
            kept = self._of[tenant] = (settings, day, Offers())
        return kept[2]
