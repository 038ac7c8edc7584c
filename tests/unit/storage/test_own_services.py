"""Our own services are recognised in every spelling."""

from __future__ import annotations

import pytest

from storage.own_services import own_services, target_of
from storage.settings import Settings

OWN = own_services(
    Settings.model_validate(
        {
            "database_url": "postgresql://u:p@db-1:5432,db-2:5433/d?sslmode=require",
            "broker_url": "redis://valkey:6380/0",
            "s3_endpoint_url": "http://127.0.0.1:9000",
            "public_url": "https://reelq.example.com/base",
            "own_urls": "http://127.0.0.1:8080 http://10.0.0.7:5555",
            "accounts": [{"name": "a", "gateway": "anyfast", "api_key": "k", "base_url": "http://[::1]:7000/anyfast"}],
        }
    )
)


@pytest.mark.parametrize(
    "url",
    [
        "http://db-1:5432/",
        "http://DB-2.:5433/",
        "http://valkey:6380",
        "http://127.0.0.1:9000/bucket",
        "https://reelq.example.com/v1/jobs",
        "http://10.0.0.7:5555/api",
        "http://127.0.0.1:8080/v1/jobs",
        "http://localhost:8080/",
        "http://127.9.9.9:8080/",
        "http://[::1]:8080/",
        "http://[::ffff:127.0.0.1]:8080/",
        "http://0.0.0.0:8080/",
        "http://[::]:8080/",
        "http://localhost:7000/",
    ],
)
def test_own_services(url: str) -> None:
    target = target_of(url)
    assert target is not None and OWN.has(*target)


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8081/", "http://reelq.example.com/", "http://10.0.0.8:5555/", "https://hooks.example/x"]
)
def test_others(url: str) -> None:
    target = target_of(url)
    assert target is not None and not OWN.has(*target)
