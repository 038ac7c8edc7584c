"""The state machine: the table, the database and the README agree."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from sqlalchemy import CheckConstraint
from sqlmodel import SQLModel

import storage.schema  # noqa: F401 - registers the tables
from storage.jobs.enqueue import new_job_id
from storage.jobs.reasons import Reason
from storage.jobs.records import Move
from storage.jobs.states import LIVE, TERMINAL, TRANSITIONS, IllegalTransition, JobState, check_transition

README = Path(__file__).parents[3] / "README.md"


def test_three_states_are_terminal() -> None:
    assert {JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED} == TERMINAL
    assert set(JobState) == LIVE | TERMINAL


def test_every_live_state_can_end_and_every_state_can_be_reached() -> None:
    reached = {JobState.QUEUED}.union(*TRANSITIONS.values())
    assert reached == set(JobState)
    for state in LIVE:
        assert TRANSITIONS[state] & TERMINAL, state


def test_only_a_queued_job_can_be_submitted() -> None:
    assert [source for source in JobState if JobState.SUBMITTING in TRANSITIONS[source]] == [JobState.QUEUED]


@pytest.mark.parametrize("source", JobState)
@pytest.mark.parametrize("target", JobState)
def test_a_move_outside_the_table_is_refused(source: JobState, target: JobState) -> None:
    if target in TRANSITIONS[source]:
        check_transition(source, target)
        return
    with pytest.raises(IllegalTransition, match=f"{source} → {target}"):
        check_transition(source, target)
    if source is not target or source in TERMINAL:
        with pytest.raises(IllegalTransition):
            Move(new_job_id(), (source,), target, Reason.STATUS_UNKNOWN)


def test_the_database_has_the_same_states() -> None:
    constraints = SQLModel.metadata.tables["jobs"].constraints
    checks = {item.name: str(item.sqltext) for item in constraints if isinstance(item, CheckConstraint)}
    assert set(re.findall(r"'(\w+)'", checks["jobs_state_check"])) == set(JobState)
    for name in ("jobs_finished_at_check", "jobs_due_at_check"):
        assert set(re.findall(r"'(\w+)'", checks[name])) == TERMINAL


def test_the_readme_draws_every_edge() -> None:
    drawn = set(re.findall(r"^\s*(\w+) --> (\w+)", README.read_text(encoding="utf-8"), re.MULTILINE))
    table = {(source.value, target.value) for source in JobState for target in TRANSITIONS[source]}
    assert drawn == table
