"""The command line in an empty directory."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.producer.command_line import CommandLine


@pytest.fixture
def command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]
) -> CommandLine:
    """Commands run in an empty directory."""
    monkeypatch.chdir(tmp_path)
    return CommandLine(monkeypatch, capsysbinary)
