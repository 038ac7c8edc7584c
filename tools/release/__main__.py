"""`python -m tools.release`: build a release of this checkout into dist/VERSION, or say why it is none."""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from tools.release import checksums, inventory, packages, versions

TOOLS = versions.ROOT / ".venv-release" / "bin"
DIST = versions.ROOT / "dist"


def main() -> int:
    """0: the release is built; 1: something failed; 2: this checkout is no release."""
    parser = argparse.ArgumentParser(prog="python -m tools.release")
    parser.add_argument("--check", action="store_true", help="only say whether this checkout is a release")
    parser.add_argument("--rehearsal", action="store_true", help="build it although it is no release")
    parser.add_argument("--sign", metavar="METHOD:KEY", help="ssh:FILE, minisign:FILE or gpg:NAME")
    given = parser.parse_args()
    problems = list(versions.problems(allow_dirty=given.rehearsal))
    for problem in problems:
        print(f"not a release: {problem}", file=sys.stderr)
    if given.check or (problems and not given.rehearsal):
        return 2 if problems else 0
    try:
        return _build(given.sign)
    except packages.BuildFailed as exc:
        print(exc, file=sys.stderr)
        return 1


def _build(signed_with: str | None) -> int:
    version, time = versions.version(), versions.commit_time()
    target = DIST / version
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    packages.build_wheels(target, time)
    packages.build_npm(target)
    packages.build_chart(target, version, time)
    with tempfile.TemporaryDirectory() as folder:
        for image in inventory.LOCKS:
            python = inventory.install(image, Path(folder) / image, target)
            inventory.write_bill(TOOLS, python, target / f"{image}-{version}.cdx.json")
        inventory.write_licences(TOOLS, python, target / f"licences-{version}.md")
    for finding in inventory.audit(TOOLS, target / f"audit-{version}.json"):
        print(f"look at this: {finding}")
    sums = checksums.write_sums(target)
    if signed_with is not None:
        method, _, key = signed_with.partition(":")
        print(f"signed: {checksums.sign(sums, method, key).name}")
    else:
        print("not signed: give --sign METHOD:KEY (docs/releasing.md)")
    for path in sorted(target.iterdir()):
        print(f"{path.stat().st_size:>12,}  {path.relative_to(versions.ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
