"""The simulated assets of AnyFast: groups, uploads of every kind, lists, use in a generation."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from simulator.media.renderer import Renderer
from simulator.tasks.task import Order, Task
from tests.simulator_client import Client, client_at, simulator

PREFIX = "/volc/asset/"


def picture(width: int = 400, height: int = 400, form: str = "PNG") -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (width, height), (200, 30, 30)).save(out, form)
    return out.getvalue()


@cache
def clip(seconds: int) -> bytes:
    order = Order("m", "m", "p", {}, "480p", "16:9", seconds)
    task = Task("clip", "u", 1, "anyfast", "a", order, 0.0, 1.0, seconds, 1)
    return b"".join(Renderer().video(task).read())


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with simulator(asset_seconds=1, time="fixed", median_seconds=0.1) as running:
        yield running


@pytest.fixture
def group(client: Client) -> str:
    client.http.post("/_sim/reset")
    return str(client.post(f"{PREFIX}CreateAssetGroup", {"model": "volc-asset", "Name": "spring"}).json()["Id"])


def create(client: Client, group: str, **fields: Any) -> httpx.Response:
    body = {"GroupId": group, "Name": "hero", "AssetType": "Image", "URL": "https://example.com/a.png", **fields}
    return client.post(f"{PREFIX}CreateAsset", {name: value for name, value in body.items() if value is not None})


def upload(client: Client, group: str, file: bytes, **fields: str) -> httpx.Response:
    data = {"GroupId": group, "Name": "hero", **fields}
    return client.http.post(f"{client.prefix}{PREFIX}CreateAsset", data=data, files={"file": ("a.bin", file)})


def assets(client: Client, **wanted: Any) -> list[dict[str, Any]]:
    return list(client.post(f"{PREFIX}ListAssets", {"Filter": wanted}).json()["Items"])


def test_an_asset_from_a_url_becomes_active(client: Client, group: str) -> None:
    assert group.startswith("group-")
    asset_id = create(client, group).json()["Id"]
    assert asset_id.startswith("asset-")
    (shown,) = assets(client, GroupIds=[group], GroupType="AIGC")
    assert (shown["Id"], shown["GroupId"], shown["Name"]) == (asset_id, group, "hero")
    assert (shown["AssetType"], shown["Status"]) == ("Image", "Processing")
    client.until(lambda: assets(client)[0]["Status"] == "Active")


def test_inline_data_and_files_become_assets(client: Client, group: str) -> None:
    encoded = base64.b64encode(picture()).decode()
    for answer in (
        create(client, group, URL=f"data:image/png;base64,{encoded}"),
        create(client, group, URL=encoded),
        create(client, group, URL="data:image/webp;base64," + base64.b64encode(picture(form="WEBP")).decode()),
        upload(client, group, picture()),
        upload(client, group, clip(4), model="volc-asset-video", AssetType="Video"),
    ):
        assert answer.status_code == 200, answer.text
    assert [item["AssetType"] for item in assets(client)] == ["Video", "Image", "Image", "Image", "Image"]
    totals = client.ledger()["totals"]
    assert totals["asset_calls_billed"] == {"volc-asset": 5, "volc-asset-video": 1}
    assert totals["assets"] == 5


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"GroupId": "group-nothing"}, "GroupId"),
        ({"Name": ""}, "Name"),
        ({"AssetType": None}, "AssetType"),
        ({"AssetType": "Text"}, "AssetType"),
        ({"AssetType": "Video"}, "volc-asset-video"),
        ({"AssetType": "Audio", "model": "volc-asset-video"}, "volc-asset-audio"),
        ({"URL": None}, "URL"),
        ({"URL": "file:///etc/passwd"}, "Base64"),
        ({"URL": "data:audio/mp3;base64,aGk="}, "AssetType"),
        ({"URL": base64.b64encode(b"no picture").decode()}, "not an image"),
        ({"URL": base64.b64encode(picture(200, 400)).decode()}, "300"),
        ({"URL": base64.b64encode(picture(900, 301)).decode()}, "2.5"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_invalid_assets_are_refused(client: Client, group: str, fields: dict[str, Any], words: str) -> None:
    answer = create(client, group, **fields)
    assert answer.status_code == 400 and words in answer.json()["error"]["message"]
    assert assets(client) == []


def test_an_unknown_billing_model_is_a_503_and_a_missing_file_a_400(client: Client, group: str) -> None:
    assert create(client, group, model="volc-asset-text").status_code == 503
    answer = client.http.post(f"{client.prefix}{PREFIX}CreateAsset", data={"GroupId": group}, files={"x": b"1"})
    assert answer.status_code == 400


# Made when the test runs: every process that collects the tests would encode the clip.
@pytest.mark.parametrize(
    ("make", "words"),
    [(lambda: clip(1), "last 2 to 15"), (picture, "MOV"), (bytes, "empty")],
    ids=["short", "PNG", "empty"],
)
def test_invalid_files_are_refused(client: Client, group: str, make: Callable[[], bytes], words: str) -> None:
    answer = upload(client, group, make(), model="volc-asset-video", AssetType="Video")
    assert answer.status_code == 400 and words in answer.json()["error"]["message"]


def test_lists_have_pages_and_filters_and_show_one_account(client: Client, group: str) -> None:
    names = [f"item {n}" for n in range(5)]
    for name in names:
        create(client, group, Name=name)
    page = client.post(f"{PREFIX}ListAssets", {"PageNumber": 2, "PageSize": 2}).json()
    assert [item["Name"] for item in page["Items"]] == ["item 2", "item 1"]
    assert (page["TotalCount"], page["PageNumber"], page["PageSize"]) == (5, 2, 2)
    assert [item["Name"] for item in assets(client, Name="m 3")] == ["item 3"]
    groups = client.post(f"{PREFIX}ListAssetGroups", {"Filter": {"Name": "spr", "GroupIds": [group]}}).json()["Items"]
    assert [item["Id"] for item in groups] == [group]
    assert groups[0]["Name"].startswith("[u-") and groups[0]["Name"].endswith("spring")
    with client_at(str(client.http.base_url), key="sk-other") as other:
        assert other.post(f"{PREFIX}ListAssets", {}).json()["TotalCount"] == 0
        assert other.post(f"{PREFIX}ListAssetGroups", {}).json()["Items"] == []
        assert create(other, group).status_code == 400
    wrong: dict[str, Any]
    for wrong in ({"PageSize": 0}, {"PageNumber": "1"}, {"Filter": []}, {"Filter": {"Status": "Active"}}):
        assert client.post(f"{PREFIX}ListAssets", wrong).status_code == 400


def generation(client: Client, asset_id: str, kind: str = "image") -> httpx.Response:
    item = {"type": f"{kind}_url", f"{kind}_url": {"url": f"asset://{asset_id}"}, "role": f"reference_{kind}"}
    return client.post(
        "/v1/video/generations", {"model": "seedance", "content": [{"type": "text", "text": "@图1"}, item]}
    )


def test_only_active_assets_of_the_right_kind_and_account_can_be_used(client: Client, group: str) -> None:
    asset_id = create(client, group).json()["Id"]
    early = generation(client, asset_id)
    assert early.status_code == 400 and "Processing" in early.json()["message"]
    client.until(lambda: assets(client)[0]["Status"] == "Active")
    assert generation(client, asset_id).status_code == 200
    assert "is image, not video" in generation(client, asset_id, "video").json()["message"]
    with client_at(str(client.http.base_url), key="sk-other") as other:
        assert "does not exist" in generation(other, asset_id).json()["message"]


def test_a_failed_asset_cannot_be_used(client: Client, group: str) -> None:
    client.arm({"kind": "asset_fails", "times": 1})
    asset_id = create(client, group).json()["Id"]
    client.until(lambda: assets(client)[0]["Status"] == "Failed")
    assert "Failed" in generation(client, asset_id).json()["message"]
    client.arm({"kind": "status", "where": "asset", "status": 500, "times": 1})
    assert create(client, group).status_code == 500


def test_an_unknown_asset_passes_unless_the_simulator_is_strict(client: Client, tmp_path: Path) -> None:
    assert generation(client, "asset-made-elsewhere").status_code == 200
    with simulator(strict_assets=True) as strict:
        assert "does not exist" in generation(strict, "asset-made-elsewhere").json()["message"]
