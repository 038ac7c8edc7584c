"""Send callbacks with the gateways' timing, timeouts and retries, to loopback and to allowed hosts only."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from urllib.parse import urlsplit

import aiohttp

from simulator.dialects.base import Callback, Dialect, View
from simulator.dialects.callback_urls import CallbackRules, is_loopback
from simulator.faults.rules import FaultRules
from simulator.server.ledger import Ledger
from simulator.tasks.engine import Engine
from simulator.tasks.task import TERMINAL, Phase, Task
from simulator.wire.webhook_signer import WebhookSigner

_AFTER_S = 0.01  # the event loop's clock and the engine's differ: wake only after the phase has begun

Show = Callable[[Task, str], View]


class Callbacks:
    """One waiting coroutine per task with a callback URL."""

    def __init__(
        self,
        engine: Engine,
        ledger: Ledger,
        faults: FaultRules,
        allowed_hosts: frozenset[str],
        signer: WebhookSigner,
    ) -> None:
        self._engine = engine
        self._signer = signer
        self._ledger = ledger
        self._faults = faults
        self._allowed_hosts = allowed_hosts
        self._waiting: set[asyncio.Task[None]] = set()
        self._session: aiohttp.ClientSession | None = None

    def watch(self, task: Task, dialect: Dialect, base_url: str, show: Show) -> None:
        """Call the task's callback URL at each phase that the gateway reports, from now on."""
        url, rules = task.order.callback_url, dialect.callbacks
        if url is None or rules is None:
            return
        host = urlsplit(url).hostname or ""
        if not is_loopback(host) and host not in self._allowed_hosts:
            self._ledger.counts["callbacks.host_not_allowed"] += 1
            return
        waiting = asyncio.create_task(self._follow(task, dialect, rules, url, base_url, show))
        self._waiting.add(waiting)
        waiting.add_done_callback(self._waiting.discard)

    async def close(self) -> None:
        self.clear()
        if self._session is not None:
            await self._session.close()

    def clear(self) -> None:
        for waiting in list(self._waiting):
            waiting.cancel()

    async def _follow(
        self, task: Task, dialect: Dialect, rules: CallbackRules, url: str, base_url: str, show: Show
    ) -> None:
        reported: Phase | None = None
        for moment in (task.created_at, task.started_at, task.ends_at):
            await asyncio.sleep(max(0.0, moment - self._engine.clock()) + _AFTER_S)
            view = show(task, base_url)
            phase = _callback_phase(view)
            if task.deleted or phase is reported or phase not in rules.phases:
                continue
            reported = phase
            callback = dialect.called_back(task, view, self._signer, self._engine.clock())
            for _ in range(self._repeats(task)):
                await self._post(task, url, callback, rules, retry=phase in TERMINAL)

    async def _post(self, task: Task, url: str, callback: Callback, rules: CallbackRules, *, retry: bool) -> None:
        if self._session is None:
            self._session = aiohttp.ClientSession(auto_decompress=False)
        for pause in (0.0, *(rules.retries_s if retry else ())):
            await asyncio.sleep(pause)
            task.callbacks += 1
            with suppress(aiohttp.ClientError, TimeoutError):
                async with self._session.post(
                    url,
                    data=callback.body,
                    headers={"Content-Type": "application/json", **callback.headers},
                    allow_redirects=False,
                    timeout=aiohttp.ClientTimeout(total=rules.timeout_s),
                ) as answer:
                    if answer.status // 100 == 2:
                        task.callbacks_taken += 1
                        return

    def _repeats(self, task: Task) -> int:
        facts = {
            "gateway": task.gateway,
            "account": task.account,
            "task": task.id,
            "model": task.order.model,
            "prompt": task.order.prompt,
        }
        rule = self._faults.trigger("view", "callback", self._engine.clock(), facts)
        if rule is None:
            return 1
        return 0 if rule.kind.name == "no_callback" else 2


def _callback_phase(view: View) -> Phase:
    """The phase that a callback reports: every waiting task is queued, a lost one is failed."""
    if view.lost:
        return Phase.FAILED
    return Phase.QUEUED if view.phase in (Phase.NOT_STARTED, Phase.SUBMITTED) else view.phase
