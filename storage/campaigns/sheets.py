"""Write the rows of a campaign as they are enqueued, and the sheets that they come from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString
from uuid import UUID

import orjson
from psycopg.rows import class_row

from storage.actors import current_actor
from storage.campaigns.sheet_rows import forget_sheet_rows
from storage.database import Connection
from storage.jsonb import dumps

_CHUNK = 5_000


@dataclass(frozen=True, slots=True)
class SheetSource:
    """A file that rows come from. `sheet`: of a workbook; None: it has none. `columns`: the names of all columns in
    their order, "" for one without a name; `formats`: how they look, as JSON objects; empty: not known."""

    file: str
    columns: Sequence[str]
    sheet: str | None = None
    formats: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True, slots=True)
class Sheet:
    """A file as it was read. `number`: 1 for the first file of the campaign; rows name it as `sheet`. `formats`: as in
    `SheetSource`; None: not known."""

    number: int
    file: str
    sheet: str | None
    columns: list[str]
    formats: list[dict[str, Any]] | None
    read_at: datetime
    actor: str | None


@dataclass(frozen=True, slots=True)
class NewRow:
    """A row to store, and its first job. `number`: as a spreadsheet counts; `label`: which of several videos of that
    row; `key`: what names it for people; `cells`: a JSON list, in the order of the columns; empty: no sheet."""

    job_id: UUID
    number: int
    label: str = ""
    key: str | None = None
    cells: bytes = b""
    asked_hash: str | None = None
    """The hash of the request that the sheet asks for."""
    created: bool = True
    """Whether this transaction stored the job: if not, its row may be known, or it may belong to no campaign."""
    final: Mapping[str, Any] | None = None
    """The fields of the final that is made of its proof; None: its job is no proof."""


_ADD_SHEET: LiteralString = """
INSERT INTO campaign_sheets (campaign_id, number, file, sheet, columns, formats, actor)
SELECT %(campaign)s, coalesce(max(number), 0) + 1, %(file)s, %(sheet)s, %(columns)s::jsonb, %(formats)s::jsonb,
       %(actor)s
FROM campaign_sheets WHERE campaign_id = %(campaign)s
RETURNING number
"""
_SHEETS: LiteralString = """
SELECT number, file, sheet, columns, formats, read_at, actor FROM campaign_sheets
WHERE campaign_id = %(campaign)s ORDER BY number
"""
# A known row takes its new place, its cells and its key from the sheet that has just been read.
_ADD: LiteralString = """
INSERT INTO campaign_rows (id, campaign_id, sheet, number, label, key, cells, asked_hash, job_id, proof, final)
SELECT i.id, %(campaign)s, %(sheet)s, i.number, i.label, i.key, i.cells, i.asked_hash, i.id, i.proof,
       nullif(i.final, 'null')
FROM jsonb_to_recordset(%(rows)s::jsonb) AS i(
    id uuid, number int, label text, key text, cells jsonb, asked_hash text, created boolean,
    proof boolean, final jsonb)
WHERE i.created OR (
    EXISTS (SELECT FROM jobs j WHERE j.id = i.id AND j.campaign_id = %(campaign)s)
    AND NOT EXISTS (SELECT FROM campaign_versions v WHERE v.job_id = i.id))
ON CONFLICT (id) DO UPDATE SET sheet = excluded.sheet, number = excluded.number, label = excluded.label,
    key = excluded.key, cells = excluded.cells, asked_hash = excluded.asked_hash, final = excluded.final,
    edit = CASE WHEN campaign_rows.asked_hash IS NOT DISTINCT FROM excluded.asked_hash THEN campaign_rows.edit END
"""


def add_sheet(conn: Connection, campaign_id: UUID, source: SheetSource) -> int:
    """Note that a file was read for a campaign; returns its number. The caller holds the campaign's row."""
    formats = dumps(list(source.formats)) if source.formats else None
    values = {
        "file": source.file,
        "sheet": source.sheet,
        "columns": dumps(list(source.columns)),
        "formats": formats,
    }
    row = conn.execute(_ADD_SHEET, {"campaign": campaign_id, "actor": current_actor(), **values}).fetchone()
    assert row is not None  # noqa: S101 - INSERT … RETURNING gives the row
    return int(row[0])


