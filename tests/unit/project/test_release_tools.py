"""`make release`: one version everywhere, files that can be verified, and no green audit of nothing."""

from __future__ import annotations

import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest

from tools.configuration import page
from tools.release import checksums, inventory, packages, versions


def test_every_place_says_the_same_version() -> None:
    assert set(versions.written().values()) == {versions.version()}, versions.written()


def test_what_is_missing_for_a_release_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in versions.written():
        file = name.split(":")[0]
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(versions.ROOT / file, tmp_path / file)
    monkeypatch.setattr(versions, "ROOT", tmp_path)
    monkeypatch.setattr(page, "unlisted", lambda: ["a_setting"])
    chart = tmp_path / versions.CHART
    chart.write_text(chart.read_text(encoding="utf-8").replace("appVersion:", "appVersion: # "), encoding="utf-8")
    (tmp_path / "CHANGELOG.md").write_text("# Changelog\n\n## [Unreleased]\n\n- one\n\n## [0.1.0] - 2026-01-01\n")
    said = "\n".join(versions.problems(allow_dirty=True))
    for words in ("appVersion says no version", "Unreleased is not empty", "the newest release is not", "a_setting"):
        assert words in said
    (tmp_path / "CHANGELOG.md").write_text(
        f"# Changelog\n\n## [Unreleased]\n\n## [{versions.version()}] - 2026-01-01\n\n- one\n"
    )
    shutil.copy(page.ROOT / versions.CHART, chart)
    monkeypatch.setattr(page, "unlisted", list)
    assert list(versions.problems(allow_dirty=True)) == []


def test_new_settings_are_written_down_with_the_release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    since = tmp_path / "since.toml"
    shutil.copy(page.SINCE, since)
    monkeypatch.setattr(page, "SINCE", since)
    page.list_under("99.0.0")
    assert page.unlisted() == []
    with pytest.raises(ValueError, match=r"has 99\.0\.0 already"):
        page.list_under("99.0.0")


@pytest.fixture
def built(tmp_path: Path) -> Path:
    (tmp_path / "b.whl").write_bytes(b"b")
    (tmp_path / "a.whl").write_bytes(b"a")
    return tmp_path


def test_the_checksums_are_what_sha256sum_reads(built: Path) -> None:
    sums = checksums.write_sums(built)
    check = ["sha256sum", "--check", "--strict", sums.name]
    assert subprocess.run(check, cwd=built, capture_output=True, timeout=60, check=False).returncode == 0
    (built / "a.whl").write_bytes(b"another")
    assert subprocess.run(check, cwd=built, capture_output=True, timeout=60, check=False).returncode == 1


@pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="needs ssh-keygen (apt-get install openssh-client)")
def test_an_ssh_signature_verifies_as_the_docs_say(built: Path, tmp_path: Path) -> None:
    key = tmp_path / "key"
    packages.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", key)
    sums = checksums.write_sums(built)
    for _ in range(2):  # a second time it replaces the first
        signature = checksums.sign(sums, "ssh", str(key))
    (tmp_path / "allowed").write_text(f"releases@reelq {key.with_suffix('.pub').read_text()}")
    allowed = str(tmp_path / "allowed")
    verify = ["ssh-keygen", "-Y", "verify", "-f", allowed, "-I", "releases@reelq", "-n", "reelq-release"]

    def verified(content: bytes) -> bool:
        done = subprocess.run(
            [*verify, "-s", str(signature)], input=content, capture_output=True, timeout=60, check=False
        )
        return done.returncode == 0

    assert verified(sums.read_bytes())
    assert not verified(sums.read_bytes() + b"more")


@pytest.mark.skipif(shutil.which("minisign") is None, reason="needs minisign (apt-get install minisign)")
def test_a_minisign_signature_verifies_as_the_docs_say(built: Path, tmp_path: Path) -> None:
    secret, public = tmp_path / "minisign.key", tmp_path / "minisign.pub"
    packages.run("minisign", "-G", "-W", "-s", secret, "-p", public)
    sums = checksums.write_sums(built)
    checksums.sign(sums, "minisign", str(secret))
    packages.run("minisign", "-V", "-m", sums, "-P", public.read_text().splitlines()[1])
    sums.write_bytes(b"other")
    with pytest.raises(packages.BuildFailed):
        packages.run("minisign", "-V", "-m", sums, "-p", public)


@pytest.mark.skipif(shutil.which("gpg") is None, reason="needs gpg (apt-get install gnupg)")
def test_a_gpg_signature_verifies_as_the_docs_say(built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "g"
    home.mkdir(mode=0o700)
    monkeypatch.setenv("GNUPGHOME", str(home))
    make = ("--batch", "--passphrase", "", "--quick-generate-key", "releases@reelq", "ed25519", "sign", "1d")
    packages.run("gpg", *make)
    try:
        sums = checksums.write_sums(built)
        for _ in range(2):
            signature = checksums.sign(sums, "gpg", "releases@reelq")
        packages.run("gpg", "--verify", signature, sums)
        sums.write_bytes(b"other")
        with pytest.raises(packages.BuildFailed):
            packages.run("gpg", "--verify", signature, sums)
    finally:
        subprocess.run(["gpgconf", "--kill", "all"], timeout=60, check=False)


def test_another_method_is_refused_with_those_that_there_are(built: Path) -> None:
    with pytest.raises(packages.BuildFailed, match="sign with one of ssh, minisign, gpg"):
        checksums.sign(built / "SHA256SUMS", "pgp", "key")


def test_the_chart_is_the_same_bytes_each_time(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        packages.build_chart(tmp_path / name, "1.2.3", "1700000000")
    one, two = (next((tmp_path / name).iterdir()) for name in ("one", "two"))
    assert one.name == "reelq-chart-1.2.3.tgz"
    assert one.read_bytes() == two.read_bytes()
    with tarfile.open(one) as tar:
        names = set(tar.getnames())
    assert {"reelq/Chart.yaml", "reelq/values.schema.json", "reelq/templates/_pod.tpl"} <= names


DEPENDENCIES: list[tuple[str, list[dict[str, Any]], list[str]]] = [
    ("clean", [{"name": "a", "version": "1", "vulns": []}], []),
    (
        "vulnerable",
        [{"name": "a", "version": "1", "vulns": [{"id": "PYSEC-1", "fix_versions": ["2"]}]}],
        ["a 1: PYSEC-1, fixed in 2"],
    ),
    (
        "no advisories",
        [{"name": "a", "version": "1", "skip_reason": "not found"}, {"name": "b", "version": "1", "vulns": []}],
        ["not audited: 1 of 2 packages; not found"],
    ),
]


@pytest.mark.parametrize(("dependencies", "lines"), [d[1:] for d in DEPENDENCIES], ids=[d[0] for d in DEPENDENCIES])
def test_an_audit_that_looked_at_nothing_is_not_a_good_one(
    dependencies: list[dict[str, Any]], lines: list[str]
) -> None:
    assert inventory.findings(dependencies) == lines


def test_a_tool_that_fails_is_named_with_what_it_said() -> None:
    with pytest.raises(packages.BuildFailed, match="no-such-tool is not installed"):
        packages.run("no-such-tool")
    with pytest.raises(packages.BuildFailed, match=r"(?s)false failed"):
        packages.run("false")
