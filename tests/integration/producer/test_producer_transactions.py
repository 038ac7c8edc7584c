"""Jobs in a transaction of the caller's: they commit and roll back with it, and nothing else of it changes."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
import sqlalchemy
from psycopg.rows import dict_row
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import Session, scoped_session, sessionmaker

from producer import AsyncProducer, DatabaseUnavailable, IdempotencyConflict, InvalidInput, Job, Producer
from storage.bucket.objects import Objects
from storage.database import connect
from storage.reporting import overview
from storage.settings import Settings
from storage.tenants.tenants import DEFAULT_TENANT
from tests.media_files import picture
from tests.transaction_pooler import transaction_pooler

Opened = Iterator[tuple[Any, Callable[[str], object], Callable[[], object], Callable[[], object]]]
"""What is given as `connection`, and the caller's ways to run a statement, to commit and to roll back."""
AsyncRound = Callable[[AsyncProducer, str, bool], Awaitable[Job]]


@pytest.fixture
def url(configured: Settings) -> str:
    """The database, with a table of the application's; it also has its own table `jobs`, which comes first."""
    found = configured.require_database_url()
    with psycopg.connect(found) as conn:
        conn.execute("CREATE SCHEMA app; CREATE TABLE app.orders (name text UNIQUE); CREATE TABLE app.jobs (a int)")
        conn.execute(
            "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET search_path = app', current_database()); END $$"
        )
    return found


@pytest.fixture
def settings_with_path(configured: Settings, url: str) -> Settings:
    return configured.model_copy(update={"database_url": f"{url}?options=-csearch_path%3Dpublic"})


@pytest.fixture
def inside(settings_with_path: Settings) -> Iterator[Producer]:
    with Producer(settings_with_path) as made:
        yield made


def stored(producer: Producer) -> tuple[int, int]:
    """How many jobs and how many orders there are."""
    with connect(producer.settings.require_database_url()) as conn:
        orders = conn.execute("SELECT count(*) FROM app.orders").fetchone()
        return sum(overview.counts(conn, DEFAULT_TENANT).values()), 0 if orders is None else orders[0]


def alchemy(url: str) -> sqlalchemy.Engine:
    return sqlalchemy.create_engine(
        url.replace("postgresql://", "postgresql+psycopg://"), poolclass=sqlalchemy.NullPool
    )


def of_psycopg(url: str) -> Opened:
    with closing(psycopg.connect(url, row_factory=dict_row)) as conn:
        yield conn, conn.execute, conn.commit, conn.rollback


def of_a_connection(url: str) -> Opened:
    with alchemy(url).connect() as conn:
        yield conn, conn.exec_driver_sql, conn.commit, conn.rollback


def of_a_session(url: str) -> Opened:
    with Session(alchemy(url)) as session:
        yield session, lambda text: session.execute(sqlalchemy.text(text)), session.commit, session.rollback


def of_a_scoped_session(url: str) -> Opened:
    session = scoped_session(sessionmaker(alchemy(url)))
    yield session, lambda text: session.execute(sqlalchemy.text(text)), session.commit, session.rollback
    session.remove()


@pytest.mark.parametrize("opened", [of_psycopg, of_a_connection, of_a_session, of_a_scoped_session])
def test_jobs_commit_and_roll_back_with_the_caller(opened: Callable[[str], Opened], url: str, inside: Producer) -> None:
    for connection, run, commit, rollback in opened(url):
        # The first statement of the transaction is ours: the caller's commit must still be a commit.
        job = inside.enqueue("a cat", duration=5, connection=connection)
        assert (job.state, job.request["duration"]) == ("queued", 5)
        run("INSERT INTO orders VALUES ('a')")
        assert stored(inside) == (0, 0)
        commit()
        assert stored(inside) == (1, 1)
        assert inside.get(job.id) == job

        run("INSERT INTO orders VALUES ('b')")
        rows = [{"prompt": f"shot {number}"} for number in range(3)]
        jobs = inside.enqueue_many(rows, campaign="spring", connection=connection)
        assert [item.campaign for item in jobs] == ["spring"] * 3
        rollback()
        assert stored(inside) == (1, 1)
        inside.enqueue_many(rows, campaign="spring", connection=connection)
        commit()
        assert stored(inside) == (4, 1)


def test_nothing_of_the_callers_connection_changes(url: str, inside: Producer) -> None:
    """But for the settings of plpgsql, which the first trigger of a session brings."""
    settings = """SELECT name, setting FROM pg_settings
                  WHERE name <> 'transaction_deferrable' AND name NOT LIKE 'plpgsql.%' ORDER BY name"""
    with closing(psycopg.connect(url, row_factory=dict_row, cursor_factory=psycopg.ClientCursor)) as conn:
        conn.execute("SET datestyle = 'German, DMY'")
        conn.execute("SET timezone = 'Asia/Kathmandu'")
        conn.execute("SET search_path = app, pg_catalog")
        conn.commit()
        before = conn.execute(settings).fetchall()
        job = inside.enqueue("a cat", deadline=3_600, connection=conn)
        assert conn.execute(settings).fetchall() == before
        assert conn.execute("SELECT count(*) AS found FROM jobs").fetchone() == {"found": 0}  # the application's own
        assert (conn.row_factory, conn.cursor_factory, conn.autocommit) == (dict_row, psycopg.ClientCursor, False)
        assert conn.prepare_threshold == 5
        conn.execute("SET search_path = pg_catalog, app")  # after ours, in the same transaction
        conn.commit()
        assert conn.execute("SHOW search_path").fetchone() == {"search_path": "pg_catalog, app"}
    found = inside.get(job.id)
    assert (found.created_at, found.deadline_at) == (job.created_at, job.deadline_at)


