"""Servers of this machine that other hosts reach too, at its address in a network."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from producer.local.ports import HOST
from producer.local.processes.spec import ChildSpec
from producer.local.servers.postgres import Postgres
from producer.local.servers.servers import Servers
from producer.local.servers.valkey import Valkey


def reachable_at(address: str, servers: Servers) -> Iterator[ChildSpec]:
    """Their processes, listening at this address beside the loopback. They must be prepared.

    Connections go to the servers themselves: a forwarder in between would hide what becomes of a session whose client
    vanishes.
    """
    for server in (servers.postgres, servers.valkey, servers.s3):
        assert server is not None
        spec = server.spec()
        if isinstance(server, Postgres):
            with (server.data / "pg_hba.conf").open("a") as file:
                file.write(f"host all all {address}/24 scram-sha-256\n")
            yield _with(spec, f"listen_addresses={HOST}", f"listen_addresses={HOST},{address}")
        elif isinstance(server, Valkey):
            config = server.directory / "valkey.conf"
            config.write_text(config.read_text().replace(f"bind {HOST}", f"bind {HOST} {address}"))
            yield spec
        else:
            own = f"--addr={HOST}:{server.port}"
            yield _with(spec, own, own, f"--addr={address}:{server.port}")


def _with(spec: ChildSpec, part: str, *parts: str) -> ChildSpec:
    """The process with `parts` in place of one part of its command."""
    at = spec.command.index(part)
    return replace(spec, command=(*spec.command[:at], *parts, *spec.command[at + 1 :]))
