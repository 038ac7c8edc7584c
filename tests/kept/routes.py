"""What FastAPI reads of the API's routes, kept for the next API of the tests.

Each API has new functions for its routes, but their code is the same, and so are their parameters. To read all routes
takes 0.5 s of CPU; with what is kept here, 0.03 s.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FunctionType
from typing import Any, TypeVar, get_args

import pytest
from fastapi import routing
from fastapi.dependencies import utils
from pydantic import TypeAdapter

_Call = Callable[..., Any]
_Read = TypeVar("_Read")
_PLAIN = (str, int, float, type, type(None))
"""Types of defaults; `type` because a parameter without a default has a class in place of it."""


@contextmanager
def routes_kept() -> Iterator[None]:
    """Read each type, each signature and each parameter once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("fastapi._compat.v2.TypeAdapter", _adapters())
        patch.setattr(utils, "get_typed_signature", _by_code(utils.get_typed_signature))
        patch.setattr(routing, "get_typed_return_annotation", _by_code(utils.get_typed_return_annotation))
        patch.setattr(utils, "analyze_param", _parameters(utils.analyze_param))
        yield


def _adapters() -> _Call:
    kept: dict[tuple[object, ...], TypeAdapter[Any]] = {}

    def adapter(annotation: Any, *, config: Any = None) -> TypeAdapter[Any]:
        key = (get_args(annotation)[0], repr(annotation), repr(config))
        if key not in kept:
            kept[key] = TypeAdapter(annotation, config=config)
        return kept[key]

    return adapter


def _by_code(read: Callable[[_Call], _Read]) -> Callable[[_Call], _Read]:
    """Annotations are texts, which are evaluated among the globals of the module: they are those of the code."""
    kept: dict[tuple[object, ...], _Read] = {}

    def found(call: _Call) -> _Read:
        if not isinstance(call, FunctionType) or call.__dict__:  # it may stand for another function
            return read(call)
        defaults = (*(call.__defaults__ or ()), *(call.__kwdefaults__ or {}).values())
        if not all(isinstance(value, _PLAIN) for value in defaults):
            return read(call)
        key = (call.__code__, *defaults)
        if key not in kept:
            kept[key] = read(call)
        return kept[key]

    return found


def _parameters(read: Callable[..., utils.ParamDetails]) -> Callable[..., utils.ParamDetails]:
    kept: dict[tuple[object, ...], tuple[object, utils.ParamDetails]] = {}

    def parameter(*, param_name: str, annotation: Any, value: Any, path_param_names: set[str]) -> utils.ParamDetails:
        def details() -> utils.ParamDetails:
            return read(param_name=param_name, annotation=annotation, value=value, path_param_names=path_param_names)

        if not isinstance(value, _PLAIN):
            return details()
        key = (param_name, id(annotation), type(value), value, param_name in path_param_names)
        if key not in kept:
            kept[key] = (annotation, details())  # with the annotation, so that no other gets its id
        return kept[key][1]

    return parameter
