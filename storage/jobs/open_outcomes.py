"""Outcomes of attempts that leave open whether the gateway has their task. `outcome` is the column of `attempts`."""

from __future__ import annotations

from typing import LiteralString

MAY_RUN: LiteralString = "(outcome IS NULL OR outcome IN ('outcome_unknown', 'task_taken'))"
"""No clear answer, or one that names another job's task: a task of its own may run."""
MAY_RUN_UNLISTED: LiteralString = f"({MAY_RUN} OR outcome = 'not_submitted')"
"""The same, or only a list without its task ruled it out."""
NOT_PROVEN: LiteralString = f"({MAY_RUN_UNLISTED} OR outcome = 'not_served')"
"""The same, or only a missing route ruled it out."""
