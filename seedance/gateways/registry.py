"""Every dialect, by its name in the configuration."""

from __future__ import annotations

from collections.abc import Mapping

from seedance.gateways.anyfast import AnyFast
from seedance.gateways.ark import Ark
from seedance.gateways.base import Dialect
from seedance.gateways.evolink import EvoLink
from seedance.gateways.fal.dialect import Fal
from seedance.gateways.kie.dialect import Kie
from seedance.gateways.new_api.own import NewApi
from seedance.gateways.openrouter.dialect import OpenRouter
from seedance.gateways.twelveai import TwelveAI
from seedance.gateways.uniall import UniAll

_ALL: tuple[Dialect, ...] = (
    AnyFast(),
    UniAll(),
    TwelveAI(),
    EvoLink(),
    Ark(),
    OpenRouter(),
    Fal(),
    Kie(),
    NewApi(),
)
DIALECTS: Mapping[str, Dialect] = {dialect.name: dialect for dialect in _ALL}
GATEWAY_NAMES = frozenset(DIALECTS)
Dialect.gateway_names = GATEWAY_NAMES
