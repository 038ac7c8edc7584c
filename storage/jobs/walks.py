"""Walk the jobs of some states in the order of their ids, as the indexes of tenants and of campaigns have them. Find an
attempt by its task.
"""

from __future__ import annotations

from typing import Literal, LiteralString
from uuid import UUID

Order = Literal["ASC", "DESC"]
FIRST, LAST = UUID(int=0), UUID(int=2**128 - 1)
"""Below and above every id."""


def walk(
    column: Literal["tenant", "campaign_id"],
    owner: LiteralString,
    order: Order,
    conditions: LiteralString = "",
    *,
    limit: LiteralString = "%(limit)s",
) -> LiteralString:
    """A query for the first ids, in that order, of the jobs of a tenant or a campaign (`owner`) that are in one of the
    states `%(states)s` and between `%(above)s` and `%(below)s`, which are exclusive. `conditions`: more of a job `f`;
    each job that does not meet them is read in vain.

    It has to run within `reading_in_order`. Otherwise PostgreSQL reads and sorts all jobs, without statistics or where
    the jobs of neighbouring ids lie in different places. And with `state = …` it would walk the primary key, where all
    jobs are in one state and it takes every other state for as common: only the indexes that a walk is for have state
    and id in order.
    """
    return f"""SELECT p.id FROM unnest(%(states)s::text[]) AS s(state) CROSS JOIN LATERAL (
    SELECT f.id FROM jobs f
    WHERE f.{column} = {owner} AND (f.state, f.id) > (s.state, %(above)s) AND (f.state, f.id) < (s.state, %(below)s)
        {conditions}
    ORDER BY f.state {order}, f.id {order} LIMIT {limit}) p
ORDER BY p.id {order} LIMIT {limit}"""  # noqa: S608 - put together from constants


def of_task(attempt: LiteralString, account: LiteralString, task: LiteralString) -> LiteralString:
    """The end of a query: the attempt whose task it is. By the one index that has tasks in order: with statistics of a
    small table, another one would do as well, which has all attempts of the account."""
    return f"""{attempt}.account = {account} AND {attempt}.gateway_task_id >= {task}
               AND {attempt}.gateway_task_id <= {task} ORDER BY {attempt}.gateway_task_id LIMIT 1"""


OF_TASKS: LiteralString = f"""unnest(%(accounts)s::text[]) AS at(account) CROSS JOIN unnest(%(ids)s::text[]) AS t(id)
CROSS JOIN LATERAL (SELECT * FROM attempts o WHERE {of_task("o", "at.account", "t.id")}) a"""  # noqa: S608 - put together from constants
"""A part of a FROM: the attempts `a` at these accounts that have these tasks."""
