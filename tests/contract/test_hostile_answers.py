"""Answers of proxies, caches, firewalls and load balancers in front of a gateway, before or after it accepted the POST.

For a submit, none of them may fail the job or send it again: the outcome is unknown, or the route is missing. For a
query, they say nothing about the task, the account or the model.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seedance.errors import (
    AccountProblem,
    BadAnswer,
    GatewayError,
    ModelProblem,
    NotServed,
    Operation,
    OutcomeUnknown,
    Rejected,
    TaskUnknown,
    Throttled,
    TooLate,
    Unavailable,
)
from seedance.gateways import ark_codes
from seedance.gateways.base import Dialect, WireAnswer
from seedance.gateways.refusals import Codes
from seedance.gateways.registry import DIALECTS
from tests.contract.recorded import load
from tests.contract.strategies import JSON, LIKELY_JSON

EVERY_DIALECT = pytest.mark.parametrize("dialect", DIALECTS.values(), ids=DIALECTS)
DOUBT, NO_ROUTE = OutcomeUnknown, NotServed


def page(title: str, server: str = "nginx") -> bytes:
    return f"<html>\r\n<head><title>{title}</title></head>\r\n<body><h1>{title}</h1><hr>{server}</body></html>".encode()


@dataclass(frozen=True)
class Hostile:
    """One answer, and what it means for a submit."""

    name: str
    status: int
    body: bytes
    means: type[GatewayError]
    headers: tuple[tuple[str, str], ...] = ()

    @property
    def answer(self) -> WireAnswer:
        return WireAnswer(self.status, dict(self.headers), self.body)


def _json(value: Any) -> bytes:
    return json.dumps(value).encode()


VARNISH = (
    b'<?xml version="1.0" encoding="utf-8"?>\n<!DOCTYPE html>\n<html><head><title>503 Backend fetch failed</title>'
)
CHALLENGE = b"\xef\xbb\xbf\n<!DOCTYPE html><html><head><title>Just a moment...</title></head></html>"
S3_DENIED = b'<?xml version="1.0" encoding="UTF-8"?><Error><Code>AccessDenied</Code></Error>'
CLOUDFLARE = {
    "cloudflare_error": True,
    "error_code": 1015,
    "error_name": "rate_limited",
    "status": 429,
    "retryable": True,
}


RETRY = (("retry-after", "5"),)


def hostile() -> Iterator[Hostile]:
    yield from _of_proxies()
    yield from _of_applications()
    yield from _of_anyone()


def _of_proxies() -> Iterator[Hostile]:
    """5xx of web servers, balancers and content networks."""
    for status, title in ((500, "Internal Server Error"), (502, "Bad Gateway"), (504, "Gateway Time-out")):
        yield Hostile(f"nginx {status}", status, page(f"{status} {title}"), DOUBT)
    yield Hostile("nginx 503 with Retry-After", 503, page("503 Service Temporarily Unavailable"), DOUBT, RETRY)
    yield Hostile("varnish 503 with Retry-After", 503, VARNISH, DOUBT, RETRY)
    yield Hostile("haproxy 503", 503, page("503 Service Unavailable", "haproxy"), DOUBT)
    yield Hostile("envoy 503", 503, b"upstream connect error or disconnect/reset before headers", DOUBT)
    yield Hostile("envoy 504", 504, b"upstream request timeout", DOUBT)
    yield Hostile("aws 504", 504, _json({"message": "Endpoint request timed out"}), DOUBT)
    yield Hostile("aws 502", 502, _json({"message": "Internal server error"}), DOUBT)
    for status in range(520, 528):
        yield Hostile(f"cloudflare {status}", status, page(f"{status}: Web server is returning an error", "cf"), DOUBT)
        yield Hostile(f"cloudflare {status} text", status, f"error code: {status}".encode(), DOUBT)
        yield Hostile(f"cloudflare {status} json", status, _json({"error_code": status, "retryable": True}), DOUBT)


def _of_applications() -> Iterator[Hostile]:
    """Answers of API gateways and frameworks, and refusals of all."""
    yield Hostile("kong 503", 503, _json({"message": "failure to get a peer from the ring-balancer"}), DOUBT, RETRY)
    yield Hostile("kong 502", 502, _json({"message": "An invalid response was received from the upstream"}), DOUBT)
    yield Hostile("kong 500", 500, _json({"message": "An unexpected error occurred"}), DOUBT)
    yield Hostile("kong 429", 429, _json({"message": "API rate limit exceeded"}), DOUBT, RETRY)
    yield Hostile("kong 401", 401, _json({"message": "No API key found in request"}), DOUBT)
    yield Hostile("kong 403", 403, _json({"message": "You cannot consume this service"}), DOUBT)
    yield Hostile("kong 413", 413, _json({"message": "Request size limit exceeded"}), DOUBT)
    yield Hostile("kong 404", 404, _json({"message": "no Route matched with those values"}), NO_ROUTE)
    yield Hostile("aws 403", 403, _json({"message": "Forbidden"}), DOUBT)
    yield Hostile("aws 429", 429, _json({"message": "Too Many Requests"}), DOUBT)
    yield Hostile("aws 404", 404, _json({"message": "Not Found"}), NO_ROUTE)
    yield Hostile("azure 429", 429, _json({"statusCode": 429, "message": "Rate limit is exceeded."}), DOUBT, RETRY)
    yield Hostile("azure 401", 401, _json({"statusCode": 401, "message": "Access denied due to invalid key."}), DOUBT)
    yield Hostile("apisix 503", 503, _json({"error_msg": "no valid upstream node"}), DOUBT)
    yield Hostile("apisix 404", 404, _json({"error_msg": "404 Route Not Found"}), NO_ROUTE)
    yield Hostile("traefik 404", 404, b"404 page not found\n", NO_ROUTE)
    yield Hostile("express 404", 404, page("Cannot POST /v1/video/generations"), NO_ROUTE)
    yield Hostile("fastapi 404", 404, _json({"detail": "Not Found"}), NO_ROUTE)
    yield Hostile("fastapi 405", 405, _json({"detail": "Method Not Allowed"}), NO_ROUTE)
    yield Hostile("nginx 405", 405, page("405 Not Allowed"), NO_ROUTE)
    yield Hostile("empty 404", 404, b"", NO_ROUTE)
    yield Hostile("empty 405", 405, b"", NO_ROUTE)
    yield Hostile("cloudflare 429 page", 429, page("Error 1015", "cloudflare"), DOUBT, RETRY)
    yield Hostile("cloudflare 429 json", 429, _json(CLOUDFLARE), DOUBT, RETRY)
    yield Hostile("cloudflare challenge", 403, CHALLENGE, NO_ROUTE)
    yield Hostile("nginx 403", 403, page("403 Forbidden"), NO_ROUTE)
    yield Hostile("nginx 401", 401, page("401 Authorization Required"), NO_ROUTE)
    yield Hostile("nginx 400", 400, page("400 The plain HTTP request was sent to HTTPS port"), NO_ROUTE)
    yield Hostile("nginx 413", 413, page("413 Request Entity Too Large"), NO_ROUTE)
    yield Hostile("squid 407", 407, page("407 Proxy Authentication Required"), NO_ROUTE)
    yield Hostile("object store 403", 403, S3_DENIED, NO_ROUTE)
    yield Hostile("nginx 301", 301, page("301 Moved Permanently"), NO_ROUTE, (("location", "https://x.example/"),))


def _of_anyone() -> Iterator[Hostile]:
    """What says nothing of who answers."""
    yield Hostile("301 without a page", 301, b"", DOUBT, (("location", "https://x.example/"),))
    yield Hostile("302 to a login", 302, page("302 Found"), DOUBT, (("location", "/login"),))
    yield Hostile("303", 303, b"", DOUBT, (("location", "/tasks/1"),))
    yield Hostile("307 without a page", 307, b"", DOUBT, (("location", "/v1/video/generations"),))
    yield Hostile("408 page", 408, page("408 Request Time-out"), DOUBT)
    yield Hostile("409 page", 409, page("409 Conflict"), DOUBT)
    yield Hostile("499 page", 499, page("499 Client Closed Request"), DOUBT)
    yield Hostile("422 json", 422, _json({"detail": [{"loc": ["body"], "msg": "field required"}]}), DOUBT)
    for status in (400, 401, 402, 403, 409, 410, 413, 422, 429, 500, 503, 599):
        yield Hostile(f"{status} empty", status, b"", DOUBT, RETRY)
        yield Hostile(f"{status} error text", status, _json({"error": "no"}), DOUBT)
        yield Hostile(f"{status} error list", status, _json({"errors": [{"message": "no"}]}), DOUBT)
        yield Hostile(f"{status} list", status, _json([{"code": "InvalidParameter", "message": "x"}]), DOUBT)
        yield Hostile(f"{status} null", status, b"null", DOUBT)
        yield Hostile(f"{status} message", status, _json({"message": "no", "code": status}), DOUBT)
        yield Hostile(f"{status} OpenAI's form", status, _json({"error": {"message": "no", "code": None}}), DOUBT)
        litellm = {"error": {"message": "no", "type": "None", "param": "None", "code": str(status)}}
        yield Hostile(f"{status} litellm", status, _json(litellm), DOUBT)
        yield Hostile(f"{status} gzip", status, gzip.compress(b'{"error": 1}'), DOUBT)
        yield Hostile(f"{status} problem", status, _json({"type": "about:blank", "title": "x", "detail": "y"}), DOUBT)


@EVERY_DIALECT
def test_no_answer_of_a_proxy_refuses_a_submit(dialect: Dialect) -> None:
    read = {case.name: dialect.read_error("submit", case.answer) for case in hostile()}
    meant = {case.name: case.means for case in hostile()}
    assert {name: type(error) for name, error in read.items()} == meant
    assert all(error.message for error in read.values())


@EVERY_DIALECT
@pytest.mark.parametrize("operation", ["query", "cancel", "list"])
def test_no_answer_of_a_proxy_changes_a_task(dialect: Dialect, operation: Operation) -> None:
    for case in hostile():
        error = dialect.read_error(operation, case.answer)
        assert type(error) in (Unavailable, BadAnswer, Throttled), case.name
        assert case.status < 500 or type(error) in (Unavailable, Throttled), case.name


def own_errors() -> Iterator[Any]:
    """Every dialect's recorded refusals of a submit, to be tried with other statuses."""
    for name, dialect in DIALECTS.items():
        for row in load(name, "errors"):
            if row["operation"] == "submit" and row["expect"]["error"] not in ("OutcomeUnknown", "NotServed"):
                yield pytest.param(dialect, row, id=f"{name}: {row['name']}")


