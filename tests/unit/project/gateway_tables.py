"""The tables of docs/gateways.md, made from what the dialects say. Run it to write them into the page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import get_args

from seedance.gateways.capabilities import Capabilities
from seedance.gateways.registry import DIALECTS
from seedance.models.rows import MB, MediaLimits, ModelRow
from seedance.request import Modality

PAGE = Path(__file__).parents[3] / "docs" / "gateways.md"


def _list(values: Iterable[object]) -> str:
    return ", ".join(str(value) for value in values) or "–"


def _yes(value: object) -> str:
    return "yes" if value else "–"


def overview() -> str:
    """What differs between gateways, a column each."""
    able = [dialect.capabilities() for dialect in DIALECTS.values()]
    rows: list[tuple[str, list[str]]] = [
        ("`base_url`", [f"`{d.default_base_url}`" if d.default_base_url else "required" for d in DIALECTS.values()]),
        ("`gateway_options`", [_list(f"`{name}`" for name in item.options) for item in able]),
        ("longest prompt", [_prompt(item) for item in able]),
        ("callbacks", [_yes(item.callbacks) + (" (https)" if item.callbacks_https_only else "") for item in able]),
        ("lists its tasks", [_lists(item) for item in able]),
        ("polls many tasks with one call", [str(item.list_ids or "–") for item in able]),
        ("cancels a queued task", [_yes(item.cancel) for item in able]),
        ("assets by API", [_yes(item.assets) for item in able]),
    ]
    head = f"| | {' | '.join(item.gateway for item in able)} |\n|---|{'---|' * len(able)}\n"
    return head + "".join(f"| {name} | {' | '.join(cells)} |\n" for name, cells in rows)


def _lists(able: Capabilities) -> str:
    if able.list_limits is None:
        return "–"
    return "with `user_token`" if able.list_limits.needs_user else "yes"


def _prompt(able: Capabilities) -> str:
    if able.max_prompt_chars is not None:
        return f"{able.max_prompt_chars:,} characters"
    return f"about {able.max_prompt_tokens:,} tokens" if able.max_prompt_tokens is not None else "–"


def models() -> str:
    """Every model of every gateway."""
    head = (
        "| gateway | model | tier | own name | resolutions | seconds | ratios | `operation` | `task_type` "
        "| `output_format` | sets | web search | as of |\n" + "|---" * 13 + "|\n"
    )
    return head + "".join(
        f"| {dialect.name} | {name} | {_list(tier for tier, found in dialect.catalog.tiers.items() if found == row)} "
        f"| {_list(f'`{model}`' for model in row.models)} | {_list(row.resolutions)} | {_seconds(row)} "
        f"| {_list(row.ratios)} | {_operation(row)} | {_list(row.task_types)} | {_list(row.output_formats)} "
        f"| {_list(f'`{flag}`' for flag in sorted(row.flags))} | {_yes(row.web_search)} | {row.as_of} |\n"
        for dialect in DIALECTS.values()
        for name, row in dialect.capabilities().models.items()
    )


def _seconds(row: ModelRow) -> str:
    shortest, longest = row.seconds
    return f"{shortest}–{longest}" + (", -1" if row.auto_duration else "")


def _operation(row: ModelRow) -> str:
    if not row.operations:
        return "–"
    return _list(row.operations) + ("" if row.operation_is_sent else " (by the prompt)")


def media() -> str:
    """What each gateway documents of files, where its models agree; a line for each model where they do not."""
    head = "| gateway | file | at most | as | limits |\n|---|---|---|---|---|\n"
    return head + "".join(
        f"| {name} | {modality} | {limits.count or '–'} | {_list(sorted(limits.kinds)) if limits.count else '–'} "
        f"| {_limits(limits)} |\n"
        for dialect in DIALECTS.values()
        for modality in get_args(Modality)
        for name, limits in _by_model(dialect.name, dialect.capabilities().models, modality)
    )


def _by_model(gateway: str, models: Mapping[str, ModelRow], modality: Modality) -> list[tuple[str, MediaLimits]]:
    limits = {name: item.media[modality] for name, item in models.items()}
    if len(set(limits.values())) == 1:
        return [(gateway, next(iter(limits.values())))]
    return [(f"{gateway} ({name})", item) for name, item in limits.items()]


def _limits(limits: MediaLimits) -> str:
    said = [", ".join(sorted(limits.formats))] if limits.formats else []
    if limits.max_bytes:
        said.append(f"< {limits.max_bytes // MB} MB")
    if limits.side_px:
        said.append(f"sides {limits.side_px[0]}–{limits.side_px[1]} px")
    if limits.area_px:
        said.append(f"{limits.area_px[0]:,}–{limits.area_px[1]:,} px in all")
    if limits.aspect:
        said.append(f"width/height {limits.aspect[0]}–{limits.aspect[1]}")
    if limits.seconds:
        said.append(f"{limits.seconds[0]:g}–{limits.seconds[1]:g} s each")
    if limits.total_seconds:
        said.append(f"{limits.total_seconds:g} s together")
    if limits.fps:
        said.append(f"{limits.fps[0]:g}–{limits.fps[1]:g} fps")
    return "; ".join(said) or "–"


TABLES = {"overview": overview, "models": models, "media": media}


def with_tables(page: str) -> str:
    """The page with each table between its two comments made again.

    Raises:
        ValueError: a comment is missing, or there twice.
    """
    for name, table in TABLES.items():
        start, end = f"<!-- {name} -->\n", f"<!-- /{name} -->"
        before, rest = page.split(start)
        _, after = rest.split(end)
        page = before + start + table() + end + after
    return page


if __name__ == "__main__":
    PAGE.write_text(with_tables(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
