"""Lists arrive in PostgreSQL as they are, however they are written."""

from __future__ import annotations

from typing import Any, LiteralString
from uuid import UUID

import psycopg
import pytest

from storage.database import connect

HOSTILE = ["", "NULL", "null", "a,b", "{}", "{", '"', 'a"b', '","', "\\", "a\\b", "\n\t", " a ", "ü ☃ 𝄞", "'; --", "%s"]
LISTS: dict[str, tuple[LiteralString, list[Any]]] = {
    "texts": ("text[]", ["a", "campaign 1", "ü ☃"]),
    "hostile texts": ("text[]", HOSTILE),
    "one quotation mark": ("text[]", ['","']),
    "texts and none": ("text[]", ["a", None, "b"]),
    "none": ("text[]", []),
    "ids": ("uuid[]", [UUID(int=0), UUID(int=2**128 - 1), UUID("0190b8f0-0000-7000-8000-00000000000f")]),
    "numbers": ("bigint[]", [0, -1, 2**62]),
    "truths": ("boolean[]", [True, False]),
    "lists": ("text[]", [["a", '"'], ["b", "c"]]),
}


@pytest.mark.parametrize("what", LISTS)
def test_a_list_arrives_as_it_is(postgres_url: str, what: str) -> None:
    kind, values = LISTS[what]
    with connect(postgres_url) as conn:
        sql: LiteralString = "SELECT %s::" + kind
        assert conn.execute(sql, [values]).fetchone() == (values,)


@pytest.mark.parametrize("text", HOSTILE)
def test_a_text_beside_another_arrives_as_it_is(postgres_url: str, text: str) -> None:
    with connect(postgres_url) as conn:
        assert conn.execute("SELECT %s::text[]", [[text, "b"]]).fetchone() == ([text, "b"],)


def test_a_nul_is_refused_as_it_is_elsewhere(postgres_url: str) -> None:
    with pytest.raises(psycopg.DataError), connect(postgres_url) as conn:
        conn.execute("SELECT %s::text[]", [["a\0b"]])
