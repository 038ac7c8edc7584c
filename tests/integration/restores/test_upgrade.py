"""An upgrade from the release before the journal, with jobs in every state."""

from __future__ import annotations

from pathlib import Path

from storage.bucket.objects import Objects
from storage.database import connect, upgrade
from storage.settings import Settings
from tests.integration.jobs.migrations.test_migrations import migrate
from tests.integration.restores.rig import JOBS, Rig, enqueue, finish, submits
from tests.integration.submitting.doubtful_gateway import LOST, DoubtfulGateway
from tests.servers import TestServers
from tests.waiting import wait_for

BEFORE = "0036"


def test_jobs_in_every_state_go_on_after_an_upgrade(
    settings: Settings, servers: TestServers, gateway: DoubtfulGateway, tmp_path: Path
) -> None:
    with servers.database(migrated=False) as url:
        upgrade(url)
        rig = Rig(settings.model_copy(update={"database_url": url}), gateway, tmp_path / "backup.dump")
        with rig.world() as world:
            enqueue(world, "stored")
            world.round()
            finish(world, gateway)
            enqueue(world, "copied")
            world.round()
            gateway.finish()
            world.poll()
            enqueue(world, "generated")
            world.round()
            gateway.arm(LOST)
            enqueue(world, "doubtful")
            world.round()
            gateway.arm()
            enqueue(world, "lost")
            with connect(url) as conn:
                conn.execute("DELETE FROM circuit_breakers")  # the answers are lost no longer
                # Its worker was killed before the POST; the lease ends with the upgrade.
                conn.execute(
                    """WITH lost AS (UPDATE jobs SET state = 'submitting', attempt = 1, account = 'mute',
                           gateway = 'anyfast', model = 'm', submitted_at = now(), due_at = now()
                           WHERE state = 'queued' AND account_pin = 'mute' RETURNING id)
                       INSERT INTO attempts (job_id, number, account, gateway, model)
                       SELECT id, 1, 'mute', 'anyfast', 'm' FROM lost"""
                )
            before = world.states()
        assert before.keys() == {"succeeded", "transferring", "generating", "unconfirmed", "submitting", "queued"}
        objects = Objects(rig.settings)
        objects.delete(objects.keys_below(objects.keys.journal) or [])  # the old release wrote none
        migrate(url, BEFORE)

        upgrade(url)
        with rig.world(compared=False) as world:
            watch = rig.watch(world)
            wait_for("compared", watch.may_run)
            assert rig.state().hold is None
            assert world.states() == before
            assert submits(world, watch) == before["queued"]
            world.reconcile()
            finish(world, gateway)
            left = world.rows("SELECT DISTINCT account, state FROM jobs WHERE state <> 'succeeded'")
            assert left == [{"account": "mute", "state": "unconfirmed"}], "nothing can list these tasks"
            assert world.states()["unconfirmed"] == 4 * JOBS
    assert set(gateway.generations().values()) == {1}
