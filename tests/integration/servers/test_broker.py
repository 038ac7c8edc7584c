"""Redis and Valkey as people have them: TLS, users, Sentinels, servers of other ages and kinds."""

from __future__ import annotations

import re
import secrets
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any, cast

import pytest
import redis
from celery import Celery
from celery.events import EventReceiver
from kombu.connection import Connection

from producer.http.doors import rate
from producer.http.doors.rate import Rates
from producer.local.errors import StackError
from producer.local.preflight import check
from storage import broker
from storage.broker import BrokerUnavailable, BrokerUnfit
from storage.broker_url import BrokerUrl, parse_broker_url
from storage.settings import Settings
from tests.certificates import make_certificates
from tests.integration.api.api_server import ACCOUNTS
from tests.tcp_door import door
from tests.valkey import Server, valkey
from tests.waiting import PATIENCE_S, wait_for
from worker.broker import celery_settings, register

MASTER = "videos"
USER = (
    "user reelq on >secret resetkeys ~submit* ~poll* ~transfer* ~notify* ~_kombu* ~unacked* ~reelq:* ~*celery* "
    "allchannels +@all -@admin -@dangerous"
)
"""What docs/compatibility.md says that a user needs; INFO is not in it."""


@pytest.fixture(autouse=True)
def _slow_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that answers late on a loaded machine is not down, and the limit of a minute does not refill."""
    monkeypatch.setattr(broker, "PROBE_S", PATIENCE_S)
    monkeypatch.setattr(rate, "ANSWER_S", PATIENCE_S)
    monkeypatch.setattr(rate, "WINDOW_S", 60_000.0)


def look(target: BrokerUrl) -> str:
    with broker.client(target, broker.PROBE_S) as client:
        return broker.check(client, target).name


def there_and_back(target: BrokerUrl) -> None:
    """Send a message as the scheduler does and take it as a worker does; count a tenant's jobs as the API does."""
    register()
    settings = celery_settings(target)
    options = settings["broker_transport_options"]
    connect: Any = Connection  # untyped
    with connect(settings["broker_url"], ssl=settings["broker_use_ssl"], transport_options=options) as connection:
        queue = connection.SimpleQueue("submit")
        queue.put({"take": 1}, serializer="json")
        assert taken(queue) == {"take": 1}
        assert queue.channel._create_client() is queue.channel._create_client(), "one client for all commands"
        queue.channel._disconnect_pools()
        queue.put({"take": 2}, serializer="json")
        assert taken(queue) == {"take": 2}, "over new connections"
        queue.close()
    rates, tenant = Rates(target), f"acme-{secrets.token_hex(4)}"
    assert [rates.take(tenant, 10).left for _ in range(2)] == [9, 8]
    assert rates._alone_until == 0.0, "it was counted in the broker"
    rates.close()


def heard(target: BrokerUrl) -> list[Any]:
    """Send an event as a worker does, until one is received as Flower does."""
    found: list[Any] = []
    with Celery("test", set_as_current=False) as app:
        app.conf.update(celery_settings(target))
        make: Any = EventReceiver  # untyped
        with app.connection() as listening, app.connection() as sending, app.events.Dispatcher(sending) as events:
            receiver = make(listening, handlers={"*": found.append}, app=app)
            with receiver.consumer_context(wakeup=False) as (connection, _, _):

                def received() -> list[Any]:
                    with suppress(TimeoutError):
                        connection.drain_events(timeout=0.2)
                    events.send("task-received", uuid="1")
                    return found

                wait_for("an event is received", received)
    return found


def taken(queue: Any) -> object:
    message = queue.get(timeout=30)
    message.ack()
    return message.payload


Place = Callable[[Path], AbstractContextManager[BrokerUrl]]


@contextmanager
def plain(directory: Path) -> Iterator[BrokerUrl]:
    with valkey(directory) as server:
        yield parse_broker_url(f"valkey://127.0.0.1:{server.port}?db=3")


@contextmanager
def without_hello(directory: Path) -> Iterator[BrokerUrl]:
    with valkey(directory, "--rename-command", "HELLO", "", "--requirepass", "secret") as server:
        yield parse_broker_url(f"redis://:secret@127.0.0.1:{server.port}/0")


@contextmanager
def with_a_user(directory: Path) -> Iterator[BrokerUrl]:
    with valkey(directory) as server:
        server.do("ACL", "SETUSER", *USER.split()[1:])
        server.do("CONFIG", "SET", "requirepass", "another")
        yield parse_broker_url(f"redis://reelq:secret@127.0.0.1:{server.port}/0")


