"""Celery's messages, made from one that Celery itself has made: of two messages of a task only a few values differ.

A round sends up to a hundred messages. Celery takes 0.07 to 0.12 ms of CPU for each, and a round trip to the broker.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import uuid4

import orjson
from celery import Celery
from kombu.connection import Connection
from kombu.transport import virtual

_ID, _SHOWN = "00000000-0000-0000-0000-000000000000", "the arguments in words"
"""What is replaced in the message that others are made from."""


class _Channel(virtual.Channel):
    """Keeps what is sent."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[no-untyped-call] # kombu has no types
        self.sent: list[dict[str, Any]] = []

    def _put(self, queue: str, message: dict[str, Any], **kwargs: Any) -> None:
        self.sent.append(message)


class _Transport(virtual.Transport):
    Channel = _Channel


class Envelopes:
    """Makes messages as `app.send_task` does."""

    def __init__(self, app: Celery) -> None:
        self._app = app
        self._made: dict[tuple[str, str], dict[str, Any]] = {}

    def message(self, task: str, queue: str, args: Sequence[Any], argsrepr: str) -> bytes:
        """One message, as it lies in its queue."""
        if (task, queue) not in self._made:
            self._made[task, queue] = self._first(task, queue)
        made, own = self._made[task, queue], {_ID: str(uuid4()), _SHOWN: argsrepr}
        _, kwargs, embed = made["body"]
        body = base64.b64encode(orjson.dumps([args, kwargs, embed])).decode()
        return orjson.dumps(
            made
            | {
                "body": body,
                "headers": _filled(made["headers"], own),
                "properties": _filled(made["properties"], own) | {"delivery_tag": str(uuid4())},
            }
        )

    def _first(self, task: str, queue: str) -> dict[str, Any]:
        """A message that Celery makes; its body is decoded."""
        with Connection(transport=_Transport) as connection:  # type: ignore[no-untyped-call] # as above
            producer = self._app.amqp.Producer(connection, auto_declare=False)
            # Without a declaration Celery sends to the default exchange, straight into the list of that name: an
            # emptied broker can lose no binding. No expiry: Celery would judge it by the worker's clock. The row shows
            # whether the lease has ended.
            self._app.send_task(
                task, args=[], argsrepr=_SHOWN, task_id=_ID, producer=producer, queue=queue, declare=[], retry=False
            )
            [message] = producer.channel.sent
        return {**message, "body": orjson.loads(base64.b64decode(message["body"]))}


def _filled(values: Mapping[str, Any], own: Mapping[str, str]) -> dict[str, Any]:
    return {name: own.get(value, value) if isinstance(value, str) else value for name, value in values.items()}
