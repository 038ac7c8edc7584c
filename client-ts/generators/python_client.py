"""A client that openapi-python-client generated, against the real API. `make client-ts` runs it."""

# ruff: noqa: S101 - a test

import os
from http import HTTPStatus

from generated.api.campaigns import campaigns_create, campaigns_get
from generated.api.jobs import jobs_cancel, jobs_create, jobs_create_many, jobs_list
from generated.client import AuthenticatedClient
from generated.models import (
    BatchReport,
    CampaignResource,
    CampaignRowsItem,
    JobPage,
    JobResource,
    JobSpec,
    JobState,
    ProblemDetails,
    StoredCampaign,
)

client = AuthenticatedClient(base_url=os.environ["REELQ_API_URL"], token=os.environ["REELQ_API_KEY"])

job = jobs_create.sync(client=client, body=JobSpec(prompt="a red fox", duration=5, tags=["py"]), idempotency_key="py-1")
assert isinstance(job, JobResource)
assert job.state is JobState.QUEUED
report = jobs_create_many.sync(client=client, body=[JobSpec(prompt="a cat", tags=["py"]), JobSpec(prompt="a dog")])
assert isinstance(report, BatchReport)
assert report.created == 2
page = jobs_list.sync(client=client, state=[JobState.QUEUED, JobState.FAILED], tag=["py"])
assert isinstance(page, JobPage)
assert len(page.data) == 2
cancelled = jobs_cancel.sync(job.id, client=client)
assert isinstance(cancelled, JobResource)
assert cancelled.state is JobState.CANCELLED
refused = jobs_create.sync_detailed(client=client, body=JobSpec(prompt="a", duration=3))
assert refused.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
assert isinstance(refused.parsed, ProblemDetails)
assert refused.parsed.errors[0].field == "duration"
stored = campaigns_create.sync(client=client, name="py", body=[CampaignRowsItem.from_dict({"prompt": "a red fox"})])
assert isinstance(stored, StoredCampaign)
campaign = campaigns_get.sync("py", client=client)
assert isinstance(campaign, CampaignResource)
assert campaign.total == 1
print("1 passed, 0 failed")  # noqa: T201 - what the test reads
