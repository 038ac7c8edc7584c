"""All dialects, keyed by the first segment of their path."""

from __future__ import annotations

from simulator.dialects.anyfast import AnyFast
from simulator.dialects.ark import Ark
from simulator.dialects.base import Dialect
from simulator.dialects.evolink import EvoLink
from simulator.dialects.fal import Fal
from simulator.dialects.kie import Kie
from simulator.dialects.new_api.own import NewApi
from simulator.dialects.openrouter import OpenRouter
from simulator.dialects.twelveai import TwelveAi
from simulator.dialects.uniall import UniAll

_ALL: tuple[Dialect, ...] = (
    AnyFast(),
    UniAll(),
    TwelveAi(),
    EvoLink(),
    Ark(),
    OpenRouter(),
    Fal(),
    Kie(),
    NewApi(),
)


def all_dialects() -> dict[str, Dialect]:
    return {dialect.name: dialect for dialect in _ALL}
