"""The packages that receivers verify with, standardwebhooks and openai, accept our signatures."""

from __future__ import annotations

import base64
import time

import pytest
from openai import InvalidWebhookSignatureError, OpenAI
from standardwebhooks import Webhook, WebhookVerificationError

from seedance.problems import InvalidInput
from storage.settings import load_settings
from storage.webhooks.signing import new_secret, secret_bytes, sign, tenant_secret

BODY = '{"type":"job.succeeded","data":{"prompt":"a 猫"}}'
KNOWN = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def headers(*secrets: str, at: float | None = None) -> dict[str, str]:
    now = int(time.time() if at is None else at)
    signature = sign(secrets, "msg_1", now, BODY.encode())
    return {"webhook-id": "msg_1", "webhook-timestamp": str(now), "webhook-signature": signature}


def test_the_example_of_the_specification_is_signed_alike() -> None:
    body = b'{"test": 2432232314}'
    signed = sign([KNOWN], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body)
    assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_standardwebhooks_accepts_either_secret_while_they_overlap() -> None:
    new, old = new_secret(), new_secret()
    for secret in (new, old):
        assert Webhook(secret).verify(BODY, headers(new, old))["type"] == "job.succeeded"
    with pytest.raises(WebhookVerificationError):
        Webhook(new_secret()).verify(BODY, headers(new, old))
    with pytest.raises(WebhookVerificationError):
        Webhook(new).verify(BODY.replace("succeeded", "failed"), headers(new, old))
    with pytest.raises(WebhookVerificationError, match="too old"):
        Webhook(new).verify(BODY, headers(new, at=time.time() - 400))


def test_the_openai_package_accepts_a_signature() -> None:
    secret = new_secret()
    with OpenAI(api_key="unused", webhook_secret=secret) as client:
        event = client.webhooks.unwrap(BODY, headers(secret))
        assert event.type == "job.succeeded"  # type: ignore[comparison-overlap] # a name of ours, not of theirs
        with pytest.raises(InvalidWebhookSignatureError):
            client.webhooks.unwrap(BODY, headers(new_secret()))


def test_each_tenant_has_a_secret_of_its_own() -> None:
    installation = new_secret()
    found = {tenant_secret(installation, tenant) for tenant in ("default", "a", "b")}
    assert len(found | {installation}) == 4
    assert all(len(secret_bytes(secret)) == 32 for secret in found)
    assert tenant_secret(installation, "a") in found


@pytest.mark.parametrize(
    "bad", ["", "whsec_", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_%%%", "whsec_QUJD", f"{KNOWN}é"]
)
def test_an_invalid_secret_is_refused_without_repeating_it(bad: str) -> None:
    with pytest.raises(ValueError, match="24 to 64 bytes") as caught:
        secret_bytes(bad)
    assert "MfKQ" not in str(caught.value)


def test_the_setting_accepts_a_new_and_an_old_secret() -> None:
    new, old = new_secret(), new_secret()
    settings = load_settings(environ={"REELQ_WEBHOOK_SECRET": f"{new} {old}"})
    assert settings.webhook_secrets("t") == [tenant_secret(new, "t"), tenant_secret(old, "t")]
    assert load_settings(environ={"REELQ_WEBHOOK_SECRET": " "}).webhook_secrets("t") == []
    short = "whsec_" + base64.b64encode(b"short").decode()
    with pytest.raises(InvalidInput, match=r"REELQ_WEBHOOK_SECRET: .*24 to 64 bytes") as caught:
        load_settings(environ={"REELQ_WEBHOOK_SECRET": short})
    assert short not in str(caught.value)
