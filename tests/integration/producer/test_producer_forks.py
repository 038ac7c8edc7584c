"""A producer that was used before a fork, as with `gunicorn --preload` or Celery's prefork pool."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from storage.database import connect
from storage.settings import Settings
from tests.servers import environ_for
from tests.waiting import PATIENCE_S

PROGRAM = """
import asyncio, gc, os, sys, threading
from producer import AsyncProducer, Producer

def session(producer):
    with producer.database.begin() as conn:
        return conn.execute("SELECT pg_backend_pid()").fetchone()[0]

async def first(producer):
    await producer.enqueue("async, before", idempotency_key="async")

producer, waiting = Producer(), AsyncProducer()
before = producer.enqueue("before")
asyncio.run(first(waiting))
own = session(producer)
held = producer.database.begin()  # another thread is in a transaction while we fork
entered, leave = threading.Event(), threading.Event()

def hold():
    with held:
        entered.set()
        leave.wait()

thread = threading.Thread(target=hold)
thread.start()
entered.wait()

children = []
for number in range(3):
    pid = os.fork()
    if pid == 0:
        assert session(producer) != own
        threads = [
            threading.Thread(target=producer.enqueue, args=(f"child {number}.{part}",)) for part in range(4)
        ]
        [item.start() for item in threads]
        [item.join() for item in threads]
        async def then():
            job = await waiting.enqueue(f"async, child {number}")
            assert (await waiting.get(job.id)).id == job.id
            await waiting.aclose()
        asyncio.run(then())
        grandchild = os.fork()
        if grandchild == 0:
            producer.enqueue(f"grandchild {number}")
            sys.exit(0)  # with everything that Python does at its end
        assert os.waitpid(grandchild, 0)[1] == 0
        producer.close()
        gc.collect()
        sys.exit(0)
    children.append(pid)
assert [os.waitpid(pid, 0)[1] for pid in children] == [0, 0, 0]
leave.set()
thread.join()
assert session(producer) == own, "the parent's session has ended"
producer.enqueue("after")
asyncio.run(first(waiting))
producer.close()
print("done")
"""
ACCOUNT = """
[[accounts]]
name = "main"
gateway = "anyfast"
api_key = "k"
"""


def test_after_a_fork_parent_and_children_have_connections_of_their_own(configured: Settings, tmp_path: Path) -> None:
    (tmp_path / "reelq.toml").write_text(ACCOUNT)
    done = subprocess.run(
        [sys.executable, "-W", "error::ResourceWarning", "-c", PROGRAM],
        env={**os.environ, **environ_for(configured), "REELQ_CONFIG": str(tmp_path / "reelq.toml")},
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr
    assert done.stderr == ""
    with connect(configured.require_database_url()) as conn:
        prompts = [row[0] for row in conn.execute("SELECT request->>'prompt' FROM jobs")]
    expected = ["before", "after", "async, before"]
    for number in range(3):
        expected += [f"child {number}.{part}" for part in range(4)]
        expected += [f"async, child {number}", f"grandchild {number}"]
    assert sorted(prompts) == sorted(expected)
