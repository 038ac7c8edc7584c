"""The JSON file beside a video holds the request without secrets."""

from __future__ import annotations

from typing import Any

import pytest

from worker.transferring.sidecar import without_secrets


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("a fox, no secrets", "a fox, no secrets"),
        ("https://host/a.png", "https://host/a.png"),
        ("https://host/a.png?X-Tos-Signature=abc#frag", "https://host/a.png?…"),
        ("https://user:password@host:8443/a.png", "https://host:8443/a.png"),
        ("https://[nonsense/a?token=abc", "…"),
        ("data:image/png;base64,AAAABBBB", "data:image/png;base64,… (8 characters)"),
        ("Bearer abcdefghijkl", "Bearer ***"),
        ("asset://asset-1", "asset://asset-1"),
        (5, 5),
        (None, None),
        ({"a": ["https://h/x?y=z", True]}, {"a": ["https://h/x?…", True]}),
    ],
)
def test_a_value_is_written_without_secrets(value: Any, written: Any) -> None:
    assert without_secrets(value) == written
