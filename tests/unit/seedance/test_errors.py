"""The error tree: errors can be pickled and show no secret."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seedance import errors
from seedance.errors import KEPT_BODY_CHARS, AccountProblem, GatewayError, ModelProblem, Moderated, Throttled, redact


def every_class(kind: type[GatewayError] = GatewayError) -> list[type[GatewayError]]:
    """The classes of the tree. Other modules may derive more, which keep the code of their base."""
    children = [child for child in kind.__subclasses__() if child.__module__ == errors.__name__]
    return [kind, *(found for child in children for found in every_class(child))]


MORE: dict[type[GatewayError], dict[str, Any]] = {
    Throttled: {"retry_after_s": 2.5},
    Moderated: {"stage": "output", "modality": "video", "offending": "content[1].video_url"},
    AccountProblem: {"kind": "billing"},
    ModelProblem: {"kind": "limit"},
}


@pytest.mark.parametrize("kind", every_class(), ids=lambda kind: kind.__name__)
def test_an_error_survives_pickling(kind: type[GatewayError]) -> None:
    more = MORE.get(kind, {})
    error = kind("no", gateway="ark", operation="query", status=429, gateway_code="X", **more)
    error.add_note("a note of other code")
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is kind
    assert copy.as_dict() == error.as_dict()
    assert (copy.gateway, copy.operation, str(copy)) == ("ark", "query", "no")
    assert {name: getattr(copy, name) for name in more} == more


def test_every_class_has_a_code_of_its_own() -> None:
    codes = [kind.code for kind in every_class()]
    assert len(codes) == len(set(codes))


def test_an_unknown_attribute_is_refused() -> None:
    with pytest.raises(TypeError, match="Throttled has no attribute 'wait'"):
        Throttled("no", wait=3)


def test_the_docstring_shows_every_class() -> None:
    assert errors.__doc__ is not None
    for kind in every_class():
        assert f"{kind.__name__} " in f"{errors.__doc__} " or f"{kind.__name__}\n" in errors.__doc__


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("Authorization: Bearer abc.DEF-123_456", "Authorization: Bearer ***"),
        ("key sk-abcdefgh12345678 is wrong", "key sk-*** is wrong"),
        ("https://e.com/a.mp4?X-Tos-Signature=0a1b2c3d4e&X-Tos-Expires=1", None),
        ("https://e.com/a?X-Amz-Credential=AKIAIOSFODNN7&x=1", None),
        ('{"api_key": "abcdefgh-1234"}', None),
        ("token=abcdef123456", "token=***"),
        ("the key is my-own-secret here", "the key is *** here"),
        ("nothing to hide", "nothing to hide"),
    ],
)
def test_redact_removes_secrets(text: str, kept: str | None) -> None:
    cleaned = redact(text, "my-own-secret")
    assert kept is None or cleaned == kept
    for secret in ("abc.DEF-123_456", "abcdefgh12345678", "0a1b2c3d4e", "AKIAIOSFODNN7", "abcdefgh-1234", "my-own"):
        assert secret not in cleaned


def test_redact_shortens_a_data_uri() -> None:
    cleaned = redact(f'bad image "data:image/png;base64,{"A" * 3000}" in content[1]')
    assert cleaned == 'bad image "data:image/png;base64,…" in content[1]'


def test_redact_finds_a_secret_across_the_cut() -> None:
    text = "x" * (KEPT_BODY_CHARS - 10) + " Bearer " + "s3cret" * 50
    assert "s3cret" not in redact(text)


@given(st.text() | st.text(alphabet="\0ab=: ", min_size=3000, max_size=20_000))
def test_redact_limits_any_text_and_removes_nul(text: str) -> None:
    cleaned = redact(text)
    assert len(cleaned) <= KEPT_BODY_CHARS
    assert "\0" not in cleaned
    assert redact(cleaned) == cleaned


def test_a_message_redacted_later_is_shown_redacted() -> None:
    error = GatewayError("the key k-123456 is wrong")
    error.message = redact(error.message, "k-123456")
    assert str(error) == "the key *** is wrong"
    assert "k-123456" not in str(pickle.loads(pickle.dumps(error)))
