"""A real S3 behind the rules of other stores: what they refuse, redirect or demand. It gets requests signed again."""

from __future__ import annotations

import io
import socket
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest
from aiohttp import web
from yarl import URL

from storage.bucket.requests import UNSIGNED
from storage.bucket.signing import sign
from storage.settings import Settings
from tests.servers import Bucket
from tests.store_door import Door, what

_NOT_PASSED = ("authorization", "host", "content-length", "expect", "x-amz-date", "x-amz-content-sha256")
_KEPT = ("ETag", "Last-Modified", "Content-Range", "Content-Type")


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that the store received. `headers` have lower-case names."""

    kind: str
    host: str
    path: str
    headers: Mapping[str, str]


Rule = Callable[[web.Request], web.StreamResponse | Awaitable[web.StreamResponse] | None]


def refusal(status: int, code: str, message: str = "", more: str = "", **headers: str) -> web.Response:
    """An error in S3's form; `more` is XML."""
    text = f"<Error><Code>{code}</Code><Message>{message}</Message>{more}</Error>"
    return web.Response(status=status, text=text, headers={k.replace("_", "-"): v for k, v in headers.items()})


@dataclass
class RuledStore(Door):
    """Answers with what `rule` gives, and passes on everything else."""

    bucket: Bucket | None = None
    rule: Rule = lambda _request: None
    asked: list[Asked] = field(default_factory=list)

    async def serve(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.asked.append(Asked(what(request), request.host.partition(":")[0], request.path, headers))
        refused = self.rule(request)
        if refused is not None:
            return await refused if isinstance(refused, Awaitable) else refused
        assert self.bucket is not None
        key = request.rel_url.raw_path.removeprefix(f"/{self.bucket.bucket}")
        query = "&".join(p for p in request.rel_url.raw_query_string.split("&") if p and not p.startswith("X-Amz-"))
        url = f"{self.bucket.endpoint_url}/{self.bucket.bucket}{key}" + (f"?{query}" if query else "")
        keys = SimpleNamespace(
            access_key=self.bucket.access_key_id, secret_key=self.bucket.secret_access_key, token=None
        )
        kept = {name: value for name, value in headers.items() if name not in _NOT_PASSED and "security" not in name}
        signed = sign(keys, "us-east-1", request.method, url, {**kept, "Content-Length": str(len(body))}, UNSIGNED)
        async with (
            aiohttp.ClientSession(skip_auto_headers=["Content-Type", "User-Agent"], auto_decompress=False) as session,
            session.request(request.method, URL(url, encoded=True), data=io.BytesIO(body), headers=signed) as answer,
        ):
            found = {name: answer.headers[name] for name in _KEPT if name in answer.headers}
            if request.method == "HEAD":
                found["Content-Length"] = answer.headers["Content-Length"]
            return web.Response(status=answer.status, body=await answer.read(), headers=found)

    def kinds(self) -> list[str]:
        """What was asked for, in order."""
        return [asked.kind for asked in self.asked]


@contextmanager
def ruled(bucket: Bucket, rule: Rule, settings: Settings, **more: Any) -> Iterator[tuple[RuledStore, Settings]]:
    """A store with a rule, and settings that use it. `more` are settings; with `s3_endpoint_url` of a name, the port is
    added."""
    store = RuledStore("", bucket=bucket, rule=rule)
    with store.running() as url:
        endpoint = more.pop("s3_endpoint_url", None)
        if endpoint is not None:
            url = f"{endpoint}:{urlsplit(url).port}"
        yield store, Settings.model_validate(settings.model_dump() | {"s3_endpoint_url": url} | more)


def names_lead_here(monkeypatch: pytest.MonkeyPatch, suffix: str, port: int | None = None) -> None:
    """Names that end so lead to 127.0.0.1 in this process, whatever the system's resolver says; `port`: and there."""
    ask = socket.getaddrinfo

    def look_up(host: Any, service: Any, *args: Any, **more: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        if isinstance(name, str) and name.endswith(suffix):
            return ask("127.0.0.1", service if port is None else port, *args, **more)
        return ask(host, service, *args, **more)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
