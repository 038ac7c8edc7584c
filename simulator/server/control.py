"""The control API under `/_sim/`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from typing import Any

import orjson

from simulator.faults.files import rule_list
from simulator.faults.kinds import KINDS
from simulator.faults.rules import BadRule
from simulator.server.downloads import Downloads
from simulator.server.world import World
from simulator.tasks.accounts import account_of
from simulator.tasks.limits import AccountLimits
from simulator.tasks.timing import Timing, timing_of
from simulator.wire.answers import Answer, Call, json_answer


class Control:
    """Ledger, faults, timing, limits, reset."""

    def __init__(self, world: World, downloads: Downloads, rules: Sequence[Mapping[str, Any]]) -> None:
        self._world = world
        self._downloads = downloads
        self._rules = rules
        self._limits = world.limiter.default

    def arm(self) -> None:
        """Activate the rules of `--faults`."""
        self._world.faults.add(self._rules, self._world.engine.clock())

    async def serve(self, call: Call, body: bytes) -> Answer:
        try:
            match call.method, call.path.removeprefix("/_sim/"):
                case "GET", "health":
                    return json_answer(200, {"ok": True})
                case "GET", "ledger":
                    return await self._show_ledger(call)
                case "POST", "reset":
                    self._reset()
                    return json_answer(200, {"ok": True})
                case "GET", "faults":
                    return self._show_faults()
                case "POST", "faults":
                    self._world.faults.add(rule_list(orjson.loads(body)), self._world.engine.clock())
                    return self._show_faults()
                case "DELETE", "faults":
                    self._world.faults.clear()
                    return self._show_faults()
                case "GET", "kinds":
                    return json_answer(200, {name: kind.about for name, kind in KINDS.items()})
                case "GET", "timing":
                    return json_answer(200, asdict(self._world.engine.timing))
                case "PUT", "timing":
                    self._world.engine.timing = _timing(self._world.engine.timing, orjson.loads(body))
                    return json_answer(200, asdict(self._world.engine.timing))
                case "GET", "limits":
                    return self._show_limits()
                case "PUT", "limits":
                    self._set_limits(orjson.loads(body))
                    return self._show_limits()
        except (BadRule, ValueError, TypeError) as exc:
            return json_answer(422, {"error": str(exc)})
        return json_answer(404, {"error": f"unknown request: {call.method} {call.path}"})

    async def _show_ledger(self, call: Call) -> Answer:
        if call.query.get("summary", "0") not in ("", "0"):
            return json_answer(200, self._world.ledger.summary())
        if call.query.get("sha256", "1") != "0":
            await self._downloads.fill_hashes([task for task in self._world.engine.tasks.values() if task.fetches])
        return json_answer(200, self._world.ledger.details())

    def _show_faults(self) -> Answer:
        return json_answer(200, {"rules": [rule.shown() for rule in self._world.faults.rules]})

    def _show_limits(self) -> Answer:
        accounts = {account: asdict(limits) for account, limits in self._world.limiter.by_account.items()}
        models = {lane: asdict(limits) for lane, limits in self._world.limiter.by_lane.items()}
        return json_answer(200, {**asdict(self._world.limiter.default), "accounts": accounts, "models": models})

    def _set_limits(self, given: Any) -> None:
        """Set the default limits; under `accounts`, those of single keys (or of their hashes), and under `models` those
        of one model at each account, or of its 4K tasks (MODEL@4k)."""
        accounts, models = given.pop("accounts", {}), given.pop("models", {})
        default = _limits(given)
        named = {
            name if name in self._known_accounts() else account_of(name): _limits(limits)
            for name, limits in accounts.items()
        }
        by_lane = {lane: _limits(limits) for lane, limits in models.items()}
        limiter = self._world.limiter
        limiter.default, limiter.by_account, limiter.by_lane = default, named, by_lane

    def _known_accounts(self) -> set[str]:
        return {task.account for task in self._world.engine.tasks.values()}

    def _reset(self) -> None:
        """Return to the state at the start: no tasks, and the rules, timing and limits of the options."""
        self._world.callbacks.clear()
        self._world.engine.clear()
        self._world.engine.timing = timing_of(self._world.options)
        self._world.assets.clear()
        self._world.ledger.clear()
        self._world.limiter.clear()
        limiter = self._world.limiter
        limiter.default, limiter.by_account, limiter.by_lane = self._limits, {}, {}
        self._world.journal.clear()
        self._world.faults.clear()
        self.arm()


def _limits(given: Any) -> AccountLimits:
    for name, value in given.items():
        if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 1):
            raise ValueError(f"{name}: must be an integer of at least 1, or null, not {value!r}")
    return AccountLimits(**given)


def _timing(old: Timing, given: Any) -> Timing:
    known = {field.name for field in fields(Timing)}
    for name, value in given.items():
        if name not in known:
            raise ValueError(f"{name}: unknown field; must be one of {', '.join(sorted(known))}")
        if name == "kind":
            if value not in ("lognormal", "fixed", "bimodal"):
                raise ValueError(f"kind: must be lognormal, fixed or bimodal, not {value!r}")
        elif not isinstance(value, (int, float)) or isinstance(value, bool) or value < 0:
            raise ValueError(f"{name}: must be a number of at least 0, not {value!r}")
    return Timing(**{**asdict(old), **given})
