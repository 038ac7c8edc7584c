"""Everything that moves jobs: the Celery app, its tasks, and the scheduler that claims due jobs."""

from worker.app import app as celery

__all__ = ["celery"]
