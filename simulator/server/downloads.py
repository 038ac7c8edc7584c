"""Serve the files: signed links, ranges, and download faults."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from email.utils import formatdate
from urllib.parse import parse_qsl, urlsplit

from multidict import MultiDict

from simulator.dialects.base import Dialect
from simulator.faults import actions
from simulator.faults.rules import Rule
from simulator.media.content import Content
from simulator.media.renderer import Renderer, suffix_of
from simulator.server.world import World
from simulator.store.failures import Store
from simulator.store.ranges import wanted_range
from simulator.store.signing import issued_at
from simulator.tasks.task import Phase, Task
from simulator.wire.answers import HTML_TYPE, XML_TYPE, Answer, Call, Cut

STORE = Store()
DOWNLOADS_OF_A_LINK = 100
"""Ark's links allow no more."""
TYPES = {"mp4": "video/mp4", "mov": "video/quicktime", "jpg": "image/jpeg"}


@dataclass(frozen=True, slots=True)
class Download:
    """A file, or a range of it, that is about to be sent."""

    status: int
    headers: Mapping[str, str]
    content: Content
    start: int
    end: int
    declared: int
    """Content-Length; a fault may make it larger than the number of bytes sent."""
    task: Task
    is_video: bool = True
    reset: bool = False
    """End with a reset after the last byte."""
    bytes_per_s: float | None = None

    def count(self, sent: int, *, complete: bool = False) -> None:
        """Count sent bytes for the ledger; a fetch that reaches the end of the file is complete."""
        if self.is_video:
            self.task.bytes_served += sent
            self.task.complete_fetches += complete and self.end == self.content.size

    def pieces(self) -> Iterator[bytes | memoryview]:
        return self.content.read(self.start, self.end)


class Downloads:
    """Answers requests under `/files/`."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._renderer = Renderer(world.options.video_bytes)
        # One thread, so that encoding leaves the CPU to the system under test.
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="render")

    def close(self) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)

    async def serve(self, call: Call) -> Answer | Download:
        """Answer one GET or HEAD.

        Raises:
            Cut: close the connection without an answer.
        """
        world = self._world
        name, _, suffix = call.path.rpartition("/")[2].rpartition(".")
        task = world.engine.tasks.get(name)
        if task is None or suffix not in (suffix_of(task), "jpg"):
            return STORE.failure(404, "NoSuchKey", "The specified key does not exist.")
        now = world.engine.clock()
        signed = world.dialects[task.gateway].signed_links
        if not signed and task.phase(now) is not Phase.SUCCEEDED:
            return STORE.failure(404, "NoSuchKey", "The specified key does not exist.")
        refusal = world.signer.refusal(call.path, call.query, now) if signed else None
        if refusal is not None:
            return STORE.failure(403, *refusal)
        if _ended_by_fault(task, call.query, now):
            return STORE.failure(403, "AccessDenied", "Request has expired")
        if suffix != "jpg":  # a HEAD counts like a download
            task.fetches += 1
            link = call.query.get("X-Tos-Signature", "")
            task.fetches_by_link[link] = task.fetches_by_link.get(link, 0) + 1
            if signed and task.fetches_by_link[link] > DOWNLOADS_OF_A_LINK:
                return STORE.failure(403, "AccessDenied", "The link has been downloaded too often.")
        rule = None
        if world.faults.rules and call.method == "GET":
            # Rules can filter by task and account, so even entry faults need the task first.
            facts = {
                "gateway": task.gateway,
                "account": task.account,
                "task": task.id,
                "model": task.order.model,
                "prompt": task.order.prompt,
            }
            if world.faults.trigger("entry", "download", now, facts) is not None:
                raise Cut("close")
            if (answer_rule := world.faults.trigger("answer", "download", now, facts)) is not None:
                early = await actions.before(answer_rule, STORE)
                if early is not None:
                    return early
                await actions.after(answer_rule, STORE, Answer(200))
            rule = world.faults.trigger("download", "download", now, facts)
        content = await self._content(task, suffix)
        return _plan(call, task, content, suffix, rule)

    async def serve_to_key(self, call: Call, task_id: str, dialect: Dialect, key: str) -> Answer | Download:
        """Answer a GET for a task's video that proves itself by the account's key instead of a signature.

        Raises:
            Cut: close the connection without an answer.
        """
        world = self._world
        keys = world.options.api_keys
        if not key or (keys and key not in keys):
            return dialect.unauthorized()
        task, now = world.engine.find(dialect.name, call.account, task_id), world.engine.clock()
        if task is None or task.phase(now) is not Phase.SUCCEEDED:
            return dialect.unknown_task(task_id)
        link = urlsplit(
            world.signer.link(call.base_url, f"/files/{task_id}.{suffix_of(task)}", now, world.options.url_seconds)
        )
        return await self.serve(replace(call, path=link.path, query=MultiDict(parse_qsl(link.query))))

    async def video(self, task: Task) -> Content:
        """The task's video; encodes it in the background when needed."""
        ready = self._renderer.ready(task)
        if ready is None:
            ready = await asyncio.get_running_loop().run_in_executor(self._pool, self._renderer.video, task)
        return ready

    async def fill_hashes(self, tasks: list[Task]) -> None:
        """Compute the size and SHA-256 of fetched videos for the ledger."""
        loop = asyncio.get_running_loop()
        for task in tasks:
            if task.sha256 is None:
                content = await self.video(task)
                task.size, task.sha256 = content.size, await loop.run_in_executor(self._pool, content.sha256)

    async def _content(self, task: Task, suffix: str) -> Content:
        if suffix != "jpg":
            content = await self.video(task)
            task.size = content.size
            return content
        picture = await asyncio.get_running_loop().run_in_executor(self._pool, self._renderer.last_frame, task)
        return Content((picture,), len(picture))


