"""What kind of value each field of a job takes, from the fields themselves: a new field needs no entry here."""

from __future__ import annotations

from collections.abc import Iterator
from types import UnionType
from typing import Annotated, Any, Final, Union, get_args, get_origin

from producer.intake.job_spec import JobSpec


def _types(annotation: Any) -> Iterator[type]:
    """The plain types of an annotation, without None and constraints."""
    origin = get_origin(annotation)
    if origin is Annotated:
        yield from _types(get_args(annotation)[0])
    elif origin in (Union, UnionType):
        for part in get_args(annotation):
            yield from _types(part)
    elif origin in (tuple, dict):
        yield origin
    elif isinstance(annotation, type) and annotation is not type(None):
        yield annotation


def _of(kind: type) -> frozenset[str]:
    fields = JobSpec.model_fields
    return frozenset(name for name, field in fields.items() if set(_types(field.annotation)) == {kind})


BOOLEANS: Final = _of(bool)
NUMBERS: Final = _of(int)
LISTS: Final = _of(tuple)
OBJECTS: Final = _of(dict)
