"""The Celery app. Its configuration is `worker.config`, its tasks are in `worker.tasks`."""

from __future__ import annotations

from celery import Celery

from worker import broker, exposure, quiet_celery
from worker.ending import OneWayToStop
from worker.environment import ignore_others

ignore_others()
broker.register()
quiet_celery.install()
exposure.install()
app = Celery(
    "worker",
    include=["worker.tasks", "worker.logs", "worker.lifecycle"],
    events="worker.watching.gathered_events:Events",
)
app.config_from_object("worker.config")
app.steps["worker"].add(OneWayToStop)