def sheets_of(conn: Connection, campaign_id: UUID) -> list[Sheet]:
    """The files that a campaign's rows come from, oldest first."""
    with conn.cursor(row_factory=class_row(Sheet)) as cursor:
        return cursor.execute(_SHEETS, {"campaign": campaign_id}).fetchall()


def add_rows(conn: Connection, campaign_id: UUID, rows: Sequence[NewRow], sheet: int = 0) -> None:
    """Store the rows of a campaign, once for each job. `sheet`: the number of their file; 0: they come from none.

    A job of another campaign, or of none, gets no row here.
    """
    forget_sheet_rows(conn, campaign_id)
    chosen = list({row.job_id: row for row in reversed(rows)}.values())[::-1]
    for start in range(0, len(chosen), _CHUNK):
        chunk = [_as_json(row) for row in chosen[start : start + _CHUNK]]
        conn.execute(_ADD, {"campaign": campaign_id, "sheet": sheet, "rows": dumps(chunk)})


def _as_json(row: NewRow) -> dict[str, object]:
    return {
        "id": row.job_id,
        "number": row.number,
        "label": row.label,
        "key": row.key,
        "cells": orjson.Fragment(row.cells or b"[]"),
        "asked_hash": row.asked_hash,
        "created": row.created,
        "proof": row.final is not None,
        "final": row.final,
    }


_ASKED: LiteralString = """
SELECT r.id, coalesce(r.asked_hash, f.request_hash), n.request_hash
FROM campaign_rows r LEFT JOIN jobs f ON f.id = r.id LEFT JOIN jobs n ON n.id = r.job_id
WHERE r.id = ANY(%(ids)s) AND r.campaign_id = %(campaign)s
"""
# Only rows that no newer file has, and only those that a person can still cancel for nothing.
_LEFT_BEHIND: LiteralString = """
SELECT r.id, r.number, r.key, r.job_id
FROM campaign_rows r JOIN jobs j ON j.id = r.job_id
WHERE r.campaign_id = %(campaign)s AND r.sheet BETWEEN 1 AND %(sheet)s - 1 AND j.state = 'queued'
ORDER BY r.number, r.id LIMIT %(limit)s
"""
_KEEP_EDITS: LiteralString = """
UPDATE campaign_rows r SET edit = i.edit
FROM jsonb_to_recordset(%(edits)s::jsonb) AS i(id uuid, edit jsonb) WHERE r.id = i.id
"""


def asked_hashes(conn: Connection, campaign_id: UUID, row_ids: Sequence[UUID]) -> dict[UUID, set[str | None]]:
    """By row of the campaign: the hash of the request that the sheet asked for last, and that of its newest version."""
    found = conn.execute(_ASKED, {"ids": list(row_ids), "campaign": campaign_id})
    return {row_id: {asked, made} for row_id, asked, made in found}


@dataclass(frozen=True, slots=True)
class LeftBehind:
    """A row of an older file that waits in the queue and is not in the newest file. `job_id`: what waits."""

    id: UUID
    number: int
    key: str | None
    job_id: UUID


def left_behind(conn: Connection, campaign_id: UUID, limit: int) -> list[LeftBehind]:
    """Rows that wait although the newest file of the campaign lacks them, in the order of their sheets."""
    newest = max((sheet.number for sheet in sheets_of(conn, campaign_id)), default=0)
    values = {"campaign": campaign_id, "sheet": newest, "limit": limit}
    with conn.cursor(row_factory=class_row(LeftBehind)) as cursor:
        return cursor.execute(_LEFT_BEHIND, values).fetchall()


def keep_edits(conn: Connection, edits: Mapping[UUID, Mapping[str, Any]]) -> None:
    """Keep what the sheet asks for now, as the fields of a job, for the next version of these rows."""
    if edits:
        rows = [{"id": row_id, "edit": dict(edit)} for row_id, edit in edits.items()]
        conn.execute(_KEEP_EDITS, {"edits": dumps(rows)})
