"""Every command and every option of the command line is in the documentation, and each campaign command in Chinese."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from producer.cli.commands import COMMANDS, Command, Group, load
from producer.intake.job_spec import JOB_FIELDS

ROOT = Path(__file__).parents[3]
DOCS = "\n".join(page.read_text(encoding="utf-8") for page in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")])
CHINESE = (ROOT / "docs" / "zh" / "campaigns.md").read_text(encoding="utf-8")
FIELDS = {f"--{name.replace('_', '-')}" for field in JOB_FIELDS for name in (field, field.removesuffix("s"))}
"""Options of `reelq submit`, which docs/jobs.md explains as fields."""


def leaves(entries: Mapping[str, Command | Group], before: tuple[str, ...] = ()) -> Iterator[tuple[str, Command]]:
    for name, entry in entries.items():
        if isinstance(entry, Group):
            yield from leaves(entry.commands, (*before, name))
        else:
            yield " ".join((*before, name)), entry


LEAVES = dict(leaves(COMMANDS))


def names(text: str, command: str) -> bool:
    """Whether a text has `reelq GROUP NAME`, or names it in a table as `GROUP NAME` or, beside others of its group,
    `NAME`."""
    group, _, name = command.rpartition(" ")
    if re.search(rf"(reelq |`){command}\b", text):
        return True
    rows = [line for line in text.splitlines() if line.startswith("|") and re.search(rf"`(reelq )?{group} ", line)]
    return bool(group) and any(f"`{name}`" in row for row in rows)


def options(command: str) -> Iterator[tuple[str, ...]]:
    """The names of each option, such as `--fetch` and `--no-fetch`."""
    loaded: Any = load(command.rpartition(" ")[2], LEAVES[command])
    for parameter in loaded.params:
        found = tuple(name for name in (*parameter.opts, *parameter.secondary_opts) if name.startswith("--"))
        if found and not getattr(parameter, "hidden", False):
            yield found


@pytest.mark.parametrize("command", LEAVES)
def test_a_command_is_documented_with_its_options(command: str) -> None:
    assert names(DOCS, command)
    if command.startswith("campaign "):
        assert names(CHINESE, command)
    missing = [
        found
        for found in ([] if LEAVES[command].passes_on else options(command))
        if not any(re.search(rf"{re.escape(name)}(?![\w-])", DOCS) or name in FIELDS for name in found)
    ]
    assert not missing
