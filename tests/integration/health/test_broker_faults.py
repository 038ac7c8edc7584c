"""Faults of the broker, planted in real Valkeys: doctor finds each and says what to do."""

from __future__ import annotations

import shutil
import socket
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import redis

from producer.health.findings import Level
from storage import broker
from storage.settings import Settings
from tests.certificates import make_certificates
from tests.integration.health.diagnosis import assert_found, assert_well, diagnose
from tests.tcp_door import door
from tests.valkey import valkey
from tests.waiting import wait_for


def at(url: str) -> Settings:
    return Settings(broker_url=url)


def test_a_broker_that_works(tmp_path: Path) -> None:
    with valkey(tmp_path) as server:
        assert_well(diagnose(at(server.url), "broker"), "broker")


def test_a_broker_that_is_down(closed_port: int) -> None:
    found = diagnose(at(f"redis://:hidden@127.0.0.1:{closed_port}/0"), "broker")
    assert_found(found, "broker_down", "check REELQ_BROKER_URL", str(closed_port))


def test_a_broker_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broker, "PROBE_S", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as mute:
        found = diagnose(at(f"redis://127.0.0.1:{mute.getsockname()[1]}/0"), "broker")
    assert_found(found, "broker_silent", "restart it if it hangs")


def test_a_wrong_password_and_a_missing_right(tmp_path: Path) -> None:
    with valkey(tmp_path) as server:
        server.do("ACL", "SETUSER", "reader", "on", ">secret-word", "~*", "&*", "+@read", "+@connection", "+info")
        url = f"redis://reader:secret-word@127.0.0.1:{server.port}/0"
        assert_found(diagnose(at(url), "broker"), "broker_right", "lacks a right that reelq needs")
        wrong = url.replace("secret-word", "wrong-word")
        assert_found(diagnose(at(wrong), "broker"), "broker_password", "refuses the user or password of broker_url")


def test_tls_at_the_wrong_end(tmp_path: Path) -> None:
    made = make_certificates(tmp_path)
    with valkey(tmp_path) as server, door(("127.0.0.1", server.port), tls=made.server()) as way:
        missing, astray = f"redis://127.0.0.1:{way.port}/0", f"rediss://127.0.0.1:{server.port}/0"
        found = diagnose(at(missing), "broker")
        assert_found(found, "broker_other_server", "use rediss:// if it expects TLS")
        assert_found(diagnose(at(astray), "broker"), "broker_tls", "use redis:// in broker_url")
        untrusted = diagnose(at(f"rediss://127.0.0.1:{way.port}/0"), "broker")
        assert_found(untrusted, "broker_tls", "certificate cannot be verified", "ca_file")
    with valkey(tmp_path) as server, door(("127.0.0.1", server.port), tls=made.server(asks_clients=True)) as way:
        nameless = diagnose(at(f"rediss://127.0.0.1:{way.port}/0?ssl_ca_certs={made.authority}"), "broker")
        assert_found(nameless, "broker_tls", "if it wants a client's certificate, add ssl_certfile=FILE")


def test_a_server_that_answers_with_an_alert_of_tls() -> None:
    def alert(client: socket.socket, _words: bytes) -> bytes:
        client.sendall(b"\x15\x03\x01\x00\x02\x02\x46\r\n")
        return b""

    with socket.create_server(("127.0.0.1", 0)) as target, door(target.getsockname(), first=alert) as way:
        found = diagnose(at(f"redis://127.0.0.1:{way.port}/0"), "broker")
    assert_found(found, "broker_tls", "it expects TLS: use rediss://")


def test_another_kind_of_server(settings: Settings) -> None:
    for url in (settings.s3_endpoint_url, settings.database_url):
        port = urlsplit(str(url)).port
        found = diagnose(at(f"redis://127.0.0.1:{port}/0"), "broker")
        assert_found(found, "broker_other_server", "is this a Redis or Valkey?", "broker_url")


def test_an_old_server_and_a_cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with valkey(tmp_path, "--cluster-enabled", "yes") as server:
        assert_found(diagnose(at(server.url), "broker"), "broker_cluster", "without cluster mode")
        monkeypatch.setattr(broker, "MIN_VERSION", (99, 0))
        assert_found(diagnose(at(server.url), "broker"), "broker_version", "needs Redis 99.0 or later")


def test_a_database_that_the_server_does_not_have(tmp_path: Path) -> None:
    with valkey(tmp_path, "--databases", "2") as server:
        found = diagnose(at(f"redis://127.0.0.1:{server.port}/3"), "broker")
    assert_found(found, "broker_database", "end broker_url with a lower number, such as /0")


def test_a_replica(tmp_path: Path) -> None:
    with valkey(tmp_path) as server:
        server.do("REPLICAOF", "127.0.0.1", "1")
        assert_found(diagnose(at(server.url), "broker"), "broker_replica", "name its master")


def test_a_broker_without_memory_refuses_writes(tmp_path: Path) -> None:
    with valkey(tmp_path, "--maxmemory", "100kb", "--maxmemory-policy", "noeviction") as server:
        found = diagnose(at(server.url), "broker")
        assert_found(found, "broker_full", "it takes no message, so nothing runs: raise its maxmemory")


def test_a_broker_that_will_soon_refuse_or_drop_messages(tmp_path: Path) -> None:
    with valkey(tmp_path) as server:
        server.do("SET", "filler", "x" * 20_000_000)
        with redis.Redis(port=server.port) as client:
            used = int(client.info("memory")["used_memory"])
        server.do("CONFIG", "SET", "maxmemory", int(used * 1.06))
        found = diagnose(at(server.url), "broker")
        assert_found(found, "broker_nearly_full", "raise its maxmemory", level=Level.WARN)
        server.do("CONFIG", "SET", "maxmemory", "200mb")
        server.do("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
        found = diagnose(at(server.url), "broker")
        assert_found(found, "broker_evicts", "drops messages silently", "noeviction", level=Level.WARN)


def test_a_broker_that_cannot_write_its_snapshot(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    with valkey(tmp_path, "--save", "3600 1", "--dir", str(disk)) as server:
        shutil.rmtree(disk)
        server.do("BGSAVE")
        wait_for("the snapshot fails", lambda: "bgsave_status': 'err'" in repr(_persistence(server.port)))
        found = diagnose(at(server.url), "broker")
        assert_found(found, "broker_misconf", "free its disk, or switch snapshots off")


def _persistence(port: int) -> object:
    with redis.Redis(port=port) as client:
        return client.info("persistence")


def test_a_broker_without_a_free_connection(tmp_path: Path) -> None:
    with valkey(tmp_path) as server, redis.Redis(port=server.port) as holder:
        holder.execute_command("CONFIG", "SET", "maxclients", 1)
        found = diagnose(at(server.url), "broker")
        assert_found(found, "broker_connections", "raise its maxclients")
        holder.execute_command("CONFIG", "SET", "maxclients", 1000)