def test_a_conflict_leaves_the_transaction_usable_and_nothing_of_the_batch(url: str, inside: Producer) -> None:
    earlier = inside.enqueue("a cat", idempotency_key="k")
    with closing(psycopg.connect(url)) as conn:
        conn.execute("INSERT INTO orders VALUES ('a')")
        with pytest.raises(IdempotencyConflict, match=f"'k' belongs to job {earlier.id}"):
            inside.enqueue("a dog", idempotency_key="k", connection=conn)
        rows = [{"prompt": "x"}, {"prompt": "a dog", "idempotency_key": "k"}]
        with pytest.raises(IdempotencyConflict, match="row 2: idempotency_key 'k' belongs to job"):
            inside.enqueue_many(rows, campaign="c", connection=conn)
        assert conn.execute("SHOW search_path").fetchone() == ("app",)
        assert inside.enqueue("a cat", idempotency_key="k", connection=conn).id == earlier.id
        conn.commit()
    assert stored(inside) == (1, 1)


def test_the_same_key_in_two_transactions_is_one_job(url: str, inside: Producer) -> None:
    other: list[Job] = []
    with closing(psycopg.connect(url)) as first, closing(psycopg.connect(url)) as second:
        job = inside.enqueue("a cat", idempotency_key="k", connection=first)
        waits = threading.Thread(
            target=lambda: other.append(inside.enqueue("a cat", idempotency_key="k", connection=second))
        )
        waits.start()
        first.commit()
        waits.join()
        second.commit()
    assert other[0].id == job.id
    assert stored(inside) == (1, 0)


def test_a_bad_job_touches_no_connection(url: str, inside: Producer) -> None:
    with closing(psycopg.connect(url)) as conn:
        with pytest.raises(InvalidInput, match="duration"):
            inside.enqueue("a cat", duration=99, connection=conn)
        with pytest.raises(InvalidInput, match="connection: cannot be combined with a budget or a weight"):
            inside.enqueue_many([{"prompt": "x"}], "c", budget="5 CNY", connection=conn)
        assert conn.info.transaction_status == psycopg.pq.TransactionStatus.IDLE


def test_what_cannot_be_used_is_refused_in_words(url: str, inside: Producer) -> None:
    with closing(psycopg.connect(url, autocommit=True)) as conn:
        with pytest.raises(ValueError, match="autocommit mode and in no transaction"):
            inside.enqueue("a cat", connection=conn)
        with conn.transaction():  # a transaction in autocommit mode is one
            inside.enqueue("a cat", connection=conn)
    assert stored(inside) == (1, 0)
    refused: list[tuple[object, str]] = [
        (object(), "connection is builtins.object; give a connection of psycopg 3, or a session"),
        (AsyncSession(create_async_engine("postgresql+psycopg://")), "belongs to asyncio; use AsyncProducer"),
    ]
    for connection, said in refused:
        with pytest.raises(TypeError, match=said):
            inside.enqueue("a cat", connection=connection)  # type: ignore[arg-type]  # the wrong kind, refused
    said = r"Connection on sqlite3\.Connection; give a connection of psycopg 3"
    with sqlalchemy.create_engine("sqlite://").connect() as lite, pytest.raises(TypeError, match=said):
        inside.enqueue("a cat", connection=lite)


def test_another_database_is_named_as_the_cause(inside: Producer, empty_postgres_url: str) -> None:
    with closing(psycopg.connect(empty_postgres_url)) as conn:
        with pytest.raises(DatabaseUnavailable, match="`connection` is to a database without reelq's tables"):
            inside.enqueue("a cat", connection=conn)
        assert conn.execute("SELECT 1").fetchone() == (1,)


def test_files_are_stored_before_and_may_stay_when_it_is_rolled_back(
    url: str, inside: Producer, tmp_path: Path
) -> None:
    file = tmp_path / "first.png"
    file.write_bytes(picture())
    with closing(psycopg.connect(url)) as conn:
        job = inside.enqueue("a cat", first_frame=str(file), connection=conn)
        conn.rollback()
        again = inside.enqueue("a cat", first_frame=str(file), connection=conn)
        conn.commit()
    assert again.request["first_frame"] == job.request["first_frame"]
    objects = Objects(inside.settings)
    with inside.database.begin() as conn:
        [[key]] = conn.execute("SELECT object_key FROM uploads").fetchall()
    assert objects.head(key) is not None
    assert stored(inside) == (1, 0)


