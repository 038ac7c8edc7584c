"""Copies are split between the workers that are seen, with a real scheduler, PostgreSQL and broker."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys

import pytest
import redis

from storage.database import connect
from storage.heartbeats import beat
from storage.settings import Settings
from tests.servers import environ_for
from tests.transfers import generated
from tests.waiting import PATIENCE_S

TICK = """
from worker.app import app
from worker.scheduling.scheduler import DueScheduler
app.conf.beat_schedule.clear()
scheduler = DueScheduler(app=app)
while not scheduler.dispatcher.awaited:  # it compares the database with its journal first
    scheduler.tick()
scheduler.close()
"""


@pytest.mark.parametrize(
    ("workers", "sizes"),
    [([], [20, 40]), (["one:1"], [60]), (["one:1", "two:1"], [20, 40])],
    ids=["none is seen", "one worker gets all", "each of two gets one"],
)
def test_a_round_sends_one_message_for_each_worker_that_copies(
    settings: Settings, broker_url: str, workers: list[str], sizes: list[int]
) -> None:
    for number in range(60):
        generated(settings, f"https://cdn.example/{number}.mp4")
    with connect(settings.require_database_url()) as conn:
        for instance in workers:
            beat(conn, "transfer", instance)
        beat(conn, "poll", "one:1")
        beat(conn, "transfer", "gone:1")
        # On a loaded machine the scheduler starts slowly; until then the others' heartbeats stay fresh.
        conn.execute("UPDATE heartbeats SET seen_at = now() + interval '2 min'")
        conn.execute("UPDATE heartbeats SET seen_at = now() - interval '1 min' WHERE instance = 'gone:1'")
    environ = {**os.environ, **environ_for(settings), "REELQ_BROKER_URL": broker_url}
    subprocess.run([sys.executable, "-c", TICK], env=environ, timeout=PATIENCE_S, check=True)
    with redis.Redis.from_url(broker_url) as client:
        bodies = [json.loads(base64.b64decode(json.loads(m)["body"]))[0] for m in client.lrange("transfer", 0, -1)]
    assert sorted(len(items) for _, items in bodies) == sizes
