"""The tools of the Model Context Protocol: thin, over `Desk`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from importlib.metadata import version
from typing import Annotated, Any, TypeVar

from mcp.server import MCPServer
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import ToolAnnotations
from pydantic import Field

from producer.api.mcp.desk import Desk, NotAllowed
from producer.http.problems import details_of

T = TypeVar("T")
FindDesk = Callable[[Any], Awaitable[Desk]]
"""Finds the desk of a call, from the HTTP request that it came in (None: stdio)."""
Run = Callable[[Callable[[], Any]], Awaitable[Any]]

MAX_WAIT_S = 50.0
"""Below the limit of a minute that clients set for a call."""
_LOOK_S = 1.0
INSTRUCTIONS = (
    "Make Seedance videos. First call quote: it checks the request and says what it costs. Show the price to the "
    "person; if they agree, call enqueue with the quote_id. Then look with get_job or wait_for_job until finished is "
    "true; a video takes minutes. If a call fails or times out, repeat it unchanged: enqueue with the same quote_id "
    "never pays twice. Never quote and enqueue again only because an answer was lost."
)
_LOOKS = ToolAnnotations(read_only_hint=True, idempotent_hint=True, open_world_hint=False)
_QUOTES = ToolAnnotations(read_only_hint=False, destructive_hint=False, idempotent_hint=False)
_SPENDS = ToolAnnotations(read_only_hint=False, destructive_hint=False, idempotent_hint=True)
_CANCELS = ToolAnnotations(read_only_hint=False, destructive_hint=True, idempotent_hint=True)

Media = Annotated[str | None, Field(description="A URL, a data URI with base64, or asset://ID.")]
MediaList = Annotated[list[str] | None, Field(description="URLs, data URIs with base64, or asset://ID.")]


def make_server(find_desk: FindDesk, run: Run) -> MCPServer[Any]:
    """The server. `run`: runs blocking work in a thread."""
    server: MCPServer[Any] = MCPServer(
        "reelq", version=version("reelq"), instructions=INSTRUCTIONS, log_level="WARNING"
    )

    desks = _Desks(find_desk, run)
    _quote_tool(server, desks)
    _job_tools(server, desks)
    return server


@dataclass(frozen=True, slots=True)
class _Desks:
    """Does the work of a call at its desk, and says in a tool's error what is wrong."""

    find: FindDesk
    run: Run

    async def at(self, ctx: Context[Any, Any], work: Callable[[Desk], T]) -> T:
        try:
            desk = await self.find(ctx.request_context.request)
            found: T = await self.run(lambda: work(desk))
        except NotAllowed as exc:
            raise ToolError(str(exc)) from exc
        except Exception as exc:
            details = details_of(exc)
            raise ToolError(" ".join(text for text in (f"{details.detail}.", details.advice) if text)) from exc
        return found


def _quote_tool(server: MCPServer[Any], desks: _Desks) -> None:
    @server.tool(annotations=_QUOTES)
    async def quote(
        ctx: Context[Any, Any],
        prompt: Annotated[str | None, Field(description="What to show. Left out only with draft_of.")] = None,
        model: Annotated[str | None, Field(description="Such as seedance-2.5. Default: the account's.")] = None,
        tier: Annotated[str | None, Field(description="standard, fast or mini.")] = None,
        resolution: Annotated[str | None, Field(description="480p, 720p, 1080p or 4k.")] = None,
        ratio: Annotated[str | None, Field(description="Such as 16:9, 9:16, 1:1 or adaptive.")] = None,
        duration: Annotated[int | None, Field(description="Seconds.")] = None,
        audio: Annotated[bool | None, Field(description="With sound.")] = None,
        first_frame: Media = None,
        last_frame: Media = None,
        reference_images: MediaList = None,
        reference_videos: MediaList = None,
        reference_audios: MediaList = None,
        draft: Annotated[bool | None, Field(description="A cheap first version, where the model has drafts.")] = None,
        draft_of: Annotated[str | None, Field(description="The job_id of a draft, to make its final.")] = None,
        more: Annotated[dict[str, Any] | None, Field(description="Any other field of a job, by its name.")] = None,
    ) -> dict[str, Any]:
        """Check a request and say what it costs; nothing is spent. Returns a quote_id for enqueue, valid for 15
        minutes, with the exact request and the lowest and highest price."""
        named = {
            "prompt": prompt,
            "model": model,
            "tier": tier,
            "resolution": resolution,
            "ratio": ratio,
            "duration": duration,
            "audio": audio,
            "first_frame": first_frame,
            "last_frame": last_frame,
            "reference_images": reference_images,
            "reference_videos": reference_videos,
            "reference_audios": reference_audios,
            "draft": draft,
            "draft_of": draft_of,
        }
        given = {name: value for name, value in named.items() if value is not None}
        if twice := sorted(given.keys() & (more or {}).keys()):
            raise ToolError(f"{twice[0]} is given twice: as itself and in more. Send it once.")
        return await desks.at(ctx, lambda desk: desk.quote(given | (more or {})))


def _job_tools(server: MCPServer[Any], desks: _Desks) -> None:
    @server.tool(annotations=_SPENDS)
    async def enqueue(ctx: Context[Any, Any], quote_id: str) -> dict[str, Any]:
        """Enqueue the job of a quote; this spends money. The same quote_id is always the same job: if the answer is
        lost, call it again with the same quote_id."""
        return await desks.at(ctx, lambda desk: desk.enqueue(quote_id))

    @server.tool(annotations=_LOOKS)
    async def get_job(ctx: Context[Any, Any], job_id: str) -> dict[str, Any]:
        """Show a job: its state, its error, and once it has succeeded links to the video and its poster."""
        return await desks.at(ctx, lambda desk: desk.get(job_id))

    @server.tool(annotations=_LOOKS)
    async def list_jobs(
        ctx: Context[Any, Any],
        state: Annotated[str | None, Field(description="Only jobs in this state.")] = None,
        limit: Annotated[int, Field(description="1 to 50.")] = 20,
        before: Annotated[str | None, Field(description="next_before of the previous page.")] = None,
    ) -> dict[str, Any]:
        """List jobs, newest first."""
        return await desks.at(ctx, lambda desk: desk.list(state, limit, before))

    @server.tool(annotations=_CANCELS)
    async def cancel_job(ctx: Context[Any, Any], job_id: str) -> dict[str, Any]:
        """Cancel a job if that is free: while it is queued, or where its gateway has not begun and can cancel."""
        return await desks.at(ctx, lambda desk: desk.cancel(job_id))

    @server.tool(annotations=_LOOKS)
    async def wait_for_job(
        ctx: Context[Any, Any],
        job_id: str,
        seconds: Annotated[float, Field(description="How long to wait, at most 50.")] = 30.0,
    ) -> dict[str, Any]:
        """Wait until a job has finished, for a bounded time, and show it. If finished is false, call this again."""
        loop = asyncio.get_running_loop()
        until = loop.time() + min(max(seconds, 0.0), MAX_WAIT_S)
        while True:
            found = await desks.at(ctx, lambda desk: desk.get(job_id))
            left = until - loop.time()
            if found["finished"] or left <= 0:
                return found
            await asyncio.sleep(min(_LOOK_S, left))

    @server.tool(annotations=_LOOKS)
    async def purse(ctx: Context[Any, Any]) -> dict[str, Any]:
        """Show how much this key may still spend."""
        return await desks.at(ctx, lambda desk: desk.purse())
