"""Webhooks are verified as they are signed."""

from __future__ import annotations

import json
import time

import pytest
from reelq_client.core.errors import WebhookVerificationError
from reelq_client.webhooks import verify

from storage.webhooks.signing import new_secret, sign

SECRET, OLD = new_secret(), new_secret()
BODY = json.dumps({"type": "job.succeeded", "timestamp": "2030-01-31T18:00:00+00:00", "data": {"id": "1"}}).encode()


def headers(*secrets: str, at: float | None = None, body: bytes = BODY) -> dict[str, str]:
    moment = int(time.time() if at is None else at)
    signature = sign(secrets, "msg_1", moment, body)
    return {"Webhook-Id": "msg_1", "Webhook-Timestamp": str(moment), "Webhook-Signature": signature}


@pytest.mark.parametrize("body", [BODY, BODY.decode()])
def test_what_reelq_signs_is_read(body: bytes | str) -> None:
    event = verify(body, headers(SECRET), SECRET)
    assert (event.id, event.type, event.data) == ("msg_1", "job.succeeded", {"id": "1"})


def test_while_a_secret_is_replaced_both_work() -> None:
    both = headers(SECRET, OLD)
    assert verify(BODY, both, OLD).id == verify(BODY, both, SECRET).id == "msg_1"
    assert verify(BODY, headers(OLD), [SECRET, OLD]).id == "msg_1"


@pytest.mark.parametrize("name", ["Webhook-Id", "Webhook-Timestamp", "Webhook-Signature"])
def test_what_is_forged_is_refused(name: str) -> None:
    right = headers(SECRET)
    with pytest.raises(WebhookVerificationError, match=f"the header {name.lower()} is missing"):
        verify(BODY, {key: value for key, value in right.items() if key != name}, SECRET)
    with pytest.raises(WebhookVerificationError):
        verify(BODY, right | {name: right[name] + "1"}, SECRET)
    with pytest.raises(WebhookVerificationError, match="no signature is right"):
        verify(BODY + b" ", right, SECRET)
    with pytest.raises(WebhookVerificationError, match="no signature is right"):
        verify(BODY, right, OLD)


@pytest.mark.parametrize("age_s", [400, -400])
def test_what_is_old_or_of_the_future_is_refused(age_s: int) -> None:
    with pytest.raises(WebhookVerificationError, match="300 s"):
        verify(BODY, headers(SECRET, at=time.time() - age_s), SECRET)


def test_a_wrong_secret_says_so_and_is_not_repeated() -> None:
    with pytest.raises(WebhookVerificationError, match="must be whsec_ followed by base64") as caught:
        verify(BODY, headers(SECRET), "whsec_§§§")
    assert "§" not in str(caught.value)


def test_a_signed_body_that_is_no_event_is_refused() -> None:
    with pytest.raises(WebhookVerificationError, match="not an event"):
        verify(b"[]", headers(SECRET, body=b"[]"), SECRET)
