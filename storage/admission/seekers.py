"""One claim of one account: which jobs it wants, and the slots that its models have left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache

from seedance.account import Account
from seedance.gateways.base import Dialect
from seedance.lanes import model_of
from storage.admission.grants import Grant
from storage.configuration.account_book import Serves


class Which(StrEnum):
    """Which queued jobs to claim, by whether they were tried before and came back; see `TRIED_BEFORE`."""

    ANY = "any"
    FRESH = "fresh"
    TRIED = "tried"


@dataclass(frozen=True, slots=True)
class Spot:
    """A lane and a route of a share: `route` is the hash of the last three, which all jobs there have in common. But
    without barred accounts only the first due job is known to have been `tried` before, or not."""

    lane: str
    route: int
    gateways: Sequence[str]
    barred: Sequence[str]
    tried: bool


@lru_cache(maxsize=512)
def _closed(dialect: Dialect, lanes: tuple[str, ...], used_up: frozenset[str], only: str | None) -> frozenset[str]:
    """The lanes of which the dialect has no such tier, or whose model is used up or not the `only` one."""
    models = ((lane, model_of(dialect, lane)) for lane in lanes)
    return frozenset(
        lane for lane, model in models if model is None or model in used_up or (only is not None and model != only)
    )


class Lanes:
    """The lanes that may be claimed from, as the slots of their models are used up."""

    def __init__(self, grant: Grant) -> None:
        self.account: Account = grant.account
        self.most = dict(grant.most)
        """By model: how many more may be leased, if that is limited."""
        self._every = tuple(grant.lanes)
        self._known: dict[str | None, frozenset[str]] = {}

    def closed(self, only: str | None = None) -> frozenset[str]:
        """Lanes whose jobs the account cannot get now; `only`: all but those of this model. The same object as long as
        they are the same."""
        if only not in self._known:
            used_up = frozenset(model for model, most in self.most.items() if most <= 0)
            self._known[only] = _closed(self.account.dialect, self._every, used_up, only)
        return self._known[only]

    def model_of(self, lane: str) -> str:
        """The model of a lane; an unknown lane, written by an older release, counts as its own model."""
        return model_of(self.account.dialect, lane) or f"lane {lane}"

    def has_slot(self, model: str) -> bool:
        """Whether one more job of this model may be leased."""
        return self.most.get(model, 1) > 0

    def take(self, model: str) -> None:
        """Take one slot of a model."""
        if model in self.most:
            self.most[model] -= 1
            if self.most[model] == 0:
                self._known.clear()

    def give_back(self, model: str) -> None:
        """Give a slot back that was taken."""
        if model in self.most:
            self.most[model] += 1
            if self.most[model] == 1:
                self._known.clear()


@dataclass(slots=True, eq=False)
class Seeker:
    """A claim and its account. `model`: it wants only jobs for this model."""

    lanes: Lanes
    serves: Serves
    which: Which
    model: str | None
    began: bool = False
    """Whether it has leased something."""
    account: str = field(init=False)
    """The name of the account."""
    gateway: str = field(init=False)
    """The gateway of the account."""
    _closed: frozenset[str] = frozenset()
    _wanted: dict[tuple[str, str, int, bool], bool] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.account, self.gateway = self.lanes.account.name, self.lanes.account.gateway

    def closed(self) -> frozenset[str]:
        """Lanes that it may not lease from now."""
        return self.lanes.closed(self.model)

    def wants(self, pin: str, spot: Spot) -> bool:
        """Whether it would lease jobs there, if it serves their tenant."""
        closed = self.closed()
        if closed is not self._closed:
            self._closed = closed
            self._wanted.clear()
        place = (pin, spot.lane, spot.route, spot.tried)
        if place not in self._wanted:
            self._wanted[place] = (
                pin in ("", self.account)
                and spot.lane not in closed
                and self.gateway in spot.gateways
                and self.account not in spot.barred
                and (self.which is Which.ANY or not spot.barred or spot.tried is (self.which is Which.TRIED))
            )
        return self._wanted[place]
