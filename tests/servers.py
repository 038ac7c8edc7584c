"""The real servers for tests: those of the `local` extra, started as `reelq up` starts them."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
import redis
from botocore.config import Config

from producer.local.servers.postgres import Postgres
from producer.local.servers.s3 import S3
from producer.local.servers.servers import local_servers, running
from producer.local.servers.valkey import Valkey
from producer.local.state import load_state
from storage.settings import Settings
from tests.databases import Databases
from tests.ports import RESERVATIONS

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_READY_BUCKETS = 200
WEBHOOK_SECRET = "whsec_" + "QUJD" * 8


@dataclass(frozen=True, slots=True)
class Bucket:
    """An empty bucket, with its endpoint and keys."""

    endpoint_url: str
    bucket: str
    access_key_id: str
    secret_access_key: str
    directory: Path
    """Where its objects are, one file each."""


@dataclass(frozen=True, slots=True)
class TestServers:
    """PostgreSQL, Valkey and S3, running."""

    __test__ = False

    postgres: Postgres
    valkey: Valkey
    s3: S3
    s3_client: S3Client
    databases: Databases
    pids: dict[str, int]
    ready_buckets: list[str] = field(default_factory=list)
    """Empty buckets that the server has had since its start."""

    @contextmanager
    def database(self, *, migrated: bool = True) -> Iterator[str]:
        """A database of its own; see `Databases.database`."""
        with self.databases.database(migrated=migrated) as url:
            yield url

    def emptied_broker(self) -> str:
        """The URL of the broker, emptied."""
        with redis.Redis.from_url(self.valkey.url) as client:
            client.flushall()
        return self.valkey.url

    @contextmanager
    def bucket(self) -> Iterator[Bucket]:
        """Create a bucket, and remove it with its objects at the end."""
        if self.ready_buckets:
            name = self.ready_buckets.pop()
        else:
            name = _bucket_name()
            # Through the server: it reads its directory only at intervals.
            self.s3_client.create_bucket(Bucket=name)
        directory = self.s3.buckets / name
        try:
            yield Bucket(self.s3.url, name, self.s3.access_key_id, self.s3.secret_access_key, directory)
        finally:
            shutil.rmtree(directory)


@contextmanager
def run_servers(directory: Path, *, durable: bool = False) -> Iterator[TestServers]:
    """Run the servers in a directory; they stop with the context or with this process."""
    state = load_state(directory)
    state.reservations = RESERVATIONS
    servers = local_servers(directory, state, durable=durable)
    assert servers.postgres is not None
    assert servers.valkey is not None
    assert servers.s3 is not None
    buckets = [_bucket_name() for _ in range(_READY_BUCKETS)]
    servers.prepare("reelq", *buckets)
    with running(servers.specs()) as processes:
        pids = {name: process.pid for name, process in processes.items()}
        with closing(_s3_client(servers.s3)) as client, closing(Databases(servers.postgres.url)) as databases:
            yield TestServers(servers.postgres, servers.valkey, servers.s3, client, databases, pids, buckets)


def _bucket_name() -> str:
    return f"test-{secrets.token_hex(6)}"


def _s3_client(server: S3) -> S3Client:
    client: S3Client = boto3.client(
        "s3",
        endpoint_url=server.url,
        aws_access_key_id=server.access_key_id,
        aws_secret_access_key=server.secret_access_key,
        region_name="us-east-1",
        config=Config(signature_version="s3v4", s3={"addressing_style": "path"}),
    )
    return client


def settings_for(database_url: str, broker_url: str, bucket: Bucket) -> Settings:
    """Settings that use these servers."""
    return Settings.model_validate(
        {
            "database_url": database_url,
            "broker_url": broker_url,
            "s3_endpoint_url": bucket.endpoint_url,
            "s3_bucket": bucket.bucket,
            "s3_access_key_id": bucket.access_key_id,
            "s3_secret_access_key": bucket.secret_access_key,
            "webhook_secret": WEBHOOK_SECRET,
        }
    )


def environ_for(settings: Settings) -> dict[str, str]:
    """The `REELQ_…` variables that give another process the settings of the servers."""
    secret, webhooks = settings.s3_secret_access_key, settings.webhook_secret
    found = {
        "REELQ_DATABASE_URL": settings.database_url,
        "REELQ_BROKER_URL": settings.broker_url,
        "REELQ_S3_ENDPOINT_URL": settings.s3_endpoint_url,
        "REELQ_S3_BUCKET": settings.s3_bucket,
        "REELQ_S3_ACCESS_KEY_ID": settings.s3_access_key_id,
        "REELQ_S3_SECRET_ACCESS_KEY": secret.get_secret_value() if secret else None,
        "REELQ_WEBHOOK_SECRET": webhooks.get_secret_value() if webhooks else None,
    }
    return {name: value for name, value in found.items() if value is not None}
