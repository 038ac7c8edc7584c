"""The reelq processes of a stack and their environment."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from producer.local.http import get
from producer.local.ports import HOST
from producer.local.private_file import private_directory
from producer.local.processes import commands
from producer.local.processes.spec import ChildSpec
from storage.settings import Settings, simulator_settings

STOP_ORDER = (
    ("scheduler",),  # first send no new work,
    ("worker-submit-poll", "worker-transfer"),  # then finish the work that was sent,
    ("api", "flower"),
    ("simulator",),
    ("s3",),
    ("valkey",),
    ("postgres",),
)
_STOP_S = 30.0
"""Longer than the scheduler and the workers take to end, next to their POSTs, whatever hangs."""


def environment(
    base: Mapping[str, str], directory: Path, settings: Settings, simulator: str | None, config: Path | None
) -> dict[str, str]:
    """The environment of every process of the stack: `base` plus the addresses and secrets of the servers."""
    secret, webhooks = settings.s3_secret_access_key, settings.webhook_secret
    own: dict[str, str | None] = {
        "REELQ_DATA_DIR": str(directory),
        "REELQ_CONFIG": str(config) if config is not None else None,
        "REELQ_DATABASE_URL": settings.database_url,
        "REELQ_BROKER_URL": settings.broker_url,
        "REELQ_BROKER_SENTINEL_MASTER": settings.broker_sentinel_master,
        "REELQ_S3_ENDPOINT_URL": settings.s3_endpoint_url,
        "REELQ_S3_BUCKET": settings.s3_bucket,
        "REELQ_S3_ACCESS_KEY_ID": settings.s3_access_key_id,
        "REELQ_S3_SECRET_ACCESS_KEY": secret.get_secret_value() if secret is not None else None,
        "REELQ_WEBHOOK_SECRET": webhooks.get_secret_value() if webhooks is not None else None,
    }
    if simulator is not None:
        configured = {name: getattr(settings, name) for name in settings.model_fields_set - {"accounts"}}
        for name, value in simulator_settings(simulator, configured).items():
            own[f"REELQ_{name.upper()}"] = value if isinstance(value, str) else json.dumps(value)
    kept = {name: value for name, value in base.items() if not _is_celerys(name)}
    found = kept | {name: value for name, value in own.items() if value is not None}
    for name in ("no_proxy", "NO_PROXY"):
        # A proxy is for gateways; connections to local servers must not use it.
        found[name] = ",".join(part for part in (base.get(name, ""), HOST, "localhost") if part)
    return found


def _is_celerys(name: str) -> bool:
    """Whether Celery's command line reads this variable. Other applications set such variables for their own Celery."""
    return name.startswith("CELERY_") or name in ("BROKER_URL", "RESULT_BACKEND", "LOADER", "CONFIG_MODULE", "APP")


def _answers(url: str) -> bool:
    return get(url, timeout_s=0.5)[0] == 200


@dataclass(frozen=True, slots=True)
class Plan:
    """The processes of a stack, without the servers."""

    directory: Path
    environ: Mapping[str, str]
    settings: Settings
    api_port: int
    flower_port: int | None
    """None: without Flower."""
    simulator_port: int | None
    """None: an account is configured."""
    simulator_options: tuple[str, ...] = ()

    @property
    def api(self) -> str:
        """The URL of the API."""
        return f"http://{HOST}:{self.api_port}"

    @property
    def flower(self) -> str | None:
        """The URL of Flower."""
        return None if self.flower_port is None else f"http://{HOST}:{self.flower_port}"

    @property
    def simulator(self) -> str | None:
        """The URL of the simulator."""
        return None if self.simulator_port is None else f"http://{HOST}:{self.simulator_port}"

    def _environ(self) -> dict[str, str]:
        """Gateways on this machine call back to the API, unless the configuration has another `public_url`. Webhooks
        reach none of the processes."""
        started = [url for url in (self.api, self.flower, self.simulator) if url is not None]
        own = {"REELQ_OWN_URLS": " ".join([*started, *self.settings.own_urls])}
        if self.flower is not None:
            own["REELQ_FLOWER_URL"] = self.settings.flower_url or self.flower
        if self.settings.allow_private_networks and self.settings.public_url is None:
            own["REELQ_PUBLIC_URL"] = self.api
        return {**self.environ, **own}

    def _spec(self, name: str, command: tuple[str, ...], *, stop_timeout_s: float = 5.0, url: str = "") -> ChildSpec:
        return ChildSpec(
            name,
            (sys.executable, *command[1:]),
            # An empty directory, because `python -m` and Celery search the working directory for modules first.
            cwd=private_directory(self.directory / "run"),
            log=private_directory(self.directory / "logs") / f"{name}.log",
            env=self._environ(),
            ready=(lambda _pid: _answers(url)) if url else (lambda _pid: True),
            stop_timeout_s=stop_timeout_s,
        )

    def http_services(self) -> list[ChildSpec]:
        """Simulator, API and Flower, which can start before the database is upgraded."""
        specs = [self._spec("api", commands.api(HOST, self.api_port), url=f"{self.api}/healthz")]
        if self.simulator_port is not None:
            journal = private_directory(self.directory / "simulator") / "journal"
            options = ("--journal", str(journal), *self.simulator_options)
            command = commands.simulator(HOST, self.simulator_port, *options)
            specs.insert(0, self._spec("simulator", command, url=f"{self.simulator}/_sim/health"))
        if self.flower_port is not None:
            history = private_directory(self.directory / "flower") / "tasks"
            flower = self._spec("flower", commands.flower(HOST, self.flower_port, str(history)))
            if "REELQ_PUBLIC_URL" not in flower.env and self.settings.public_url is None:
                flower = replace(flower, env={**flower.env, "REELQ_PUBLIC_URL": self.api})  # its links lead there
            specs.append(flower)
        return specs

    def job_processes(self) -> list[ChildSpec]:
        """The processes that move jobs: scheduler and workers."""
        # A killed submit leaves a job with an unknown outcome, so let it finish.
        submit_stop_s = self.settings.submit_timeout_seconds + _STOP_S
        return [
            self._spec("scheduler", commands.SCHEDULER, stop_timeout_s=_STOP_S),
            self._spec("worker-submit-poll", commands.WORKER_SUBMIT_POLL, stop_timeout_s=submit_stop_s),
            self._spec("worker-transfer", commands.WORKER_TRANSFER, stop_timeout_s=_STOP_S),
        ]
