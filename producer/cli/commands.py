"""Every command by its name, and where it is. What is not asked for is not imported: it would cost every call."""

from __future__ import annotations

from importlib import import_module

import typer

_PASSED_ON = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}
"""For commands that have options of their own."""

_GROUP = "app"
COMMANDS: dict[str, tuple[str, str]] = {
    "up": ("up", "up"),
    "demo": ("rehearsal", "demo"),
    "submit": ("submit", "submit"),
    "explain": ("explain", "explain"),
    "jobs": ("jobs", _GROUP),
    "campaign": ("campaign", _GROUP),
    "assets": ("assets", _GROUP),
    "accounts": ("accounts", _GROUP),
    "keys": ("keys", _GROUP),
    "tenants": ("tenants", _GROUP),
    "webhooks": ("webhooks", _GROUP),
    "db": ("database", _GROUP),
    "doctor": ("doctor", "doctor"),
    "simulator": ("rehearsal", "simulator"),
    "bench": ("rehearsal", "bench"),
}
"""The module in `producer.cli` and what in it; in the order in which help shows them."""


def add_commands(app: typer.Typer, first: str | None) -> None:
    """Add the command that a command line begins with; all of them when it begins with something else, such as an
    option, because help or a mistake may follow."""
    for name in [first] if first in COMMANDS else COMMANDS:
        module, attribute = COMMANDS[name]
        found = getattr(import_module(f"producer.cli.{module}"), attribute)
        if attribute == _GROUP:
            app.add_typer(found, name=name)
        elif name in ("simulator", "bench"):
            app.command(name, context_settings=_PASSED_ON, add_help_option=False)(found)
        else:
            app.command(name)(found)
