"""The life of one call to a dialect: key, limits, faults, task, answer. It knows HTTP only as `Call` and `Answer`."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import lru_cache
from typing import Any

from simulator import fault_actions
from simulator.answers import Answer, Call, Cut, Refused
from simulator.dialects.base import Dialect, Links, Route, View
from simulator.engine import Engine
from simulator.faults import FaultBook, Rule
from simulator.journal import Journal
from simulator.ledger import Ledger, shortened
from simulator.limits import Limiter
from simulator.options import SimulatorOptions
from simulator.signing import LinkSigner
from simulator.tasks import Phase, Task

MAX_BODY = 64 * 1024 * 1024
ASSET_LINK_S = 12 * 3600  # links of tasks that use assets live for 12 h on AnyFast
ReadBody = Callable[[int], Awaitable[bytes | None]]


@lru_cache(maxsize=10_000)
def account_of(key: str) -> str:
    """The name under which a key appears in the ledger: keys themselves are kept nowhere."""
    return hashlib.sha256(key.encode()).hexdigest()[:12] if key else ""


class Gateway:
    """Serves the calls of all dialects."""

    def __init__(
        self,
        options: SimulatorOptions,
        engine: Engine,
        ledger: Ledger,
        faults: FaultBook,
        limiter: Limiter,
        signer: LinkSigner,
        journal: Journal,
    ) -> None:
        self._options = options
        self._engine = engine
        self._ledger = ledger
        self._faults = faults
        self._limiter = limiter
        self._signer = signer
        self._journal = journal

    async def serve(self, dialect: Dialect, call: Call, key: str, read_body: ReadBody) -> Answer:
        """Answer one call; `read_body` gives None for a body larger than its limit.

        Raises:
            Cut: the connection is to be closed without an answer.
        """
        route = dialect.route(call.method, call.path)
        if route is None:
            return dialect.not_found(call)
        self._ledger.counts[f"{dialect.name}.{route.operation}"] += 1
        facts = {"gateway": dialect.name, "account": call.account, "key": key, "task": route.task_id}
        if self._strike("entry", route, facts):
            self._refused(call, route, 0, "fault: close_before_read")
            raise Cut("close")
        body = await read_body(MAX_BODY)
        if body is None:
            answer = dialect.too_big()
            self._refused(call, route, answer.status, "body: too big")
            return answer
        if not key or (self._options.api_keys and key not in self._options.api_keys):
            answer = dialect.unauthorized()
            self._refused(call, route, answer.status, "key: missing or wrong")
            return answer
        call = replace(call, body=body) if body else call
        if route.operation == "create":
            return await self._create(dialect, call, route, facts)
        return await self._query(dialect, call, route, facts)

    async def _create(self, dialect: Dialect, call: Call, route: Route, facts: dict[str, str]) -> Answer:
        try:
            order = dialect.read_order(call)
        except Refused as refused:
            self._refused(call, route, refused.answer.status, refused.reason)
            return refused.answer
        if (answer := self._over_limit(dialect, call)) is not None:
            return answer
        rule = fate_rule = None
        if self._faults.rules:
            facts |= {"model": order.model, "prompt": order.prompt}
            if (rule := self._strike("answer", route, facts)) is not None:
                early = await fault_actions.before(rule, dialect)
                if early is not None:
                    self._refused(call, route, early.status, f"fault: {rule.kind.name}")
                    return early
            fate_rule = self._strike("fate", route, facts)
        order = replace(order, body=shortened(order.body))
        fate = fault_actions.fate_of(fate_rule)
        task = self._engine.create(dialect.name, call.account, order, dialect.new_id(), fate)
        self._journal.created(task)
        answer = dialect.created(task)
        return answer if rule is None else await fault_actions.after(rule, dialect, answer)

    def _over_limit(self, dialect: Dialect, call: Call) -> Answer | None:
        limits = self._limiter.of(call.account)
        in_flight = self._engine.in_flight(dialect.name, call.account) if limits.max_in_flight is not None else 0
        limit = self._limiter.admit(dialect.name, call.account, self._engine.clock(), in_flight)
        if limit is None:
            return None
        answer = (
            dialect.rate_limited(limits.requests_per_minute or 0) if limit == "requests_per_minute" else dialect.busy()
        )
        self._ledger.refuse(dialect.name, call.account, answer.status, f"limit: {limit}")
        return answer

    async def _query(self, dialect: Dialect, call: Call, route: Route, facts: dict[str, str]) -> Answer:
        task = self._engine.find(dialect.name, call.account, route.task_id)
        if task is not None:
            task.polls += 1
        rule = view_rule = None
        if self._faults.rules:
            if task is not None:
                facts |= {"model": task.order.model, "prompt": task.order.prompt}
            if (rule := self._strike("answer", route, facts)) is not None:
                early = await fault_actions.before(rule, dialect)
                if early is not None:
                    return early
            view_rule = self._strike("view", route, facts) if task is not None else None
        if task is None:
            answer = dialect.unknown_task(route.task_id)
        else:
            answer = dialect.shown(task, self.view(task, call.base_url, view_rule))
        return answer if rule is None else await fault_actions.after(rule, dialect, answer)

    def view(self, task: Task, base_url: str, rule: Rule | None = None) -> View:
        """The task now, with fresh links where it succeeded."""
        now = self._engine.clock()
        given: Any = rule.parameters if rule is not None else {}
        name = rule.kind.name if rule is not None else ""
        moment = max(task.created_at, now - given["seconds"]) if name == "stale_status" else now
        phase = task.phase(moment)
        links = None
        if phase is Phase.SUCCEEDED and name != "missing_url":
            links = self.links(task, base_url, now)
        return View(phase, moment, links, task.lost(moment), given["status"] if name == "unknown_status" else None)

    def links(self, task: Task, base_url: str, now: float) -> Links:
        life_s = self._options.url_seconds
        if task.order.uses_assets:
            life_s = min(life_s, ASSET_LINK_S)
        video = self._signer.link(base_url, f"/files/{task.id}.mp4", now, life_s)
        if not task.order.return_last_frame:
            return Links(video)
        return Links(video, self._signer.link(base_url, f"/files/{task.id}.jpg", now, life_s))

    def _strike(self, group: Any, route: Route, facts: dict[str, str]) -> Rule | None:
        if not self._faults.rules:
            return None
        return self._faults.strike(group, route.operation, self._engine.clock(), facts)

    def _refused(self, call: Call, route: Route, status: int, reason: str) -> None:
        if route.operation == "create":
            self._ledger.refuse(call.gateway, call.account, status, reason)