def test_behind_a_transaction_pooler_it_is_the_same(url: str, inside: Producer) -> None:
    with transaction_pooler(url) as pooler:
        parts = urlsplit(url)
        pooled = parts._replace(netloc=f"{parts.netloc.rpartition(':')[0]}:{pooler.port}").geturl()
        with closing(psycopg.connect(pooled, prepare_threshold=None)) as conn:
            for number in range(8):
                inside.enqueue(f"take {number}", idempotency_key=f"k{number}", connection=conn)
                conn.execute("INSERT INTO orders VALUES (%s)", [str(number)])
                conn.commit() if number % 2 else conn.rollback()
        assert pooler.prepared() == 0
    assert stored(inside) == (4, 4)


# --- asyncio ---------------------------------------------------------------------------------------------------------


async def in_psycopg(producer: AsyncProducer, url: str, commits: bool) -> Job:
    async with await psycopg.AsyncConnection.connect(url, row_factory=dict_row) as conn:
        job = await producer.enqueue("a cat", duration=5, connection=conn)
        await producer.enqueue_many([{"prompt": "x"}, {"prompt": "y"}], "spring", connection=conn)
        await conn.execute("INSERT INTO orders VALUES ('a')")
        await (conn.commit() if commits else conn.rollback())
    return job


async def in_a_session(producer: AsyncProducer, url: str, commits: bool) -> Job:
    engine = create_async_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    async with AsyncSession(engine) as session:
        job = await producer.enqueue("a cat", duration=5, connection=session)
        await producer.enqueue_many([{"prompt": "x"}, {"prompt": "y"}], "spring", connection=session)
        await session.execute(sqlalchemy.text("INSERT INTO orders VALUES ('a')"))
        await (session.commit() if commits else session.rollback())
    await engine.dispose()
    return job


async def in_a_connection(producer: AsyncProducer, url: str, commits: bool) -> Job:
    engine = create_async_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    async with engine.connect() as conn:
        job = await producer.enqueue("a cat", duration=5, connection=conn)
        await producer.enqueue_many([{"prompt": "x"}, {"prompt": "y"}], "spring", connection=conn)
        await conn.exec_driver_sql("INSERT INTO orders VALUES ('a')")
        await (conn.commit() if commits else conn.rollback())
    await engine.dispose()
    return job


@pytest.mark.parametrize("once", [in_psycopg, in_a_session, in_a_connection])
def test_with_asyncio_jobs_commit_and_roll_back_with_the_caller(
    once: AsyncRound, url: str, inside: Producer, settings_with_path: Settings
) -> None:
    async def both() -> Job:
        async with AsyncProducer(settings_with_path) as producer:
            await once(producer, url, False)
            assert stored(inside) == (0, 0)
            return await once(producer, url, True)

    job = asyncio.run(both())
    assert stored(inside) == (3, 1)
    assert inside.get(job.id) == job


def test_with_asyncio_transactions_that_wait_for_each_other_hold_up_no_other(
    url: str, inside: Producer, settings_with_path: Settings
) -> None:
    """More tasks wait for the first transaction than `AsyncProducer` has threads; the first still goes on."""

    async def play() -> list[Job]:
        async with AsyncProducer(settings_with_path) as producer:

            async def same() -> Job:
                async with await psycopg.AsyncConnection.connect(url) as conn:
                    return await producer.enqueue("a cat", idempotency_key="k", connection=conn)

            async with await psycopg.AsyncConnection.connect(url) as first:
                await producer.enqueue("a cat", idempotency_key="k", connection=first)
                others = [asyncio.create_task(same()) for _ in range(12)]
                while await waiting_for_locks(url) < 12:  # noqa: ASYNC110 - PostgreSQL sends no event
                    await asyncio.sleep(0.01)
                given_up = others.pop()
                given_up.cancel()
                await asyncio.gather(given_up, return_exceptions=True)
                await producer.enqueue("a dog", connection=first)
            return await asyncio.gather(*others)

    assert len({job.id for job in asyncio.run(play())}) == 1
    assert stored(inside) == (2, 0)


async def waiting_for_locks(url: str) -> int:
    async with await psycopg.AsyncConnection.connect(url) as conn:
        query = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        row = await (await conn.execute(query)).fetchone()
        return 0 if row is None else int(row[0])


def test_with_asyncio_a_conflict_leaves_the_transaction_usable(
    url: str, inside: Producer, settings_with_path: Settings
) -> None:
    async def play() -> None:
        async with AsyncProducer(settings_with_path) as producer:
            await producer.enqueue("a cat", idempotency_key="k")
            async with await psycopg.AsyncConnection.connect(url) as conn:
                await conn.execute("INSERT INTO orders VALUES ('a')")
                with pytest.raises(IdempotencyConflict):
                    await producer.enqueue("a dog", idempotency_key="k", connection=conn)
            with psycopg.connect(url) as blocking, pytest.raises(TypeError, match="which blocks; use Producer"):
                await producer.enqueue("a cat", connection=blocking)  # type: ignore[arg-type]  # refused

    asyncio.run(play())
    assert stored(inside) == (1, 1)