@pytest.mark.parametrize(("dialect", "row"), tuple(own_errors()))
def test_a_refusal_with_another_status_leaves_the_outcome_unknown(dialect: Dialect, row: dict[str, Any]) -> None:
    body, documented = _json(row["body"]), row["status"]
    for status in (302, 408, 409, 424, 500, 502, 504, 520):
        assert type(dialect.read_error("submit", WireAnswer(status, {}, body))) is OutcomeUnknown, status
    assert type(dialect.read_error("submit", WireAnswer(404 if documented != 404 else 405, {}, body))) is NotServed


@EVERY_DIALECT
def test_every_refusal_of_the_list_has_a_recorded_example(dialect: Dialect) -> None:
    rows = [row for row in load(dialect.name, "errors") if row["operation"] == "submit"]
    recorded = [row for row in rows if row["source"] and row["expect"]["error"] != "OutcomeUnknown"]
    for status, code, kind in dialect.errors.refusals:
        codes = Codes.of((status, code))
        examples = [row for row in recorded if (row["status"], row["expect"]["gateway_code"]) in codes]
        assert examples, f"{status} {code!r} ({kind}) has no example in tests/contract/{dialect.name}/errors.json"


@EVERY_DIALECT
@given(status=st.integers(300, 599), body=JSON | LIKELY_JSON, retry=st.booleans())
@settings(max_examples=150)
def test_any_json_leaves_the_outcome_unknown_unless_on_the_list(
    dialect: Dialect, status: int, body: object, *, retry: bool
) -> None:
    answer = WireAnswer(status, {"retry-after": "1"} if retry else {}, json.dumps(body).encode())
    error = dialect.read_error("submit", answer)
    refusals = (Rejected, Throttled, AccountProblem, ModelProblem)
    if isinstance(error, refusals):
        lists = (dialect.errors.refusals, ark_codes.REFUSALS)  # some pass Ark's refusals on
        assert any(refusals.find(status, error.gateway_code) for refusals in lists)
    else:
        assert type(error) is OutcomeUnknown or (type(error) is NotServed and status in (404, 405, 501))
    for operation in ("query", "cancel", "list"):
        assert not isinstance(dialect.read_error(operation, answer), Rejected | NotServed)


@EVERY_DIALECT
@given(status=st.integers(300, 599), body=JSON)
@settings(max_examples=60)
def test_no_json_of_others_makes_a_task_unknown(dialect: Dialect, status: int, body: object) -> None:
    for operation in ("query", "cancel"):
        error = dialect.read_error(operation, WireAnswer(status, {}, json.dumps(body).encode()))
        assert not isinstance(error, TaskUnknown | TooLate)
