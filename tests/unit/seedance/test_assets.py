"""Assets without I/O: every documented body, and the answers of the gateway."""

from __future__ import annotations

import json
from email import message_from_bytes, policy
from typing import Any

import pytest

from seedance import assets
from seedance.assets import AssetStatus, ListedAsset, ListedGroup
from seedance.errors import BadAnswer, OutcomeUnknown
from seedance.gateways.base import WireAnswer, WireCall

GROUP = "group-20260427160000-xxxxx"
# The bodies of AnyFast's asset page and of section 4 of its manual.
DOCUMENTED: list[tuple[str, WireCall, str]] = [
    (
        "CreateAssetGroup",
        assets.create_group_call("your-custom-name"),
        '{"model": "volc-asset", "Name": "your-custom-name"}',
    ),
    ("CreateAssetGroup", assets.create_group_call("test"), '{"model": "volc-asset", "Name": "test"}'),
    (
        "CreateAsset",
        assets.create_asset_call(GROUP, "character-reference", "image", "https://example.com/example.png"),
        '{"model": "volc-asset", "GroupId": "group-20260427160000-xxxxx", "Name": "character-reference",'
        ' "AssetType": "Image", "URL": "https://example.com/example.png"}',
    ),
    (
        "CreateAsset",
        assets.create_asset_call(GROUP, "reference-clip", "video", "https://example.com/clip.mp4"),
        '{"model": "volc-asset-video", "GroupId": "group-20260427160000-xxxxx", "Name": "reference-clip",'
        ' "AssetType": "Video", "URL": "https://example.com/clip.mp4"}',
    ),
    (
        "CreateAsset",
        assets.create_asset_call(GROUP, "background-music", "audio", "https://example.com/bgm.mp3"),
        '{"model": "volc-asset-audio", "GroupId": "group-20260427160000-xxxxx", "Name": "background-music",'
        ' "AssetType": "Audio", "URL": "https://example.com/bgm.mp3"}',
    ),
    (
        "CreateAsset",
        assets.create_asset_call("group-20260319072926-rrnmg", "test", "image", "https://example.com/image.jpg"),
        '{"model": "volc-asset", "GroupId": "group-20260319072926-rrnmg", "Name": "test", "AssetType": "Image",'
        ' "URL": "https://example.com/image.jpg"}',
    ),
    (
        "ListAssetGroups",
        assets.list_groups_call(name="my-project"),
        '{"model": "volc-asset", "Filter": {"Name": "my-project"}, "PageNumber": 1, "PageSize": 10}',
    ),
    (
        "ListAssetGroups",
        assets.list_groups_call(name="test", group_ids=["group-20260320141746-zsf6b"]),
        '{"model": "volc-asset", "Filter": {"Name": "test", "GroupIds": ["group-20260320141746-zsf6b"]},'
        ' "PageNumber": 1, "PageSize": 10}',
    ),
    (
        "ListAssets",
        assets.list_assets_call(name="character", group_ids=[GROUP]),
        '{"model": "volc-asset", "Filter": {"Name": "character", "GroupIds": ["group-20260427160000-xxxxx"],'
        ' "GroupType": "AIGC"}, "PageNumber": 1, "PageSize": 10}',
    ),
    (
        "ListAssets",
        assets.list_assets_call(group_ids=["group-20260320141746-zsf6b"]),
        '{"model": "volc-asset", "Filter": {"GroupIds": ["group-20260320141746-zsf6b"], "GroupType": "AIGC"},'
        ' "PageNumber": 1, "PageSize": 10}',
    ),
]


@pytest.mark.parametrize(("action", "call", "body"), DOCUMENTED)
def test_every_documented_body_is_sent(action: str, call: WireCall, body: str) -> None:
    assert (call.method, call.path, call.content) == ("POST", f"/volc/asset/{action}", None)
    assert call.json == json.loads(body)


