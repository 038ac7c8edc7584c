"""Create, find, cancel and count the tasks of all gateways. The engine knows no dialect and no HTTP."""

from __future__ import annotations

import heapq
import random
import secrets
import time
from collections.abc import Callable, Iterator

from simulator.tasks.limits import lane_of
from simulator.tasks.task import TERMINAL, Fate, Order, Phase, Task
from simulator.tasks.timing import Timing


class Engine:
    """The tasks in order of creation. The clock alone decides a task's phase."""

    def __init__(self, seed: int, timing: Timing, clock: Callable[[], float] = time.time) -> None:
        self.seed = seed
        self.timing = timing
        self.clock = clock
        self.tasks: dict[str, Task] = {}
        self._created = 0
        self._unfinished: dict[tuple[str, str], list[tuple[float, str]]] = {}

    def create(self, gateway: str, account: str, order: Order, task_id: str, fate: Fate) -> Task:
        """Create a task. With the same seed, the n-th task always has the same generation time, seed and length."""
        self._created += 1
        rng = random.Random(f"{self.seed}/{self._created}")  # noqa: S311 - a rehearsal, not a secret
        total_s = self.timing.draw(rng)
        chosen_s, chosen_seed = rng.randint(4, order.longest_s), rng.randint(1, 2**31 - 1)
        now = self.clock()
        stamp = time.strftime("%Y%m%d%H%M%S", time.gmtime(now))
        task = Task(
            id=task_id,
            upstream_id=f"cgt-{stamp}-{secrets.token_hex(3)}",
            number=self._created,
            gateway=gateway,
            account=account,
            order=order,
            created_at=now,
            total_s=total_s,
            duration=order.duration or chosen_s,
            seed=order.seed if order.seed is not None and order.seed >= 0 else chosen_seed,
            fate=fate,
        )
        self.restore(task)
        return task

    def restore(self, task: Task) -> None:
        self._created = max(self._created, task.number)
        self.tasks[task.id] = task
        heapq.heappush(self._unfinished.setdefault((task.gateway, task.account), []), (task.ends_at, task.id))

    def find(self, gateway: str, account: str, task_id: str) -> Task | None:
        """A task of this account; None when it is deleted or belongs to another account."""
        task = self.tasks.get(task_id)
        if task is None or task.deleted or (task.gateway, task.account) != (gateway, account):
            return None
        return task

    def listed(self, gateway: str, account: str | None) -> Iterator[Task]:
        """The tasks of an account that are not deleted; None: those of all accounts of the gateway."""
        for task in self.tasks.values():
            if not task.deleted and task.gateway == gateway and account in (None, task.account):
                yield task

    def in_flight(self, gateway: str, account: str, lane: str | None = None) -> int:
        """The unfinished tasks of an account; with `lane` only those that `lane_of` puts there."""
        heap = self._unfinished.get((gateway, account), [])
        now = self.clock()
        while heap and heap[0][0] <= now:
            heapq.heappop(heap)
        tasks = (self.tasks[task_id] for _, task_id in heap)
        return sum(1 for task in tasks if task.cancelled_at is None and lane in (None, _lane(task)))

    def cancel(self, task: Task) -> bool:
        """Cancel a waiting task; False when it is running or terminal."""
        now = self.clock()
        if task.phase(now) in TERMINAL or task.phase(now) is Phase.RUNNING:
            return False
        task.cancelled_at = now
        return True

    def clear(self) -> None:
        self.tasks.clear()
        self._unfinished.clear()
        self._created = 0


def _lane(task: Task) -> str:
    return lane_of(task.order.model, task.order.resolution)
