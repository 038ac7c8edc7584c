"""The file beside a video tells what was asked, and no secret."""

from __future__ import annotations

from typing import Any

import pytest

from worker.transferring.sidecar import without_secrets


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("a fox, signed by nobody", "a fox, signed by nobody"),
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
def test_what_is_told_of_a_value(value: Any, told: Any) -> None:
    assert without_secrets(value) == told
