"""The base of a usual gateway: one path to create, one to query, a flat JSON body and one error format."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

from simulator.dialects.base import Dialect, Route, json_object, random_id
from simulator.dialects.fields import BadField
from simulator.tasks.task import Order
from simulator.wire.answers import Answer, Call, Refused
from simulator.wire.ark_error import ArkError


class PlainDialect(Dialect):
    """Implements all except requests, tasks and the error format. Override what a gateway does differently."""

    create_path: ClassVar[str]
    query_path: ClassVar[str]
    """The path before a task's id, with the final "/"."""

    @abstractmethod
    def order_of(self, body: dict[str, Any]) -> Order:
        """Parse and validate the body of a create; null fields are already removed.

        Raises:
            BadField: the gateway refuses a field with 400.
            Refused: the gateway refuses the request with another answer.
        """

    def rejected(self, error: ArkError) -> Answer:
        return self.failure(error.status, error.code, error.message)

    def route(self, method: str, path: str) -> Route | None:
        if method == "POST" and path == self.create_path:
            return Route("create")
        task_id = path.removeprefix(self.query_path)
        return Route("query", task_id) if method == "GET" and task_id != path and "/" not in task_id else None

    def read_order(self, call: Call) -> Order:
        body = json_object(call.body)
        try:
            if body is None:
                raise BadField("body", "is not a JSON object")
            return self.order_of({name: value for name, value in body.items() if value is not None})
        except BadField as exc:
            raise Refused(self.failure(400, "", str(exc)), str(exc)) from exc

    def new_id(self) -> str:
        return f"task-{random_id(16)}"

    def unknown_task(self, task_id: str) -> Answer:
        return self.failure(404, "", "")

    def not_found(self, call: Call) -> Answer:
        return Answer(404, b"404 page not found\n", "text/plain; charset=utf-8")

    def unauthorized(self) -> Answer:
        return self.failure(401, "", "")

    def no_money(self) -> Answer:
        return self.failure(402, "", "")

    def rate_limited(self, per_minute: int) -> Answer:
        return self.failure(429, "", "")

    def busy(self) -> Answer:
        return self.failure(429, "", "")

    def too_big(self) -> Answer:
        return self.failure(413, "", "")

    def moderated(self, code: str, message: str) -> Answer:
        return self.failure(400, code, message)
