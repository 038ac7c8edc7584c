"""Assets: files that a gateway keeps, written `asset://ID` in requests. Calls and answers, without I/O.

AnyFast's `/volc/asset/*`. It does not document what its lists answer: Volcengine's form (PascalCase, `Items`) is
expected, and read leniently. A group's name comes back with the prefix that keeps accounts apart.

Sources: AnyFast's manual, section 4, and its asset page, https://www.anyfast.com.cn; the states are 12AI's.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from seedance.errors import BadAnswer, OutcomeUnknown, redact
from seedance.gateways.answers import MAX_ID_CHARS, excerpt, object_of, read_json, text_of, word_of
from seedance.gateways.base import WireAnswer, WireCall
from seedance.models.rows import MB, MediaLimits
from seedance.request import Modality

PATH = "/volc/asset/"
DEFAULT_GROUP = "reelq"
MAX_PAGE_SIZE = 100
BILLING_MODELS: Mapping[Modality, str] = {
    "image": "volc-asset",
    "video": "volc-asset-video",
    "audio": "volc-asset-audio",
}
GROUP_MODEL = "volc-asset"

LIMITS: Mapping[Modality, MediaLimits] = {
    "image": MediaLimits(
        count=1,
        formats=frozenset({"jpg", "png", "gif", "webp", "bmp", "tiff", "heic", "heif"}),
        max_bytes=30 * MB,
        side_px=(300, 6000),
        aspect=(0.4, 2.5),
    ),
    "video": MediaLimits(
        count=1,
        formats=frozenset({"mp4", "mov"}),
        max_bytes=50 * MB,
        area_px=(409_600, 927_408),  # "480p/720p": the smallest and the largest picture of these two resolutions
        seconds=(2, 15),
        fps=(24, 60),
    ),
    "audio": MediaLimits(count=1, formats=frozenset({"mp3", "wav"}), max_bytes=15 * MB, seconds=(2, 15)),
}
"""The limits that a file must meet to become an asset."""

_PREFIX = re.compile(r"\[u-[^\]]*\]-\[t-[^\]]*\]-?\s*")
_MIME = {
    "jpg": "image/jpeg",
    "tif": "image/tiff",
    "mov": "video/quicktime",
    "mp3": "audio/mpeg",
}


class AssetStatus(StrEnum):
    """Whether an asset can be used."""

    PROCESSING = "processing"
    ACTIVE = "active"
    FAILED = "failed"


_STATUSES = {status.value: status for status in AssetStatus}


@dataclass(frozen=True, slots=True)
class ListedGroup:
    """A group in the gateway's list; `name` without the prefix."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class ListedAsset:
    """An asset in the gateway's list. `error`: why it failed, "" when it did not fail or no reason is given."""

    id: str
    name: str
    group_id: str
    status: AssetStatus
    error: str = ""


def asset_name(sha256: str) -> str:
    """Our name for an asset: unique per content, so that the asset can be found when the answer to its creation was
    lost."""
    return f"reelq-{sha256[:40]}"


# --- calls -----------------------------------------------------------------------------------------------------------


def create_group_call(name: str) -> WireCall:
    """Create a group; billed."""
    return _call("CreateAssetGroup", {"model": GROUP_MODEL, "Name": name})


def create_asset_call(group_id: str, name: str, modality: Modality, source: str) -> WireCall:
    """Create an asset from a URL, a data URI or the plain Base64 of a PNG; billed."""
    body = {
        "model": BILLING_MODELS[modality],
        "GroupId": group_id,
        "Name": name,
        "AssetType": modality.capitalize(),
        "URL": source,
    }
    return _call("CreateAsset", body)


def upload_asset_call(group_id: str, name: str, modality: Modality, filename: str, content: bytes) -> WireCall:
    """Create an asset from a file's bytes, sent as a form; billed."""
    # An image needs no model and no type: they are the defaults.
    typed = modality != "image"
    fields = {"model": BILLING_MODELS[modality]} if typed else {}
    fields |= {"GroupId": group_id, "Name": name}
    if typed:
        fields["AssetType"] = modality.capitalize()
    body, content_type = _form(fields, modality, filename, content)
    return WireCall("POST", f"{PATH}CreateAsset", content=body, content_type=content_type)


def list_groups_call(
    *, name: str | None = None, group_ids: Sequence[str] = (), page: int = 1, page_size: int = 10
) -> WireCall:
    """List groups; pages count from 1, `name` finds every group whose name contains it. Free."""
    wanted = _filter(name, group_ids)
    return _call("ListAssetGroups", _page(wanted, page, page_size))


