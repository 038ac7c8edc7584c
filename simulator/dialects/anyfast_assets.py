"""AnyFast's assets: groups and assets under `/volc/asset/`, in JSON or as multipart files.

Sources: AnyFast's manual (section 4) and asset page. The answers of the two lists and all errors are undocumented.
Here the lists have Volcengine's format and the errors new-api's.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import time
from collections.abc import Callable, Iterable, Sequence
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any, TypeVar

from simulator.dialects.assets import Asset, AssetStore, Group, Kind
from simulator.dialects.base import json_object, refuse
from simulator.dialects.media_refs import BadMedia, check_media
from simulator.dialects.new_api.answers import middleware_body, unknown_model
from simulator.media.inspect import BadFile, check_file
from simulator.wire.answers import Answer, Call, Refused, json_answer

PREFIX = "/volc/asset/"
ACTIONS = ("CreateAssetGroup", "CreateAsset", "ListAssetGroups", "ListAssets")
BILLING: dict[str, Kind] = {"volc-asset": "image", "volc-asset-video": "video", "volc-asset-audio": "audio"}
DEFAULT_MODEL = "volc-asset"
MAX_PAGE = 100
MAX_NAME = 64
Item = TypeVar("Item", Group, Asset)
_DATA_URI = re.compile(r"data:(image|video|audio)/[a-z0-9.+-]+;base64,", re.IGNORECASE)


def answer_assets(action: str, call: Call, store: AssetStore, *, fails: bool) -> Answer:
    """Answer one call of the asset API; with `fails`, a created asset ends as Failed."""
    try:
        fields, file = _read(call)
        match action:
            case "CreateAssetGroup":
                _only(fields, ("model", "Name"))
                _model(fields, ("volc-asset",))
                group = store.create_group(call.account, _name(fields), DEFAULT_MODEL)
                return json_answer(200, {"Id": group.id})
            case "CreateAsset":
                return json_answer(200, {"Id": _create(fields, file, call, store, fails=fails).id})
            case "ListAssetGroups":
                groups = [group for group in store.groups.values() if group.account == call.account]
                return _list(fields, groups, lambda item: item.id, lambda item: _shown_group(item, store))
            case _:
                assets = [asset for asset in store.assets.values() if asset.account == call.account]
                return _list(fields, assets, lambda item: item.group_id, lambda item: _shown_asset(item, store))
    except Refused as refused:
        return refused.answer


def _create(fields: dict[str, Any], file: bytes | None, call: Call, store: AssetStore, *, fails: bool) -> Asset:
    _only(fields, ("model", "GroupId", "Name", "AssetType", "URL"))
    model = _model(fields, tuple(BILLING))
    # An uploaded image may omit its type; in JSON the type is required.
    given = fields.get("AssetType", "Image" if file is not None and model == DEFAULT_MODEL else None)
    if given not in ("Image", "Video", "Audio"):
        raise _bad("AssetType must be Image, Video or Audio")
    kind: Kind = given.lower()
    if BILLING[model] != kind:
        needed = next(name for name, made_for in BILLING.items() if made_for == kind)
        raise _bad(f"AssetType {given} needs model {needed}, not {model}")
    group = store.groups.get(str(fields.get("GroupId", "")))
    if group is None or group.account != call.account:
        raise _bad("GroupId does not exist")
    name = _name(fields)
    url = ""
    if file is None:
        url, file = _from_url(fields.get("URL"), kind)
    elif "URL" in fields:
        raise _bad("give either URL or file, not both")
    if file is not None:
        try:
            check_file(kind, file)
        except BadFile as exc:
            raise _bad(str(exc)) from exc
    digest, size = (hashlib.sha256(file).hexdigest(), len(file)) if file is not None else ("", 0)
    return store.create(call.account, group.id, name, kind, url=url, sha256=digest, size=size, fails=fails, model=model)


def _from_url(value: Any, kind: Kind) -> tuple[str, bytes | None]:
    """The address, or the decoded bytes of a data URI or of bare Base64 (read as a PNG)."""
    if not isinstance(value, str) or not value:
        raise _bad("URL is required")
    if value.startswith(("http://", "https://")):
        try:
            check_media(kind, value)
        except BadMedia as exc:
            raise _bad(f"URL {exc}") from exc
        return value, None
    found = _DATA_URI.match(value)
    if found and found[1].lower() != kind:
        raise _bad(f"URL is {found[1]}, AssetType is {kind.capitalize()}")
    if not found and kind != "image":
        raise _bad("bare Base64 is read as a PNG: use a data URI")
    try:
        return "", base64.b64decode(value[found.end() if found else 0 :], validate=True)
    except binascii.Error as exc:
        raise _bad("URL is neither an address nor Base64") from exc


def _read(call: Call) -> tuple[dict[str, Any], bytes | None]:
    """The fields, and the file of a multipart form."""
    content_type = call.headers.get("Content-Type", "")
    if not content_type.startswith("multipart/form-data"):
        fields = json_object(call.body)
        if fields is None:
            raise _bad("invalid JSON body")
        return fields, None
    head = f"Content-Type: {content_type}\r\n\r\n".encode()
    form = message_from_bytes(head + call.body, EmailMessage, policy=policy.HTTP)
    fields, file = {}, None
    for part in form.iter_parts() if form.is_multipart() else ():
        name = part.get_param("name", header="content-disposition")
        payload = part.get_payload(decode=True)
        content = payload if isinstance(payload, bytes) else b""
        if name == "file":
            file = content
        else:
            fields[str(name)] = content.decode("utf-8", "replace")
    if file is None and "URL" not in fields:
        raise _bad("file is required")
    return fields, file


def _list(
    fields: dict[str, Any],
    items: Sequence[Item],
    group_of: Callable[[Item], str],
    shown: Callable[[Item], dict[str, Any]],
) -> Answer:
    _only(fields, ("model", "Filter", "PageNumber", "PageSize"))
    wanted = fields.get("Filter", {})
    if not isinstance(wanted, dict):
        raise _bad("Filter must be an object")
    _only(wanted, ("Name", "GroupIds", "GroupType"))
    name, groups = wanted.get("Name", ""), wanted.get("GroupIds") or []
    if not isinstance(name, str) or not isinstance(groups, list) or wanted.get("GroupType", "AIGC") != "AIGC":
        raise _bad("Filter may hold Name (a string), GroupIds (a list) and GroupType (AIGC)")
    number, size = _whole(fields, "PageNumber", 1, 10**6), _whole(fields, "PageSize", 10, MAX_PAGE)
    found = [item for item in items if name in item.name and (not groups or group_of(item) in groups)]
    found.reverse()  # newest first
    page = [shown(item) for item in found[(number - 1) * size : number * size]]
    return json_answer(200, {"Items": page, "TotalCount": len(found), "PageNumber": number, "PageSize": size})


def _shown_group(group: Group, store: AssetStore) -> dict[str, Any]:
    """The shown name starts with the prefix that isolates accounts."""
    owner = store.owner(group.account)
    return {
        "Id": group.id,
        "Name": f"[u-{owner}]-[t-{owner}]{group.name}",
        "GroupType": "AIGC",
        "CreateTime": _stamp(group.created_at),
        "UpdateTime": _stamp(group.created_at),
    }


def _shown_asset(asset: Asset, store: AssetStore) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "Id": asset.id,
        "GroupId": asset.group_id,
        "Name": asset.name,
        "AssetType": asset.kind.capitalize(),
        "URL": asset.url or f"https://ark-media-asset.tos-cn-beijing.volces.com/{asset.id}",
        "Status": asset.status(store.clock()),
        "CreateTime": _stamp(asset.created_at),
        "UpdateTime": _stamp(asset.ready_at),
    }
    if shown["Status"] == "Failed":
        shown["Error"] = {"Code": "InvalidParameter", "Message": "The asset did not pass the review."}
    return shown


def _whole(fields: dict[str, Any], name: str, default: int, most: int) -> int:
    value = fields.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
        raise _bad(f"{name} must be an integer from 1 to {most}")
    return value


def _only(fields: Iterable[str], known: tuple[str, ...]) -> None:
    for name in fields:
        if name not in known:
            raise _bad(f"{name} is not a known field")


def _model(fields: dict[str, Any], known: tuple[str, ...]) -> str:
    model = fields.get("model", DEFAULT_MODEL)
    if model not in known:
        raise unknown_model(model)
    return str(model)


def _name(fields: dict[str, Any]) -> str:
    name = fields.get("Name")
    if not isinstance(name, str) or not name.strip() or len(name) > MAX_NAME:
        raise _bad(f"Name is required and has at most {MAX_NAME} characters")
    return name


def _bad(message: str) -> Refused:
    return refuse(400, middleware_body(message, "invalid_request"), message)


def _stamp(moment: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(moment))
