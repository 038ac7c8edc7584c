"""The settings that say how processes log."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict


class LogSettings(BaseModel):
    """What `Settings` has about logs; see docs/logs.md."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    log_format: Literal["console", "json"] = "console"
    """`console`: lines for people. `json`: one JSON object per line, with the same fields, for programs."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] | None = None
    """The lowest level that is logged; None: INFO, or what a worker's `--loglevel` says."""
