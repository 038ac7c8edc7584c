"""Missing, partial, refused or expired credentials count as a store outage: videos wait, however old they are."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from storage.bucket.objects import Objects
from storage.bucket.requests import StoreUnavailable
from storage.jobs import history
from storage.settings import Settings
from tests.transfers import Files, a_video, generated, row_of, running_runtime, transfer
from worker.retry import Backoff
from worker.runtime import Runtime
from worker.transferring import store_gate
from worker.transferring.decisions import HARD_END

LIFE_S = 43_200.0  # of an AnyFast link that names no expiry


@pytest.fixture
def base() -> Iterator[str]:
    with Files({"/v.mp4": a_video()}).running() as url:
        yield url


class Role:
    """Credentials from a program, as from an instance role: they expire and are requested again."""

    def __init__(self, directory: Path, settings: Settings) -> None:
        self._answer = directory / "answer.json"
        self._keys = settings.s3_access_key_id, settings.s3_secret_access_key
        program = directory / "role.py"
        program.write_text(f"import sys; text = open({str(self._answer)!r}).read(); print(text); sys.exit(not text)")
        self.config = directory / "config"
        self.config.write_text(f"[default]\ncredential_process = {sys.executable} {program}\n")
        self.fails()

    def fails(self) -> None:
        self._answer.write_text("")

    def gives(self, expiration: str) -> None:
        access_key, secret = self._keys
        assert secret is not None
        answer = {"Version": 1, "AccessKeyId": access_key, "SecretAccessKey": secret.get_secret_value()}
        self._answer.write_text(json.dumps(answer | {"Expiration": expiration}))


@pytest.fixture
def role(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Role:
    role = Role(tmp_path, settings)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(role.config))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    return role


@pytest.fixture
def runtime(settings: Settings, base: str, role: Role, monkeypatch: pytest.MonkeyPatch) -> Iterator[Runtime]:
    """A worker without keys in its settings. Its store gate opens again at once, so that each copy is tried."""
    monkeypatch.setattr(store_gate, "STORE_DOWN", Backoff(0.0, 0.0))
    with running_runtime(settings, base, s3_access_key_id=None, s3_secret_access_key=None) as runtime:
        yield runtime


def old_video(runtime: Runtime, base: str) -> Any:
    """A video that is far older than its link should live."""
    return generated(runtime.settings, f"{base}/v.mp4", age_s=HARD_END * LIFE_S + 3600, left_s=60.0)


def waits(runtime: Runtime, job_id: Any, because: str) -> None:
    row = transfer(runtime, job_id)
    assert (row["state"], row["reason"]) == ("transferring", "store_unavailable")
    with pytest.raises(StoreUnavailable, match=because):
        runtime.objects.link("videos/x", 60)


def test_a_role_that_gives_no_credentials_counts_as_a_store_outage(runtime: Runtime, base: str, role: Role) -> None:
    job_id = old_video(runtime, base)
    waits(runtime, job_id, "redential")
    role.gives("2001-01-01T00:00:00Z")
    waits(runtime, job_id, "expired")
    role.gives("2101-01-01T00:00:00Z")
    assert transfer(runtime, job_id)["state"] == "succeeded"


def test_missing_credentials_are_reported_with_the_settings_to_set(
    runtime: Runtime, base: str, role: Role, monkeypatch: pytest.MonkeyPatch
) -> None:
    role.config.write_text("[default]\n")
    job_id = old_video(runtime, base)
    row = transfer(runtime, job_id)
    assert (row["state"], row["reason"]) == ("transferring", "store_unavailable")
    with pytest.raises(StoreUnavailable, match="no credentials were found; set s3_access_key_id"):
        runtime.objects.sign_get("videos/x")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "half")
    with pytest.raises(StoreUnavailable, match="Partial credentials"):
        runtime.objects.sign_get("videos/x")
    assert row_of(runtime, job_id)["state"] == "transferring"


def test_refused_keys_count_as_a_store_outage(settings: Settings, base: str) -> None:
    with running_runtime(settings, base, s3_access_key_id="unknown-key") as runtime:
        job_id = old_video(runtime, base)
        row = transfer(runtime, job_id)
        again = transfer(runtime, job_id)
        with runtime.database.begin() as conn:
            found = [event for event in history.events_of(conn, job_id) if event["reason"] == "store_unavailable"]
    assert (row["state"], row["reason"]) == ("transferring", "store_unavailable")
    assert again["setbacks"] > row["setbacks"] == 1
    # The timeline has the store's own words, once.
    [event] = found
    assert re.search(r"HTTP 403: \w+", event["detail"]["message"]), event


def test_a_missing_profile_is_named(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "no-such-profile")
    no_keys = settings.model_copy(update={"s3_access_key_id": None, "s3_secret_access_key": None})
    with pytest.raises(StoreUnavailable, match="no-such-profile"):
        Objects(no_keys).sign_get("videos/x")
    assert "Signature=" in Objects(settings).sign_get("videos/x").headers["Authorization"], "its keys need no profile"
