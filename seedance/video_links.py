"""Where the video of a finished task is, from the link that its gateway gives. Pure."""

from __future__ import annotations

from dataclasses import replace

from yarl import URL

from seedance.gateways.base import TaskReport
from seedance.gateways.checks import is_public


def located(report: TaskReport, base_url: str, path: str | None) -> TaskReport:
    """The report on a task that succeeded, with a URL of the video that can be reached. A gateway may give only the
    path on its own host, or a link to its own call at another address than ours, such as `localhost`; the key goes to
    ours alone.

    `path`: of the gateway's own call that sends the video, below `base_url`; None: it has none.
    """
    url = report.video_url
    if url is not None and url.startswith("/"):
        return replace(report, video_url=f"{URL(base_url).origin()}{url}")
    if path is None or (url is not None and not _is_own_call(url, path)):
        return report
    own = f"{base_url}{path}"
    return replace(report, content_url=own) if url is None else replace(report, video_url=own)


def _is_own_call(url: str, path: str) -> bool:
    """Whether a link leads to the gateway's own call, at whatever address. With a query at a public host it may be
    signed, and stays as it is."""
    place = url.partition("?")[0]
    if path not in place and place.isascii() and "%" not in place and "/." not in place:
        return False  # as nearly all links, which take longer to parse
    try:
        link = URL(url)
    except ValueError:  # the copy says what is wrong with it
        return False
    return link.raw_path.endswith(path) and not (link.raw_query_string and is_public(link.host or ""))
