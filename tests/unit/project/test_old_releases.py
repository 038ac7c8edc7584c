"""Which older programs `make upgrade` starts from, in a small repository."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.upgrade import releases
from tests.upgrade.releases import CHANGELOG, VERSIONS, NoHistory, git, oldest_that_fits, previous_release


@pytest.fixture
def history(tmp_path: Path) -> Path:
    """Releases 0.1.0 and 0.2.0, schemas 0001 to 0004, one a commit."""
    for line in ("init -q", "config user.email a@b.example", "config user.name A"):
        subprocess.run(["git", *line.split()], cwd=tmp_path, check=True)
    (tmp_path / VERSIONS).mkdir(parents=True)
    text = "## [Unreleased]\n"
    for number, heading in enumerate(("## [0.1.0] - 2026-01-01\n", "## [0.2.0] - 2026-02-01\n", "", ""), start=1):
        text = f"## [Unreleased]\n{heading}{text.partition(chr(10))[2]}"
        (tmp_path / CHANGELOG).write_text(text)
        (tmp_path / VERSIONS / f"{number:04}_step.py").touch()
        for line in ("add -A", f"commit -q -m step-{number}"):
            subprocess.run(["git", *line.split()], cwd=tmp_path, check=True)
    return tmp_path


def test_the_previous_release_is_a_tag_or_the_commit_of_its_heading(history: Path) -> None:
    found = previous_release(history)
    assert (found.name, found.revision) == ("release 0.2.0", "0002")
    subprocess.run(["git", "tag", "v0.2.0", "HEAD~1"], cwd=history, check=True)
    assert previous_release(history).commit == git(history, "rev-parse", "HEAD~1")
    subprocess.run(["git", "tag", "-f", "v0.2.0", "HEAD"], cwd=history, check=True, capture_output=True)
    assert previous_release(history).name == "release 0.1.0", "the checkout is the release 0.2.0"
    (history / CHANGELOG).write_text("## [Unreleased]\n")
    with pytest.raises(NoHistory, match="no tag and no commit"):
        previous_release(history)


def test_the_oldest_program_that_fits_is_the_one_that_the_mark_admits(
    history: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(releases, "newest_revision", lambda: "0004")
    for mark, expected in (("0002", "0002"), ("0003", "0003"), ("0004", None)):
        monkeypatch.setattr(releases, "oldest_program", lambda mark=mark: mark)
        found = oldest_that_fits(history)
        assert (found and found.revision) == expected
