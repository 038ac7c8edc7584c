"""What a client asks for beside a sheet, and the forms in which it sends both."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from producer.api.run_options import AT_ONCE, MAX_TIME_CHARS, QUIET_HOURS, START_AT, TIME_ZONE
from producer.campaigns.files import MAX_ROWS
from producer.campaigns.names import MAX_NAME_CHARS, check_name
from producer.campaigns.reading.options import NO_OPTIONS, ReadingOptions, read_options
from producer.campaigns.templates.document import parse_template, with_prompt
from producer.intake.pace import read_pace
from producer.intake.row_defaults import NO_DEFAULTS, RowDefaults, read_defaults
from producer.intake.terms import Terms, read_terms
from seedance.problems import InvalidInput, Problem
from storage.addresses.mail import MAX_ADDRESS_CHARS
from storage.admission.campaign_pace import MAX_CONCURRENT
from storage.campaigns.controls import MAX_WEIGHT
from storage.webhooks.recipients import MAX_RECIPIENTS

MAX_TEMPLATE_CHARS = 64 * 2**10
_MAX_TEXT_CHARS = 200

SheetFormat = Literal["xlsx", "csv", "jsonl"]


@dataclass(frozen=True, slots=True)
class Asked:
    """What to do with a sheet. `name` None: no campaign is named. `options`: how to read it. `sheet_format`: of a copy
    with its errors; None: that of the sheet."""

    name: str | None = None
    options: ReadingOptions = NO_OPTIONS
    terms: Terms = field(default_factory=Terms)
    first: int | None = None
    paused: bool = False
    skip_bad: bool = False
    fetch: bool = False
    dry_run: bool = False
    defaults: RowDefaults = NO_DEFAULTS
    proof: bool = False
    sheet_format: SheetFormat | None = None

    def named(self) -> str:
        """The name of the campaign.

        Raises:
            InvalidInput: none is given.
        """
        if self.name is None:
            raise InvalidInput([Problem("name", "is missing: name the campaign")])
        return self.name


class PlanForm(BaseModel):
    """A sheet to plan, and how to read it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    file: Annotated[
        str,
        Field(
            json_schema_extra={"format": "binary"},
            description="The sheet. Its name says what it is: .xlsx, .xls, .ods, .csv, .tsv, .jsonl, .yaml, …",
        ),
    ]
    name: Annotated[str | None, Field(min_length=1, max_length=MAX_NAME_CHARS, description="The campaign.")] = None
    template: Annotated[
        str | None,
        Field(max_length=MAX_TEMPLATE_CHARS, description="A template in YAML, as text or as a file."),
    ] = None
    prompt: Annotated[
        str | None, Field(max_length=MAX_TEMPLATE_CHARS, description="A prompt with placeholders for columns.")
    ] = None
    key: Annotated[str | None, Field(max_length=_MAX_TEXT_CHARS, description="The column that names a row.")] = None
    map: Annotated[
        list[Annotated[str, Field(max_length=_MAX_TEXT_CHARS)]],
        Field(max_length=200, description='Use a column as a field, as in "产品名=prompt". May be repeated.'),
    ] = []
    sheet: Annotated[str | None, Field(max_length=_MAX_TEXT_CHARS, description="The sheet of a workbook.")] = None
    encoding: Annotated[str | None, Field(max_length=_MAX_TEXT_CHARS, description="The encoding of a text.")] = None
    delimiter: Annotated[str | None, Field(max_length=_MAX_TEXT_CHARS, description="Between cells of a text.")] = None
    budget: Annotated[str | None, Field(max_length=40, description='What it may spend, such as "100 CNY".')] = None
    fetch: Annotated[bool, Field(description="Fetch the media that rows name by URL.")] = False
    proof: Annotated[bool, Field(description="Make each row as a draft or a small cheap video first.")] = False
    deadline: Annotated[str | None, Field(max_length=MAX_TIME_CHARS, description="For rows without one.")] = None
    priority: Annotated[int | None, Field(ge=0, le=9, description="For rows without one: 0 to 9.")] = None
    start_at: Annotated[str | None, Field(max_length=MAX_TIME_CHARS, description=START_AT)] = None
    quiet_hours: Annotated[str | None, Field(max_length=MAX_TIME_CHARS, description=QUIET_HOURS)] = None
    max_concurrent: Annotated[int | None, Field(ge=1, le=MAX_CONCURRENT, description=AT_ONCE)] = None
    time_zone: Annotated[str, Field(max_length=MAX_TIME_CHARS, description=TIME_ZONE)] = "UTC"

    def asked(self) -> Asked:
        """The same, understood.

        Raises:
            InvalidInput: a value is not valid.
        """
        template = None if self.template is None else parse_template(self.template, "template")
        made = with_prompt(template, self.prompt, "prompt")
        options = read_options(self.encoding, self.delimiter, self.sheet, self.map, self.key, made)
        name = None if self.name is None else check_name(self.name)
        pace = read_pace(self.start_at, self.quiet_hours, self.max_concurrent, self.time_zone)
        row_zone = self.time_zone if "time_zone" in self.model_fields_set else None
        return Asked(
            name,
            options,
            replace(read_terms(self.budget), pace=pace),
            fetch=self.fetch,
            defaults=read_defaults(self.priority, self.deadline, self.time_zone, row_zone=row_zone),
            proof=self.proof,
        )


class ErrorsForm(PlanForm):
    """A sheet to check, and what to write its errors into."""

    format: Annotated[SheetFormat | None, Field(description="By default JSONL for JSONL, a workbook for a table.")] = (
        None
    )

    def asked(self) -> Asked:
        """As of `PlanForm`."""
        return replace(PlanForm.asked(self), sheet_format=self.format)


class CampaignForm(PlanForm):
    """A sheet to enqueue, how to read it, and how the campaign starts."""

    weight: Annotated[int | None, Field(ge=1, le=MAX_WEIGHT, description="Its share of the slots.")] = None
    first: Annotated[int | None, Field(ge=1, le=MAX_ROWS, description="Submit only this number of rows.")] = None
    paused: Annotated[bool, Field(description="Submit nothing before a resume.")] = False
    skip_bad: Annotated[bool, Field(description="Store the good rows although some are bad.")] = False
    dry_run: Annotated[bool, Field(description="Check every row and estimate the cost; store nothing.")] = False
    notify: Annotated[
        list[Annotated[str, Field(max_length=MAX_ADDRESS_CHARS)]],
        Field(max_length=MAX_RECIPIENTS, description="Who gets mail about it. May be repeated."),
    ] = []

    def asked(self) -> Asked:
        """As of `PlanForm`."""
        asked = PlanForm.asked(self)
        return replace(
            asked,
            terms=replace(read_terms(self.budget, self.weight, self.notify), pace=asked.terms.pace),
            first=self.first,
            paused=self.paused,
            skip_bad=self.skip_bad,
            dry_run=self.dry_run,
        )
