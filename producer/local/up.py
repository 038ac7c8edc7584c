"""`reelq up` without its output: run a stack until a signal stops it."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from contextlib import suppress

from producer.local.events import EventKind, StackEvent
from producer.local.stack import Stack, UpOptions
from producer.local.workers import Workers

READY_PATIENCE_S = 30.0
REMINDER_S = 10.0


async def run_stack(
    options: UpOptions,
    on_event: Callable[[StackEvent], None] = lambda _event: None,
    make: Callable[[UpOptions, Callable[[StackEvent], None]], Stack | Workers] = Stack,
) -> int:
    """Start a stack, keep it running, and stop it in order on SIGTERM or SIGINT; a second signal kills it. `make`:
    the whole stack, or its workers only.

    Returns the exit status, 0. Run it with `asyncio.run` in the main thread.

    Raises:
        producer.local.errors.StackError: it cannot start; no process is left running.
        seedance.problems.InvalidInput: the configuration is invalid.
    """
    loop = asyncio.get_running_loop()
    stop_requested, force = asyncio.Event(), asyncio.Event()

    def on_signal() -> None:
        (force if stop_requested.is_set() else stop_requested).set()

    # A closed terminal stops the stack, except under nohup, which ignores SIGHUP.
    signals = [signal.SIGTERM, signal.SIGINT]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signals.append(signal.SIGHUP)
    for number in signals:
        loop.add_signal_handler(number, on_signal)
    stack = make(options, on_event)
    running = asyncio.create_task(_run(stack, on_event))
    waiting = asyncio.create_task(stop_requested.wait())
    try:
        await asyncio.wait({running, waiting}, return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            running.result()  # it ends without a signal only with an error
    finally:
        stop_requested.set()
        for task in (running, waiting):
            task.cancel()
            with suppress(BaseException):
                await task
        await stack.stop(force)
        for number in signals:
            loop.remove_signal_handler(number)
    on_event(StackEvent(EventKind.STOPPED))
    return 0


async def _run(stack: Stack | Workers, on_event: Callable[[StackEvent], None]) -> None:
    await stack.start()
    patience = READY_PATIENCE_S
    while missing := await stack.wait_ready(patience):
        text = "; ".join(f"{part}: {what}" for part, what in missing.items())
        on_event(StackEvent(EventKind.WAITING, text=text))
        patience = REMINDER_S
    on_event(StackEvent(EventKind.READY, text=stack.url))
    await asyncio.Event().wait()
