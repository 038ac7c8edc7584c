"""Each gateway's status word for each phase of a task."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from simulator.dialects.base import Links, View
from simulator.dialects.registry import all_dialects
from simulator.tasks.task import Fate, Order, Phase, Task

DIALECTS = all_dialects()
WORDS = {
    "anyfast": "NOT_START SUBMITTED QUEUED IN_PROGRESS SUCCESS FAILURE IN_PROGRESS IN_PROGRESS",
    "uniall": "queued queued queued processing completed failed processing processing",
    "12ai": "queued queued queued in_progress completed failed in_progress in_progress",
    "evolink": "pending pending pending processing completed failed cancelled failed",
    "ark": "queued queued queued running succeeded failed cancelled expired",
}
CASES = [(name, phase, word) for name, words in WORDS.items() for phase, word in zip(Phase, words.split(), strict=True)]


def show(name: str, phase: Phase, **view: Any) -> dict[str, Any]:
    order = Order("m", "upstream", "a fox", {}, "720p", "16:9", 5, extra={"content_filter": True})
    task = Task("t", "cgt-1", 1, name, "a", order, 100.0, 10.0, 5, 1, Fate("failed", "Boom", "it broke"))
    links = Links("http://h/v.mp4") if phase is Phase.SUCCEEDED else None
    shown = orjson.loads(DIALECTS[name].shown(task, View(phase, 105.0, links, **view)).body)
    return dict(shown["data"] if name == "anyfast" else shown)


@pytest.mark.parametrize(("name", "phase", "word"), CASES)
def test_a_phase_has_the_gateways_status_word(name: str, phase: Phase, word: str) -> None:
    shown = show(name, phase)
    assert shown["status"] == word
    assert ("http://h/v.mp4" in str(shown)) is (phase is Phase.SUCCEEDED)
    failed = phase is Phase.FAILED or (name == "evolink" and phase is Phase.EXPIRED)
    assert ("it broke" in str(shown) or "generation_timeout" in str(shown)) is failed


@pytest.mark.parametrize("name", [name for name in WORDS if name != "ark"])
def test_a_lost_task_shows_a_failure_while_it_runs(name: str) -> None:
    shown = show(name, Phase.RUNNING, lost=True)
    assert shown["status"] in ("FAILURE", "failed") and "upstream returned error" in str(shown)


@pytest.mark.parametrize("name", WORDS)
def test_a_fault_can_replace_the_status_word(name: str) -> None:
    assert show(name, Phase.RUNNING, word="PONDERING")["status"] == "PONDERING"
