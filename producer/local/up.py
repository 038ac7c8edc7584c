"""`reelq up` without its words: a stack that runs until somebody asks it to stop."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from contextlib import suppress

from producer.local.events import EventKind, StackEvent
from producer.local.stack import Stack, UpOptions

READY_PATIENCE_S = 30.0
REMINDER_S = 10.0


async def run_stack(options: UpOptions, on_event: Callable[[StackEvent], None] = lambda _event: None) -> int:
    """Start a stack, keep it running, and stop it in order on SIGTERM or SIGINT; a second signal makes it hurry.

    Returns the exit code, 0. To be run by `asyncio.run` in the main thread.

    Raises:
        producer.local.errors.StackError: it cannot be started; nothing is left running.
        seedance.problems.InvalidInput: the configuration is wrong.
    """
    loop = asyncio.get_running_loop()
    asked, hurry = asyncio.Event(), asyncio.Event()

    def on_signal() -> None:
        (hurry if asked.is_set() else asked).set()

    # Under nohup a terminal that closes is to be ignored, else it is a wish to stop.
    heard = [signal.SIGTERM, signal.SIGINT]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        heard.append(signal.SIGHUP)
    for number in heard:
        loop.add_signal_handler(number, on_signal)
    stack = Stack(options, on_event)
    running = asyncio.create_task(_run(stack, on_event))
    waiting = asyncio.create_task(asked.wait())
    try:
        await asyncio.wait({running, waiting}, return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            running.result()  # it ends by itself only with an error
    finally:
        asked.set()
        for task in (running, waiting):
            task.cancel()
            with suppress(BaseException):
                await task
        await stack.stop(hurry)
        for number in heard:
            loop.remove_signal_handler(number)
    on_event(StackEvent(EventKind.STOPPED))
    return 0


async def _run(stack: Stack, on_event: Callable[[StackEvent], None]) -> None:
    await stack.start()
    patience = READY_PATIENCE_S
    while missing := await stack.wait_ready(patience):
        said = "; ".join(f"{part}: {what}" for part, what in missing.items())
        on_event(StackEvent(EventKind.WAITING, text=said))
        patience = REMINDER_S
    on_event(StackEvent(EventKind.READY, text=stack.url))
    await asyncio.Event().wait()
