"""What routes with small JSON bodies take. The same models check the bodies and describe them in OpenAPI."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    RootModel,
    StrictBool,
    StrictFloat,
    StrictInt,
    StrictStr,
    model_validator,
)
from pydantic_core import PydanticCustomError

from producer.api.examples import ROWS_EXAMPLE
from producer.api.parameters import Instant
from producer.api.resources.webhooks import EventName
from producer.api.run_options import AT_ONCE, MAX_TIME_CHARS, QUIET_HOURS, START_AT, TIME_ZONE
from producer.campaigns.files import MAX_ROWS
from producer.intake.job_spec import JobSpec
from producer.intake.pace import read_pace
from producer.intake.recipients import BY_TENANT, NO_ONE
from producer.intake.terms import Terms, read_terms
from producer.intake.webhook_urls import MAX_URL_CHARS
from producer.operator_actions.tenants import MAX_KEY_S
from producer.operator_actions.tenants import OVERLAP_S as KEY_OVERLAP_S
from producer.operator_actions.webhooks import MAX_OVERLAP_S, OVERLAP_S
from seedance.request import OutputFormat, Resolution, Tier
from storage.addresses.mail import MAX_ADDRESS_CHARS
from storage.admission.campaign_pace import MAX_CONCURRENT
from storage.campaigns.controls import MAX_WEIGHT
from storage.campaigns.shares import MAX_DAYS
from storage.tenants.keys import MAX_NAME_CHARS, Scope
from storage.webhooks.recipients import MAX_RECIPIENTS

MAX_TASK_ID_CHARS = 200
MAX_BUDGET_CHARS = 40
MAX_EVENTS = 50
_HOOK = "https://shop.example/hooks/reelq"

Url = Annotated[StrictStr, Field(max_length=MAX_URL_CHARS)]


def _with_examples(*examples: dict[str, JsonValue]) -> ConfigDict:
    """The configuration of every body: no unknown members, and examples for OpenAPI."""
    return ConfigDict(extra="forbid", frozen=True, json_schema_extra={"examples": list(examples)})


class CancelBody(BaseModel):
    """How to cancel."""

    model_config = _with_examples({}, {"discard": True})

    discard: Annotated[StrictBool, Field(description="Also give up submitted jobs, which will be billed.")] = False


class NewKey(BaseModel):
    """A key to create."""

    model_config = _with_examples({"name": "backend", "scopes": ["enqueue", "read"], "expires_in_seconds": 7776000})

    name: Annotated[StrictStr, Field(min_length=1, max_length=MAX_NAME_CHARS, description="To recognise it.")]
    scopes: Annotated[list[Scope], Field(min_length=1, max_length=len(Scope))] = [Scope.ENQUEUE, Scope.READ]
    expires_in_seconds: Annotated[
        StrictInt | None, Field(ge=1, le=int(MAX_KEY_S), description="Null: it never expires.")
    ] = None
    tenant: Annotated[
        StrictStr | None, Field(description="For admins of tenant default: whose jobs the key is for. Null: your own.")
    ] = None


class KeyPurse(BaseModel):
    """What a key may spend."""

    model_config = _with_examples({"purse": "20 USD"})

    purse: Annotated[StrictStr, Field(max_length=40, description='An amount and its currency, or "none".')]


class KeyRotation(BaseModel):
    """How to replace a key."""

    model_config = _with_examples({}, {"overlap_seconds": 3600})

    overlap_seconds: Annotated[
        StrictFloat, Field(ge=0, le=MAX_KEY_S, description="How long the old key works beside the new one.")
    ] = KEY_OVERLAP_S
    expires_in_seconds: Annotated[
        StrictInt | None, Field(ge=1, le=int(MAX_KEY_S), description="Of the new key. Null: it never expires.")
    ] = None


class ResolveBody(BaseModel):
    """What to do with an unconfirmed job, after a look at the gateway."""

    model_config = _with_examples({"action": "adopt", "task_id": "task_123"}, {"action": "resubmit"})

    action: Annotated[
        Literal["adopt", "resubmit", "abandon"],
        Field(
            description="`adopt`: the gateway has it, as `task_id`. `resubmit`: submit it again; it may be paid for "
            "twice. `abandon`: end it as failed."
        ),
    ]
    task_id: Annotated[
        Annotated[StrictStr, Field(min_length=1, max_length=MAX_TASK_ID_CHARS)] | None,
        Field(description="The gateway's task; only with `adopt`."),
    ] = None
    unchecked: Annotated[
        StrictBool, Field(description="With `adopt`: do not ask the gateway about the task first.")
    ] = False

    @model_validator(mode="after")
    def _check_task(self) -> Self:
        if (self.action == "adopt") != (self.task_id is not None):
            message = "is required with action adopt, and only then"
            raise PydanticCustomError("reelq_field", "{message}", {"field": "task_id", "message": message})
        if self.unchecked and self.action != "adopt":
            message = "is only for action adopt"
            raise PydanticCustomError("reelq_field", "{message}", {"field": "unchecked", "message": message})
        return self


class FinalizeBody(BaseModel):
    """The final of a draft: what differs from it."""

    model_config = _with_examples({}, {"resolution": "1080p", "output_format": "mov"}, {"regenerate": True})

    resolution: Annotated[
        Resolution | None, Field(description="One that the model makes finals in; null: the first of these, 1080p.")
    ] = None
    output_format: Annotated[OutputFormat | None, Field(description="null: mp4.")] = None
    watermark: StrictBool | None = None
    return_last_frame: StrictBool | None = None
    gateway_options: Annotated[
        dict[str, JsonValue] | None, Field(description="Options that the gateway takes for a final.")
    ] = None
    idempotency_key: Annotated[
        StrictStr | None,
        Field(description="null: the same draft with the same fields gives the same final, also if it is sent twice."),
    ] = None
    regenerate: Annotated[
        StrictBool,
        Field(description="If the job is not a draft, generate it again in a higher resolution: it will differ."),
    ] = False
    tier: Annotated[Tier | None, Field(description="Only with `regenerate`; null: that of the job.")] = None
    model: Annotated[StrictStr | None, Field(description="Only with `regenerate`; null: that of the job.")] = None

    def wanted(self) -> dict[str, JsonValue]:
        """The fields of the final that are given."""
        return self.model_dump(exclude={"regenerate"}, exclude_none=True)


_Time = Annotated[StrictStr, Field(max_length=MAX_TIME_CHARS)]


class CampaignChange(BaseModel):
    """New terms of a campaign. Fields that are left out stay unchanged."""

    model_config = _with_examples(
        {"budget": "100 CNY"}, {"budget": None}, {"weight": 2}, {"notify": ["anna@shop.example"]}
    )

    budget: Annotated[
        Annotated[StrictStr, Field(max_length=MAX_BUDGET_CHARS)] | None,
        Field(description='What it may spend, such as "100 CNY"; null: no limit.'),
    ] = None
    weight: Annotated[
        Annotated[StrictInt, Field(ge=1, le=MAX_WEIGHT)] | None,
        Field(description="Its share of the slots, relative to the tenant's other campaigns; null: unchanged."),
    ] = None
    start_at: Annotated[_Time | None, Field(description=f"{START_AT} Null: at once.")] = None
    quiet_hours: Annotated[_Time | None, Field(description=f"{QUIET_HOURS} Null: no quiet hours.")] = None
    max_concurrent: Annotated[
        Annotated[StrictInt, Field(ge=1, le=MAX_CONCURRENT)] | None, Field(description=f"{AT_ONCE} Null: no limit.")
    ] = None
    time_zone: Annotated[_Time, Field(description=TIME_ZONE)] = "UTC"

    notify: Annotated[
        list[Annotated[StrictStr, Field(max_length=MAX_ADDRESS_CHARS)]] | None,
        Field(
            max_length=MAX_RECIPIENTS,
            description="Who gets mail about it; empty: no one; null: those whom the tenant names.",
        ),
    ] = None

    def terms(self) -> Terms:
        """The same as terms.

        Raises:
            InvalidInput: the budget is not an amount and a currency, or `notify` has something that is no address.
        """

        def given(name: str) -> Any:
            value = getattr(self, name)
            return "none" if value is None and name in self.model_fields_set else value

        pace = read_pace(given("start_at"), given("quiet_hours"), given("max_concurrent"), self.time_zone)
        notify: list[str] | None = None
        if "notify" in self.model_fields_set:
            notify = [BY_TENANT] if self.notify is None else self.notify or [NO_ONE]
        return replace(read_terms(given("budget"), self.weight, notify), pace=pace)


class ShareBody(BaseModel):
    """A link to a campaign's videos that needs no key."""

    model_config = _with_examples({}, {"days": 30, "approved_only": True})

    days: Annotated[StrictFloat, Field(gt=0, le=MAX_DAYS, description="How many days it works.")] = 7.0
    approved_only: Annotated[
        StrictBool, Field(description="Show approved videos only, not all that are not rejected.")
    ] = False


