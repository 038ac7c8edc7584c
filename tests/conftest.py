"""Fixtures with real servers: one set for the whole run, a database and a bucket for each test."""

from __future__ import annotations

import gc
import os
import socket
from collections.abc import Iterator
from functools import cache

import httpx
import hypothesis
import pytest
from botocore.loaders import JSONFileLoader

from seedance.network.authorities import VARIABLES
from storage.settings import Settings
from tests.in_memory import quick_directory
from tests.kept.routes import routes_kept
from tests.servers import Bucket, TestServers, run_servers, settings_for
from tests.waiting import PATIENCE_S

STEADY, THOROUGH = "steady", "thorough"
# The time of an example depends more on the load of the machine than on the code under test. Each run tries the same
# examples: what others find has mostly nothing to do with the change under test. To try others:
# `pytest --hypothesis-profile=thorough`, and `--hypothesis-seed=N` to repeat them.
hypothesis.settings.register_profile(
    STEADY, deadline=None, derandomize=True, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.register_profile(THOROUGH, parent=hypothesis.settings.get_profile(STEADY), derandomize=False)
hypothesis.settings.load_profile(STEADY)


# What is imported and collected is no garbage: to look through it again and again took a quarter of the collection.
gc.disable()
GARBAGE = (20_000, 10, 10)
"""When the collector runs later. Each API of a test makes 100,000 objects; with Python's own thresholds it took a tenth
of the CPU of the tests."""


def pytest_collection_finish() -> None:
    """Keep the thousands of collected tests out of the garbage collector's rounds, with their garbage: to look for that
    takes 0.6 s."""
    gc.enable()
    gc.freeze()
    gc.set_threshold(*GARBAGE)


@pytest.fixture(scope="session", autouse=True)
def _scrubbed_environment() -> Iterator[None]:
    """Hide the configuration of the person who runs the tests."""
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.startswith(("REELQ_", "AWS_", "PG", "CELERY_", "FLOWER_")) or name.lower().endswith("_proxy"):
                patch.delenv(name)
        for name in VARIABLES:  # each process would read the system's certificates once more
            patch.delenv(name, raising=False)
        # Tests start hundreds of Python processes: each would compile the product again.
        patch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
        yield


@pytest.fixture(scope="session", autouse=True)
def _patient_connections() -> Iterator[None]:
    """Wait longer for the database than the product does: the machine may be loaded."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("storage.database.CONNECT_TIMEOUT_S", int(PATIENCE_S))
        patch.setattr("producer.client._CONNECT_WAIT_S", PATIENCE_S)
        patch.setattr("producer.api.app.DATABASE_WAIT_S", PATIENCE_S)
        yield


@pytest.fixture(scope="session", autouse=True)
def _certificates_read_once() -> Iterator[None]:
    """Share one TLS context among httpx's clients: each would take 17 ms to read the certificates again."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("httpx._transports.default.create_ssl_context", cache(httpx.create_ssl_context))
        yield


@pytest.fixture(scope="session", autouse=True)
def _store_models_read_once() -> Iterator[None]:
    """Keep boto3's descriptions of services: each session would take 90 ms to read them again."""
    loader = JSONFileLoader()
    load = cache(loader.load_file)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(JSONFileLoader, "load_file", lambda _self, path: load(path))
        yield


@pytest.fixture(scope="session", autouse=True)
def _routes_read_once() -> Iterator[None]:
    """Share what FastAPI reads of the routes among all APIs."""
    with routes_kept():
        yield


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port of 127.0.0.1 that refuses connections. It is bound, so that no other program can listen on it."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        yield holder.getsockname()[1]


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestServers]:
    """PostgreSQL, Valkey and S3, with a migrated database to copy."""
    with (
        quick_directory(tmp_path_factory.mktemp("servers")) as directory,
        run_servers(directory) as started,
    ):
        started.databases.make_template()
        yield started


@pytest.fixture
def postgres_url(servers: TestServers) -> Iterator[str]:
    """A fresh, migrated database."""
    with servers.database() as url:
        yield url


@pytest.fixture
def empty_postgres_url(servers: TestServers) -> Iterator[str]:
    """A fresh database without any table."""
    with servers.database(migrated=False) as url:
        yield url


@pytest.fixture
def broker_url(servers: TestServers) -> str:
    """The broker, emptied."""
    return servers.emptied_broker()


@pytest.fixture
def s3(servers: TestServers) -> Iterator[Bucket]:
    """A fresh bucket, its endpoint and its keys."""
    with servers.bucket() as bucket:
        yield bucket


@pytest.fixture
def settings(postgres_url: str, broker_url: str, s3: Bucket) -> Settings:
    """Settings for all three; add to them with `settings.model_copy(update=…)`."""
    return settings_for(postgres_url, broker_url, s3)
