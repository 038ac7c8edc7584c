"""new-api's list of a user's tasks, `GET /api/task/self`: a dashboard call with the user's access token.

It lists the tasks of all API keys of the user, newest first, and filters by `submit_time`, which is set when the
upstream has answered. A task is recorded only after that, and a fault of the gateway's database appears as an empty
list, so absence proves nothing. `properties.input` is empty in the published software; deployments put the prompt or
the whole request there.

Sources: QuantumNous/new-api, controller/task.go, router/api-router.go, middleware/auth.go, model/task.go, dto/task.go,
common/page_info.go.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from seedance.gateways import ark_task
from seedance.gateways.answers import (
    count_of,
    object_of,
    read_json,
    seconds_of,
    text_of,
    unix_time_of,
    url_of,
    word_of,
)
from seedance.gateways.base import ListedTask, WireCall
from seedance.gateways.capabilities import ListLimits
from seedance.gateways.new_api.task import report_of

PATH = "/api/task/self"
LIMITS = ListLimits(page_size=100, filters_time=True, needs_user=True)
_MEDIA_FIELDS = ("image", "last_image", "images", "videos", "audios", "image_urls", "video_urls", "audio_urls")


def list_call(page: int, page_size: int, since: float | None, until: float | None) -> WireCall:
    """The call for one page of the user's tasks submitted from `since` to `until`, Unix seconds."""
    params = {"p": str(page), "page_size": str(min(page_size, LIMITS.page_size))}
    if since is not None:
        params["start_timestamp"] = str(max(math.floor(since), 1))  # 0 means no limit
    if until is not None:
        params["end_timestamp"] = str(max(math.ceil(until), 1))
    return WireCall("GET", PATH, params=params, as_user=True)


def user_headers(token: str, user_id: str) -> Mapping[str, str]:
    """Older versions require the bare token and the user's number; newer ones accept both and need only the token."""
    return {"Authorization": token, "New-Api-User": user_id}


def refusal_of(body: bytes) -> str | None:
    """Why the dashboard refused; None if it did not. Some versions refuse with HTTP 200."""
    top = object_of(read_json(body))
    return text_of(top.get("message")) or "it gave no reason" if top.get("success") is False else None


def read_page(body: bytes) -> tuple[int | None, tuple[ListedTask, ...], int] | None:
    """Total, tasks and the number of unreadable entries; None if it is not such a list."""
    top = object_of(read_json(body))
    data = top.get("data")
    items = data if isinstance(data, list) else object_of(data).get("items")
    if top.get("success") is not True or not isinstance(items, list):
        return None
    read = [_listed(object_of(item)) for item in items]
    tasks = tuple(task for task in read if task is not None)
    return count_of(object_of(data).get("total")), tasks, len(read) - len(tasks)


def _listed(item: Mapping[str, Any]) -> ListedTask | None:
    task_id, report = text_of(item.get("task_id")).strip(), report_of(item)
    if not task_id or report is None:
        return None
    properties = object_of(_parsed(item.get("properties")))
    asked = object_of(_parsed(properties.get("input")))
    echoed = ark_task.echoed(object_of(item.get("data")))
    for source in (properties, asked):
        echoed["duration"] = echoed["duration"] or seconds_of(source.get("duration"))
        echoed["resolution"] = echoed["resolution"] or word_of(source.get("resolution")).lower() or None
        echoed["ratio"] = echoed["ratio"] or word_of(source.get("aspect_ratio") or source.get("ratio")) or None
    return ListedTask(
        task_id,
        unix_time_of(item.get("submit_time")) or unix_time_of(item.get("created_at")),
        word_of(properties.get("origin_model_name")),
        report,
        prompt=_prompt(asked) if asked else text_of(properties.get("input")) or None,
        media=tuple(_media(asked)) if asked else None,
        **echoed,
    )


def _parsed(value: object) -> object:
    """Parse a value if it is JSON stored as text."""
    return read_json(value) if isinstance(value, str) and value.lstrip().startswith("{") else value


def _prompt(asked: Mapping[str, Any]) -> str | None:
    content = asked.get("content")
    items = [object_of(item) for item in content] if isinstance(content, list) else []
    texts = [text_of(item.get("text")) for item in items if item.get("type") == "text"]
    return text_of(asked.get("prompt")) or next(filter(None, texts), None)


def _media(asked: Mapping[str, Any]) -> Iterator[str]:
    content = asked.get("content")
    for item in content if isinstance(content, list) else ():
        for part in object_of(item).values():
            if url := url_of(object_of(part).get("url")):
                yield url
    for holder in (asked, object_of(asked.get("metadata"))):
        for name in _MEDIA_FIELDS:
            value = holder.get(name)
            yield from filter(None, map(url_of, value if isinstance(value, list) else [value]))
