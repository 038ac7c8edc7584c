"""PostgreSQL as people have it: behind poolers and proxies, with parameters in the URL, in other encodings."""

from __future__ import annotations

import os
import shutil
import socket
import ssl
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg import sql

from producer import Producer
from storage import database
from storage.database import Database, DatabaseUnavailable, Limits, connect, upgrade
from storage.revisions import current_revision, newest_revision
from storage.settings import Settings
from tests.certificates import make_certificates
from tests.integration.api.api_server import with_account
from tests.ports import reserve_port
from tests.servers import TestServers
from tests.tcp_door import door
from tests.transaction_pooler import transaction_pooler
from tests.waiting import wait_for

PGBOUNCER = shutil.which("pgbouncer") or shutil.which("/usr/sbin/pgbouncer")
"""Debian's; the fake misbehaves in the same way where it is not installed."""
ROUNDS = 12
_PLANS = "SELECT generic_plans, custom_plans FROM pg_prepared_statements WHERE statement LIKE '%FROM jobs%'"
MANY = 4_100
"""More than are sent at once."""
"""More than psycopg sends before it prepares a statement."""


def at_port(url: str, port: int, query: str = "") -> str:
    """The same database through another port."""
    parts = urlsplit(url)
    return parts._replace(netloc=f"{parts.netloc.rpartition(':')[0]}:{port}", query=query).geturl()


def port_of(url: str) -> int:
    port = urlsplit(url).port
    assert port is not None
    return port


@contextmanager
def fake_pooler(url: str, _directory: Path) -> Iterator[str]:
    with transaction_pooler(url) as pooler:
        yield at_port(url, pooler.port)


@contextmanager
def pgbouncer(url: str, directory: Path) -> Iterator[str]:
    assert PGBOUNCER is not None
    parts = urlsplit(url)
    port = reserve_port()
    ini = directory / "pgbouncer.ini"
    ini.write_text(
        f"[databases]\n* = host={parts.hostname} port={parts.port} user={parts.username} password={parts.password}\n"
        f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = any\n"
        "pool_mode = transaction\ndefault_pool_size = 3\n"
    )
    as_nobody = ("-u", "nobody") if os.geteuid() == 0 else ()  # it refuses to run as root
    process = subprocess.Popen([PGBOUNCER, "-q", *as_nobody, str(ini)], stderr=subprocess.DEVNULL)

    def listens() -> bool:
        with socket.socket() as client:
            return not client.connect_ex(("127.0.0.1", port))

    try:
        wait_for("PgBouncer listens", listens)
        yield at_port(url, port)
    finally:
        process.terminate()
        process.wait(30)


Pooling = Callable[[str, Path], AbstractContextManager[str]]
POOLERS: list[Pooling] = [fake_pooler, *([pgbouncer] if PGBOUNCER else [])]


