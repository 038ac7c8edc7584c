"""How long the generations of one kind take, learnt from everything that polls see: also from tasks that are not
finished yet. Pure.

Ages are divided into steps. Of each step it is counted how many tasks lived through its whole length or ended in it,
and how many of these ended. That is right from the first minute on: of many tasks that begin together the quick ones
end first, so a sample of ended tasks alone shows shorter times than there are.
"""

from __future__ import annotations

import math

from storage.jobs.durations import FIRST_LOOK, KEPT

FIRST_S, RATIO, STEPS = 0.25, 1.04, 300
"""The end of the first step, in seconds, and how much later each following one ends. The last begins after 9 hours."""
_LOG_RATIO = math.log(RATIO)
REMEMBERED = 64.0
"""What a step has counted beyond this many tasks is forgotten, but at most once in the time of a generation of that
length: tasks that began together end before the others of them live through the step, so they must count together."""
_FEWEST = 4.0
"""A step that has counted fewer tasks says nothing."""
FEWEST_ENDS = 8
"""Fewer ends say nothing about when the next ones come."""
_NEARLY_ALL = 0.95
_A_ROW, _MOST_ROWS = 12, 6


class Lifetimes:
    """The counts of one kind. Not for several threads at once."""

    def __init__(self) -> None:
        self._lived, self._ended = [0.0] * STEPS, [0.0] * STEPS
        self._kept_until = [0.0] * STEPS
        self.ends = 0
        """How many tasks were seen to end, since the beginning."""
        self._in_vain = 0
        """How many were found finished since one was found unfinished."""

    def add(self, seconds: float, now: float) -> None:
        """A generation took this long. `now`: seconds on any clock, here and below."""
        self.note_end(0.0, seconds, 1.0, now)

    def note_alive(self, seen_s: float | None, age_s: float, now: float) -> None:
        """A task was found unfinished at `age_s`, and before that at `seen_s`, None: never."""
        self._in_vain = 0
        self._live_through(seen_s or 0.0, age_s, now)

    def note_end(self, seen_s: float | None, age_s: float, share: float, now: float) -> None:
        """A task was found finished at `age_s`, and unfinished at `seen_s`. `share`: where in between it is taken to
        have ended, from 0 to 1, at random.

        One that was never seen unfinished may have ended long before. Taking a share of its age moves the first poll
        earlier, for as long as it keeps finding finished videos; the longer it does, the smaller that share.
        """
        if seen_s is None:
            ended_s = age_s * FIRST_LOOK ** min(1 + self._in_vain // _A_ROW, _MOST_ROWS)
            self._in_vain += 1
        else:
            ended_s = seen_s + share * (age_s - seen_s)
        self._live_through(seen_s or 0.0, ended_s, now)
        step = _step(ended_s)
        if self._lived[step] >= REMEMBERED and now >= self._kept_until[step]:
            self._forget(step, now)
        self._lived[step] += 1.0
        self._ended[step] += 1.0
        self.ends += 1

    def _live_through(self, from_s: float, to_s: float, now: float) -> None:
        lived, kept_until = self._lived, self._kept_until
        for step in range(_step(from_s), _step(to_s)):
            count = lived[step]
            if count >= REMEMBERED and now >= kept_until[step]:
                self._forget(step, now)
                count = REMEMBERED
            lived[step] = count + 1.0

    def _forget(self, step: int, now: float) -> None:
        self._ended[step] *= REMEMBERED / self._lived[step]
        self._lived[step] = REMEMBERED
        self._kept_until[step] = now + FIRST_S * RATIO**step

    def sample(self) -> tuple[list[float], float]:
        """Equally likely generation times in order, `KEPT` less those that are too long to be known; and an age in
        seconds before which nearly no task has ended, or with enough times, up to which it is known how many end."""
        times: list[float] = []
        alive, known_s, quiet_s = 1.0, 0.0, 0.0
        for step in range(STEPS):
            if self._lived[step] < _FEWEST:
                break
            begin_s, known_s = known_s, FIRST_S * RATIO**step
            after = alive * (1 - self._ended[step] / self._lived[step])
            while len(times) < KEPT and (share := (len(times) + 0.5) / KEPT) < 1 - after:
                times.append(begin_s + (known_s - begin_s) * (share - 1 + alive) / (alive - after))
            alive = after
            if alive > _NEARLY_ALL:
                quiet_s = known_s
            if len(times) == KEPT:
                break
        return (times, known_s) if self.ends >= FEWEST_ENDS else ([], quiet_s)


def _step(age_s: float) -> int:
    if age_s <= FIRST_S:
        return 0
    return min(STEPS - 1, 1 + int(math.log(age_s / FIRST_S) / _LOG_RATIO))
