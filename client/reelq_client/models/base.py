"""What all models share: they are read-only, and keep members that a newer server sends."""

from __future__ import annotations

from typing import Annotated, Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, ValidatorFunctionWrapHandler, WrapValidator

T = TypeVar("T")


class Model(BaseModel):
    """An answer of the API, or a part of one."""

    model_config = ConfigDict(frozen=True, extra="allow", protected_namespaces=())


class Page(Model, Generic[T]):
    """Some items; `next_cursor` is None on the last page."""

    data: list[T]
    next_cursor: str | int | None = None


def _or_new(value: Any, check: ValidatorFunctionWrapHandler) -> Any:
    return value if isinstance(value, str) else check(value)


Open = Annotated[T, WrapValidator(_or_new)]
"""One of the known words; a word that a newer server adds is kept as it is."""
