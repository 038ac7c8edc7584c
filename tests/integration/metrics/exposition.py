"""Read `/metrics` of an API as Prometheus does, and what docs/metrics.md says of it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import httpx
from prometheus_client.parser import text_string_to_metric_families

from producer.api.app import create_app
from storage.settings import Settings

_ROOT = Path(__file__).parents[3]
_KEY = "the-operators-own-key"


@dataclass(frozen=True, slots=True)
class Scrape:
    """What an API shows. `names`: of all families, with `_total` for counters; `samples`: by name and labels."""

    names: set[str]
    samples: dict[tuple[str, tuple[tuple[str, str], ...]], float]

    def value(self, sample: str, **labels: str) -> float:
        """The value of one sample, 0 if it does not exist."""
        return self.samples.get((sample, tuple(sorted(labels.items()))), 0.0)

    def labels(self) -> Iterable[tuple[str, set[str]]]:
        """The labels of each sample, by the name of its family; without `le`."""
        for sample, labels in self.samples:
            family = next(name for name in self.names if sample in _samples_of(name))
            yield family, {name for name, _ in labels} - {"le"}


def _samples_of(name: str) -> set[str]:
    return {name, f"{name}_bucket", f"{name}_sum", f"{name}_count"}


def scrape(settings: Settings) -> Scrape:
    """A new API's answer."""

    async def get() -> str:
        app = create_app(Settings.model_validate(settings.model_dump() | {"api_key": _KEY}))
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            answer = await client.get("/metrics", headers={"X-API-Key": _KEY})
        assert answer.status_code == 200, answer.text
        return answer.text

    families = list(text_string_to_metric_families(asyncio.run(get())))
    return Scrape(
        {f"{family.name}_total" if family.type == "counter" else family.name for family in families},
        {(s.name, tuple(sorted(s.labels.items()))): s.value for family in families for s in family.samples},
    )


def documented() -> dict[str, set[str]]:
    """The metrics of docs/metrics.md, with their labels."""
    rows = re.findall(r"^\| `(reelq_\w+)` \|([^|]*)\|", (_ROOT / "docs" / "metrics.md").read_text("utf-8"), re.M)
    return {name: set(re.findall(r"`(\w+)`", labels)) for name, labels in rows}
