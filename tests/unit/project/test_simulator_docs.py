"""docs/simulator.md names every fault, parameter and option, and nothing that does not exist."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

from simulator.faults.kinds import KINDS, RULE_FIELDS
from simulator.options import SimulatorOptions

PAGE = (Path(__file__).parents[3] / "docs" / "simulator.md").read_text()
# Options whose name on the command line is not the field's.
SPELLED = {"api_keys": "--api-key", "callback_hosts": "--callback-host"}
CODE_ONLY = {"clock"}


def test_every_kind_is_described_with_its_parameters() -> None:
    rows = {row[0]: row[2] for row in re.findall(r"^\| `(\w+)` \| ([^|]+) \| ([^|]+) \| [^|]+ \|$", PAGE, re.MULTILINE)}
    assert list(rows) == list(KINDS)
    for name, kind in KINDS.items():
        assert re.findall(r"`(\w+)` =", rows[name]) == list(kind.parameters), name


def test_every_field_of_a_rule_is_described() -> None:
    for name in RULE_FIELDS:
        assert f"`{name}`" in PAGE


def test_every_option_is_described() -> None:
    described = set(re.findall(r"--[a-z][a-z-]+", PAGE))
    names = {field.name for field in fields(SimulatorOptions)} - CODE_ONLY
    options = {SPELLED.get(name, "--" + name.replace("_", "-")) for name in names}
    assert described == options
