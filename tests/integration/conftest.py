"""What the tests of the ways in share: an account, a producer that has it, and the API in front of both."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from producer import Producer
from storage.settings import Settings
from tests.integration.api.api_server import serving, with_account
from tests.kept.processes import decoders_kept, probes_kept
from tests.waiting import PATIENCE_S


@pytest.fixture(scope="session", autouse=True)
def _processes_kept() -> Iterator[None]:
    with probes_kept(), decoders_kept():
        yield


@pytest.fixture(scope="session", autouse=True)
def _patient_downloads() -> Iterator[None]:
    """Wait longer for a video than the product does: a loaded machine takes its time to render one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("worker.transferring.fetch.STALL_S", PATIENCE_S)
        yield


@pytest.fixture
def configured(settings: Settings) -> Settings:
    """Settings with an account."""
    return with_account(settings)


@pytest.fixture
def producer(configured: Settings) -> Iterator[Producer]:
    with Producer(configured) as made:
        yield made


@pytest.fixture
def api(configured: Settings) -> Iterator[httpx.Client]:
    with serving(configured) as client:
        yield client
