"""The workers of one more machine: servers, scheduler and API run elsewhere, and all of them are configured."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace

from producer.local import preflight
from producer.local.errors import StackError
from producer.local.events import StackEvent
from producer.local.lock import locked
from producer.local.plan import STOP_ORDER, Plan, environment
from producer.local.processes import leftovers
from producer.local.processes.children import Children
from producer.local.stack import READY_POLL_S, UpOptions, has_store
from producer.local.state import LocalState, load_state
from seedance.problems import InvalidInput, Problem
from storage import heartbeats
from storage.database import DatabaseUnavailable, connect
from storage.revisions import check_schema
from storage.settings import Settings, config_path, load_settings

ROLES = ("submit", "poll", "notify", "transfer")
FRESH_S = 15.0


class Workers:
    """The worker processes of this machine, kept running from `start` to `stop`; used like a `Stack`."""

    url = ""
    """There is no API here."""

    def __init__(self, options: UpOptions, on_event: Callable[[StackEvent], None] = lambda _event: None) -> None:
        self.options = options
        self.directory = options.data_dir.absolute()
        self._children = Children(on_event, self._save)
        self._resources = ExitStack()
        self._state: LocalState | None = None
        self._settings: Settings | None = None

    async def start(self) -> None:
        """Start the workers.

        Raises:
            StackError: a server does not answer, or its schema does not fit this program.
            seedance.problems.InvalidInput: something is not configured.
        """
        self._resources.enter_context(locked(self.directory))
        self._state = load_state(self.directory)
        self._settings = settings = load_settings(self.directory, self.options.environ)
        self._check_configured(settings)
        await asyncio.to_thread(preflight.check, settings)
        await asyncio.to_thread(leftovers.end, self._state.children)
        await asyncio.to_thread(_check_schema, settings)
        config = config_path(self.options.environ)
        environ = environment(self.options.environ, self.directory, settings, None, config and config.absolute())
        plan = Plan(self.directory, environ, settings, api_port=0, flower_port=None, simulator_port=None)
        workers = [spec for spec in plan.job_processes() if spec.name.startswith("worker-")]
        await self._children.start(*(replace(spec, env=environ) for spec in workers))

    def _check_configured(self, settings: Settings) -> None:
        needed = {
            "database_url": settings.database_url,
            "broker_url": settings.broker_url,
            "s3_endpoint_url": has_store(settings, self.options.environ),
            "webhook_secret": settings.webhook_secret,
        }
        why = "is needed with --only workers: use the same value as on the other machines"
        if missing := [Problem(name, why) for name, value in needed.items() if not value]:
            raise InvalidInput(missing)

    def _save(self) -> None:
        if self._state is not None:
            started = {name: (pid, leftovers.started_at(pid)) for name, pid in self._children.pids().items()}
            self._state.children = {name: (pid, at) for name, (pid, at) in started.items() if at is not None}
            self._state.save()

    async def wait_ready(self, timeout_s: float) -> dict[str, str]:
        """Wait until every worker was seen; returns what is still missing after `timeout_s`."""
        until = time.monotonic() + timeout_s
        while missing := await asyncio.to_thread(self._missing):
            if time.monotonic() > until:
                return missing
            await asyncio.sleep(READY_POLL_S)
        return {}

    def _missing(self) -> dict[str, str]:
        assert self._settings is not None  # noqa: S101 - `start` came first
        try:
            with connect(self._settings.require_database_url()) as conn:
                found = heartbeats.instances(conn, FRESH_S)
        except DatabaseUnavailable as exc:
            return {"database": str(exc)}
        own = {heartbeats.instance_here(pid) for pid in self._children.pids().values()}
        seen = {one.component for one in found if one.instance in own}
        return {role: "not seen yet" for role in ROLES if role not in seen}

    async def stop(self, force: asyncio.Event | None = None) -> None:
        """Stop the workers, after the work that they have begun; setting `force` kills them."""
        try:
            await self._children.stop(STOP_ORDER, force)
            self._save()
        finally:
            self._resources.close()


def _check_schema(settings: Settings) -> None:
    try:
        with connect(settings.require_database_url()) as conn:
            check_schema(conn)
    except DatabaseUnavailable as exc:
        raise StackError(f"database_url: {exc}") from exc