@pytest.mark.parametrize("pooling", POOLERS)
def test_behind_a_transaction_pooler_everything_works_by_itself(
    pooling: Pooling, empty_postgres_url: str, settings: Settings, tmp_path: Path
) -> None:
    failed: list[BaseException] = []

    def work(producer: Producer, number: int) -> None:
        try:
            for round_ in range(ROUNDS):
                job = producer.enqueue(f"take {number}.{round_}", duration=5)
                assert producer.get(job.id).id == job.id
        except BaseException as exc:  # noqa: BLE001 - the test looks at it
            failed.append(exc)

    with pooling(empty_postgres_url, tmp_path) as url:
        upgrade(url)
        given = with_account(settings.model_copy(update={"database_url": url}))
        with Producer(given) as first, Producer(given) as second:
            threads = [
                threading.Thread(target=work, args=(producer, number))
                for number, producer in enumerate((first, second, first, second))
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            first.enqueue_many({"prompt": f"take {number}"} for number in range(MANY))
    assert failed == []
    with connect(empty_postgres_url) as conn:
        assert conn.execute("SELECT count(*) FROM jobs").fetchone() == (4 * ROUNDS + MANY,)


def test_nothing_stays_in_a_poolers_sessions(postgres_url: str) -> None:
    with transaction_pooler(postgres_url) as pooler:
        with closing(Database(at_port(postgres_url, pooler.port), name="test", size=2)) as pooled:
            for run in range(ROUNDS):
                with pooled.begin(planned_once=run % 2 == 0) as conn:
                    assert conn.execute("SELECT count(*) FROM jobs WHERE due_at < now()").fetchone() == (0,)
        assert pooler.prepared() == 0


@pytest.mark.parametrize(("prepared", "count"), [("auto", True), ("off", False)])
def test_statements_are_prepared_on_a_connection_to_the_server_itself(
    postgres_url: str, prepared: str, count: bool
) -> None:
    with closing(Database(postgres_url, name="test", size=1, prepared=prepared)) as direct:  # type: ignore[arg-type]  # parametrised
        for _ in range(ROUNDS):
            with direct.begin() as conn:
                conn.execute("SELECT count(*) FROM jobs WHERE due_at < now()")
        with direct.begin() as conn:
            found = conn.execute("SELECT count(*) > 0 FROM pg_prepared_statements", prepare=False).fetchone()
    assert found == (count,)


def test_what_is_planned_once_is_planned_for_all_values_at_its_first_use(postgres_url: str) -> None:
    with closing(Database(postgres_url, name="test", size=1)) as direct:
        for run in range(1, ROUNDS + 1):
            with direct.begin(planned_once=True) as conn:
                conn.execute("SELECT count(*) FROM jobs WHERE state = %s", ["queued"])
                assert conn.execute(_PLANS, prepare=False).fetchall() == [(run, 0)]
        with direct.begin() as conn:  # other transactions are as before
            assert conn.execute("SHOW plan_cache_mode").fetchone() == ("auto",)
            conn.execute("SELECT count(*) FROM jobs WHERE reason = %s", ["enqueued"])
            assert len(conn.execute(_PLANS, prepare=False).fetchall()) == 1


@pytest.mark.parametrize("planned_once", [True, False])
def test_no_statement_is_compiled_however_much_its_plan_seems_to_cost(postgres_url: str, planned_once: bool) -> None:
    usual = f"{postgres_url}{'&' if '?' in postgres_url else '?'}options=-c%20jit%3Don"  # as servers are by default
    with psycopg.connect(usual) as own:
        assert own.execute("SHOW jit").fetchone() == ("on",)
    with closing(Database(usual, name="test", size=1)) as direct, direct.begin(planned_once=planned_once) as conn:
        assert conn.execute("SHOW jit").fetchone() == ("off",)


def test_a_pooler_that_is_not_found_out_costs_one_refusal(postgres_url: str) -> None:
    with closing(Database(postgres_url, name="test", size=1)) as direct:
        with direct.begin() as conn:
            conn.execute("SELECT 1", prepare=True)
            conn.pgconn.exec_(b"DEALLOCATE ALL")  # as if another client had the session now
        with pytest.raises(DatabaseUnavailable, match="database_prepared_statements"), direct.begin() as conn:
            conn.execute("SELECT 1", prepare=True)
        for _ in range(ROUNDS):
            with direct.begin() as conn:
                conn.execute("SELECT 2")
        with direct.begin() as conn:
            assert conn.execute("SELECT count(*) FROM pg_prepared_statements").fetchone() == (0,)


def test_a_schema_of_ones_own_holds_migrations_and_jobs(
    empty_postgres_url: str, settings: Settings, tmp_path: Path
) -> None:
    # Through a pooler as well, which refuses options when a connection is made.
    with fake_pooler(empty_postgres_url, tmp_path) as pooled:
        for url in (empty_postgres_url, pooled):
            own = f"{url}?options=-csearch_path%3D%22My%5C%20jobs%22%2Cpublic%20-c%20work_mem%3D8MB"
            if url == pooled:
                own = own.replace("%20-c%20work_mem%3D8MB", "")
            upgrade(own)
            with Producer(with_account(settings.model_copy(update={"database_url": own}))) as producer:
                producer.enqueue("A red kite", duration=5)
    with connect(own.replace(pooled, empty_postgres_url)) as conn:
        assert current_revision(conn) == newest_revision()
    with connect(empty_postgres_url) as conn:
        assert conn.execute('SELECT count(*) FROM "My jobs".jobs').fetchone() == (2,)
        assert conn.execute("SELECT to_regclass('public.jobs')").fetchone() == (None,)
        assert current_revision(conn) is None


def test_parameters_of_the_url_win_over_ours(postgres_url: str) -> None:
    url = f"{postgres_url}?application_name=studio&connect_timeout=17&keepalives_idle=44&options=-c%20work_mem%3D8MB"
    with closing(Database(url, name="test", size=1)) as pool:
        for opened in (connect(url), pool.begin()):
            with opened as conn:
                shown = [conn.execute(sql.SQL("SHOW {}").format(sql.Identifier(name))).fetchone() for name in SHOWN]
                assert shown == [("studio",), ("8MB",)]
                given = conn.info.get_parameters()
                assert (given["connect_timeout"], given["keepalives_idle"]) == ("17", "44")
    with connect(postgres_url, "reelq") as conn:
        assert conn.execute("SHOW application_name").fetchone() == ("reelq",)


SHOWN = ("application_name", "work_mem")


def test_the_second_of_two_hosts_serves_when_the_first_is_gone(postgres_url: str, closed_port: int) -> None:
    port = port_of(postgres_url)
    url = postgres_url.replace(f"127.0.0.1:{port}", f"127.0.0.1:{closed_port},127.0.0.1:{port}")
    with connect(f"{url}?target_session_attrs=read-write") as conn:
        assert conn.execute("SELECT count(*) FROM jobs").fetchone() == (0,)
    gone = url.replace(f",127.0.0.1:{port}", f",127.0.0.1:{closed_port}")
    with (
        pytest.raises(DatabaseUnavailable, match=rf"at 127\.0\.0\.1:{closed_port},127\.0\.0\.1:{closed_port}/"),
        connect(gone),
    ):
        pass


def test_connections_to_a_server_that_has_become_read_only_are_replaced(postgres_url: str) -> None:
    with closing(Database(postgres_url, name="test", size=3)) as pool:
        with pool.begin() as first, pool.begin() as second:
            demoted = [first, second]
        for conn in demoted:
            conn.execute("SET default_transaction_read_only = on")
        with pytest.raises(DatabaseUnavailable, match="target_session_attrs"), pool.begin() as conn:
            conn.execute("INSERT INTO tenants (name) VALUES ('acme')")
        with pool.begin() as first, pool.begin() as second:
            for conn in (first, second):
                assert conn.execute("SHOW transaction_read_only").fetchone() == ("off",)


@pytest.mark.parametrize("encoding", ["SQL_ASCII", "LATIN1"])
def test_a_database_of_another_encoding_keeps_every_prompt_or_is_refused(
    servers: TestServers, settings: Settings, encoding: str
) -> None:
    name = f"test_{encoding.lower()}_{os.getpid()}"
    url = servers.databases.url_of(name)
    with psycopg.connect(servers.postgres.url, autocommit=True) as conn:
        make = f"CREATE DATABASE {name} ENCODING '{encoding}' LOCALE 'C' TEMPLATE template0"
        conn.execute(make)
        try:
            if encoding == "LATIN1":
                with pytest.raises(DatabaseUnavailable, match=r"LATIN1.*ENCODING 'UTF8'"):
                    upgrade(url)
                return
            upgrade(url)
            with Producer(with_account(settings.model_copy(update={"database_url": url}))) as producer:
                job = producer.enqueue("一只猫，慢镜头", duration=5, metadata={"标题": "猫"})
                found = producer.get(job.id)
            assert found.request["prompt"] == "一只猫，慢镜头"
            assert found.metadata == {"标题": "猫"}
        finally:
            conn.execute(f"DROP DATABASE {name} WITH (FORCE)")


def test_times_are_read_right_whatever_the_databases_own_forms_are(postgres_url: str) -> None:
    name = urlsplit(postgres_url).path.lstrip("/")
    with psycopg.connect(postgres_url, autocommit=True) as conn:
        for form in ("timezone = 'Asia/Kathmandu'", "datestyle = 'SQL, DMY'", "intervalstyle = 'iso_8601'"):
            conn.execute(sql.SQL("ALTER DATABASE {} SET " + form).format(sql.Identifier(name)))
    with connect(postgres_url) as conn:
        row = conn.execute("SELECT now(), extract(epoch from now())::float8, interval '90 minutes'").fetchone()
    assert row is not None
    assert row[0].timestamp() == pytest.approx(row[1], abs=0.01)
    assert row[2].total_seconds() == 5400


def test_a_connection_that_falls_silent_is_noticed_and_so_are_the_others_of_its_time(postgres_url: str) -> None:
    with (
        door(("127.0.0.1", port_of(postgres_url))) as way,
        closing(Database(at_port(postgres_url, way.port), name="test", size=3, limits=Limits(statement_s=0.1))) as pool,
    ):
        with pool.begin(), pool.begin(), pool.begin():
            pass
        way.freeze()
        since = time.monotonic()
        with pytest.raises(DatabaseUnavailable, match="did not answer within"), pool.begin():
            pass
        assert time.monotonic() - since > 5.0, "a server may take as long as its own limit says, and a little more"
        before = way.accepted
        # None of the other two costs the same time again; nothing silent is left.
        with pool.begin() as first, pool.begin() as second:
            assert [conn.execute("SELECT 1").fetchone() for conn in (first, second)] == [(1,), (1,)]
        assert way.accepted >= before + 2


def test_an_idle_connection_that_was_dropped_silently_costs_no_error(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "IDLE_S", 0.0)
    monkeypatch.setattr(database, "CHECK_S", 0.5)
    with (
        door(("127.0.0.1", port_of(postgres_url))) as way,
        closing(Database(at_port(postgres_url, way.port), name="test", size=3)) as pool,
    ):
        with pool.begin(), pool.begin():
            pass
        way.freeze()
        with pool.begin() as first, pool.begin() as second:
            assert [each.execute("SELECT 1").fetchone() for each in (first, second)] == [(1,), (1,)]


class Greeter:
    """Speaks TLS for PostgreSQL, which asks for it with a message of its own."""

    def __init__(self, context: ssl.SSLContext, target: int) -> None:
        self._context, self._target = context, target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        try:
            asked = client.recv(8)
            assert asked == struct.pack(">II", 8, 80877103)
            client.sendall(b"S")
            with (
                door(("127.0.0.1", self._target)) as plain,
                self._context.wrap_socket(client, server_side=True) as secure,
                socket.create_connection(("127.0.0.1", plain.port)) as server,
            ):
                there = threading.Thread(target=_pump, args=(secure, server), daemon=True)
                there.start()
                _pump(server, secure)
        except OSError:
            client.close()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_RDWR)
    except OSError:
        return