class NewUploadForm(BaseModel):
    """A form with one file."""

    model_config = ConfigDict(
        json_schema_extra={"required": ["file"], "properties": {"file": {"type": "string", "format": "binary"}}}
    )


class NewEndpoint(BaseModel):
    """A URL that will receive events."""

    model_config = _with_examples({"url": _HOOK}, {"url": _HOOK, "events": ["job.succeeded", "job.failed"]})

    url: Url
    events: Annotated[
        Annotated[list[EventName], Field(max_length=MAX_EVENTS)] | None,
        Field(description="The events it receives; empty or null: all of them."),
    ] = None


class EndpointChange(BaseModel):
    """Changes of an endpoint. Fields that are left out or null stay unchanged."""

    model_config = _with_examples({"disabled": False}, {"events": ["campaign.finished"]})

    events: Annotated[
        Annotated[list[EventName], Field(max_length=MAX_EVENTS)] | None,
        Field(description="The events it receives; empty: all of them."),
    ] = None
    disabled: StrictBool | None = None


class SecretRotation(BaseModel):
    """How to replace a secret."""

    model_config = _with_examples({}, {"overlap_seconds": 0})

    overlap_seconds: Annotated[
        StrictFloat,
        Field(ge=0, le=MAX_OVERLAP_S, description="For how long messages are signed with the previous secret too."),
    ] = OVERLAP_S


