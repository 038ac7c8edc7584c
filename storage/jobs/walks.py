"""Walk the jobs of some states in the order of their ids, as the indexes of tenants and of campaigns have them. Find an
attempt by its task.

With `state = …` PostgreSQL may walk the primary key instead and look at every job: where all jobs are in one state, it
takes every other state for as common. Only those indexes have both columns in order.
"""

from __future__ import annotations

from typing import LiteralString
from uuid import UUID

OF_STATE: LiteralString = "(state, id) > (s.state, %(above)s) AND (state, id) < (s.state, %(below)s)"
"""A condition on jobs: they are in the state `s.state`, and their ids are between both, which are exclusive."""
NEWEST_FIRST: LiteralString = "ORDER BY state DESC, id DESC"
OLDEST_FIRST: LiteralString = "ORDER BY state, id"
FIRST, LAST = UUID(int=0), UUID(int=2**128 - 1)
"""Below and above every id."""


def of_task(attempt: LiteralString, account: LiteralString, task: LiteralString) -> LiteralString:
    """The end of a query: the attempt whose task it is. By the one index that has tasks in order: with statistics of a
    small table, another one would do as well, which has all attempts of the account."""
    return f"""{attempt}.account = {account} AND {attempt}.gateway_task_id >= {task}
               AND {attempt}.gateway_task_id <= {task} ORDER BY {attempt}.gateway_task_id LIMIT 1"""
