"""What the routes of decisions take: which rows, and what about them."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, JsonValue, StrictBool, StrictStr

from producer.campaigns.decisions.carry_out import MAX_OPERATION_CHARS
from producer.campaigns.decisions.choice import MAX_NAMED, Choice, choose
from producer.campaigns.decisions.fields import check_name
from seedance.problems import InvalidInput, Problem
from storage.campaigns.reviews import Review
from storage.jobs.reasons import Reason
from storage.jobs.states import JobState

MAX_COMMENT_CHARS = 2_000
MAX_FIELDS = 50
_MAX_KEY_CHARS = 1_000
_MAX_ROWS_CHARS = 200_000


def _examples(*examples: dict[str, JsonValue]) -> ConfigDict:
    return ConfigDict(extra="forbid", frozen=True, populate_by_name=False, json_schema_extra={"examples": [*examples]})


class RowChoice(BaseModel):
    """Which rows: those that match everything that is given."""

    model_config = _examples({"rows": "2-10,14"}, {"states": ["failed"], "dry_run": True}, {"all": True})

    rows: Annotated[
        StrictStr | None,
        Field(max_length=_MAX_ROWS_CHARS, description='Numbers as a spreadsheet counts, such as "2-10,14".'),
    ] = None
    keys: Annotated[
        list[Annotated[StrictStr, Field(max_length=_MAX_KEY_CHARS)]],
        Field(max_length=MAX_NAMED, description="Values in the key column."),
    ] = []
    ids: Annotated[list[UUID], Field(max_length=MAX_NAMED, description="Ids of rows.")] = []
    states: Annotated[list[JobState], Field(max_length=len(JobState), description="Rows in any of these states.")] = []
    reviews: Annotated[list[Review], Field(max_length=len(Review), description="Rows with any of these reviews.")] = []
    reasons: Annotated[list[Reason], Field(max_length=len(Reason), description="Rows with any of these reasons.")] = []
    all_rows: Annotated[StrictBool, Field(alias="all", description="Every row.")] = False
    agreed: Annotated[
        list[UUID] | None,
        Field(
            max_length=MAX_NAMED,
            description="Ids of the chosen rows that a dry run showed as `acting`: no other row takes part, whatever "
            "has changed since. A repetition of the operation need not have them.",
        ),
    ] = None
    dry_run: Annotated[StrictBool, Field(description="Say what would be done and what it costs; do nothing.")] = False
    operation: Annotated[
        StrictStr | None,
        Field(
            min_length=1,
            max_length=MAX_OPERATION_CHARS,
            description="An id of your own, or the header `Idempotency-Key`: the same request with the same id does "
            "nothing, and gets the same answer; another request with it is refused.",
        ),
    ] = None

    def choice(self) -> Choice | None:
        """The choice; None: nothing is chosen.

        Raises:
            InvalidInput: it contradicts itself, or `rows` cannot be read.
        """
        return choose(
            rows=self.rows,
            keys=self.keys,
            states=self.states,
            reviews=self.reviews,
            reasons=self.reasons,
            ids=self.ids,
            all_rows=self.all_rows,
            agreed=self.agreed,
        )


class ReviewRows(RowChoice):
    """Which rows to approve or reject."""

    model_config = _examples(
        {"rows": "2-10,14", "comment": "logo is sharp"}, {"states": ["succeeded"], "dry_run": True}
    )

    comment: Annotated[StrictStr | None, Field(max_length=MAX_COMMENT_CHARS, description="Kept with the review.")] = (
        None
    )


class CancelRows(RowChoice):
    """What to cancel. Without a choice, a dry run or an operation: the whole campaign."""

    model_config = _examples({}, {"discard": True}, {"keys": ["SKU-7"]})

    discard: Annotated[StrictBool, Field(description="Also give up submitted jobs, which will be billed.")] = False


class SetRows(RowChoice):
    """What to change in rows that still wait."""

    model_config = _examples({"fields": {"priority": 9}, "all": True})

    fields: Annotated[
        dict[str, JsonValue],
        Field(
            min_length=1,
            max_length=MAX_FIELDS,
            description="Fields of jobs and their new values; null: as if it was not given.",
        ),
    ]

    def checked_fields(self) -> dict[str, Any]:
        """The fields to set.

        Raises:
            InvalidInput: one of them is unknown, or cannot be changed.
        """
        problems: list[Problem] = []
        for name in self.fields:
            try:
                check_name(name)
            except InvalidInput as exc:
                problems += exc.problems
        if problems:
            raise InvalidInput(problems)
        return dict(self.fields)


ROW_BODIES: tuple[type[BaseModel], ...] = (RowChoice, ReviewRows, CancelRows, SetRows)
"""Every body of these routes, for OpenAPI."""
