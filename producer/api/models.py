"""`/v1/models`: the models that the caller's accounts sell, as OpenAI's clients list them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Request
from pydantic import Field
from starlette.responses import Response

from producer.api.openapi.document import problems
from producer.http.answers import answer
from producer.http.problems import ApiProblem
from producer.http.service import Service
from seedance.account import Account
from seedance.problems import shorten


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelResource:
    """A model."""

    id: Annotated[str, Field(description="As `model` of `/v1/videos` and of a job: seedance-2.5.")]
    object: Literal["model"]
    created: Annotated[int, Field(description="The day of the documents that describe it, in Unix seconds.")]
    owned_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelList:
    """Every model that some account sells."""

    object: Literal["list"]
    data: list[ModelResource]


def model_routes(service: Service) -> APIRouter:
    """The routes of OpenAI's `models`."""
    router = APIRouter(tags=["models"])

    @router.get(
        "/v1/models", response_model=ModelList, response_description="The models.", responses=problems(422, 503)
    )
    async def list_models(request: Request) -> Response:
        """List the models that jobs of the caller can use."""
        return answer(ModelList(object="list", data=_models(service.producer_for(request).settings.accounts)))

    @router.get(
        "/v1/models/{model}",
        response_model=ModelResource,
        response_description="The model.",
        responses=problems(404, 422, 503),
    )
    async def get(request: Request, model: str) -> Response:
        """Return one model."""
        for known in _models(service.producer_for(request).settings.accounts):
            if known.id == model:
                return answer(known)
        detail = f"the model {shorten(model)} does not exist, or no account sells it"
        raise ApiProblem(404, "model_not_found", detail, advice="`GET /v1/models` lists the models.", param="model")

    return router


def _models(accounts: Iterable[Account]) -> list[ModelResource]:
    found: dict[str, ModelResource] = {}
    for account in accounts:
        for name, row in account.dialect.catalog.models.items():
            at = datetime(row.as_of.year, row.as_of.month, row.as_of.day, tzinfo=UTC)
            made = ModelResource(id=name, object="model", created=int(at.timestamp()), owned_by="bytedance")
            found.setdefault(name, made)
    return [found[name] for name in sorted(found)]
