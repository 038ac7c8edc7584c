"""The only HTTP client of the gateways' APIs: sends the calls that a dialect builds, and translates failures once.

aiohttp makes the connections. Queries and, once one was answered, billed POSTs go over them without its requests
(`seedance.network.direct`); other calls, and all calls of a gateway whose responses only aiohttp reads, with them. Both
ways distinguish "never sent" from "perhaps sent" by the class of the exception.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from io import BytesIO
from typing import Self
from urllib.parse import quote, urlencode

import aiohttp
import orjson
from yarl import URL

from seedance.account import Account
from seedance.boot_clock import boottime_s
from seedance.content_coding import decompressed
from seedance.errors import (
    BadAnswer,
    GatewayError,
    NotServed,
    Operation,
    OutcomeUnknown,
    TaskUnknown,
    TooLate,
    Unavailable,
    redact,
    without_frames,
)
from seedance.gateways.base import (
    AttemptOptions,
    CancelOutcome,
    Dialect,
    ListedTask,
    Submitted,
    TaskPage,
    TaskReport,
    TaskStatus,
    WireAnswer,
    WireCall,
)
from seedance.gateways.checks import is_public
from seedance.gateways.http_errors import NO_ROUTE_STATUSES, is_page
from seedance.network import direct
from seedance.network.failures import translate_failure
from seedance.network.http_messages import NotHttp
from seedance.network.outbound import DIRECT, Outbound
from seedance.network.sessions import open_connector, open_session
from seedance.network.time_limits import TimeLimits
from seedance.network.wire import Wire
from seedance.problems import InvalidInput, Problem
from seedance.request import GenerationRequest

MAX_ANSWER_BYTES = 4 * 2**20
MAX_HEADER_BYTES = 64 * 1024
"""Of one header; aiohttp takes 8 KiB. Some firewalls add policies and cookies that are larger."""
MAX_HEAD_BYTES = 2**20
"""Of all headers of the response to a POST, which cannot be asked for again."""
CONNECT_TIMEOUT_S = 10.0
KEEPALIVE_S = 30.0
SUBMIT_KEEPALIVE_S = 2.0
"""A connection that idled longer is not used for a billed POST: the server may close it at the same moment, and then it
is unknown whether the POST arrived."""
PIECE_BYTES = 256 * 1024
_FIND_PAGES = 10
LIST_PAGE = 100  # an Ark task is about 1 kB as JSON, and much larger with long prompts

_BEFORE_FORWARDING = frozenset({407, *NO_ROUTE_STATUSES})


class AnswerTooLarge(Exception):
    """The gateway's answer is larger than any known answer."""


def base_url_of(account: Account, dialect: Dialect) -> str:
    """The base URL of an account's gateway.

    Raises:
        InvalidInput: the account has no `base_url`, and the gateway publishes none.
    """
    if base_url := account.base_url or dialect.default_base_url:
        return base_url
    problem = Problem(f"accounts.{account.name}.base_url", f"is required: {dialect.name} publishes no address")
    raise InvalidInput([problem])


def _body(content: bytes | None) -> bytes | BytesIO | None:
    """A body as aiohttp writes it: a large one in pieces, so that it does not block the loop."""
    return BytesIO(content) if content is not None and len(content) > PIECE_BYTES else content


async def _answered(wire: Wire) -> WireAnswer:
    """The answer of an exchange, which ends with it."""
    try:
        body = await wire.read(MAX_ANSWER_BYTES + 1)
    finally:
        wire.close()
    if len(body) > MAX_ANSWER_BYTES:
        raise AnswerTooLarge(f"more than {MAX_ANSWER_BYTES} bytes")
    return _plain(wire.status, wire.headers, body)


def _pieces(content: bytes, until: float) -> Iterator[bytes | memoryview]:
    """A body as it is written: a large one in pieces, so that it does not block the loop.

    Raises:
        TimeoutError: it is later than `until` on the boot clock: this machine was stopped in the middle, for which time
            limits do not count. The job may have been decided about, so the rest must not arrive.
    """
    if len(content) <= PIECE_BYTES:
        yield content
        return
    view = memoryview(content)
    for start in range(0, len(view), PIECE_BYTES):
        if boottime_s() > until:
            raise TimeoutError("this machine was stopped while it sent the request")
        yield view[start : start + PIECE_BYTES]


def _is_own_call(url: str, path: str) -> bool:
    """Whether a link leads to the gateway's own call, at whatever address. With a query at a public host it may be
    signed, and stays as it is."""
    try:
        link = URL(url)
    except ValueError:  # the copy says what is wrong with it
        return False
    return link.raw_path.endswith(path) and not (link.raw_query_string and is_public(link.host or ""))


