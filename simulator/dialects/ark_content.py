"""Ark's content array: text, then images, then videos, then audios, in one of three exclusive modes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from simulator.dialects.media_refs import BadMedia, check_media
from simulator.wire.ark_error import ArkError, invalid, missing

Mode = Literal["text", "first_frame", "first_last_frame", "reference"]


@dataclass(frozen=True, slots=True)
class Counts:
    """The most references of a kind, and of all kinds (None: no limit of their own)."""

    images: int
    videos: int
    audios: int
    together: int | None = None
    audio_alone: bool = False


COUNTS_2_0, COUNTS_2_5 = Counts(9, 3, 3), Counts(30, 10, 10, together=50, audio_alone=True)
_ORDER = ("text", "image_url", "video_url", "audio_url")
_ROLES = {
    "image_url": ("first_frame", "last_frame", "reference_image"),
    "video_url": ("reference_video",),
    "audio_url": ("reference_audio",),
}


@dataclass(frozen=True, slots=True)
class Content:
    """A valid content array."""

    text: str
    mode: Mode
    images: tuple[str, ...]
    videos: tuple[str, ...]
    audios: tuple[str, ...]
    assets: tuple[tuple[str, str], ...]
    """Kind and id of each referenced asset."""


def read_content(items: Any, *, roles_needed: bool, counts: Counts = COUNTS_2_0) -> Content:
    """Check a content array.

    `roles_needed`: every image must state its role. Otherwise a single image without a role is the first frame.

    Raises:
        ArkError: names the first broken rule.
    """
    if not isinstance(items, list) or not items:
        raise invalid("content", "must be a list of at least one item")
    text = ""
    media: dict[str, list[str]] = {"image_url": [], "video_url": [], "audio_url": []}
    roles: list[str] = []
    assets: list[tuple[str, str]] = []
    rank = 0
    for index, item in enumerate(items):
        at = f"content[{index}]"
        kind = item.get("type") if isinstance(item, dict) else None
        if kind not in _ORDER:
            raise invalid(f"{at}.type", f"must be one of {', '.join(_ORDER)}")
        if _ORDER.index(kind) < rank:
            raise invalid("content", "the order must be text, images, videos, audios")
        rank = _ORDER.index(kind)
        if kind == "text":
            if index:
                raise invalid(at, "only one text item is allowed")
            text = _text(item, at)
            continue
        url, role = _media(item, kind, at, assets)
        media[kind].append(url)
        if kind == "image_url":
            roles.append(role)
    mode = _mode(roles, media, counts, roles_needed=roles_needed)
    if mode == "text" and not text:
        raise missing("content.text")
    images, videos, audios = (tuple(media[kind]) for kind in _ORDER[1:])
    return Content(text, mode, images, videos, audios, tuple(assets))


def _text(item: dict[str, Any], at: str) -> str:
    _only(item, {"type", "text"}, at)
    text = item.get("text")
    if not isinstance(text, str) or not text.strip():
        raise invalid(f"{at}.text", "must be a non-empty string")
    return text


def _media(item: dict[str, Any], kind: str, at: str, assets: list[tuple[str, str]]) -> tuple[str, str]:
    _only(item, {"type", kind, "role"}, at)
    holder = item.get(kind)
    url = holder.get("url") if isinstance(holder, dict) else None
    if not isinstance(holder, dict) or not isinstance(url, str) or not url:
        raise missing(f"{at}.{kind}.url")
    _only(holder, {"url"}, f"{at}.{kind}")
    role = item.get("role", "")
    if role and role not in _ROLES[kind]:
        raise invalid(f"{at}.role", f"must be one of {', '.join(_ROLES[kind])}")
    if not role and kind != "image_url":
        raise missing(f"{at}.role")
    try:
        asset = check_media(kind.removesuffix("_url"), url)
    except BadMedia as exc:
        code = "InvalidImageURL.InvalidFormat" if kind == "image_url" else "InvalidParameter"
        raise ArkError(code, f"The parameter `{at}.{kind}` is not valid: {exc}.", f"{at}.{kind}") from exc
    if asset:
        assets.append((kind.removesuffix("_url"), asset))
    return url, role


def _mode(roles: list[str], media: dict[str, list[str]], counts: Counts, *, roles_needed: bool) -> Mode:
    if "" in roles:
        if roles_needed or len(roles) > 1:
            raise missing("content.role")
        roles = ["first_frame"]
    frames = [role for role in roles if role != "reference_image"]
    references = len(roles) > len(frames) or media["video_url"] or media["audio_url"]
    if frames and references:
        raise invalid("content", "first frame, first and last frame, and references cannot be mixed")
    for role in ("first_frame", "last_frame"):
        if roles.count(role) > 1:
            raise invalid("content", f"more than one {role}")
    if "last_frame" in roles and "first_frame" not in roles:
        raise invalid("content", "last_frame requires first_frame")
    limits = (("image_url", counts.images), ("video_url", counts.videos), ("audio_url", counts.audios))
    for kind, limit in limits:
        if len(media[kind]) > limit:
            raise invalid(f"content.{kind}", f"at most {limit}")
    if counts.together is not None and sum(map(len, media.values())) > counts.together:
        raise invalid("content", f"at most {counts.together} references")
    if media["audio_url"] and not (counts.audio_alone or media["image_url"] or media["video_url"]):
        raise invalid("content.audio_url", "reference_audio cannot be the only reference input")
    if "last_frame" in roles:
        return "first_last_frame"
    if frames:
        return "first_frame"
    return "reference" if references else "text"


def _only(holder: dict[str, Any], known: set[str], at: str) -> None:
    for name in holder:
        if name not in known:
            raise invalid(f"{at}.{name}", "no such parameter")
