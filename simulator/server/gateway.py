"""Process one call to a dialect: key, limits, faults, task, answer. It sees HTTP only as `Call` and `Answer`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from simulator.dialects.anyfast_assets import answer_assets
from simulator.dialects.base import Dialect, Route, View
from simulator.faults import actions
from simulator.faults.rules import Rule
from simulator.server.ledger import shortened
from simulator.server.views import view_of
from simulator.server.world import World
from simulator.tasks.limits import NO_LIMITS, Scope, lane_of
from simulator.tasks.task import TERMINAL, Order, Phase, Task
from simulator.wire.answers import Answer, Call, Cut, Refused
from simulator.wire.ark_error import invalid

MAX_BODY = 64 * 1024 * 1024
ReadBody = Callable[[int], Awaitable[bytes | None]]


class Gateway:
    """Serves the calls of all dialects."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def serve(self, dialect: Dialect, call: Call, key: str, read_body: ReadBody) -> Answer:
        """Answer one call; `read_body` returns None for a body above its limit.

        Raises:
            Cut: close the connection without an answer.
        """
        world = self._world
        route = dialect.route_of(call)
        if route is None:
            return dialect.not_found(call)
        world.ledger.counts[f"{dialect.name}.{route.operation}"] += 1
        facts = {"gateway": dialect.name, "account": call.account, "task": route.task_id}
        if self._fault("entry", route, facts):
            self._refused(call, route, 0, "fault: close_before_read")
            raise Cut("close")
        body = await read_body(MAX_BODY)
        if body is None:
            answer = dialect.too_big()
            self._refused(call, route, answer.status, "body: too big")
            return answer
        known = bool(key) and (not world.options.api_keys or key in world.options.api_keys)
        if not known and not route.by_user:
            answer = dialect.unauthorized()
            self._refused(call, route, answer.status, "key: missing or wrong")
            return answer
        call = replace(call, body=body) if body else call
        match route.operation:
            case "create":
                return await self._create(dialect, call, route, facts)
            case "asset":
                fails = self._fault("fate", route, facts) is not None
                return await self._carry_out(
                    dialect, route, facts, lambda: answer_assets(route.action, call, world.assets, fails=fails)
                )
            case "list":
                return await self._carry_out(dialect, route, facts, lambda: self._list(dialect, call, route))
            case _:
                return await self._about_one_task(dialect, call, route, facts)

    async def _create(self, dialect: Dialect, call: Call, route: Route, facts: dict[str, str]) -> Answer:
        world = self._world
        try:
            engine = world.engine
            order = dialect.read_order(call)
            order = dialect.complete(order, lambda of: engine.find(dialect.name, call.account, of), engine.clock())
            self._check_assets(dialect, call, order.extra.get("assets", ()))
        except Refused as refused:
            self._refused(call, route, refused.answer.status, refused.reason)
            return refused.answer
        if (answer := self._over_limit(dialect, call, order)) is not None:
            return answer
        rule = fate_rule = None
        if world.faults.rules:
            facts |= {"model": order.model, "prompt": order.prompt}
            if (rule := self._fault("answer", route, facts)) is not None:
                early = await actions.before(rule, dialect)
                if early is not None:
                    self._refused(call, route, early.status, f"fault: {rule.kind.name}")
                    return early
            fate_rule = self._fault("fate", route, facts)
        order = replace(order, body=shortened(order.body))
        fate = actions.fate_of(fate_rule)
        task = world.engine.create(dialect.name, call.account, order, dialect.new_id(), fate)
        world.journal.created(task)
        self.watch(task, call.base_url)
        answer = dialect.created(task)
        return answer if rule is None else await actions.after(rule, dialect, answer)

    def watch(self, task: Task, base_url: str) -> None:
        """Send callbacks for a task that has a callback URL."""
        if task.order.callback_url is not None:
            dialect = self._world.dialects[task.gateway]
            self._world.callbacks.watch(task, dialect, base_url, lambda shown, url: view_of(self._world, shown, url))

    def _check_assets(self, dialect: Dialect, call: Call, used: Any) -> None:
        """Only AnyFast's assets are created here; for other dialects any id passes."""
        if dialect.name != "anyfast":
            return
        for kind, asset_id in used:
            strict = self._world.options.strict_assets
            why = self._world.assets.refusal_reason(call.account, asset_id, kind, strict=strict)
            if why is not None:
                error = invalid(f"content.{kind}_url", why)
                raise Refused(dialect.rejected(error), str(error))

    def _over_limit(self, dialect: Dialect, call: Call, order: Order) -> Answer | None:
        world = self._world
        over = world.limiter.admit(self._scopes(dialect, call.account, order), world.engine.clock())
        if over is None:
            return None
        limit, limits = over
        by_rate = limit == "requests_per_minute"
        answer = dialect.rate_limited(limits.requests_per_minute or 0) if by_rate else dialect.busy()
        world.ledger.refuse(dialect.name, call.account, answer.status, f"limit: {limit}")
        return answer

    def _scopes(self, dialect: Dialect, account: str, order: Order) -> list[Scope]:
        """The account, and its model: both count, where they have limits."""
        world, lane = self._world, lane_of(order.model, order.resolution)
        own = dialect.limits_4k if order.resolution == "4k" else NO_LIMITS
        scopes = []
        for key, limits, counted in (
            ((dialect.name, account), world.limiter.of(account), None),
            ((dialect.name, account, lane), world.limiter.by_lane.get(lane, own), lane),
        ):
            if limits != NO_LIMITS:
                limited = limits.max_in_flight is not None
                in_flight = world.engine.in_flight(dialect.name, account, counted) if limited else 0
                scopes.append(Scope(key, limits, in_flight))
        return scopes

    async def _about_one_task(self, dialect: Dialect, call: Call, route: Route, facts: dict[str, str]) -> Answer:
        task = self._world.engine.find(dialect.name, call.account, route.task_id)
        if task is None:
            return await self._carry_out(dialect, route, facts, lambda: dialect.unknown_task(route.task_id))
        facts |= {"model": task.order.model, "prompt": task.order.prompt}
        if route.operation == "delete":
            return await self._carry_out(dialect, route, facts, lambda: self._delete(dialect, task))
        task.polls += 1
        return await self._carry_out(dialect, route, facts, lambda: self._show(dialect, call, route, task, facts))

    async def _carry_out(
        self, dialect: Dialect, route: Route, facts: dict[str, str], act: Callable[[], Answer]
    ) -> Answer:
        """Process the call, and apply the faults before and after it."""
        rule = self._fault("answer", route, facts)
        if rule is None:
            return act()
        early = await actions.before(rule, dialect)
        return early if early is not None else await actions.after(rule, dialect, act())

    def _show(self, dialect: Dialect, call: Call, route: Route, task: Task, facts: dict[str, str]) -> Answer:
        return dialect.shown_at(task, self._view(task, call, self._fault("view", route, facts)), route.action)

    def _list(self, dialect: Dialect, call: Call, route: Route) -> Answer:
        engine = self._world.engine
        tasks = list(engine.listed(dialect.name, None if route.by_user else call.account))
        return dialect.listed(call, tasks, engine.clock(), lambda task: self._view(task, call))

    def _view(self, task: Task, call: Call, rule: Rule | None = None) -> View:
        """The view of a task in an answer; records when an answer first shows the end."""
        now = self._world.engine.clock()
        if task.told_at is None and rule is None and task.phase(now) in TERMINAL:
            task.told_at = now
        return view_of(self._world, task, call.base_url, rule)

    def _delete(self, dialect: Dialect, task: Task) -> Answer:
        """Cancel a waiting task, remove the record of a finished one, leave a running one alone."""
        engine = self._world.engine
        phase = task.phase(engine.clock())
        if phase in TERMINAL:
            task.deleted = dialect.deletes_records
        elif phase is not Phase.RUNNING:
            engine.cancel(task)
        self._world.journal.changed(task)
        return dialect.deletion(task, phase)

    def _fault(self, group: Any, route: Route, facts: dict[str, str]) -> Rule | None:
        if not self._world.faults.rules:
            return None
        return self._world.faults.trigger(group, route.operation, self._world.engine.clock(), facts)

    def _refused(self, call: Call, route: Route, status: int, reason: str) -> None:
        if route.operation == "create":
            self._world.ledger.refuse(call.gateway, call.account, status, reason)
