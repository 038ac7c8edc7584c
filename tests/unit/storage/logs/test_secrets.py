"""Secrets are masked alike in a stored error and in a line of a log."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from seedance.errors import redact
from storage.logs.privacy import clean

SECRET = "Ab12Cd34Ef56Gh78"


@pytest.mark.parametrize("mask", [redact, clean])
@pytest.mark.parametrize(
    "before",
    [
        "Bearer ",
        "Basic ",
        *(f"the key {kind}{sign}" for kind in ("sk", "ak", "rq", "whsec") for sign in "-_"),
        "SK-",
        *(f"{name}=" for name in ("password", "api_key", "apikey", "token", "secret", "X-Amz-Signature", "credential")),
        '{"password": "',
        "密码 password: ",
    ],
)
def test_a_secret_is_masked_in_errors_and_in_logs(mask: Callable[[str], str], before: str) -> None:
    assert mask(f"refused, {before}{SECRET}, sorry") == f"refused, {before}***, sorry"


@pytest.mark.parametrize("mask", [redact, clean])
@pytest.mark.parametrize(
    ("before", "secret"),
    [
        ("password: ", "sunshine"),
        ("password: ", "invalidinvalid"),
        ("password=", "must-be-kept"),
        ("token: ", "required7"),
        ("BEARER ", "ordinaryword"),
        ("Basic ", "dXNlcjpwYXNz"),
        ("Basic ", "dXNlcjpwYQ=="),
        ("Basic ", "abcdefgh1"),
        ('"secret": "', "missing_"),
    ],
)
def test_a_secret_that_looks_like_a_word_is_masked(mask: Callable[[str], str], before: str, secret: str) -> None:
    assert mask(f"refused, {before}{secret}, sorry") == f"refused, {before}***, sorry"
    assert mask(f"{before}{secret}") == f"{before}***"


@pytest.mark.parametrize("mask", [redact, clean])
@pytest.mark.parametrize(
    "text",
    [
        *("task_0a1b2c3d4e is unknown", "no such desk-lamp", "a risk_of_loss", "密钥无效"),
        *("password: invalid", "token: expired.", "the secret: must be 32 bytes", '{"token": null, "secret": true}'),
        *("api_key: required; send one", "Bearer token missing", "Bearer authentication failed (401)"),
        *("basic subscription needed", "Basic Authentication required", "use basic features."),
    ],
)
def test_what_is_no_secret_stays(mask: Callable[[str], str], text: str) -> None:
    assert mask(text) == text
