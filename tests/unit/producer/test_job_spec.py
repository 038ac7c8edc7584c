"""The rules for a job's fields, and when two requests are the same."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from producer.intake.job_spec import MAX_METADATA_BYTES, JobSpec, parse_job
from producer.intake.routing import able, fits
from seedance.account import Account
from seedance.problems import InvalidInput
from seedance.request import GenerationRequest
from storage.settings import Settings

NAN, INFINITY = float("nan"), float("inf")
DEEP: dict[str, Any] = {}
for _ in range(40):
    DEEP = {"a": DEEP}

# A change to a valid job, and the beginning of the error.
REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"prompt": None}, "prompt: is required; describe the video"),
    ({"prompt": ""}, "prompt: is required; describe the video"),
    ({"prompt": " \n\t "}, "prompt: is required; describe the video"),
    ({"prompt": "\x1a"}, "prompt: is required; describe the video"),
    ({"prompt": "\u200b\ufeff"}, "prompt: is required; describe the video"),
    ({"prompt": 5}, "prompt: must be text, not 5"),
    ({"prompt": "a\0b"}, "prompt: holds a NUL"),
    ({"prompt": "\ud800"}, "prompt: holds half of a surrogate pair"),
    ({"duration": 3}, "duration: must be 4 to 30 seconds, or -1 for automatic, not 3"),
    ({"duration": 31}, "duration: must be 4 to 30 seconds, or -1 for automatic, not 31"),
    ({"duration": "long"}, "duration: must be a whole number, not 'long'"),
    ({"duration": True}, "duration: must be a whole number, not True"),
    ({"duration": 4.5}, "duration: must be a whole number, not 4.5"),
    ({"ratio": "2:1"}, "ratio: must be '16:9'"),
    ({"resolution": "8k"}, "resolution: must be '480p'"),
    ({"tier": "pro"}, "tier: must be 'standard'"),
    ({"last_frame": "https://a/b.png"}, "last_frame: needs first_frame"),
    (
        {"first_frame": "https://a/b.png", "reference_images": ["https://a/c.png"]},
        "first_frame: cannot be combined with reference_images",
    ),
    ({"reference_videos": ["https://a/b.mp4"] * 11}, "reference_videos: at most 10, not 11"),
    ({"reference_images": ["https://a/b.png"] * 31}, "reference_images: at most 30, not 31"),
    ({"reference_images": "https://a/b.png"}, "reference_images: must be a list"),
    ({"first_frame": "file:///etc/passwd"}, "first_frame: file: is not supported"),
    ({"web_search": True, "first_frame": "https://a/b.png"}, "web_search: works for text only"),
    ({"audio": "maybe"}, "audio: must be true or false, not 'maybe'"),
    ({"priority": 99}, "priority: must be 0 to 9, higher first, not 99"),
    ({"priority": -1}, "priority: must be 0 to 9"),
    ({"priority": True}, "priority: must be a whole number"),
    ({"deadline": 0}, "deadline: must be more than 0"),
    ({"deadline": NAN}, "deadline: must be more than 0"),
    ({"deadline": False}, "deadline: must be seconds from now"),
    ({"deadline": "soon"}, "deadline: must be seconds from now or an ISO 8601 instant"),
    ({"deadline": "2100-01-01T00:00:00"}, "deadline: needs its offset"),
    ({"deadline": "2100-01-01"}, "deadline: must be seconds from now or an ISO 8601 instant"),
    ({"deadline": "2001-01-01T00:00:00Z"}, "deadline: has passed"),
    ({"deadline": datetime(2100, 1, 1)}, "deadline: needs its offset"),  # noqa: DTZ001 - that is the point
    ({"webhook_url": "ftp://a/b"}, "webhook_url: must be an http(s) URL"),
    ({"webhook_url": "https://"}, "webhook_url: is not a usable URL"),
    ({"webhook_url": "https://a/\nb"}, "webhook_url: must be an http(s) URL"),
    ({"idempotency_key": " "}, "idempotency_key: is blank"),
    ({"idempotency_key": 5}, "idempotency_key: must be text, not 5"),
    ({"idempotency_key": "k" * 201}, "idempotency_key: at most 200 characters, not 201"),
    ({"idempotency_key": "a\nb"}, "idempotency_key: holds a control character"),
    ({"account": ""}, "account: is blank"),
    ({"tags": ["a", ""]}, "tags[1]: is blank"),
    ({"tags": "a"}, "tags: must be a list"),
    ({"tags": ["a"] * 51}, "tags: at most 50, not 51"),
    ({"metadata": []}, "metadata: must be an object"),
    ({"metadata": {"a": NAN}}, "metadata: holds nan"),
    ({"metadata": {"a": [INFINITY]}}, "metadata: holds inf"),
    ({"metadata": {"a\0": 1}}, "metadata: holds a NUL"),
    ({"metadata": {"a": {"b": "\udfff"}}}, "metadata: holds half of a surrogate pair"),
    ({"metadata": {"a": 2**70}}, "metadata: cannot be stored: Integer exceeds 64-bit range"),
    ({"metadata": {"a": "x" * MAX_METADATA_BYTES}}, "metadata: at most 64 KiB"),
    ({"metadata": DEEP}, "metadata: is nested more than 16 deep"),
    ({"gateway_options": {"a": NAN}}, "gateway_options: holds nan"),
    ({"promt": "a cat"}, "promt: is not a field we know; did you mean prompt?"),
    ({"promt": None}, "promt: is not a field we know"),
]


@pytest.mark.parametrize(("fields", "said"), REFUSED, ids=[said[:50] for _, said in REFUSED])
def test_an_invalid_field_is_one_line_with_its_name(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_job({"prompt": "a cat"} | fields, "jobs.jsonl line 3")
    assert str(caught.value).startswith(f"jobs.jsonl line 3: {said}")
    assert "\n" not in str(caught.value)


def test_every_problem_of_a_job_is_named() -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_job({"prompt": " ", "duration": 3, "priority": 99})
    assert {problem.field for problem in caught.value.problems} == {"prompt", "duration", "priority"}


def test_none_means_not_given() -> None:
    plain = parse_job({"prompt": "a cat"})
    assert parse_job(dict.fromkeys(JobSpec.model_fields) | {"prompt": "a cat"}) == plain
    assert plain.priority == 5
    assert plain.request().canonical() == {"prompt": "a cat"}


@pytest.mark.parametrize("duration", [-1, 4, 15, "5", 6.0])
def test_valid_durations_are_accepted(duration: object) -> None:
    assert parse_job({"prompt": "a cat", "duration": duration}).duration == int(str(duration).split(".")[0])


def test_deadlines_are_seconds_or_instants() -> None:
    instant = datetime.now(UTC) + timedelta(hours=1)
    assert parse_job({"prompt": "a cat", "deadline": 90}).deadline == 90.0
    assert parse_job({"prompt": "a cat", "deadline": instant.isoformat()}).deadline == instant
    assert parse_job({"prompt": "a cat", "deadline": instant}).deadline == instant


def test_the_hash_covers_the_request_and_the_pin() -> None:
    same: list[dict[str, Any]] = [
        {"prompt": "a cat"},
        {"prompt": "a cat", "tier": "standard"},
        {"prompt": "a cat", "priority": 9, "tags": ["x"], "metadata": {"a": 1}, "deadline": 60},
        {"prompt": "a cat", "idempotency_key": "k", "webhook_url": "https://a/b"},
    ]
    other: list[dict[str, Any]] = [
        {"prompt": "a cat "},
        {"prompt": "a cat", "tier": "fast"},
        {"prompt": "a cat", "duration": 5},
        {"prompt": "a cat", "account": "main"},
        {"prompt": "a cat", "gateway_options": {"a": 1}},
    ]
    assert len({parse_job(fields).request_hash() for fields in same}) == 1
    assert len({parse_job(fields).request_hash() for fields in [same[0], *other]}) == 1 + len(other)


def test_the_request_of_a_job_has_no_job_fields() -> None:
    spec = parse_job({"prompt": "a cat", "reference_images": ["https://a/b.png"], "tags": ["x"], "priority": 1})
    request = spec.request()
    assert type(request) is GenerationRequest
    assert request == GenerationRequest.model_validate(request.canonical())
    assert list(request.media()) == [("reference_images[0]", "image", "https://a/b.png")]


MAIN = Account.model_validate({"name": "main", "gateway": "anyfast", "api_key": "k"})
SPARE = Account.model_validate({"name": "spare", "gateway": "anyfast", "api_key": "k"})
ARK = Account.model_validate({"name": "ark", "gateway": "ark", "api_key": "k"})


def gateways_for(request: GenerationRequest, accounts: list[Account], pin: str | None = None) -> tuple[str, ...]:
    found = able(fits(request, Settings(accounts=tuple(accounts)), pin))
    return tuple(dict.fromkeys(account.gateway for account in found))


def test_routing_lists_each_able_gateway_once_in_order() -> None:
    request = parse_job({"prompt": "a cat", "resolution": "480p"}).request()
    assert gateways_for(request, [MAIN, SPARE, ARK]) == ("anyfast", "ark")
    assert gateways_for(request, [ARK, MAIN]) == ("ark", "anyfast")
    assert gateways_for(request, [ARK, MAIN], "main") == ("anyfast",)


@pytest.mark.parametrize(
    ("accounts", "pin", "said"),
    [
        ([], None, "accounts: none is configured"),
        ([MAIN, ARK], "mian", "account: 'mian' is not configured; there is main, ark"),
        ([MAIN], None, "resolution: anyfast"),
        ([MAIN, ARK], "main", "resolution: anyfast"),
    ],
)
def test_a_request_without_an_able_account_is_refused(accounts: list[Account], pin: str | None, said: str) -> None:
    request = parse_job({"prompt": "a cat", "resolution": "4k"}).request()
    with pytest.raises(InvalidInput) as caught:
        gateways_for(request, accounts, pin)
    assert str(caught.value).startswith(said)