@contextmanager
def by_socket(directory: Path) -> Iterator[BrokerUrl]:
    path = directory / "s"
    with valkey(directory, "--unixsocket", str(path)):
        yield parse_broker_url(f"unix://{path}?db=2")


@contextmanager
def with_tls(directory: Path) -> Iterator[BrokerUrl]:
    made = make_certificates(directory)
    with valkey(directory) as server, door(("127.0.0.1", server.port), tls=made.server(asks_clients=True)) as way:
        files = f"ssl_ca_certs={made.authority}&ssl_certfile={made.certificate}&ssl_keyfile={made.key}"
        yield parse_broker_url(f"rediss://localhost:{way.port}/0?ssl_cert_reqs=CERT_REQUIRED&{files}")


@contextmanager
def by_sentinels(directory: Path) -> Iterator[BrokerUrl]:
    with valkey(directory) as master, sentinel_of(master, directory) as sentinel:
        yield parse_broker_url(f"sentinel://127.0.0.1:1;{sentinel.url.replace('redis', 'sentinel')}", MASTER)


@contextmanager
def sentinel_of(master: Server, directory: Path) -> Iterator[Server]:
    line = f"sentinel monitor {MASTER} 127.0.0.1 {master.port} 1\n"
    with valkey(directory, "--sentinel", config=line) as sentinel:
        wait_for("the Sentinel sees the master", lambda: sentinel.do("SENTINEL", "CKQUORUM", MASTER))
        yield sentinel


PLACES: list[Place] = [plain, without_hello, with_a_user, by_socket, with_tls, by_sentinels]


@pytest.mark.parametrize("place", PLACES)
def test_messages_pass_and_jobs_are_counted(place: Place, tmp_path: Path) -> None:
    with place(tmp_path) as target:
        there_and_back(target)
        assert heard(target)
        assert look(target).startswith("" if place is with_a_user else "Valkey ")


def test_the_master_that_sentinels_name_is_followed(tmp_path: Path) -> None:
    with (
        valkey(tmp_path, "--repl-diskless-sync-delay", "0") as first,
        valkey(tmp_path, "--replicaof", "127.0.0.1", str(first.port)),
    ):
        wait_for("the replica follows", lambda: "'online'" in repr(first.do("INFO", "replication")))
        with sentinel_of(first, tmp_path) as sentinel:
            wait_for("the Sentinel knows the replica", lambda: sentinel.do("SENTINEL", "REPLICAS", MASTER))
            target = parse_broker_url(sentinel.url.replace("redis", "sentinel"), MASTER)
            with broker.client(target, broker.PROBE_S) as client:
                broker.check(client, target)
                wait_for("another master", lambda: failed_over(sentinel, first))
                wait_for("the second serves", lambda: serves(client, target))
            there_and_back(target)


def failed_over(sentinel: Server, first: Server) -> bool:
    """Whether another server is the master; if not, ask for a failover again. It is refused while one is under way and
    until the Sentinel has looked at the replica, and given up if the replica then answers late."""
    # GET-MASTER-ADDR-BY-NAME names the other one earlier, while clients are still sent to the first one.
    if cast(dict[bytes, bytes], sentinel.do("SENTINEL", "MASTER", MASTER))[b"port"] != str(first.port).encode():
        return True
    with suppress(redis.ResponseError):
        sentinel.do("SENTINEL", "FAILOVER", MASTER)
    return False


def serves(client: redis.Redis, target: BrokerUrl) -> bool:
    """Whether the broker can be used; what passes by itself is not taken for unfit."""
    try:
        broker.check(client, target)
    except BrokerUnfit:
        raise
    except BrokerUnavailable:
        return False
    return True


def test_certificates_are_verified_unless_the_url_says_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make_certificates(tmp_path)
    with valkey(tmp_path) as server, door(("127.0.0.1", server.port), tls=made.server()) as way:
        url = f"rediss://127.0.0.1:{way.port}/0"
        target = parse_broker_url(url)
        with pytest.raises(BrokerUnfit, match=r"certificate cannot be verified.*ssl_ca_certs"):
            look(target)
        settings, connect = celery_settings(target), cast(Any, Connection)
        with (
            pytest.raises(Exception, match="certificate verify failed"),
            connect(settings["broker_url"], ssl=settings["broker_use_ssl"]) as connection,
        ):
            connection.connect()
        there_and_back(parse_broker_url(f"{url}?ssl_cert_reqs=none"))
        monkeypatch.setenv("SSL_CERT_FILE", str(made.authority))
        there_and_back(target)


