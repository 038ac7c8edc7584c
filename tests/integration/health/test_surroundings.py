"""The command as an operator runs it: the worst first, within its time, without a secret; and what lies around."""

from __future__ import annotations

import json
import shutil
import socket
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from aiohttp import web

from producer.cli import main as cli
from producer.cli.setup import doctor
from producer.health import surroundings
from producer.health.findings import Level
from storage.settings import Settings
from tests.integration.api.api_server import serving
from tests.integration.health.diagnosis import PAGE, assert_found, assert_well, diagnose, rows
from tests.servers import Bucket, environ_for
from tests.store_door import Door
from tests.waiting import PATIENCE_S

ROOT = Path(__file__).parents[3]


@pytest.fixture
def environ(settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    monkeypatch.chdir(tmp_path)
    for name, value in environ_for(settings).items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    code = cli.run(["doctor", *arguments])
    captured = capsys.readouterr()
    assert "Traceback" not in captured.out + captured.err
    return code, captured.out


def test_every_row_of_the_page_has_a_test() -> None:
    """A row is tested where its code stands in a test of this folder; and each code of the checks has a row."""
    here = Path(__file__).parent
    tests = "".join(path.read_text(encoding="utf-8") for path in here.glob("test_*.py"))
    assert [code for code in rows() if f'"{code}"' not in tests] == []
    assert len(rows()) == len(set(rows())) >= 20


def test_every_row_of_the_page_is_a_code_of_the_program() -> None:
    code = "".join(
        path.read_text(encoding="utf-8")
        for folder in ("producer/health", "producer/cli/setup", "producer/api", "storage")
        for path in (ROOT / folder).rglob("*.py")
    )
    assert [row for row in rows() if f'"{row}"' not in code] == []
    assert PAGE.name in (ROOT / "docs" / "README.md").read_text(encoding="utf-8")


def test_a_misspelt_variable_and_a_misspelt_key(
    environ: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    environ.setenv("REELQ_LEASE_SECOND", "50")
    environ.setenv("REELQ_TOTALLY_ELSE", "1")
    environ.setenv("REELQ_API_URL", "http://127.0.0.1:1")
    environ.setenv("REELQ_MASTER_KEY_FILE", "")
    environ.setenv("REELQ_OWN_KEY", "sk-own-word")
    environ.setenv("REELQ_ACCOUNTS", json.dumps([{"name": "a", "gateway": "ark", "api_key_env": "REELQ_OWN_KEY"}]))
    _, out = run(capsys, "--no-gateways", "--json")
    assert "sk-own-word" not in out
    found = [(one["level"], one["message"]) for one in json.loads(out) if one["code"] == "unknown_variable"]
    assert found == [
        ("warn", "REELQ_LEASE_SECOND is not a setting, so it has no effect; did you mean REELQ_LEASE_SECONDS?"),
        ("warn", "REELQ_TOTALLY_ELSE is not a setting, so it has no effect; remove it"),
    ]
    Path("reelq.toml").write_text("lease_second = 50\n")
    code, out = run(capsys, "--json")
    [only] = json.loads(out)
    assert (code, only["code"], only["ok"]) == (2, "configuration", False)
    assert "lease_second: is not a field we know; did you mean lease_seconds?" in only["message"]


def test_doctor_says_that_commands_use_an_api(
    environ: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    environ.setenv("REELQ_API_URL", "https://anna:hidden-word@reelq.example/")
    _, out = run(capsys, "--no-gateways", "--json")
    [found] = [one for one in json.loads(out) if one["code"] == "checked_elsewhere"]
    assert (found["part"], found["level"]) == ("api", "warn") and "hidden-word" not in out
    assert "the API at reelq.example, and doctor checks this machine only; open its /readyz" in found["message"]
    (tmp_path / "login.json").write_text("{")
    environ.setenv("REELQ_LOGIN_FILE", str(tmp_path / "login.json"))
    _, out = run(capsys, "--no-gateways", "--json")
    [found] = [one for one in json.loads(out) if one["code"] == "checked_elsewhere"]
    assert "login.json: cannot be read; run `reelq login` again" in found["message"]


def test_buckets_are_created_on_request(
    environ: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes], s3: Bucket
) -> None:
    new, of_acme = f"{s3.bucket}-new", f"{s3.bucket}-acme"
    environ.setenv("REELQ_S3_BUCKET", new)
    environ.setenv("REELQ_S3_TENANT_BUCKETS", f"acme={of_acme}")
    for said in ("is created", "exists"):
        assert cli.run(["bucket", "create"]) == 0
        assert capfdbinary.readouterr().out.decode() == f"bucket {new} {said}\nbucket {of_acme} {said}\n"
    for name in (new, of_acme):
        shutil.rmtree(s3.directory.parent / name)


def test_the_worst_comes_first_and_every_line_says_what_to_do(
    environ: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], settings: Settings
) -> None:
    environ.setenv("REELQ_UNKNOWN", "1")
    code, out = run(capsys, "--no-gateways")
    marks = [line.split()[0] for line in out.splitlines()]
    order = ["BAD", "WARN", "ok"]
    assert code == 2 and marks == sorted(marks, key=order.index) and set(marks) == set(order)
    for secret in (settings.s3_secret_access_key, settings.webhook_secret):
        assert secret is not None and secret.get_secret_value() not in out


def test_it_ends_whatever_hangs(
    environ: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Servers that accept connections and never answer."""
    monkeypatch.setattr(doctor, "LIMIT_S", 1.5)
    with socket.create_server(("127.0.0.1", 0), backlog=64) as mute:
        where = f"127.0.0.1:{mute.getsockname()[1]}"
        environ.setenv("REELQ_DATABASE_URL", f"postgresql://reelq:hidden-word@{where}/x")
        environ.setenv("REELQ_BROKER_URL", f"redis://:hidden-word@{where}/0")
        environ.setenv("REELQ_S3_ENDPOINT_URL", f"http://{where}")
        environ.setenv("REELQ_PUBLIC_URL", f"http://{where}")
        account = {"name": "a", "gateway": "ark", "api_key": "sk-hidden-word", "base_url": f"http://{where}/api/v3"}
        environ.setenv("REELQ_ACCOUNTS", json.dumps([account]))
        since = time.monotonic()
        code, out = run(capsys, "--json")
        took = time.monotonic() - since
    assert code == 2 and took < PATIENCE_S / 2 and "hidden-word" not in out
    by_part = {one["part"]: one["code"] for one in json.loads(out)}
    assert by_part["database"] == by_part["bucket"] == "no_answer"
    assert "did not answer within 1.5 s" in out


def test_a_check_that_breaks_is_one_line(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("one\ntwo")

    monkeypatch.setattr(doctor, "prove_store", broken)
    assert_found(diagnose(settings, "bucket"), "check_failed", "unexpected ZeroDivisionError: one (trace in ")


class _Other(Door):
    async def serve(self, _request: web.Request) -> web.StreamResponse:
        return web.Response(text="a shop")


def test_a_public_url_that_leads_astray(settings: Settings, closed_port: int) -> None:
    with serving(settings) as api:
        assert_well(diagnose(settings.model_copy(update={"public_url": str(api.base_url)}), "public_url"), "public_url")
    away = settings.model_copy(update={"public_url": f"http://127.0.0.1:{closed_port}"})
    assert_found(diagnose(away, "public_url"), "public_url_unreachable", "callbacks", "DNS", level=Level.WARN)
    with _Other("").running() as url:
        found = diagnose(settings.model_copy(update={"public_url": url}), "public_url")
    assert_found(found, "public_url_elsewhere", "another program answers", "correct public_url")
    assert diagnose(settings, "public_url") == [], "none is set"


@pytest.mark.parametrize(("free", "level"), [(10**8, Level.BAD), (2 * 10**9, Level.WARN), (10**12, Level.OK)])
def test_the_disk_of_a_local_stack(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, level: Level
) -> None:
    assert diagnose(settings, "disk", tmp_path) == [], "there is no stack"
    (tmp_path / "stack.json").write_text("{}")
    usage = SimpleNamespace(free=free)
    monkeypatch.setattr(surroundings, "shutil", SimpleNamespace(disk_usage=lambda _: usage, which=shutil.which))
    found = diagnose(settings, "disk", tmp_path)
    if level is Level.OK:
        assert_well(found, "disk")
    else:
        assert_found(found, "disk_full", "free space", level=level)
