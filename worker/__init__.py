"""What moves jobs: the Celery app, its tasks, and the scheduler that claims what is due."""

from worker.app import app as celery

__all__ = ["celery"]
