"""The names of the routes in OpenAPI, which become the names of methods in clients: they never change."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from fastapi.routing import APIRoute

OPERATION_IDS: Final[Mapping[tuple[str, str], str]] = {
    ("POST", "/v1/jobs"): "jobs_create",
    ("POST", "/v1/jobs/batch"): "jobs_create_many",
    ("GET", "/v1/jobs"): "jobs_list",
    ("GET", "/v1/jobs/{job_id}"): "jobs_get",
    ("POST", "/v1/jobs/{job_id}/cancel"): "jobs_cancel",
    ("POST", "/v1/jobs/{job_id}/retry"): "jobs_retry",
    ("POST", "/v1/jobs/{job_id}/resolve"): "jobs_resolve",
    ("POST", "/v1/jobs/{job_id}/finalize"): "jobs_finalize",
    ("POST", "/v1/jobs/{job_id}/playable"): "jobs_make_playable",
    ("GET", "/v1/jobs/{job_id}/video"): "jobs_video",
    ("GET", "/v1/jobs/{job_id}/poster"): "jobs_poster",
    ("GET", "/v1/jobs/{job_id}/last-frame"): "jobs_last_frame",
    ("GET", "/v1/jobs/{job_id}/events"): "jobs_events",
    ("GET", "/v1/jobs/{job_id}/timeline"): "jobs_timeline",
    ("GET", "/v1/jobs/{job_id}/attempts"): "jobs_attempts",
    ("GET", "/v1/events"): "events_stream",
    ("POST", "/v1/campaigns/plan"): "campaigns_plan",
    ("POST", "/v1/campaigns"): "campaigns_create",
    ("GET", "/v1/campaigns"): "campaigns_list",
    ("GET", "/v1/campaigns/{name}"): "campaigns_get",
    ("PATCH", "/v1/campaigns/{name}"): "campaigns_update",
    ("POST", "/v1/campaigns/{name}/cancel"): "campaigns_cancel",
    ("POST", "/v1/campaigns/{name}/pause"): "campaigns_pause",
    ("POST", "/v1/campaigns/{name}/resume"): "campaigns_resume",
    ("POST", "/v1/campaigns/{name}/approve"): "campaigns_approve",
    ("POST", "/v1/campaigns/{name}/reject"): "campaigns_reject",
    ("POST", "/v1/campaigns/{name}/reroll"): "campaigns_reroll",
    ("POST", "/v1/campaigns/{name}/retry"): "campaigns_retry",
    ("POST", "/v1/campaigns/{name}/set"): "campaigns_set",
    ("GET", "/v1/campaigns/{name}/status"): "campaigns_status",
    ("GET", "/v1/campaigns/{name}/rows"): "campaigns_rows",
    ("GET", "/v1/campaigns/{name}/rows/{row_id}"): "campaigns_row",
    ("GET", "/v1/campaigns/{name}/videos"): "campaigns_videos",
    ("GET", "/v1/campaigns/{name}/export"): "campaigns_export",
    ("GET", "/v1/campaigns/{name}/sheet"): "campaigns_sheet",
    ("POST", "/v1/campaigns/{name}/shares"): "campaigns_share",
    ("GET", "/v1/campaigns/{name}/shares"): "campaigns_shares",
    ("DELETE", "/v1/campaigns/{name}/shares/{share_id}"): "campaigns_revoke_share",
    ("GET", "/v1/campaigns/{name}/manifest"): "campaigns_manifest",
    ("GET", "/v1/campaigns/{name}/decisions"): "campaigns_decisions",
    ("POST", "/v1/estimate"): "jobs_estimate",
    ("GET", "/v1/capabilities"): "capabilities_list",
    ("GET", "/v1/tenant"): "tenant_get",
    ("GET", "/v1/accounts"): "accounts_list",
    ("GET", "/v1/keys"): "keys_list",
    ("POST", "/v1/keys"): "keys_create",
    ("POST", "/v1/keys/{key_id}/rotate"): "keys_rotate",
    ("DELETE", "/v1/keys/{key_id}"): "keys_revoke",
    ("GET", "/v1/decisions"): "decisions_list",
    ("POST", "/v1/videos"): "videos_create",
    ("GET", "/v1/videos"): "videos_list",
    ("POST", "/v1/videos/edits"): "videos_edit",
    ("POST", "/v1/videos/extensions"): "videos_extend",
    ("POST", "/v1/videos/{video_id}/remix"): "videos_remix",
    ("GET", "/v1/videos/{video_id}"): "videos_get",
    ("DELETE", "/v1/videos/{video_id}"): "videos_delete",
    ("GET", "/v1/videos/{video_id}/content"): "videos_content",
    ("GET", "/v1/webhooks/endpoints"): "webhook_endpoints_list",
    ("POST", "/v1/webhooks/endpoints"): "webhook_endpoints_create",
    ("GET", "/v1/webhooks/endpoints/{endpoint_id}"): "webhook_endpoints_get",
    ("PATCH", "/v1/webhooks/endpoints/{endpoint_id}"): "webhook_endpoints_update",
    ("DELETE", "/v1/webhooks/endpoints/{endpoint_id}"): "webhook_endpoints_delete",
    ("POST", "/v1/webhooks/endpoints/{endpoint_id}/rotate"): "webhook_endpoints_rotate",
    ("GET", "/v1/webhooks/secret"): "webhooks_secret",
    ("POST", "/v1/webhooks/test"): "webhooks_test",
    ("GET", "/v1/webhooks/messages"): "webhook_messages_list",
    ("GET", "/v1/webhooks/messages/{message_id}"): "webhook_messages_get",
    ("POST", "/v1/webhooks/messages/{message_id}/replay"): "webhook_messages_replay",
    ("POST", "/v1/webhooks/replay"): "webhook_messages_replay_many",
    ("POST", "/callbacks/{gateway}/{token}"): "callbacks_receive",
    ("GET", "/healthz"): "health_live",
    ("GET", "/readyz"): "health_ready",
}


def operation_id(route: APIRoute) -> str:
    """The name of a route; one that is not in the table is named after its tag and its function."""
    method = min(route.methods or {""})
    tag = str(route.tags[0]) if route.tags else "other"
    return OPERATION_IDS.get((method, route.path_format), f"{tag.replace('-', '_')}_{route.name}")
