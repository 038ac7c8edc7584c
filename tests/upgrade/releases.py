"""Which older programs the upgrade is tried from, read from the repository's own history."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from storage.revisions import newest_revision

VERSIONS = "storage/migrations/versions"
CHANGELOG = "CHANGELOG.md"
_HEADING = r"^## \[(\d+\.\d+\.\d+)\]"


class NoHistory(Exception):
    """The history does not reach back to this program; the message says what is missing."""


@dataclass(frozen=True, slots=True)
class OldProgram:
    """A program of the past. `name`: for people; `revision`: of the schema that it is written for."""

    name: str
    commit: str
    revision: str


def previous_release(root: Path) -> OldProgram:
    """The newest release before this checkout: its tag; without a tag, the commit that gave CHANGELOG.md its heading.

    A checkout that is itself a release, by its tag, is compared with the release before it.

    Raises:
        NoHistory: there is neither.
    """
    here = git(root, "rev-parse", "HEAD")
    for version in re.findall(_HEADING, (root / CHANGELOG).read_text(encoding="utf-8"), re.MULTILINE):
        tag = git(root, "tag", "--list", f"v{version}")
        commit = (
            git(root, "rev-list", "-n", "1", tag)
            if tag
            else git(root, "log", "--format=%H", f"-S## [{version}]", "--", CHANGELOG).rpartition("\n")[2]
        )
        if commit and commit != here:
            return OldProgram(f"release {version}", commit, _revision_at(root, commit))
    raise NoHistory(f"no tag and no commit of a release in {CHANGELOG} is in this checkout's history")


def at_commit(root: Path, commit: str) -> OldProgram:
    """Any program of the past.

    Raises:
        NoHistory: the repository does not have the commit.
    """
    found = git(root, "rev-parse", "--verify", "--quiet", f"{commit}^{{commit}}")
    if not found:
        raise NoHistory(f"this repository has no commit {commit}")
    return OldProgram(f"commit {found[:9]}", found, _revision_at(root, found))


def oldest_that_fits(root: Path) -> OldProgram | None:
    """The oldest program that can work on the present schema by the migrations' `oldest_program`.

    None: only programs of the present schema can.
    """
    oldest, newest = oldest_program(), newest_revision()
    found = None
    for commit in git(root, "rev-list", "--first-parent", "HEAD", "--", VERSIONS).splitlines():
        revision = _revision_at(root, commit)
        if revision < oldest:
            break
        if revision < newest:
            found = OldProgram(f"commit {commit[:9]}", commit, revision)
    return found


def oldest_program() -> str:
    """The mark that `reelq db upgrade` of this checkout leaves in the database."""
    return max(
        str(getattr(module, "oldest_program", module.revision))
        for module in (import_module(f"storage.migrations.versions.{name}") for name in _migrations())
    )


def _migrations() -> Iterator[str]:
    from storage.revisions import MIGRATIONS

    return (path.stem for path in (MIGRATIONS / "versions").glob("[0-9]*_*.py"))


def _revision_at(root: Path, commit: str) -> str:
    names = git(root, "ls-tree", "--name-only", f"{commit}:{VERSIONS}").splitlines()
    return max((name.split("_", 1)[0] for name in names if re.match(r"\d{4}_", name)), default="")


def git(root: Path, *arguments: str) -> str:
    """What git prints; "" if it fails."""
    done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, timeout=60, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""
