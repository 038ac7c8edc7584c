"""The command line in an empty directory, and a gateway that a test tells what to do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.producer.command_line import CommandLine
from tests.integration.submitting.doubtful_gateway import DoubtfulGateway, doubtful_gateway


@pytest.fixture
def command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]
) -> CommandLine:
    """Commands run in an empty directory."""
    monkeypatch.chdir(tmp_path)
    return CommandLine(monkeypatch, capsysbinary)


@pytest.fixture(scope="module")
def gateway() -> Iterator[DoubtfulGateway]:
    with doubtful_gateway() as made:
        yield made
