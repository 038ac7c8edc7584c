"""One stack in one data directory: servers, migrations, and the processes that move jobs."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import SecretStr

from producer.local import migrate, preflight
from producer.local.errors import StackError
from producer.local.events import EventKind, StackEvent
from producer.local.http import get
from producer.local.lock import locked
from producer.local.plan import STOP_ORDER, Plan, environment
from producer.local.ports import HOST, Reservations, is_free
from producer.local.private_file import private_directory
from producer.local.processes import leftovers
from producer.local.processes.children import Children
from producer.local.processes.spec import ChildSpec
from producer.local.servers.servers import START_TIMEOUT_S, Servers, last_log_line, local_servers, spawn_options
from producer.local.stack_file import StackFile
from producer.local.state import LocalState, load_state
from storage.addresses.own import is_loopback
from storage.settings import API_KEY_FILE, STACK_FILE, Settings, config_path, load_settings
from storage.webhooks.signing import as_secret

MIGRATION_TIMEOUT_S = 300.0
READY_POLL_S = 0.1
API_PORTS = range(8080, 8100)
_ROLES = (
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
)
FLOWER_PORTS = range(5555, 5575)


@dataclass(frozen=True, slots=True)
class UpOptions:
    """The options of a stack."""

    data_dir: Path
    api_port: int | None = None
    """None: 8080, or the next free port. A given port must be free."""
    flower_port: int | None = None
    """None: 5555, or the next free port. A given port must be free."""
    flower: bool = True
    simulator_options: tuple[str, ...] = ()
    """Further arguments for `python -m simulator`."""
    environ: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))


class Stack:
    """A stack, kept running from `start` to `stop`.

    Call both on the event loop of the main thread: the children die with the thread that started them.
    """

    def __init__(self, options: UpOptions, on_event: Callable[[StackEvent], None] = lambda _event: None) -> None:
        self.options = options
        self.directory = options.data_dir.absolute()
        self._on_event = on_event
        self._children = Children(on_event, self._write_files)
        self._resources = ExitStack()
        self._state: LocalState | None = None
        self._file: StackFile | None = None

    @property
    def url(self) -> str:
        """The URL of the API."""
        if self._file is None:
            raise StackError("the stack has not been started")
        return self._file.api

    async def start(self) -> None:
        """Start all processes in order. On return jobs can be enqueued; they run soon after.

        Raises:
            StackError: it cannot start; call `stop` in this case too.
            seedance.problems.InvalidInput: the configuration is invalid.
        """
        self._resources.enter_context(locked(self.directory))
        try:
            await self._start()
        except OSError as exc:
            where = f" {exc.filename}" if exc.filename else ""
            reason = exc.strerror or str(exc)
            raise StackError(f"the data directory {self.directory} cannot be used ({reason}{where})") from exc

    async def _start(self) -> None:
        self._state = state = load_state(self.directory)
        state.reservations = Reservations()
        self._resources.callback(state.reservations.close)
        # A file that a killed `up` left must not be read as configuration.
        (self.directory / STACK_FILE).unlink(missing_ok=True)
        settings = load_settings(self.directory, self.options.environ)
        config = config_path(self.options.environ)
        await asyncio.to_thread(preflight.check, settings)
        await asyncio.to_thread(leftovers.end, state.children)

        servers = self._servers(settings, state)
        plan = self._plan(settings, servers, state, config)
        state.save()
        await asyncio.to_thread(servers.prepare, *plan.settings.buckets)
        specs = servers.specs()
        await self._children.start(*specs)
        await self._ready_servers([spec.name for spec in specs])
        await self._children.start(*plan.http_services())
        options = [migrate.CLEAR_HEARTBEATS] if servers.postgres is not None else []
        endpoint = settings.s3_endpoint_url
        if endpoint is not None and is_loopback(urlsplit(endpoint).hostname or ""):
            options.append(migrate.CREATE_BUCKETS)
        await self._migrate(plan, *options)
        self._file = StackFile(
            self.directory,
            plan.settings,
            plan.api,
            plan.flower,
            plan.simulator,
            config.absolute() if config is not None else None,
            os.getpid(),
            (self.directory / API_KEY_FILE).read_text(encoding="utf-8").strip(),
        )
        await self._children.start(*plan.job_processes())
        self._write_files()

    def _servers(self, settings: Settings, state: LocalState) -> Servers:
        return local_servers(
            self.directory,
            state,
            postgres=settings.database_url is None,
            valkey=settings.broker_url is None,
            s3=not has_store(settings, self.options.environ),
        )

    def _plan(self, settings: Settings, servers: Servers, state: LocalState, config: Path | None) -> Plan:
        local: dict[str, object] = {}
        if servers.postgres is not None:
            local["database_url"] = servers.postgres.url
        if servers.valkey is not None:
            local["broker_url"] = servers.valkey.url
        if servers.s3 is not None:
            local["s3_endpoint_url"] = servers.s3.url
            local["s3_access_key_id"] = servers.s3.access_key_id
            local["s3_secret_access_key"] = SecretStr(servers.s3.secret_access_key)
        if settings.webhook_secret is None:
            local["webhook_secret"] = SecretStr(as_secret(bytes.fromhex(state.secret("webhook", 32))))
        complete = settings.model_copy(update=local)
        options = self.options
        api = _port(state, "api", options.api_port, API_PORTS, "--api-port")
        flower = _port(state, "flower", options.flower_port, FLOWER_PORTS, "--flower-port") if options.flower else None
        simulator = None if settings.accounts else state.port("simulator")
        url = None if simulator is None else f"http://{HOST}:{simulator}"
        environ = environment(options.environ, self.directory, complete, url, config and config.absolute())
        seed = str(int(state.secret("simulator_seed", 3), 16))
        return Plan(
            self.directory,
            environ,
            complete,
            api,
            flower,
            simulator,
            # Reuse the seed, so that the simulator's links stay valid when it restarts.
            ("--seed", seed, *options.simulator_options),
        )

    async def _ready_servers(self, names: list[str]) -> None:
        try:
            await self._children.wait_ready(*names, timeout_s=START_TIMEOUT_S)
        except* StackError as group:
            raise group.exceptions[0] from None

    async def _migrate(self, plan: Plan, *options: str) -> None:
        log = private_directory(self.directory / "logs") / "migrate.log"
        log.unlink(missing_ok=True)
        command = (sys.executable, "-m", migrate.__name__, *options)
        spec = ChildSpec("migrate", command, self.directory / "run", log, env=plan.environ)
        with log.open("ab") as output:
            process = await asyncio.create_subprocess_exec(*spec.launch_command(), **spawn_options(spec, output))
        try:
            code = await asyncio.wait_for(process.wait(), MIGRATION_TIMEOUT_S)
        except TimeoutError as exc:
            raise StackError(
                f"database_url: the migrations did not finish within {MIGRATION_TIMEOUT_S:g} s (see {log})"
            ) from exc
        finally:
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        if code != 0:
            raise StackError(f"database_url: {last_log_line(log)}")
        self._on_event(StackEvent(EventKind.MIGRATED))

    def _write_files(self) -> None:
        pids = self._children.pids()
        if self._state is not None:
            started = {name: (pid, leftovers.started_at(pid)) for name, pid in pids.items()}
            self._state.children = {name: (pid, at) for name, (pid, at) in started.items() if at is not None}
            self._state.save()
        if self._file is not None:
            self._file.processes = pids
            self._file.write()

    async def missing(self) -> dict[str, str]:
        """The reasons why jobs cannot run yet, by part; empty when they can."""
        status, body = await asyncio.to_thread(get, f"{self.url}/readyz", 5.0)
        if status == 200:
            return {}
        with suppress(ValueError, TypeError, KeyError):  # it may be any answer, such as another program's
            return {str(part): str(text) for part, text in dict(json.loads(body)["missing"]).items()}
        return {"api": "does not answer" if status == 0 else f"answers {status}"}

    async def wait_ready(self, timeout_s: float) -> dict[str, str]:
        """Wait until jobs can run. Returns what is still missing after `timeout_s`; empty when jobs can run."""
        until = time.monotonic() + timeout_s
        while missing := await self.missing():
            if time.monotonic() > until:
                return missing
            await asyncio.sleep(READY_POLL_S)
        return {}

    async def stop(self, force: asyncio.Event | None = None) -> None:
        """Stop all processes in order; setting `force` kills those that are still running."""
        try:
            await self._children.stop(STOP_ORDER, force)
            if self._file is not None:
                self._file.remove()
            if self._state is not None:
                self._state.children = {}
                self._state.save()
        finally:
            self._resources.close()


def has_store(settings: Settings, environ: Mapping[str, str]) -> bool:
    """Whether the configuration names an object store: keys or a region without an endpoint belong to AWS, and so does
    a bucket where this process has a role of its own."""
    if settings.s3_endpoint_url or settings.s3_access_key_id or settings.s3_region:
        return True
    return "s3_bucket" in settings.model_fields_set and any(environ.get(name) for name in _ROLES)


def _port(state: LocalState, name: str, wanted: int | None, usual: range, option: str) -> int:
    if wanted is None:
        return state.port(name, *usual)
    if not is_free(wanted) or (state.reservations is not None and not state.reservations.take(wanted)):
        raise StackError(f"port {wanted} is in use; stop the program that uses it, or choose another {option}")
    state.ports[name] = wanted
    return wanted
