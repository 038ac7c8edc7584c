"""The arguments of `enqueue` are the fields of a job; `job_field_programs` is what a type checker says of them."""

from __future__ import annotations

from producer.intake.job_spec import JOB_FIELDS
from producer.job_fields import JobFields


def test_the_arguments_are_the_fields_of_a_job() -> None:
    assert {*JobFields.__annotations__, "prompt", "draft_of"} == set(JOB_FIELDS)
