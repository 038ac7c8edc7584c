"""Checks of the work, in the database: the parts that move jobs, their versions, links that end soon, webhooks,
counts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from producer.health.findings import Finding, bad, good, warn
from storage.database import Connection
from storage.heartbeats import API, Instance, instances, own_version
from storage.reporting import count_checks
from storage.reporting.overview import SOON_S, ending_links
from storage.webhooks.messages import oldest_waiting_s

PARTS = {
    "scheduler": "celery -A worker beat",
    "submit": "celery -A worker worker -Q submit,poll,notify",
    "poll": "celery -A worker worker -Q submit,poll,notify",
    "transfer": "celery -A worker worker -Q transfer",
    "notify": "celery -A worker worker -Q submit,poll,notify",
}
"""The parts that jobs need besides the servers, and how each is started."""
STUCK_S = 3600.0
"""A webhook message that waits longer means a receiver that fails."""
_SHOWN_TENANTS = 5


def check_parts(conn: Connection, fresh_s: float) -> Iterator[Finding]:
    """Whether each part was seen within the last `fresh_s` seconds, and whether all are of one version."""
    found = instances(conn, fresh_s)
    seen = {one.component for one in found}
    for part, command in PARTS.items():
        if part in seen:
            yield good(part, f"running: {_names(one for one in found if one.component == part)}")
        else:
            text = f"not seen in the last {fresh_s:g} s; start `reelq up` or `{command}`"
            yield bad(part, text, "no_scheduler" if part == "scheduler" else "no_worker")
    if API in seen:
        yield good(API, f"running: {_names(one for one in found if one.component == API)}")
    yield from _versions(found)


def _names(found: Iterable[Instance]) -> str:
    return ", ".join(f"{one.instance} ({one.version or 'an older version'})" for one in found)


def versions_of(found: Iterable[Instance]) -> dict[str, list[str]]:
    """The processes by their version of reelq, this program among them; a release from before 0033 is "an older
    version"."""
    versions: dict[str, set[str]] = {own_version(): {"this program"}}
    for one in found:
        versions.setdefault(one.version or "an older version", set()).add(f"{one.component} {one.instance}")
    return {version: sorted(who) for version, who in sorted(versions.items())}


def _versions(found: Iterable[Instance]) -> Iterator[Finding]:
    versions = versions_of(found)
    if len(versions) > 1:
        said = "; ".join(f"{version}: {', '.join(who)}" for version, who in versions.items())
        text = (
            f"{len(versions)} versions of reelq run ({said}); finish the upgrade, or stop what is left of the old one"
        )
        yield warn("versions", text, "versions_differ")


def check_links(conn: Connection) -> Iterator[Finding]:
    """Whether finished videos are about to be lost."""
    count, least_s = ending_links(conn, SOON_S)
    if count:
        text = (
            f"{count} finished videos are not copied yet and their links end soon, the first in "
            f"{max(least_s, 0) / 60:.0f} min; see `reelq jobs list --state transferring`, the bucket and the transfer "
            "workers"
        )
        yield bad("links", text, "links_end")


def check_webhooks(conn: Connection) -> Iterator[Finding]:
    """Whether webhooks are delivered."""
    waiting_s = oldest_waiting_s(conn)
    if waiting_s is not None and waiting_s > STUCK_S:
        text = (
            f"a message has waited for {waiting_s / 3600:.1f} h; see `reelq webhooks list`, then repair or disable its "
            "receiver"
        )
        yield warn("webhooks", text, "webhooks_stuck")


def check_counts(conn: Connection) -> Iterator[Finding]:
    """Whether the counts that pages and metrics show are those of the rows, at first sight."""
    wrong = count_checks.look(conn, count_checks.tenants(conn))
    parts = (
        [f"jobs of {', '.join(wrong[:_SHOWN_TENANTS])}{' and others' if wrong[_SHOWN_TENANTS:] else ''}"]
        if wrong
        else []
    )
    if not count_checks.look_at_messages(conn):
        parts.append("webhook messages")
    if parts:
        text = (
            f"the counts of {' and of '.join(parts)} are wrong, because a program wrote rows without the triggers of "
            "their tables; a transfer worker corrects them within minutes, `reelq db recount` does so now"
        )
        yield warn("counts", text, "counts_wrong")
