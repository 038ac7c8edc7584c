"""Reach the database of a configuration: the configured one, that of a running stack, or that of a stopped stack, whose
server is started for the time being."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from producer.local.lock import locked
from producer.local.servers.servers import local_servers, running
from producer.local.state import load_state
from storage.settings import Settings


@contextmanager
def reachable(settings: Settings, data_dir: Path, *, create: bool = False) -> Iterator[tuple[str, bool]]:
    """The URL of the database, and whether nothing else can use it, because its server was started here. `create`: a
    stack that was never started gets its database.

    Raises:
        InvalidInput: no database is configured, and the directory has none.
        StackError: its server does not start, or another process uses the directory.
    """
    own = data_dir.absolute() / "postgres"
    if settings.database_url is not None or not (create or (own / "data" / "PG_VERSION").is_file()):
        yield settings.require_database_url(), False
        return
    with locked(data_dir.absolute()):
        servers = local_servers(data_dir.absolute(), load_state(data_dir.absolute()), valkey=False, s3=False)
        servers.prepare(settings.s3_bucket)
        with running(servers.specs()):
            assert servers.postgres is not None  # noqa: S101 - the only one that was asked for
            yield servers.postgres.url, True