def test_certificates_of_the_url_are_used_and_checked(postgres_url: str, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    ours, others = make_certificates(tmp_path), make_certificates(tmp_path / "other")
    with closing(Greeter(ours.server(asks_clients=True), port_of(postgres_url))) as way:
        base = f"{at_port(postgres_url, way.port)}?sslmode=verify-full&sslcert={ours.certificate}&sslkey={ours.key}"
        with connect(f"{base}&sslrootcert={ours.authority}") as conn:
            assert conn.pgconn.ssl_in_use
        wrong = connect(f"{base}&sslrootcert={others.authority}")
        with pytest.raises(DatabaseUnavailable, match="certificate verify failed"), wrong:
            pass


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("postgresql://reelq:hidden@127.0.0.1:5432/reelq?pgbouncer=true", "pgbouncer"),
        ("postgresql://reelq:hidden@127.0.0.1:port/reelq", "port"),
        ("postgresql://reelq:hidden@127.0.0.1:5432/reelq?connect_timeout=soon", "connect_timeout"),
    ],
)
def test_a_url_that_cannot_be_used_is_named_without_its_password(url: str, says: str) -> None:
    with pytest.raises(DatabaseUnavailable, match=says) as caught, connect(url):
        pass
    assert "hidden" not in str(caught.value)
    assert "database_url" in str(caught.value)