class ReplayBody(BaseModel):
    """Which messages to send again: those that are `dead`, or every message `since` an instant."""

    model_config = _with_examples({"dead": True}, {"since": "2030-01-31T18:00:00Z"})

    dead: Annotated[StrictBool, Field(description="Only messages whose delivery was given up.")] = False
    since: Annotated[Instant | None, Field(description="Only messages created then or later.")] = None
    endpoint_id: Annotated[UUID | None, Field(description="Only messages to this endpoint.")] = None


class WebhookTest(BaseModel):
    """Where to send a test event: a URL or an endpoint."""

    model_config = _with_examples({"url": _HOOK})

    url: Url | None = None
    endpoint_id: UUID | None = None


class JobBatch(RootModel[Annotated[list[JobSpec], Field(min_length=1, max_length=MAX_ROWS)]]):
    """Many jobs, one per item."""

    model_config = ConfigDict(json_schema_extra={"examples": [ROWS_EXAMPLE]})


class CampaignRows(RootModel[Annotated[list[dict[str, JsonValue]], Field(min_length=1, max_length=MAX_ROWS)]]):
    """The jobs of a campaign, one per item. With a template, a mapping or a key, they may have other members too."""

    model_config = ConfigDict(json_schema_extra={"examples": [ROWS_EXAMPLE]})


BODIES: tuple[type[BaseModel], ...] = (
    JobBatch,
    CampaignRows,
    NewKey,
    KeyPurse,
    KeyRotation,
    CancelBody,
    ResolveBody,
    FinalizeBody,
    CampaignChange,
    ShareBody,
    NewEndpoint,
    EndpointChange,
    SecretRotation,
    ReplayBody,
    WebhookTest,
)
"""Every body, for OpenAPI."""
FORMS: tuple[type[BaseModel], ...] = (NewUploadForm,)
"""The same for bodies that are forms."""
