"""A sheet and what to do with it, as a client sends them: the sheet as the body and the rest as query parameters, or
all of it in one form (`multipart/form-data`), as browsers and `curl -F` send files."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import Any, BinaryIO

from fastapi import Request
from pydantic import ValidationError

from producer.api.batch import BODY
from producer.api.campaign_rows.forms import MAX_TEMPLATE_CHARS, Asked, PlanForm
from producer.campaigns.files import SUFFIXES
from producer.http.bodies import MAX_BATCH_BYTES, RowFormat, media_type, row_format, spooled
from producer.http.forms import Form, FormFile, read_form
from producer.http.problems import ApiProblem
from producer.http.service import Service
from seedance.problems import InvalidInput, Problem
from seedance.request import problems_of

FORM = "multipart/form-data"
_FILES = ("file", "template")
_KINDS = (*(suffix.removeprefix(".") for suffix in SUFFIXES), "json")
_MAX_SHOWN_CHARS = 120


@dataclass(frozen=True, slots=True)
class Upload:
    """A sheet that has arrived. `name`: how errors and the campaign name it."""

    name: str
    file: BinaryIO
    format: RowFormat
    asked: Asked


@asynccontextmanager
async def uploaded(
    request: Request, service: Service, by_query: Asked, form_of: type[PlanForm]
) -> AsyncIterator[Upload]:
    """The sheet of a request; `by_query`: what its query parameters say, which count for a body that is a sheet. In a
    form they count as well, unless a part has the same name.

    Raises:
        ApiProblem: the body is no sheet and no form, too large, or too slow.
        InvalidInput: a part of the form is unknown, missing or not valid.
    """
    if media_type(request) != FORM:
        kind = row_format(request, by_query.options)
        async with spooled(request, service.uploads) as file:
            yield Upload(BODY, file, kind, replace(by_query, options=kind.options))
        return
    async with read_form(request, service.uploads) as form:
        sheet = _sheet_of(form)
        try:
            given = form_of.model_validate(_values(request, form, form_of))
        except ValidationError as exc:
            raise InvalidInput(problems_of(exc)) from exc
        asked = await service.run(given.asked)
        name = _shown(sheet.filename)
        with sheet.path.open("rb") as file:
            yield Upload(name, file, RowFormat(_kind_of(sheet.filename), asked.options), asked)


def _sheet_of(form: Form) -> FormFile:
    unknown = [file.name for file in form.files if file.name not in _FILES]
    if unknown:
        raise InvalidInput([Problem(_shown(unknown[0]), "is not a file we know; send the sheet as file")])
    sheets = [file for file in form.files if file.name == "file" and not file.is_data_uri]
    if len(sheets) != 1:
        missing = "is missing: send the sheet as a file" if not sheets else "is there more than once; send one sheet"
        raise InvalidInput([Problem("file", missing)])
    if sheets[0].path.stat().st_size > MAX_BATCH_BYTES:
        raise ApiProblem(413, "body_too_large", f"the sheet is larger than {MAX_BATCH_BYTES // 2**20} MiB")
    return sheets[0]


def _values(request: Request, form: Form, form_of: type[PlanForm]) -> dict[str, Any]:
    """The parts of a form, with the query parameters, by name.

    Raises:
        InvalidInput: one is given twice.
    """
    pairs = [*form.values, *((file.name, _text(file)) for file in form.files if file.name != "file")]
    parts = {name for name, _ in pairs}
    pairs += [(name, value) for name, value in request.query_params.multi_items() if name not in parts]
    found: dict[str, Any] = {"file": ""}
    for name, value in pairs:
        if name == "file":
            raise InvalidInput([Problem("file", "must be a file, with a file name")])
        if name in _LISTS and name in form_of.model_fields:
            found.setdefault(name, []).append(value)
        elif name in found:
            raise InvalidInput([Problem(_shown(name), "is there more than once")])
        else:
            found[name] = value
    return found


_LISTS = frozenset({"map", "notify"})


def _text(file: FormFile) -> str:
    if file.path.stat().st_size > MAX_TEMPLATE_CHARS:
        raise InvalidInput([Problem(file.name, f"is larger than {MAX_TEMPLATE_CHARS // 2**10} KiB")])
    try:
        return file.path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise InvalidInput([Problem(file.name, "is not UTF-8 text")]) from None


def _kind_of(filename: str) -> str:
    kind = PurePath(filename).suffix.lower().removeprefix(".")
    if kind not in _KINDS:
        known = ", ".join(f".{item}" for item in _KINDS)
        raise InvalidInput([Problem("file", f"must have a name that ends in one of {known}, not {_shown(filename)!r}")])
    return kind


def _shown(name: str) -> str:
    """The last part of a name that a client sent, fit for messages."""
    last = name.replace("\\", "/").rpartition("/")[2]
    return "".join(char for char in last if char.isprintable())[-_MAX_SHOWN_CHARS:] or "file"
