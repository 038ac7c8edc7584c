"""The commands of reelq's processes, for `reelq up` and docker-compose.yml."""

from __future__ import annotations

_WORKER_FLAGS = ("-E", "--without-gossip", "--without-mingle", "--loglevel", "INFO")

SCHEDULER = ("python", "-m", "worker", "beat", "--loglevel", "INFO")
WORKER_SUBMIT_POLL = (
    *("python", "-m", "worker", "worker"),
    *("-Q", "submit,poll,notify", "-P", "threads", "-c", "16", "-n", "submit-poll@%h"),
    *_WORKER_FLAGS,
)
WORKER_TRANSFER = (
    *("python", "-m", "worker", "worker"),
    *("-Q", "transfer", "-P", "threads", "-c", "4", "-n", "transfer@%h"),
    *_WORKER_FLAGS,
)


def api(host: str, port: int) -> tuple[str, ...]:
    """The HTTP API."""
    return ("python", "-m", "producer.api", "--host", host, "--port", str(port))


def flower(address: str, port: int, db: str) -> tuple[str, ...]:
    """Flower, Celery's monitor, read-only. `db`: the file of its history. Beyond loopback it needs a password."""
    return (
        *("python", "-m", "worker.watching.flower"),
        *(f"--address={address}", f"--port={port}", "--persistent=true", f"--db={db}"),
    )


def simulator(host: str, port: int, *options: str) -> tuple[str, ...]:
    """The simulated gateway."""
    return ("python", "-m", "simulator", "--host", host, "--port", str(port), *options)
