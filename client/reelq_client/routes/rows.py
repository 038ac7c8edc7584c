"""Rows of batches and campaigns: lists of mappings, data frames, or files, as bodies."""

from __future__ import annotations

import json
import mimetypes
import os
from collections.abc import Generator, Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol, runtime_checkable
from uuid import uuid4

from reelq_client.core.bodies import Body
from reelq_client.core.errors import ConfigurationError
from reelq_client.core.requests import Answer, Step, as_json
from reelq_client.models.fields import JobFields
from reelq_client.routes.uploads import with_uploads

NDJSON = "application/x-ndjson"
_TYPES = {
    ".jsonl": NDJSON,
    ".json": "application/json",
    ".csv": "text/csv",
    ".tsv": "text/tab-separated-values",
    ".txt": "text/plain",
    ".yaml": "application/yaml",
    ".yml": "application/yaml",
    ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    ".xlsm": "application/vnd.ms-excel.sheet.macroenabled.12",
    ".xls": "application/vnd.ms-excel",
    ".ods": "application/vnd.oasis.opendocument.spreadsheet",
}


@runtime_checkable
class Frame(Protocol):
    """A table such as a pandas or polars DataFrame."""

    @property
    def columns(self) -> Any:
        """The names of the columns."""


Rows = Iterable[JobFields] | Iterable[Mapping[str, Any]] | Frame | str | os.PathLike[str]
"""Mappings, a DataFrame, or the path of a sheet (JSONL, CSV, XLSX, …), which the API reads."""


def rows_body(rows: Rows, *, with_keys: bool) -> Generator[Step, Answer, Body]:
    """The body of many jobs. Local files that mappings name by a `pathlib.Path` are uploaded first. `with_keys`: rows
    without an `idempotency_key` get one, so that the same body again stores nothing twice.

    Raises:
        ConfigurationError: the file's name says nothing of its kind, or the rows are none.
    """
    if isinstance(rows, str | os.PathLike):
        path = Path(rows)
        kind = _TYPES.get(path.suffix.lower()) or mimetypes.guess_type(path.name)[0]
        if kind is None:
            raise ConfigurationError(f"{path}: its name must end in {', '.join(_TYPES)}")
        return Body(path, kind)
    lines: list[bytes] = []
    for row in _records(rows):
        fields = yield from with_uploads(row)
        if with_keys and fields.get("idempotency_key") is None:
            fields = fields | {"idempotency_key": str(uuid4())}
        lines.append(json.dumps(as_json(fields), ensure_ascii=False, allow_nan=False).encode())
    return Body(b"\n".join(lines), NDJSON)


def _records(rows: Any) -> Iterable[Mapping[str, Any]]:
    if isinstance(rows, Mapping):
        raise ConfigurationError("rows must be a list of jobs, not one job; use jobs.create for one")
    if hasattr(rows, "to_dicts"):  # polars
        return [_known(row) for row in rows.to_dicts()]
    if hasattr(rows, "to_dict") and hasattr(rows, "columns"):  # pandas
        return [_known(row) for row in rows.to_dict("records")]
    return list(rows)


def _known(row: Mapping[Any, Any]) -> dict[str, Any]:
    """A row of a table without its empty cells, with plain values."""
    found = {}
    for name, value in row.items():
        plain = value.item() if hasattr(value, "item") and not isinstance(value, str | bytes) else value
        plain = plain.to_pydatetime() if hasattr(plain, "to_pydatetime") else plain
        if plain is None or (not isinstance(plain, list | tuple | dict) and plain != plain):
            continue
        whole = isinstance(plain, float) and plain.is_integer()  # a column with empty cells has only floats
        found[str(name)] = int(plain) if whole else plain
    return found
