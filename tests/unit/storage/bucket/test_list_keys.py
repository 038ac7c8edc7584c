"""A list of keys: its pages, and what a store says instead of one."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import parse_qs, urlsplit

import pytest

from storage.bucket import exchanges
from storage.bucket.answers import Answer
from storage.bucket.requests import Requests, SignedRequest, StoreUnavailable
from storage.settings import Settings

PAGE = """<?xml version="1.0"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">{more}
<EncodingType>{encoding}</EncodingType>{keys}</ListBucketResult>"""


def page(*keys: str, token: str = "", encoding: str = "url") -> Answer:
    more = f"<IsTruncated>true</IsTruncated><NextContinuationToken>{token}</NextContinuationToken>" if token else ""
    listed = "".join(f"<Contents><Key>{key}</Key><Size>1</Size></Contents>" for key in keys)
    return Answer(200, {}, PAGE.format(more=more, encoding=encoding, keys=listed).encode())


def refusal(status: int, code: str) -> Answer:
    return Answer(status, {}, f"<Error><Code>{code}</Code><Message>no</Message></Error>".encode())


def listed(answers: Sequence[Answer], after: str = "") -> tuple[list[str] | None, list[SignedRequest]]:
    """The keys, and the requests that were made."""
    store = {
        "s3_endpoint_url": "http://store",
        "s3_bucket": "videos",
        "s3_access_key_id": "a",
        "s3_secret_access_key": "s",
    }
    exchange = exchanges.list_keys(Requests(Settings.model_validate(store)), "journal/", after)
    sent = [next(exchange)]
    for answer in answers:
        try:
            sent.append(exchange.send(answer))
        except StopIteration as done:
            return done.value, sent
    raise AssertionError("it wants another page")


def asked(request: SignedRequest) -> dict[str, list[str]]:
    return parse_qs(urlsplit(request.url).query)


def test_every_page_is_read_and_keys_are_decoded() -> None:
    keys, sent = listed([page("journal/a%20b", "journal/c+d", token="t/=1"), page("journal/e%2Bf")], after="journal/a")
    assert keys == ["journal/a b", "journal/c d", "journal/e+f"]
    assert asked(sent[0])["start-after"] == ["journal/a"]
    assert asked(sent[1])["continuation-token"] == ["t/=1"]
    assert all(asked(request)["prefix"] == ["journal/"] for request in sent)


def test_a_store_that_does_not_encode_or_skip_is_understood() -> None:
    keys, _ = listed([page("journal/a+b", "journal/b", encoding="")], after="journal/a+b")
    assert keys == ["journal/b"]


@pytest.mark.parametrize("answer", [refusal(403, "AccessDenied"), Answer(403), Answer(405), Answer(501)])
def test_a_bucket_that_may_not_be_listed_has_no_list(answer: Answer) -> None:
    assert listed([answer])[0] is None


def test_a_bucket_that_does_not_exist_has_no_keys() -> None:
    assert listed([refusal(404, "NoSuchBucket")])[0] == []


@pytest.mark.parametrize("answer", [refusal(403, "SignatureDoesNotMatch"), Answer(500), Answer(200, {}, b"<html>")])
def test_what_is_no_list_is_no_empty_list(answer: Answer) -> None:
    with pytest.raises(StoreUnavailable):
        listed([answer])
