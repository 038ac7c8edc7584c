"""The view of a task at this moment: its phase, and new links when it succeeded."""

from __future__ import annotations

from typing import Any

from simulator.dialects.base import Links, View
from simulator.faults.rules import Rule
from simulator.media.renderer import suffix_of
from simulator.server.world import World
from simulator.tasks.task import Phase, Task

ASSET_LINK_S = 12 * 3600  # lifetime of links of AnyFast tasks that use assets


def view_of(world: World, task: Task, base_url: str, rule: Rule | None = None) -> View:
    """The task at this moment, changed by `rule` if one is given."""
    now = world.engine.clock()
    given: Any = rule.parameters if rule is not None else {}
    name = rule.kind.name if rule is not None else ""
    moment = max(task.created_at, now - given["seconds"]) if name == "stale_status" else now
    phase = task.phase(moment)
    links = None
    if phase is Phase.SUCCEEDED and name != "missing_url":
        links = _links(world, task, base_url, now)
    word = given["status"] if name == "unknown_status" else None
    return View(phase, moment, links, task.lost(moment), word, world.options.hide_prompts)


def _links(world: World, task: Task, base_url: str, now: float) -> Links:
    if not world.dialects[task.gateway].signed_links:
        return Links(f"{base_url}/files/videos/{task.id}.{suffix_of(task)}")
    life_s = world.options.url_seconds
    if task.gateway == "anyfast" and task.order.uses_assets:
        life_s = min(life_s, ASSET_LINK_S)
    video = world.signer.link(base_url, f"/files/{task.id}.{suffix_of(task)}", now, life_s)
    if not task.order.return_last_frame:
        return Links(video)
    return Links(video, world.signer.link(base_url, f"/files/{task.id}.jpg", now, life_s))
