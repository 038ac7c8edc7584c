"""`reelq` in this process, as a user runs it in an empty directory. The fixture is in conftest.py."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from producer.cli import main as cli
from storage.settings import Settings
from tests.servers import environ_for

Run = Callable[..., tuple[int, str, str]]
"""Runs a command line: (exit code, output, errors)."""


@dataclass(frozen=True, slots=True)
class CommandLine:
    """Commands of one test."""

    monkeypatch: pytest.MonkeyPatch
    capture: pytest.CaptureFixture[bytes]

    def with_environ(self, settings: Settings, accounts: Sequence[Mapping[str, Any]], **more: str) -> Run:
        """Commands that find these settings, accounts and more variables in the environment."""
        for name, value in (environ_for(settings) | {"REELQ_ACCOUNTS": json.dumps(accounts)} | more).items():
            self.monkeypatch.setenv(name, value)
        return self.run

    def run(self, *arguments: object) -> tuple[int, str, str]:
        """Run a command line: (exit code, output, errors)."""
        code = cli.run([str(argument) for argument in arguments])
        captured = self.capture.readouterr()
        return code, captured.out.decode(), captured.err.decode()
