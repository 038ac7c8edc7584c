"""What is in the images, by installing exactly that: software bill of materials, licences, known vulnerabilities."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tools.release.packages import run
from tools.release.versions import ROOT, version

LOCKS = {"reelq": ("requirements.lock",), "reelq-media": ("requirements.lock", "media.lock")}
"""By image: the locks that it installs, of deploy/docker."""


def install(image: str, folder: Path, wheels: Path) -> Path:
    """The packages of an image, in an environment without an installer; returns its Python."""
    run(sys.executable, "-m", "venv", "--clear", "--without-pip", folder)
    python = folder / "bin" / "python"
    pip = (sys.executable, "-m", "pip", "--python", python, "install", "-q", "--disable-pip-version-check")
    for lock in LOCKS[image]:
        run(*pip, "--require-hashes", "-r", ROOT / "deploy" / "docker" / lock)
    # By name, not by path: a path of this machine would get into the bill of materials.
    ours = [f"{name}=={version()}" for name in ("reelq", "reelq-client")]
    run(*pip, "--no-deps", "--no-index", "--find-links", wheels, *ours)
    return python


def write_bill(tools: Path, python: Path, target: Path) -> None:
    """The bill of materials, CycloneDX 1.6 as JSON, with licences and who needs whom."""
    run(
        *(tools / "cyclonedx-py", "environment", "--output-reproducible", "--spec-version", "1.6", "--of", "JSON"),
        *("--pyproject", ROOT / "pyproject.toml", "--output-file", target, python),
    )


def write_licences(tools: Path, python: Path, target: Path) -> None:
    """Each package with its version, licence and address, as a table."""
    run(tools / "pip-licenses", f"--python={python}", "--format=markdown", "--with-urls", f"--output-file={target}")


def audit(tools: Path, target: Path) -> list[str]:
    """Write what is known about vulnerabilities of the packages; returns what people must read, empty if all is well.

    `pip-audit` also ends well if its source of advisories knew none of the packages, so that is looked at here.
    """
    locks = [word for lock in LOCKS["reelq-media"] for word in ("-r", ROOT / "deploy" / "docker" / lock)]
    command = [
        tools / "pip-audit",
        *locks,
        "--require-hashes",
        "--disable-pip",
        "--progress-spinner",
        "off",
        "-f",
        "json",
    ]
    try:
        done = subprocess.run(
            [str(word) for word in command], cwd=ROOT, capture_output=True, text=True, timeout=600, check=False
        )
    except subprocess.TimeoutExpired:
        return ["not audited: pip-audit did not end within 600 s"]
    try:
        found = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        last = (done.stderr.strip().splitlines() or ["no output"])[-1]
        return [f"not audited: pip-audit: {last}"]
    target.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    return list(findings(found))


def findings(dependencies: list[dict[str, Any]]) -> list[str]:
    """A line for each vulnerability, and one if packages were not looked up."""
    lines = []
    for one in dependencies:
        for vulnerability in one.get("vulns") or ():
            fixed = ", ".join(vulnerability["fix_versions"]) or "no version"
            lines.append(f"{one['name']} {one['version']}: {vulnerability['id']}, fixed in {fixed}")
    skipped = [one for one in dependencies if "skip_reason" in one]
    if skipped:
        lines.append(f"not audited: {len(skipped)} of {len(dependencies)} packages; {skipped[0]['skip_reason']}")
    return lines
