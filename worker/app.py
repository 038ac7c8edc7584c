"""The Celery app. Its configuration is `worker.config`, its tasks are in `worker.tasks`."""

from __future__ import annotations

from celery import Celery

from worker import broker, quiet_kombu
from worker.environment import ignore_others
from worker.watching import exposure as _exposure  # noqa: F401 - it connects to a signal

ignore_others()
broker.register()
quiet_kombu.install()
app = Celery("worker", include=["worker.tasks", "worker.logs", "worker.lifecycle"])
app.config_from_object("worker.config")