def _plain(status: int, headers: Mapping[str, str], body: bytes) -> WireAnswer:
    return WireAnswer(status, headers, decompressed(body, headers.get("content-encoding", ""), MAX_ANSWER_BYTES))


class GatewayClient:
    """One account's connections to its gateway, on one event loop, for the life of the process."""

    _reads_directly: bool | None = None
    """Whether `seedance.network.direct` can read the gateway's responses, of which it refuses more than aiohttp does;
    None: not known yet. A query finds out, because it can be repeated, so POSTs go through aiohttp before that."""

    def __init__(
        self,
        account: Account,
        dialect: Dialect,
        *,
        submit_timeout_s: float,
        query_timeout_s: float,
        outbound: Outbound = DIRECT,
        max_connections: int = 200,
    ) -> None:
        self.account = account
        self._outbound = outbound
        self.dialect = dialect
        self.key_id = account.key_id
        """The number of its key; see `Account.key_id`."""
        self._key, self._user = account.key(), account.user()
        self._base_url = str(URL(base_url_of(account, dialect))).rstrip("/")
        self._base = URL(self._base_url, encoded=True)
        self._base_path = self._base.raw_path.rstrip("/")
        queries = TimeLimits(query_timeout_s)
        self._limits: Mapping[Operation, TimeLimits] = {
            "submit": TimeLimits(submit_timeout_s),
            "query": queries,
            "cancel": queries,
            "list": queries,
        }
        # Shorter than the limit of a whole call, which proves nothing about a POST.
        self._connecting = TimeLimits(min(CONNECT_TIMEOUT_S, submit_timeout_s / 2))
        self._max_connections = max_connections
        self._sessions: dict[bool, aiohttp.ClientSession] = {}
        """By whether they are for billed POSTs."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close all connections."""
        for session in self._sessions.values():
            await session.close()

    async def submit(self, request: GenerationRequest, attempt: AttemptOptions) -> Submitted:
        """POST a generation. Every media reference must be a URL, a data URI or an asset.

        Raises:
            GatewayError: of the branch that says whether the POST may be repeated.
        """
        answer = await self._exchange("submit", self.dialect.submit_call(request, attempt))
        named = self.dialect.read_submitted(answer).task_id
        return Submitted(self.dialect.task_handle(named, self.dialect.model_for(request)))

    async def query(self, task_id: str) -> TaskReport:
        """Query a task.

        Raises:
            GatewayError: the query was not answered; the task itself is unaffected.
        """
        answer = await self._exchange("query", self.dialect.query_call(task_id))
        report = self.dialect.read_report(answer)
        if (call := self.dialect.result_call(task_id, answer)) is not None:
            report = await self._result(call, report)
        return self._located(report, task_id)

    async def cancel(self, task_id: str) -> CancelOutcome:
        """Cancel a task that has not started.

        Raises:
            TaskUnknown: the gateway says with its own code that it has no such task.
            GatewayError: the call was not answered, or not clearly; repeating it is harmless.
        """
        call = self.dialect.cancel_call(task_id)
        if call is None:
            return CancelOutcome.NOT_OFFERED
        try:
            answer = await self._exchange("cancel", call)
        except TooLate:
            return CancelOutcome.TOO_LATE
        # Some gateways only promise to try, and a proxy may answer with a page and 200: the task itself counts.
        try:
            report = await self.query(task_id)
        except GatewayError as exc:
            removed = isinstance(exc, TaskUnknown) or (exc.status in NO_ROUTE_STATUSES and not is_page(answer.body))
            if not removed:
                raise
            return CancelOutcome.CANCELLED
        if report.status is not TaskStatus.CANCELLED:
            message = f"the answer to the cancel is a success, but the task is still {report.raw_status}"
            raise Unavailable(message, gateway=self.dialect.name, operation="cancel")
        return CancelOutcome.CANCELLED

    async def list_tasks(
        self, page: int, *, since: float | None = None, until: float | None = None, flex: bool = False
    ) -> TaskPage:
        """One page of the account's tasks, the newest first, pages counted from 1, as large as the gateway allows.

        `since`, `until`, `flex`: as in `Dialect.list_call`.

        Raises:
            GatewayError: the list could not be read, or the gateway has none for this account.
        """
        limits = self.dialect.capabilities().list_limits
        call = None
        if limits is not None and self.account.can_list:
            size = min(limits.page_size, LIST_PAGE)
            call = self.dialect.list_call(page=page, page_size=size, since=since, until=until, flex=flex)
        if call is None:
            message = "the gateway lists no tasks for this account"
            raise BadAnswer(message, gateway=self.dialect.name, operation="list")
        return self.dialect.read_list(await self._exchange("list", call))

    async def query_many(self, task_ids: Sequence[str]) -> dict[str, TaskReport]:
        """Query several tasks with one call of the list, at most `list_ids` of the gateway's capabilities. Tasks that
        it does not show are missing from the result, which says nothing about them.

        Raises:
            GatewayError: the list could not be read, or the gateway has none.
        """
        call = self.dialect.list_call(page_size=len(task_ids), task_ids=task_ids)
        if call is None or self.dialect.capabilities().list_ids < len(task_ids):
            raise BadAnswer("the gateway does not list that many tasks", gateway=self.dialect.name, operation="list")
        page = self.dialect.read_list(await self._exchange("list", call))
        return {task.task_id: task.report for task in page.tasks if task.task_id in task_ids}

    async def find_listed(self, task_id: str, since: float, until: float) -> ListedTask | None:
        """A task as the gateway's list shows it, if it was created from `since` to `until` (Unix seconds). None: the
        list does not show it, or the gateway lists no tasks for this account.

        Raises:
            GatewayError: the list could not be read.
        """
        capabilities = self.dialect.capabilities()
        if capabilities.list_limits is None or not self.account.can_list:
            return None
        by_id = self.dialect.list_call(page_size=1, task_ids=[task_id]) if capabilities.list_ids else None
        for number in range(1, _FIND_PAGES + 1):
            if by_id is not None:
                page = self.dialect.read_list(await self._exchange("list", by_id))
            else:
                page = await self.list_tasks(number, since=since, until=until)
            if (found := next((task for task in page.tasks if task.task_id == task_id), None)) is not None:
                return found
            if by_id is not None or not page.tasks:
                return None
        return None

    async def check_key(self) -> None:
        """Send one free call with the account's key.

        Raises:
            GatewayError: the gateway refuses the key, was not reached, or did not answer as a gateway of its kind does.
        """
        with suppress(TaskUnknown):  # it knows the key, or it would not have looked
            self.dialect.read_free(await self._exchange("query", self.dialect.free_call()))

    async def call(self, operation: Operation, call: WireCall) -> WireAnswer:
        """Send any other call of this gateway; as a `submit` if it must not be repeated when its outcome is unknown.

        Raises:
            GatewayError: there was no 2xx answer.
        """
        return await self._exchange(operation, call)

    async def _result(self, call: WireCall, report: TaskReport) -> TaskReport:
        """The result of an ended task. If it cannot be read, a failure that the query itself showed still counts."""
        try:
            result = self.dialect.read_result(await self._answer("query", call))
        except GatewayError:
            if report.failure is None:
                raise
            return report
        unclear = result.video_url is None and result.failure is None
        return report if unclear and report.failure is not None else result

    def _located(self, report: TaskReport, task_id: str) -> TaskReport:
        """The report with a URL of the video that can be reached. A gateway may give only the path on its own host, or
        a link to its own call at another address than ours, such as `localhost`; the key goes to ours alone."""
        if report.status is not TaskStatus.SUCCEEDED:
            return report
        url, path = report.video_url, self.dialect.content_path(task_id)
        if url is not None and url.startswith("/"):
            return replace(report, video_url=f"{URL(self._base_url).origin()}{url}")
        if path is None or (url is not None and not _is_own_call(url, path)):
            return report
        own = f"{self._base_url}{path}"
        return replace(report, content_url=own) if url is None else replace(report, video_url=own)

    async def _exchange(self, operation: Operation, call: WireCall) -> WireAnswer:
        answer = await self._answer(operation, call)
        if not self.dialect.is_error(answer):
            return answer
        raise self._error(operation, answer)

    def _error(self, operation: Operation, answer: WireAnswer) -> GatewayError:
        """What an answer means that is an error. Not raised here, where a name of it would hold it; see
        `without_frames`."""
        error = self.dialect.read_error(operation, answer)
        if operation == "submit" and isinstance(error, NotServed) and self._may_hide_another(answer):
            text = (
                f"{error}; it may be the page of the proxy in place of the gateway's answer: use https:// for base_url"
            )
            error = OutcomeUnknown(text, gateway=self.dialect.name, operation=operation, status=answer.status)
        error.message = redact(error.message, self._key, *(self._user or ())[:1])
        return error

    def _may_hide_another(self, answer: WireAnswer) -> bool:
        """Whether a proxy may have forwarded the call and given a page of its own for the gateway's answer, which it
        can read because there is no CONNECT. It asks for a password (407) before that."""
        passed_on = self._base_url.startswith("http:") and self._outbound.proxies.of(self._base_url) is not None
        return passed_on and is_page(answer.body) and answer.status not in _BEFORE_FORWARDING

    async def _answer(self, operation: Operation, call: WireCall) -> WireAnswer:
        """One answer, of any status.

        Raises:
            GatewayError: there was none, or it could not be read.
        """
        try:
            with self._limits[operation].start():
                return await self._send(operation, call)
        except (aiohttp.ClientError, OSError, TimeoutError, AnswerTooLarge, OverflowError) as exc:
            raise translate_failure(exc, self.dialect.name, operation) from without_frames(exc)
        except ValueError as exc:  # aiohttp raises it for headers that it cannot parse
            raise self._unreadable(operation, exc) from without_frames(exc)

    async def _send(self, operation: Operation, call: WireCall) -> WireAnswer:
        content = orjson.dumps(call.json) if call.json is not None else call.content
        query = f"?{urlencode(call.params, doseq=True, quote_via=quote)}" if call.params else ""
        headers = self._headers(call, content)
        paid = operation == "submit"
        session = self._connections(paid=paid)
        path = f"{self._base_path}{call.path}{query}"
        if paid and call.method == "POST" and self._reads_directly:
            return await self._post(session, path, headers, content or b"")
        if not paid and (call.method, content) == ("GET", None) and self._reads_directly is not False:
            try:
                answer = await _answered(await direct.request(session, "GET", self._base, headers, path=path))
            except NotHttp:  # aiohttp may read it, and a GET can be repeated
                self._reads_directly = False
            else:
                self._reads_directly = True
                return answer
        url = URL(f"{self._base_url}{call.path}{query}", encoded=True)
        async with session.request(
            call.method, url, data=_body(content), headers=headers, allow_redirects=False
        ) as response:
            body = bytearray()
            async for chunk in response.content.iter_any():
                body += chunk
                if len(body) > MAX_ANSWER_BYTES:
                    raise AnswerTooLarge(f"more than {MAX_ANSWER_BYTES} bytes")
            answered = {name.lower(): value for name, value in response.headers.items()}
            return _plain(response.status, answered, bytes(body))

    async def _post(
        self, session: aiohttp.ClientSession, path: str, headers: Mapping[str, str], content: bytes
    ) -> WireAnswer:
        """A billed POST, which is sent once."""
        headers = {**headers, "Content-Length": str(len(content))}
        until = boottime_s() + self._limits["submit"].limit_s
        try:
            wire = await direct.request(
                *(session, "POST", self._base, headers, partial(_pieces, content, until)),
                path=path,
                connecting=self._connecting,
                most_head_bytes=MAX_HEAD_BYTES,
            )
            return await _answered(wire)
        except NotHttp:
            self._reads_directly = False
            raise

    def _headers(self, call: WireCall, content: bytes | None) -> dict[str, str]:
        """The headers of a call, in addition to those of every call or instead of them."""
        headers = {"Content-Type": call.content_type} if content is not None else {}
        if call.as_user and self._user is not None:
            headers |= self.dialect.user_headers(*self._user)
        return headers

    def _connections(self, *, paid: bool) -> aiohttp.ClientSession:
        """The connections for billed POSTs, or for other calls. Created at the first call, on the loop that the client
        uses from then on."""
        if paid not in self._sessions:
            kept_s = SUBMIT_KEEPALIVE_S if paid else KEEPALIVE_S
            connect_s = self._connecting.limit_s if paid else min(CONNECT_TIMEOUT_S, self._limits["query"].limit_s / 2)
            self._sessions[paid] = open_session(
                self._outbound,
                open_connector(self._outbound, limit=self._max_connections, keepalive_timeout=kept_s),
                timeout=aiohttp.ClientTimeout(total=None, connect=connect_s, sock_connect=connect_s),
                max_field_size=MAX_HEADER_BYTES,
                auto_decompress=False,  # a wrong Content-Encoding must not make an answer unreadable
                headers={
                    **self.dialect.key_headers(self._key),
                    "User-Agent": "reelq",
                    "Accept": "application/json",
                    # A compressed answer that is cut or mislabelled cannot be read, so a POST's outcome is unknown.
                    "Accept-Encoding": "identity",
                },
            )
        return self._sessions[paid]

    def _unreadable(self, operation: Operation, exc: ValueError) -> GatewayError:
        kind = OutcomeUnknown if operation == "submit" else BadAnswer
        return kind(f"{type(exc).__name__}: {exc}", gateway=self.dialect.name, operation=operation)