def _ended_by_fault(task: Task, query: Mapping[str, str], now: float) -> bool:
    """Whether a fault ended this link before its expiry."""
    fate = task.fate
    if fate.url_dies_after_s is not None:
        # A link's date has whole seconds: add one, so that a link ends up to a second late but never early.
        own = "X-Tos-Date" in query and not fate.url_dies_for_good
        if now >= (issued_at(query) + 1 if own else task.ends_at) + fate.url_dies_after_s:
            return True
    if fate.url_dies_after_fetches is None:
        return False
    of_link = task.fetches_by_link.get(query.get("X-Tos-Signature", ""), 0)
    return (task.fetches if fate.url_dies_for_good else of_link) >= fate.url_dies_after_fetches


def _plan(call: Call, task: Task, content: Content, suffix: str, rule: Rule | None) -> Answer | Download:
    etag = f'"{hashlib.md5(f"{task.id}.{suffix}".encode(), usedforsecurity=False).hexdigest()}"'
    modified = formatdate(task.ends_at, usegmt=True)
    headers = {
        "ETag": etag,
        "Last-Modified": modified,
        "Accept-Ranges": "bytes",
        "Content-Type": TYPES[suffix],
    }
    wanted = wanted_range(call.headers, content.size, etag, modified)
    if wanted == "unsatisfiable":
        return Answer(416, headers={"Content-Range": f"bytes */{content.size}"}, content_type=XML_TYPE)
    status, (start, end) = (200, (0, content.size)) if wanted is None else (206, wanted)
    if wanted is not None:
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{content.size}"
    plan = Download(status, headers, content, start, end, end - start, task, suffix != "jpg")
    return plan if rule is None else _with_fault(plan, rule)


def _with_fault(plan: Download, rule: Rule) -> Answer | Download:
    given = rule.parameters
    match rule.kind.name:
        case "wrong_content" if given["body"] == "html":
            return Answer(200, actions.html_page(200, "Login"), HTML_TYPE)
        case "wrong_content" if given["body"] == "empty":
            return Answer(200, b"", "video/mp4")
        case "wrong_content":
            zeros = Content((bytes(min(plan.declared, 16 * 1024 * 1024)),), plan.declared)
            return replace(plan, content=zeros, start=0, end=zeros.size)
        case "slow_download":
            return replace(plan, bytes_per_s=given["bytes_per_s"])
    sent = given["bytes"] if given["bytes"] is not None else int(plan.declared * given["fraction"])
    sent = min(sent, plan.declared)
    if rule.kind.name == "cut":
        return replace(plan, end=plan.start + sent, reset=given["reset"])
    return replace(plan, end=plan.start + sent, declared=sent if given["honest"] else plan.declared)
