"""For any input, a simulated gateway accepts the request or refuses it in its own format; nothing else happens."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from multidict import CIMultiDict, MultiDict

from simulator.dialects.anyfast_assets import ACTIONS, BILLING, answer_assets
from simulator.dialects.assets import AssetStore
from simulator.dialects.base import Dialect
from simulator.dialects.registry import all_dialects
from simulator.tasks.pixels import PIXELS
from simulator.tasks.task import Order
from simulator.wire.answers import Call, Refused
from tests.contract.recorded import load

DIALECTS = all_dialects()
CALLS = {name: [row["call"]["json"] for row in load(name, "requests")] for name in DIALECTS}


def names_in(value: Any) -> Iterator[str]:
    """All field names of all objects in a value."""
    if isinstance(value, dict):
        yield from value
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from names_in(item)


NAMES = sorted({name for calls in CALLS.values() for name in names_in(calls)})
WORDS = ["text", "image_url", "first_frame", "reference_video", "16:9", "720p", "adaptive", "true", "multi_ref", "5"]
URLS = [
    "https://example.com/a.png",
    "asset://asset-1",
    "data:image/png;base64,AAAA",
    "http://[",
    "https://",
    "file:///x",
]
SCALARS = st.none() | st.booleans() | st.integers(-2, 20) | st.floats(allow_nan=False) | st.sampled_from(WORDS + URLS)
KEYS = st.sampled_from(NAMES) | st.text(max_size=3)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=12
)
ITEMS = st.fixed_dictionaries(
    {"type": st.sampled_from(["text", "image_url", "video_url", "audio_url"])},
    optional={
        "text": VALUES,
        "role": VALUES,
        **{f"{kind}_url": st.fixed_dictionaries({"url": VALUES}) | VALUES for kind in ("image", "video", "audio")},
    },
)
FIELDS = st.dictionaries(KEYS, VALUES, max_size=3) | st.fixed_dictionaries({"content": st.lists(ITEMS, max_size=5)})


def call(body: bytes) -> Call:
    return Call("POST", "/", MultiDict(), CIMultiDict(), "g", "account", "http://h", body)


@pytest.mark.parametrize("dialect", DIALECTS.values(), ids=DIALECTS)
@given(data=st.data())
@settings(max_examples=100)
def test_any_json_is_accepted_or_refused(dialect: Dialect, data: st.DataObject) -> None:
    """The body is a recorded call with some fields removed or replaced, or any other JSON."""
    recorded = data.draw(st.sampled_from(CALLS[dialect.name]))
    left_out = data.draw(st.sets(st.sampled_from(sorted(recorded)), max_size=2))
    kept = {name: value for name, value in recorded.items() if name not in left_out}
    body = data.draw(FIELDS.map(lambda fields: kept | fields) | VALUES)
    outcome: Order | Refused
    try:
        outcome = dialect.read_order(call(orjson.dumps(body)))
    except Refused as refused:
        outcome = refused
    if isinstance(outcome, Refused):
        assert (400 <= outcome.answer.status < 600 or dialect.name == "kie") and outcome.reason
        assert orjson.loads(outcome.answer.body)
    else:
        assert outcome.ratio in PIXELS[outcome.resolution]
        assert outcome.duration is None or 4 <= outcome.duration <= outcome.longest_s <= 30


@pytest.mark.parametrize("dialect", DIALECTS.values(), ids=DIALECTS)
@given(body=st.binary(max_size=64))
@settings(max_examples=60)
def test_bytes_that_are_not_json_are_refused(dialect: Dialect, body: bytes) -> None:
    with pytest.raises(Refused):
        dialect.read_order(call(body))


@pytest.mark.parametrize("action", ACTIONS)
@given(
    body=st.fixed_dictionaries(
        {},
        optional={
            "model": st.sampled_from(list(BILLING)) | VALUES,
            "AssetType": st.sampled_from(["Image", "Video", "Audio"]) | VALUES,
            **dict.fromkeys(("Name", "GroupId", "URL", "Filter", "PageNumber", "PageSize"), VALUES),
        },
    )
    | VALUES
)
@settings(max_examples=100)
def test_any_asset_call_is_answered(action: str, body: Any) -> None:
    answer = answer_assets(action, call(orjson.dumps(body)), AssetStore(), fails=False)
    assert answer.status in (200, 400, 503) and isinstance(orjson.loads(answer.body), dict)


WRONG: dict[str, list[object]] = {
    "duration": [[None], "5", 2.5, {}],
    "metadata": [5, "x", [1], {"content": 5}, {"content": [1]}],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in WRONG.items() for value in values])
def test_values_of_another_type_are_refused_by_new_api(name: str, value: object) -> None:
    with pytest.raises(Refused) as refused:
        DIALECTS["new-api"].read_order(call(orjson.dumps(CALLS["new-api"][0] | {name: value})))
    assert refused.value.answer.status == 400
