"""A URL that would never be called is refused when it is given."""

from __future__ import annotations

import pytest

from producer.intake.intake import as_prepared
from producer.intake.job_spec import parse_job
from producer.intake.webhook_urls import address_problem, form_problem
from seedance.problems import InvalidInput
from storage.settings import Settings

ACCOUNT = {"name": "main", "gateway": "anyfast", "api_key": "k"}
SECRET = "whsec_" + "QUJD" * 8
PUBLIC = Settings.model_validate({"accounts": [ACCOUNT], "webhook_secret": SECRET})
PRIVATE = PUBLIC.model_copy(update={"allow_private_networks": True})


@pytest.mark.parametrize(
    "url",
    [
        "ftp://a.example/",
        "a.example",
        "https://",
        "https://a b/",
        "https://a.example:99999/",
        "http://[::1/",
        "http://a:0",
    ],
)
def test_invalid_urls_are_refused(url: str) -> None:
    assert form_problem(url) is not None


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.1",
        "0x7f.1",
        "2130706433",
        "localhost",
        "db",
        "a.internal",
        "10.0.0.8",
        "[::1]",
        "169.254.169.254",
    ],
)
def test_private_hosts_are_refused_unless_allowed(host: str) -> None:
    url = f"http://{host}:8000/hook"
    assert form_problem(url) is None
    assert "not a public address" in (address_problem(url, PUBLIC) or "")
    assert address_problem(url, PRIVATE) is None


@pytest.mark.parametrize("url", ["https://a.example/x?y=z", "http://93.184.216.34:8080", "https://u:p@b.example"])
def test_hosts_that_may_be_public_are_accepted(url: str) -> None:
    assert (form_problem(url), address_problem(url, PUBLIC)) == (None, None)


def test_an_invalid_webhook_url_is_refused_by_field() -> None:
    spec = parse_job({"prompt": "a fox", "webhook_url": "http://192.168.1.4/hook"})
    with pytest.raises(InvalidInput, match=r"^webhook_url: 192\.168\.1\.4 is not a public address"):
        as_prepared(spec, PUBLIC)
    assert as_prepared(spec, PRIVATE).spec.webhook_url == "http://192.168.1.4/hook"
    with pytest.raises(InvalidInput, match=r"^webhook_url: .*no webhook_secret is set"):
        as_prepared(spec, PRIVATE.model_copy(update={"webhook_secret": None}))