class OldServer(socketserver.StreamRequestHandler):
    """Answers as Redis 5 does where it differs: a version, and no ZADD GT."""

    said = b"# Server\r\nredis_version:5.0.14\r\nrole:master\r\n"
    known: tuple[bytes, ...] = (b"PING", b"INFO")
    refused = b"-ERR unknown command\r\n"

    def handle(self) -> None:
        answers = {b"PING": b"+PONG\r\n", b"INFO": b"$%d\r\n%s\r\n" % (len(self.said), self.said)}
        while line := self.rfile.readline():
            if not line.startswith(b"*"):
                return
            words = []
            for _ in range(int(line[1:])):
                size = int(self.rfile.readline()[1:])
                words.append(self.rfile.read(size + 2)[:-2].upper())
            self.wfile.write(answers.get(words[0], b":0\r\n") if words[0] in self.known else self.refused)


class SilentOldServer(OldServer):
    """The same for a user who may not see its version."""

    said = b""
    known = (b"PING", b"INFO", b"LLEN", b"BRPOP", b"LPUSHX", b"SREM", b"HDEL", b"ZREM", b"EVAL", b"DEL", b"PUBLISH")
    refused = b"-ERR syntax error\r\n"


class RedisCluster(OldServer):
    """A node of a Redis Cluster, which has no databases but one."""

    refused = b"-ERR SELECT is not allowed in cluster mode\r\n"


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        (OldServer, "is Redis 5.0.14; reelq needs Redis 6.2 or later"),
        (SilentOldServer, "is a Redis without `ZADD … GT`; reelq needs Redis 6.2 or later"),
        (RedisCluster, "is a Redis Cluster, in which one command"),
    ],
)
def test_a_server_of_another_kind_is_named(kind: type[OldServer], says: str) -> None:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), kind) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            with pytest.raises(BrokerUnfit, match=re.escape(says)):
                look(parse_broker_url(f"redis://127.0.0.1:{server.server_address[1]}/{int(kind is RedisCluster)}"))
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(
    ("options", "commands", "url", "says"),
    [
        (("--cluster-enabled", "yes"), (), "redis://HOST", "is a Redis Cluster, in which one command"),
        (
            ("--cluster-enabled", "yes"),
            (("ACL", "SETUSER", *USER.split()[1:]),),
            "redis://reelq:secret@HOST",
            "is a Redis",
        ),
        (("--requirepass", "secret"), (), "redis://:wrong-word@HOST", "refuses the user or password"),
        (("--requirepass", "secret"), (), "redis://HOST", "refuses the user or password"),
        (
            (),
            (("ACL", "SETUSER", "reader", "on", ">secret", "~*", "&*", "+@read", "+@connection", "+info"),),
            "redis://reader:secret@HOST",
            "lacks a right that reelq needs (BRPOP",
        ),
    ],
)
def test_a_server_that_cannot_be_the_broker_is_refused_in_one_line(
    tmp_path: Path, options: tuple[str, ...], commands: tuple[tuple[str, ...], ...], url: str, says: str
) -> None:
    with valkey(tmp_path, *options) as server:
        for command in commands:
            server.do(*command)
        with pytest.raises(BrokerUnfit, match=re.escape(says)) as caught:
            look(parse_broker_url(url.replace("HOST", f"127.0.0.1:{server.port}")))
        given = {**ACCOUNTS, "broker_url": url.replace("HOST", f"127.0.0.1:{server.port}")}
        with pytest.raises(StackError, match=re.escape(f"broker_url: {caught.value}")):
            check(Settings.model_validate(given))
    assert "\n" not in str(caught.value)
    assert "wrong-word" not in str(caught.value)


@pytest.mark.parametrize(("stale", "says"), [("yes", "read-only replica"), ("no", "Link with MASTER is down")])
def test_a_replica_is_waited_for(tmp_path: Path, stale: str, says: str) -> None:
    with valkey(tmp_path, "--replica-serve-stale-data", stale) as server:
        server.do("REPLICAOF", "127.0.0.1", "1")
        with pytest.raises(BrokerUnavailable, match=says) as caught:
            look(parse_broker_url(server.url))
        assert caught.value.code == "broker_replica"
        assert not isinstance(caught.value, BrokerUnfit)
        server.do("REPLICAOF", "NO", "ONE")
        look(parse_broker_url(server.url))
