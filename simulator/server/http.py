"""The HTTP server: reads requests, writes answers and files, and cuts connections for faults."""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import Any

from aiohttp import web

from simulator.faults.files import read_rules
from simulator.options import SimulatorOptions
from simulator.server.control import Control
from simulator.server.downloads import Download, Downloads
from simulator.server.gateway import Gateway
from simulator.server.world import make_world
from simulator.tasks.accounts import account_of
from simulator.tasks.task import TERMINAL
from simulator.wire.answers import Answer, Call, Cut

WHOLE = 1024 * 1024  # answers up to this size are written at once
_KEPT_ALIVE_S = 75.0


class Simulator:
    """One simulator. Call `start` and `stop` on the same event loop."""

    def __init__(self, options: SimulatorOptions) -> None:
        self._options = options
        self._world = make_world(options)
        self._gateway = Gateway(self._world)
        self._downloads = Downloads(self._world)
        rules = read_rules(options.faults) if options.faults is not None else []
        self._control = Control(self._world, self._downloads, rules)
        self._server: web.Server | None = None
        self._runner: web.ServerRunner | None = None
        self.url = ""

    async def start(self) -> None:
        """Start listening.

        Raises:
            OSError: the port is taken.
            BadRule: the fault file contains an invalid rule.
        """
        kept = self._world.journal.load(self._world.engine.seed)
        for task in kept.tasks:
            self._world.engine.restore(task)
        self._world.assets.restore(kept.assets)
        self._control.arm()
        self._server = web.Server(self._handle, access_log=None, keepalive_timeout=_KEPT_ALIVE_S)
        self._runner = web.ServerRunner(self._server, shutdown_timeout=0.5)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._options.host, self._options.port, backlog=1024)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
        for task in kept.tasks:
            if task.phase(self._world.engine.clock()) not in TERMINAL:
                self._gateway.watch(task, self._options.public_url or self.url)

    async def stop(self) -> None:
        if self._runner is not None and self._server is not None:
            left = [connection.transport for connection in self._server.connections]
            await self._runner.cleanup()
            # A connection with unsent bytes for a client that does not read them would outlive the event loop.
            for transport in left:
                if transport is not None:
                    transport.abort()
            await asyncio.sleep(0)
        await self._world.callbacks.close()
        self._downloads.close()
        self._world.journal.close()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        try:
            answer = await self._answer(request)
            if isinstance(answer, Download):
                return await _send_file(request, answer)
            return _response(answer)
        except Cut as cut:
            return _cut(request, cut.how)

    async def _answer(self, request: web.BaseRequest) -> Answer | Download:
        head, _, rest = request.path[1:].partition("/")
        dialect = self._world.dialects.get(head)
        if dialect is not None:
            key = _key(request, dialect.key_scheme)
            call = self._call(request, f"/{rest}", head, account_of(key))
            if (answer := dialect.public(call, self._world.webhook_signer)) is not None:
                return answer
            if (task_id := dialect.file_of(call)) is not None:
                return await self._downloads.serve_to_key(call, task_id, dialect, key)
            return await self._gateway.serve(dialect, call, key, lambda limit: _read(request, limit))
        call = self._call(request, request.path, "", "")
        if head == "files" and request.method in ("GET", "HEAD"):
            return await self._downloads.serve(call)
        if head == "_sim":
            return await self._control.serve(call, await _read(request, 16 * WHOLE) or b"")
        paths = ", ".join(f"/{name}" for name in self._world.dialects)
        return Answer(404, f'{{"error":"unknown path; the gateways are at {paths}"}}'.encode())

    def _call(self, request: web.BaseRequest, path: str, gateway: str, account: str) -> Call:
        base_url = self._options.public_url or f"http://{request.host}"
        return Call(request.method, path, request.query, request.headers, gateway, account, base_url)


def _key(request: web.BaseRequest, wanted: str) -> str:
    scheme, _, key = request.headers.get("Authorization", "").partition(" ")
    return key.strip() if scheme.lower() == wanted else ""


async def _read(request: web.BaseRequest, limit: int) -> bytes | None:
    """The whole body; None when it is larger than `limit`."""
    if not request.can_read_body:
        return b""
    if request.headers.get("Expect", "").lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0  # it counts the bytes of the answer, and these are not part of it
    parts, size = [], 0
    async for part in request.content.iter_any():
        size += len(part)
        if size > limit:
            return None
        parts.append(part)
    return b"".join(parts)


def _response(answer: Answer) -> web.Response:
    response = web.Response(status=answer.status, body=answer.body, headers=answer.headers)
    response.headers["Content-Type"] = answer.content_type
    return response


async def _send_file(request: web.BaseRequest, plan: Download) -> web.StreamResponse:
    sent = plan.end - plan.start
    plain = not plan.reset and plan.bytes_per_s is None and sent == plan.declared
    if request.method == "GET" and plain and sent <= WHOLE:
        plan.count(sent, complete=True)
        return web.Response(status=plan.status, body=b"".join(plan.pieces()), headers=plan.headers)
    response = web.StreamResponse(status=plan.status, headers=plan.headers)
    response.content_length = plan.declared
    await response.prepare(request)
    if request.method == "HEAD":
        return response
    for piece in plan.pieces():
        step = len(piece) if plan.bytes_per_s is None else max(1, int(plan.bytes_per_s / 10))
        for start in range(0, len(piece), step):
            part = piece[start : start + step]
            await response.write(part)
            plan.count(len(part))
            if plan.bytes_per_s is not None:
                await asyncio.sleep(len(part) / plan.bytes_per_s)
    if plan.reset:
        await asyncio.sleep(0.05)  # let the written bytes reach the client before the reset discards them
        raise Cut("reset")
    if sent < plan.declared:
        raise Cut("close")
    plan.count(0, complete=True)
    return response


def _cut(request: web.BaseRequest, how: str) -> web.Response:
    """Close the connection; aiohttp needs a response to return, but it is never sent."""
    transport = request.transport
    if transport is not None:
        if how == "reset":
            connection: Any = transport.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            transport.abort()
        else:
            transport.close()
    response = web.Response(status=500)
    response.force_close()
    return response
