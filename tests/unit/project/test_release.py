"""What a release needs: one version, a changelog that can be tagged, and files that the hosting platform accepts."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[3]
GITHUB = ROOT / ".github"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
CHANGELOG = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
KINDS = ("Before you upgrade", "Added", "Changed", "Deprecated", "Removed", "Fixed", "Security")
SCHEMAS = [
    ("vendor.github-workflows", "workflows/test.yml"),
    ("vendor.github-issue-forms", "ISSUE_TEMPLATE/bug.yml"),
    ("vendor.github-issue-forms", "ISSUE_TEMPLATE/feature.yml"),
    ("vendor.github-issue-forms", "ISSUE_TEMPLATE/gateway.yml"),
    ("vendor.github-issue-config", "ISSUE_TEMPLATE/config.yml"),
]


def loaded(name: str) -> dict[Any, Any]:
    found = yaml.safe_load((GITHUB / name).read_text(encoding="utf-8"))
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize(("schema", "name"), SCHEMAS, ids=[name for _, name in SCHEMAS])
def test_the_hosting_platform_accepts_its_files(schema: str, name: str) -> None:
    check = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, str(GITHUB / name)]
    done = subprocess.run(check, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_file_of_the_hosting_platform_is_checked() -> None:
    assert {path.relative_to(GITHUB).as_posix() for path in GITHUB.rglob("*.yml")} == {name for _, name in SCHEMAS}


def test_hosted_ci_runs_make_test_on_the_oldest_and_the_newest_python_and_nothing_else() -> None:
    [job] = loaded("workflows/test.yml")["jobs"].values()
    assert [step["run"] for step in job["steps"] if "run" in step] == ["make test"]
    supported = [line.rpartition(" ")[2] for line in PROJECT["classifiers"] if "Python :: 3." in line]
    assert job["strategy"]["matrix"]["python"] == [supported[0], supported[-1]]
    assert PROJECT["requires-python"] == f">={supported[0]}"


def test_the_changelog_can_be_tagged() -> None:
    """Unreleased on top, then versions from new to old, each with its date; the newest is the project's version."""
    headings = re.findall(r"^## (.+)$", CHANGELOG, re.MULTILINE)
    assert headings[0] == "[Unreleased]"
    found = [re.fullmatch(r"\[(\d+)\.(\d+)\.(\d+)\] - (\d{4}-\d\d-\d\d)", heading) for heading in headings[1:]]
    assert found
    assert all(found), headings
    releases = [(tuple(map(int, match.groups()[:3])), date.fromisoformat(match[4])) for match in found if match]
    assert releases == sorted(releases, reverse=True)
    assert ".".join(map(str, releases[0][0])) == PROJECT["version"]


def test_every_line_of_the_changelog_stands_under_what_kind_of_change_it_is() -> None:
    _, *releases = re.split(r"^## .+$", CHANGELOG, flags=re.MULTILINE)
    for release in releases:
        before, *parts = re.split(r"^### (.+)$", release, flags=re.MULTILINE)
        assert not before.strip()
        kinds, texts = parts[::2], parts[1::2]
        assert kinds == sorted(kinds, key=KINDS.index), "in the usual order"
        assert all(text.strip().startswith("- ") for text in texts)


def test_the_version_is_written_in_one_place() -> None:
    for package in ("seedance", "storage", "producer", "worker"):
        for path in (ROOT / package).rglob("*.py"):
            assert "__version__" not in path.read_text(encoding="utf-8"), path


def test_vulnerabilities_are_reported_through_the_platform_and_to_no_address() -> None:
    text = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    assert "Report a vulnerability" in text
    assert not re.search(r"[\w.]+@[\w.]+", text)
