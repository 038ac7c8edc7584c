"""The command line here and elsewhere, and a key."""

from __future__ import annotations

import json
import os
from pathlib import Path

import httpx
import pytest

from producer import Producer
from producer.cli import main as cli
from producer.operator_actions.tenants import create_key
from storage.settings import Settings
from tests.integration.api.api_server import ACCOUNTS
from tests.integration.client.elsewhere import Run
from tests.servers import environ_for


@pytest.fixture
def key(producer: Producer) -> str:
    with producer.database.begin() as conn:
        return create_key(conn, "default", "laptop", ["read", "enqueue", "admin"], None)[0]


@pytest.fixture
def run(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]
) -> Run:
    """Run a command line: `here` with the server's configuration, else with nothing but `environ`."""
    for name in [name for name in os.environ if name.startswith("REELQ_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.chdir(tmp_path)
    server = environ_for(settings) | {"REELQ_ACCOUNTS": json.dumps(ACCOUNTS["accounts"])}

    def execute(*arguments: object, here: bool = False, **environ: str) -> tuple[int, str, str]:
        with pytest.MonkeyPatch.context() as patch:
            for name, value in (server if here else environ).items():
                patch.setenv(name, value)
            code = cli.run([str(argument) for argument in arguments])
        out, err = capsysbinary.readouterr()
        return code, out.decode(), err.decode()

    return execute


@pytest.fixture
def away(api: httpx.Client, key: str) -> dict[str, str]:
    return {"REELQ_API_URL": str(api.base_url), "REELQ_API_KEY": key}
