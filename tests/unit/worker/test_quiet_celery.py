"""Celery logs no traceback for what a broker does."""

from __future__ import annotations

import logging
from types import SimpleNamespace

import pytest
from celery.worker.pidbox import Pidbox
from redis.exceptions import ReadOnlyError

import worker.app  # noqa: F401 - it installs the filters


def answer(error: Exception) -> int:
    """Celery's receiver of remote control gets a command whose answer fails; returns how often it connects again."""
    connected: list[bool] = []

    def handle_message(_body: object, _message: object) -> None:
        raise error

    receiver = SimpleNamespace(
        node=SimpleNamespace(handle_message=handle_message),
        reset=lambda: connected.append(True),
        _forward_clock=lambda: None,
    )
    Pidbox.on_message(receiver, {}, None)
    return len(connected)


def test_an_answer_that_a_read_only_broker_refuses_is_one_line(caplog: pytest.LogCaptureFixture) -> None:
    connected = answer(ReadOnlyError("You can't write against a read only replica."))
    [record] = caplog.records
    assert (record.name, record.levelno, record.exc_info) == ("celery.worker.pidbox", logging.WARNING, None)
    assert record.getMessage().endswith("got no answer: You can't write against a read only replica.")
    assert connected == 1


def test_a_command_that_fails_by_itself_keeps_its_traceback(caplog: pytest.LogCaptureFixture) -> None:
    answer(ZeroDivisionError("division by zero"))
    [record] = caplog.records
    assert record.levelno == logging.ERROR and record.exc_info is not None