def list_assets_call(
    *, name: str | None = None, group_ids: Sequence[str] = (), page: int = 1, page_size: int = 10
) -> WireCall:
    """List assets; parameters as for `list_groups_call`. Free."""
    wanted = _filter(name, group_ids) | {"GroupType": "AIGC"}
    return _call("ListAssets", _page(wanted, page, page_size))


def _call(action: str, body: Mapping[str, Any]) -> WireCall:
    return WireCall("POST", PATH + action, body)


def _filter(name: str | None, group_ids: Sequence[str]) -> dict[str, Any]:
    wanted: dict[str, Any] = {} if name is None else {"Name": name}
    return wanted | {"GroupIds": list(group_ids)} if group_ids else wanted


def _page(wanted: Mapping[str, Any], page: int, page_size: int) -> dict[str, Any]:
    return {"model": GROUP_MODEL, "Filter": wanted, "PageNumber": page, "PageSize": page_size}


def _form(fields: Mapping[str, str], modality: Modality, filename: str, content: bytes) -> tuple[bytes, str]:
    """A multipart/form-data body and its content type (RFC 7578)."""
    boundary = f"reelq{secrets.token_hex(16)}"
    extension = filename.rpartition(".")[2].lower()
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields.items()
    ]
    quoted = re.sub(r'[\r\n"\\]', "_", filename)
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{quoted}"\r\n'
    head += f"Content-Type: {_MIME.get(extension, f'{modality}/{extension}')}\r\n\r\n"
    return (
        b"".join([*parts, head.encode(), content, f"\r\n--{boundary}--\r\n".encode()]),
        f"multipart/form-data; boundary={boundary}",
    )


# --- answers ---------------------------------------------------------------------------------------------------------


def read_id(answer: WireAnswer, gateway: str) -> str:
    """The id of the group or asset that was created.

    Raises:
        OutcomeUnknown: the answer has no id, so something may have been created and billed.
    """
    top = object_of(read_json(answer.body))
    for holder in (top, object_of(top.get("Result")), object_of(top.get("data"))):
        found = text_of(holder.get("Id") or holder.get("id")).strip()
        if found and found.isprintable() and len(found) <= MAX_ID_CHARS:
            return found
    raise OutcomeUnknown(f"the answer has no id: {excerpt(answer.body)}", gateway=gateway, status=answer.status)


def read_groups(answer: WireAnswer, gateway: str) -> list[ListedGroup]:
    """One page of groups.

    Raises:
        BadAnswer: the answer is not a list.
    """
    return [ListedGroup(text_of(item.get("Id")), plain_name(item)) for item in _items(answer, gateway)]


def read_assets(answer: WireAnswer, gateway: str) -> list[ListedAsset]:
    """One page of assets.

    Raises:
        BadAnswer: the answer is not a list.
    """
    return [
        ListedAsset(text_of(item.get("Id")), plain_name(item), text_of(item.get("GroupId")), _status(item), _why(item))
        for item in _items(answer, gateway)
    ]


def plain_name(item: Mapping[str, Any]) -> str:
    """An item's name without the prefix that the gateway adds."""
    return _PREFIX.sub("", text_of(item.get("Name")), count=1)


def _items(answer: WireAnswer, gateway: str) -> list[Mapping[str, Any]]:
    top = object_of(read_json(answer.body))
    for holder in (top, object_of(top.get("Result")), object_of(top.get("data"))):
        items = holder.get("Items", holder.get("items"))
        if isinstance(items, list):
            return [item for item in items if isinstance(item, dict) and text_of(item.get("Id"))]
    raise BadAnswer(
        f"the answer is not a list: {excerpt(answer.body)}", gateway=gateway, operation="list", status=answer.status
    )


def _status(item: Mapping[str, Any]) -> AssetStatus:
    word = word_of(item.get("Status")).lower()
    if not word:  # without a status there is nothing to wait for
        return AssetStatus.ACTIVE
    return _STATUSES.get(word, AssetStatus.PROCESSING)


def _why(item: Mapping[str, Any]) -> str:
    """Why an asset failed: a text, or an object with a code and a message."""
    for name in ("Error", "FailReason", "Reason", "Message"):
        value = item.get(name)
        holder = object_of(value)
        parts = [text_of(holder.get("Code")), text_of(holder.get("Message"))] if holder else [text_of(value)]
        if text := ": ".join(part for part in parts if part):
            return redact(text)
    return ""
