"""`python -m tools.chart`: lint the chart, render each sample of values, check the result by Kubernetes' schemas.

It runs in an environment of its own (`make chart`), which has Helm's code as a library and the schemas; the other tests
read what it wrote. With `--check` it writes nothing and fails if something would change.
"""

from __future__ import annotations

import argparse
import difflib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import helm_python
import kubernetes_validate
import yaml

from tools.chart import refusals
from tools.chart.files import CHART, RENDERED, header, samples

VERSIONS = ("1.29", "1.33", "1.37")
"""The oldest Kubernetes that Chart.yaml allows, one between, and the newest that the schemas know."""
CUSTOM = {
    ("keda.sh/v1alpha1", "ScaledObject"),
    ("monitoring.coreos.com/v1", "PrometheusRule"),
    ("monitoring.coreos.com/v1", "ServiceMonitor"),
}
"""What operators bring; Kubernetes' own schemas do not have it."""
_WARNING = 2


def main() -> int:
    """0: all well; 1: a problem, which is printed."""
    parser = argparse.ArgumentParser(prog="python -m tools.chart")
    parser.add_argument(
        "--check", action="store_true", help="write nothing; fail if the rendered files are out of date"
    )
    check = parser.parse_args().check
    problems = refusals.accepted()
    for sample in samples():
        values = yaml.safe_load(sample.read_text(encoding="utf-8"))
        problems += [f"{sample.name}: lint: {problem}" for problem in _lint(values)]
        rendered = _render(values)
        problems += [f"{sample.name}: {problem}" for problem in _invalid(rendered)]
        text = header(sample) + rendered
        target = RENDERED / sample.name
        if check:
            problems += _changed(target, text)
        else:
            RENDERED.mkdir(exist_ok=True)
            target.write_text(text, encoding="utf-8")
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


def _lint(values: dict[str, Any]) -> Iterator[str]:
    for version in VERSIONS:
        report = helm_python.lint(CHART, values, strict=True, namespace="video", kube_version=f"v{version}.0")
        yield from report["errors"]
        for message in report["messages"]:
            if message["severity"] >= _WARNING:
                yield f"{message['path']}: {message['error']}"


def _render(values: dict[str, Any]) -> str:
    with helm_python.Chart.load(CHART) as chart:
        chart.validate_schema(values)
        files = chart.render(values, name="reelq", namespace="video")
    parts = []
    for name, text in sorted(files.items()):
        body = text.strip().removeprefix("---").strip()
        if name.endswith("NOTES.txt"):
            body = "\n".join(f"# {line}".rstrip() for line in body.splitlines())
        if body:
            parts.append(f"---\n# Source: {name}\n{body}\n")
    return "".join(parts)


def _invalid(rendered: str) -> Iterator[str]:
    for document in yaml.safe_load_all(rendered):
        if not document or (document["apiVersion"], document["kind"]) in CUSTOM:
            continue
        name = f"{document['kind']} {document['metadata']['name']}"
        for version in VERSIONS:
            try:
                kubernetes_validate.validate(document, version, strict=True)
            except kubernetes_validate.ValidationError as exc:
                yield f"{name}: Kubernetes {version}: {'.'.join(map(str, exc.path))}: {exc.message}"


def _changed(target: Path, text: str) -> list[str]:
    old = target.read_text(encoding="utf-8") if target.exists() else ""
    name = target.name
    return list(difflib.unified_diff(old.splitlines(), text.splitlines(), name, f"{name}, rendered", lineterm="", n=1))


if __name__ == "__main__":
    sys.exit(main())
