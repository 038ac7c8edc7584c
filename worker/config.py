"""Celery's configuration; loaded when the app is first used, so that importing tasks needs no broker."""

import sys

from kombu.entity import Exchange, Queue

from seedance.problems import InvalidInput
from storage.settings import load_settings
from worker.broker import celery_settings
from worker.queues import QUEUES

try:
    _settings = load_settings()
    _broker = celery_settings(_settings.require_broker())
except InvalidInput as exc:
    sys.exit(f"reelq: {exc}")

broker_url = _broker["broker_url"]
broker_use_ssl = _broker["broker_use_ssl"]
broker_connection_retry_on_startup = True
broker_connection_max_retries = None
# In a failover the server becomes a replica, whose errors would end the worker.
broker_channel_error_retry = True
broker_transport_options = {
    # Tasks are acknowledged early, so this only bounds how long a message that a dying worker lost stays in the broker.
    "visibility_timeout": 3600,
    "unacked_restore_interval": 10,
    "unacked_restore_throttle": 1,
    **_broker["broker_transport_options"],
}

# The row is the truth: no results, no late acknowledgement, no recovery besides the lease.
task_ignore_result = True
result_backend = None
result_expires = None
task_acks_late = False
worker_prefetch_multiplier = 1
task_serializer = "json"
accept_content = ["json"]
result_accept_content = ["json"]

task_default_queue = "submit"
task_create_missing_queues = True
# Named, so that Flower shows all of them before the first worker is there.
task_queues = [Queue(name, Exchange(name, "direct"), routing_key=name) for name in QUEUES]  # type: ignore[no-untyped-call] # kombu has no types

worker_send_task_events = True
worker_consumer = "worker.consumer:Consumer"
task_send_sent_event = False
worker_cancel_long_running_tasks_on_connection_loss = False
# It has no effect with this broker, and says so at each reconnection.
worker_enable_prefetch_count_reduction = False
worker_redirect_stdouts = False
worker_enable_remote_control = True
event_queue_expires = 60
event_queue_ttl = 10

beat_max_loop_interval = max(_settings.tick_seconds, 0.05)
beat_scheduler = "worker.scheduling.scheduler:DueScheduler"
beat_schedule = {
    "sweep": {
        "task": "worker.sweep",
        "schedule": 120.0,
        "options": {"queue": "transfer", "expires": 120.0, "retry": False},
    }
}
timezone = "UTC"
