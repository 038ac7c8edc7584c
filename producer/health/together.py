"""Run checks at the same time, within one time limit, whatever hangs or breaks."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from producer.health.findings import Finding, bad

Check = Callable[[], Iterable[Finding]]
Explain = Callable[[str, BaseException], Finding]
"""Makes a finding of a part's exception."""


@dataclass
class _Running:
    """A check in its thread. A daemon, because nothing can end a thread that waits for a server for ever."""

    part: str
    check: Check
    explain: Explain
    found: list[Finding] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)

    def start(self) -> None:
        threading.Thread(target=self._run, name=f"check-{self.part}", daemon=True).start()

    def _run(self) -> None:
        try:
            for finding in self.check():
                self.found.append(finding)
        except Exception as exc:  # noqa: BLE001 - a finding, whatever it is
            self.found.append(self.explain(self.part, exc))
        self.ended.set()


def run_together(checks: Mapping[str, Check], limit_s: float, explain: Explain) -> list[Finding]:
    """The findings of all checks, in their order. A check that does not end within `limit_s` is a finding itself, after
    what it has found so far."""
    running = [_Running(part, check, explain) for part, check in checks.items()]
    until = time.monotonic() + limit_s
    for each in running:
        each.start()
    findings: list[Finding] = []
    for each in running:
        in_time = each.ended.wait(max(until - time.monotonic(), 0.0))
        findings += list(each.found)
        if not in_time:
            text = f"did not answer within {limit_s:g} s; look at its load and at the network between"
            findings.append(bad(each.part, text, "no_answer"))
    return findings
