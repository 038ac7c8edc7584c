"""What a client may say about a body of many jobs, beside its content type."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from fastapi import Depends, Query
from pydantic import Field

from producer.campaigns.reading.options import ReadingOptions, read_options
from producer.campaigns.templates.document import parse_template, with_prompt

_MAX_NAME_CHARS = 200
# Together they fit into a URL, of which a server takes 64 KiB, whatever characters they are of.
_MAX_PROMPT_CHARS, _MAX_TEMPLATE_CHARS = 1_000, 2_000


def _row_options(
    mapped: Annotated[
        list[Annotated[str, Field(max_length=_MAX_NAME_CHARS)]] | None,
        Query(
            alias="map",
            max_length=200,
            description='Use a column as a field, as in "产品名=prompt"; "COLUMN=" leaves it unused. May be repeated.',
        ),
    ] = None,
    sheet: Annotated[
        str | None, Query(max_length=_MAX_NAME_CHARS, description="The sheet of a workbook. Default: its only one.")
    ] = None,
    encoding: Annotated[
        str | None,
        Query(
            max_length=_MAX_NAME_CHARS,
            description='The encoding of a text, such as "gb18030". Default: the `charset` of `Content-Type` if it is '
            "not UTF-8, else it is found out.",
        ),
    ] = None,
    delimiter: Annotated[
        str | None,
        Query(max_length=_MAX_NAME_CHARS, description='Between cells, such as ";" or "tab". Default: it is found out.'),
    ] = None,
) -> ReadingOptions:
    return read_options(encoding, delimiter, sheet, mapped or ())


RowOptions = Annotated[ReadingOptions, Depends(_row_options)]
"""The parameters of a route that takes many jobs."""


def _campaign_options(
    rows: RowOptions,
    key: Annotated[
        str | None,
        Query(
            max_length=_MAX_NAME_CHARS,
            description='The column, such as "SKU", that makes an edited row the same one.',
        ),
    ] = None,
    prompt: Annotated[
        str | None,
        Query(
            max_length=_MAX_PROMPT_CHARS,
            description='A prompt with placeholders for columns, such as "{{ product }} on a table".',
        ),
    ] = None,
    template: Annotated[
        str | None,
        Query(
            max_length=_MAX_TEMPLATE_CHARS,
            description="A template in YAML: fields, `defaults`, `matrix` and `variants`; see docs/campaigns.md.",
        ),
    ] = None,
) -> ReadingOptions:
    made = None if template is None else parse_template(template, "template")
    return replace(rows, key=key, template=with_prompt(made, prompt, "prompt"))


CampaignOptions = Annotated[ReadingOptions, Depends(_campaign_options)]
"""The parameters of a route that takes the rows of a campaign."""
