"""Where the chart, its sample values and what they render to are."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

HELM = Path(__file__).parents[2] / "deploy" / "helm"
CHART = HELM / "reelq"
SAMPLES = HELM / "values"
RENDERED = HELM / "rendered"
HEADER = "# Made by `make chart` from deploy/helm/values/{name}; do not edit. Of the inputs: sha256:{digest}\n"


def samples() -> list[Path]:
    """The sample values."""
    return sorted(SAMPLES.glob("*.yaml"))


def digest(sample: Path) -> str:
    """Names the content of the chart and of a sample: what is rendered from others has another one."""
    whole = hashlib.sha256()
    for path in (*_files(), sample):
        whole.update(f"{path.relative_to(HELM).as_posix()}\n".encode())
        whole.update(path.read_bytes())
    return whole.hexdigest()


def _files() -> Iterator[Path]:
    yield from sorted(path for path in CHART.rglob("*") if path.is_file())


def header(sample: Path) -> str:
    """The first line of what is rendered from a sample."""
    return HEADER.format(name=sample.name, digest=digest(sample))
