"""What the settings' models say about each key: type, default, limits, unit and text."""

from __future__ import annotations

import ast
import inspect
import itertools
import textwrap
import types
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

UNITS = {
    "_seconds": "seconds",
    "_days": "days",
    "_gb": "GB (10⁹ bytes)",
    "_per_minute": "per minute",
    "_files": "files",
}
"""By the end of a key."""
_PLAIN = {str: "text", bool: "boolean", int: "integer", float: "number", Decimal: "number", date: "date", Path: "path"}
_LIMITS = (("gt", "> "), ("ge", "≥ "), ("lt", "< "), ("le", "≤ "))


@dataclass(frozen=True, slots=True)
class Key:
    """One key. `default`: as TOML; None: there is none. `limits`: "" where the type says everything."""

    name: str
    owner: type[BaseModel]
    type: str
    default: str | None
    required: bool
    limits: str
    unit: str
    secret: bool
    text: str


def keys_of(model: type[BaseModel]) -> Iterator[Key]:
    """The keys of a model, in its own order."""
    for name, field in model.model_fields.items():
        owner = next(base for base in reversed(model.__mro__) if name in getattr(base, "__annotations__", {}))
        kind = _type_name(field.annotation)
        yield Key(
            name=field.alias or name,
            owner=owner,
            type=kind,
            default=_default(field),
            required=field.is_required(),
            limits=", ".join(_limits(field)),
            unit=next((unit for end, unit in UNITS.items() if name.endswith(end)), ""),
            secret=_is_secret(field.annotation),
            text=_texts(model).get(name, ""),
        )


@cache
def _texts(model: type[BaseModel]) -> dict[str, str]:
    """The string below each field, of the class and of those that it is made of; the nearest one wins."""
    found: dict[str, str] = {}
    for base in reversed(model.__mro__):
        if not issubclass(base, BaseModel) or base is BaseModel:
            continue
        body = next(
            node.body
            for node in ast.parse(textwrap.dedent(inspect.getsource(base))).body
            if isinstance(node, ast.ClassDef)
        )
        for pair in itertools.pairwise(body):
            match pair:
                case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                    found[name] = " ".join(text.split())
    return found


def _bare(annotation: Any) -> Any:
    """The type without its limits and without None."""
    if get_origin(annotation) is Annotated:
        return _bare(get_args(annotation)[0])
    if get_origin(annotation) in (Union, types.UnionType):
        others = [one for one in get_args(annotation) if one is not type(None)]
        if len(others) == 1:
            return _bare(others[0])
    return annotation


def _type_name(annotation: Any) -> str:
    bare = _bare(annotation)
    origin, arguments = get_origin(bare), get_args(bare)
    if origin is Literal:
        return "one of " + ", ".join(f"`{value}`" for value in arguments)
    if origin is tuple:
        return f"list of {_plural(arguments[0])}"
    if origin is dict:
        return "table"
    if bare is SecretStr:
        return "text (secret)"
    if isinstance(bare, type) and issubclass(bare, BaseModel):
        return "table"
    return _PLAIN.get(bare, "text")


def _plural(annotation: Any) -> str:
    name = _type_name(annotation)
    return name if name.startswith("one of") else "texts" if name == "text" else f"{name}s"


def _is_secret(annotation: Any) -> bool:
    return _bare(annotation) is SecretStr


def _default(field: FieldInfo) -> str | None:
    value = field.get_default(call_default_factory=True)
    if value in (PydanticUndefined, None, "", (), {}) or isinstance(value, BaseModel):
        return None
    return as_toml(value)


def as_toml(value: Any) -> str:
    """A value as TOML has it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return f"{value:.10g}"
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, list | tuple):
        return f"[{', '.join(as_toml(one) for one in value)}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key} = {as_toml(one)}' for key, one in value.items())}}}"
    text = str(value).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'


def _limits(field: FieldInfo) -> Iterator[str]:
    said = [*field.metadata, *_metadata(field.annotation)]
    for name, sign in _LIMITS:
        for one in said:
            if (value := getattr(one, name, None)) is not None:
                yield f"{sign}{value:,}".replace(",", " ")
    for one in said:
        if (least := getattr(one, "min_length", None)) is not None:
            yield f"at least {least} {_counted(field, least)}"
        if (most := getattr(one, "max_length", None)) is not None:
            yield f"at most {most} {_counted(field, most)}"
        if (pattern := getattr(one, "pattern", None)) is not None:
            yield f"`{pattern}`"


def _counted(field: FieldInfo, number: int) -> str:
    word = "character" if _bare(field.annotation) in (str, SecretStr) else "entry"
    return word if number == 1 else {"character": "characters", "entry": "entries"}[word]


def _metadata(annotation: Any) -> Iterator[Any]:
    """The limits inside an optional type."""
    if get_origin(annotation) in (Union, types.UnionType):
        for one in get_args(annotation):
            if get_origin(one) is Annotated:
                for said in get_args(one)[1:]:
                    yield from said.metadata if isinstance(said, FieldInfo) else [said]
