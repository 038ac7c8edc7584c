"""The tables of docs/gateways.md, made from what the dialects say. Run it to write them into the page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import get_args

from seedance.gateways.capabilities import MB, Capabilities, MediaLimits, TierLimits
from seedance.gateways.registry import DIALECTS
from seedance.request import Modality, Tier

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
        ("seconds", [_seconds(item) for item in able]),
        ("ratios", [_list(item.ratios) for item in able]),
        ("`operation`", [_operation(item) for item in able]),
        ("`seed`", [_yes("seed" in item.flags) for item in able]),
        ("`watermark`", [_yes("watermark" in item.flags) for item in able]),
        ("`camera_fixed`", [_yes("camera_fixed" in item.flags) for item in able]),
        ("`return_last_frame`", [_yes("return_last_frame" in item.flags) for item in able]),
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


def _seconds(able: Capabilities) -> str:
    shortest, longest = able.seconds
    return f"{shortest}–{longest}" + (", -1" if able.auto_duration else "")


def _operation(able: Capabilities) -> str:
    if not able.operations:
        return "–"
    return _list(able.operations) + ("" if able.operation_is_sent else " (by the prompt)")


def _lists(able: Capabilities) -> str:
    if able.list_limits is None:
        return "–"
    return "with `user_token`" if able.list_limits.needs_user else "yes"


def _prompt(able: Capabilities) -> str:
    if able.max_prompt_chars is not None:
        return f"{able.max_prompt_chars:,} characters"
    return f"about {able.max_prompt_tokens:,} tokens" if able.max_prompt_tokens is not None else "–"


def tiers() -> str:
    """Every tier of every gateway."""
    head = "| gateway | tier | model | resolutions | web search |\n|---|---|---|---|---|\n"
    return head + "".join(
        f"| {dialect.name} | {tier} | {_list(f'`{model}`' for model in limits.models)} | {_list(limits.resolutions)} "
        f"| {_yes(limits.web_search)} |\n"
        for dialect in DIALECTS.values()
        for tier, limits in dialect.capabilities().tiers.items()
    )


def media() -> str:
    """What each gateway documents of files, where its tiers agree; a line for each tier where they do not."""
    head = "| gateway | file | at most | as | limits |\n|---|---|---|---|---|\n"
    return head + "".join(
        f"| {name} | {modality} | {limits.count or '–'} | {_list(sorted(limits.kinds)) if limits.count else '–'} "
        f"| {_limits(limits)} |\n"
        for dialect in DIALECTS.values()
        for modality in get_args(Modality)
        for name, limits in _by_tier(dialect.name, dialect.capabilities().tiers, modality)
    )


def _by_tier(gateway: str, tiers: Mapping[Tier, TierLimits], modality: Modality) -> list[tuple[str, MediaLimits]]:
    limits = {tier: item.media[modality] for tier, item in tiers.items()}
    if len(set(limits.values())) == 1:
        return [(gateway, next(iter(limits.values())))]
    return [(f"{gateway} ({tier})", item) for tier, item in limits.items()]


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


TABLES = {"overview": overview, "tiers": tiers, "media": media}


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
