"""Every dialect, by the name the configuration uses."""

from __future__ import annotations

from collections.abc import Mapping

from seedance.gateways.anyfast import AnyFast
from seedance.gateways.base import Dialect

DIALECTS: Mapping[str, Dialect] = {dialect.name: dialect for dialect in (AnyFast(),)}
GATEWAY_NAMES = frozenset(DIALECTS)