@pytest.mark.parametrize(
    ("modality", "filename", "name", "fields", "mime"),
    [
        ("image", "image.jpg", "character-reference", {}, "image/jpeg"),
        (
            "video",
            "video.mp4",
            "reference-clip",
            {"model": "volc-asset-video", "AssetType": "Video"},
            "video/mp4",
        ),
        (
            "audio",
            "audio.mp3",
            "background-music",
            {"model": "volc-asset-audio", "AssetType": "Audio"},
            "audio/mpeg",
        ),
    ],
)
def test_every_documented_form_is_sent(
    modality: Any, filename: str, name: str, fields: dict[str, str], mime: str
) -> None:
    content = b"\x00\xff\r\n--reelq\r\n"
    call = assets.upload_asset_call(GROUP, name, modality, filename, content)
    assert (call.method, call.path, call.json) == ("POST", "/volc/asset/CreateAsset", None)
    head = f"Content-Type: {call.content_type}\r\n\r\n".encode()
    form = message_from_bytes(head + (call.content or b""), policy=policy.HTTP)
    found = {}
    for part in form.iter_parts():
        field = part.get_param("name", header="content-disposition")
        if field == "file":
            assert (part.get_filename(), part.get_content_type()) == (filename, mime)
            assert part.get_payload(decode=True) == content
        else:
            found[field] = part.get_payload()
    assert found == fields | {"GroupId": GROUP, "Name": name}


def test_a_file_name_cannot_break_the_form() -> None:
    call = assets.upload_asset_call(GROUP, "n", "image", 'a"\r\nX: y.png', b"x")
    assert b'filename="a___X: y.png"' in (call.content or b"")


def answer(body: Any, status: int = 200) -> WireAnswer:
    return WireAnswer(status, {}, body if isinstance(body, bytes) else json.dumps(body).encode())


@pytest.mark.parametrize(
    "body", [{"Id": "asset-1"}, {"Result": {"Id": "asset-1"}}, {"data": {"Id": "asset-1"}}, {"id": " asset-1 "}]
)
def test_the_id_of_a_created_asset_is_read(body: Any) -> None:
    assert assets.read_id(answer(body), "anyfast") == "asset-1"


@pytest.mark.parametrize("body", [{}, {"Id": ""}, {"Id": None}, [], b"<html>", b"", {"Id": "a\nb"}])
def test_an_answer_without_an_id_is_an_unknown_outcome(body: Any) -> None:
    with pytest.raises(OutcomeUnknown):
        assets.read_id(answer(body), "anyfast")


def test_lists_are_read_without_the_account_prefix() -> None:
    listed = {"Items": [{"Id": "g1", "Name": "[u-12]-[t-34]spring"}, {"Id": "g2", "Name": "[u-1]-[t-2]-spring"}, {}]}
    assert assets.read_groups(answer(listed), "anyfast") == [ListedGroup("g1", "spring"), ListedGroup("g2", "spring")]
    items = [
        {"Id": "a", "Name": "x", "GroupId": "g", "Status": "Active"},
        {"Id": "b", "Name": "x", "Status": "Processing"},
        {"Id": "c", "Name": "x", "Status": "Failed", "Error": {"Code": "InvalidParameter", "Message": "too small"}},
        {"Id": "d", "Name": "x", "Status": "Failed", "FailReason": "too dark"},
        {"Id": "e", "Name": "x", "Status": "Archived"},
        {"Id": "f", "Name": "[u-1] my own"},
    ]
    assert assets.read_assets(answer({"Result": {"Items": items}}), "anyfast") == [
        ListedAsset("a", "x", "g", AssetStatus.ACTIVE),
        ListedAsset("b", "x", "", AssetStatus.PROCESSING),
        ListedAsset("c", "x", "", AssetStatus.FAILED, "InvalidParameter: too small"),
        ListedAsset("d", "x", "", AssetStatus.FAILED, "too dark"),
        ListedAsset("e", "x", "", AssetStatus.PROCESSING),
        ListedAsset("f", "[u-1] my own", "", AssetStatus.ACTIVE),
    ]


@pytest.mark.parametrize("body", [{}, {"Items": {}}, [], b"\x00", b"<html>", {"Items": None}])
def test_an_answer_that_is_not_a_list_is_a_bad_answer(body: Any) -> None:
    with pytest.raises(BadAnswer):
        assets.read_groups(answer(body), "anyfast")
    with pytest.raises(BadAnswer):
        assets.read_assets(answer(body), "anyfast")
