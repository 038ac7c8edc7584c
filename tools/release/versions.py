"""The version of a release, and what must agree with it. `pyproject.toml` has it; everything else repeats it.

At run time `reelq --version`, the API and the heartbeats read it from the installed package.
"""

from __future__ import annotations

import json
import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

from tools.configuration import page

ROOT = Path(__file__).parents[2]
PYPROJECTS = ("pyproject.toml", "client/pyproject.toml", "simulator/pyproject.toml")
CHART = "deploy/helm/reelq/Chart.yaml"
DOCKERFILE = "deploy/docker/Dockerfile"
NPM = "client-ts/package.json"


def version() -> str:
    """The project's version."""
    return _of_pyproject("pyproject.toml")


def written() -> dict[str, str]:
    """Every place that says the version, and what it says; "" where it is missing."""
    found = {name: _of_pyproject(name) for name in PYPROJECTS}
    found[NPM] = json.loads(_read(NPM))["version"]
    lock = json.loads(_read("client-ts/package-lock.json"))
    found["client-ts/package-lock.json"] = lock["packages"][""]["version"]
    found[f"{CHART}: version"] = _find(CHART, r"^version: (\S+)$")
    found[f"{CHART}: appVersion"] = _find(CHART, r'^appVersion: "(\S+)"$')
    found[f"{DOCKERFILE}: label"] = _find(DOCKERFILE, r'org\.opencontainers\.image\.version="([^"]+)"')
    return found


def problems(*, allow_dirty: bool = False) -> Iterator[str]:
    """Why this checkout is no release."""
    expected = version()
    for place, said in written().items():
        if said != expected:
            yield f"{place} says {said or 'no version'}, pyproject.toml {expected}; make them equal"
    headings = re.split(r"^## \[(.+?)\].*$", _read("CHANGELOG.md"), flags=re.MULTILINE)
    if headings[1] != "Unreleased" or headings[2].strip():
        yield "CHANGELOG.md: Unreleased is not empty; give it the version and the date, and start an empty one"
    if len(headings) < 4 or headings[3] != expected:
        yield f"CHANGELOG.md: the newest release is not {expected}; give Unreleased this version and the date"
    if missing := page.unlisted():
        yield (
            f"tools/configuration/since.toml does not say which release brought {', '.join(missing)}; "
            f"run `python -m tools.configuration --release {expected}`"
        )
    if not allow_dirty and (changed := _git("status", "--porcelain")):
        yield f"the checkout has changes that are not committed ({len(changed.splitlines())} files); commit them"


def commit_time() -> str:
    """The time of the commit, in seconds since 1970: what is built from it gets no other."""
    return _git("log", "-1", "--format=%ct")


def _of_pyproject(name: str) -> str:
    return str(tomllib.loads(_read(name))["project"]["version"])


def _find(name: str, pattern: str) -> str:
    found = re.search(pattern, _read(name), re.MULTILINE)
    return found[1] if found else ""


def _read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    return done.stdout.strip()
