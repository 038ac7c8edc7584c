"""Everything about one job, for a person."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from shlex import quote
from typing import Any

from rich.console import Console
from rich.text import Text

from producer.cli.doors.door import JobDetail, VideoPlace
from producer.cli.shared.formatting import ago, duration, error_line, one_line, size
from producer.cli.shared.money import amount, cost_line, estimate_line
from producer.cli.shared.terminal import console, state_text
from producer.operator_actions.adoption import Candidate, candidates, differences
from producer.operator_actions.waiting import WaitReason
from producer.wording import plural, repair_account
from storage.jobs.records import JobView
from storage.jobs.states import JobState
from storage.journal.state import RESTORED

_WIDTH = 10
_SOURCES = {"list": "the gateway's list", "callback": "a callback", "answer": "the answer to the POST"}


def print_detail(found: JobDetail) -> None:
    """Print a job: its request, its state and why it waits, every attempt, and its timeline."""
    job, attempts, events = found.job, found.attempts, found.events
    waiting = [wait_line(job, wait) for wait in found.waits]
    out = console()
    out.print(Text.assemble(("Job ", "bold"), (str(job.id), "bold"), "  ", state_text(job.state)))
    for name, value in [*_facts(job), *_video(job, found.place), *(("waits", line) for line in waiting)]:
        out.print(Text.assemble((f"  {name:<{_WIDTH}}", "bright_black"), one_line(value, 1000)), soft_wrap=True)
    if attempts:
        _print_attempts(out, attempts)
    if attempts and job.state is JobState.UNCONFIRMED and (there := candidates(attempts[-1])):
        _print_candidates(out, there)
    if events:
        _print_timeline(out, events)


def _facts(job: JobView) -> Iterator[tuple[str, str]]:
    request = dict(job.request)
    yield "prompt", request.pop("prompt", "")
    if request:
        yield "request", " · ".join(f"{name} {_short(value)}" for name, value in request.items())
    if job.campaign:
        yield "campaign", job.campaign
    if job.idempotency_key:
        yield "key", job.idempotency_key
    extra = [f"priority {job.priority}"]
    if job.tags:
        extra.append(f"tags {', '.join(job.tags)}")
    if job.account_pin:
        extra.append(f"account {job.account_pin} only")
    if job.draft_ends_at is not None and job.draft_of is None:
        extra.append(f"a final can be made until {_clock(job.draft_ends_at)}")
    if job.finals:
        extra.append(f"finals {', '.join(map(str, job.finals))}")
    if job.deadline_at:
        extra.append(f"deadline {_clock(job.deadline_at)}")
    yield "job", " · ".join(extra)
    if job.metadata:
        yield "metadata", _short(job.metadata, 300)
    if job.account:
        model = f" ({job.gateway}, {job.model})" if job.model else ""
        task = f" · task {job.gateway_task_id}" if job.gateway_task_id else ""
        made = f"{plural(job.attempt, 'attempt')}, {plural(job.polls, 'poll')}"
        yield "account", f"{job.account}{model}{task} · {made}"
    yield "created", f"{_clock(job.created_at)} ({ago(job.created_at)})"
    if job.finished_at:
        took = (job.finished_at - job.created_at).total_seconds()
        yield "finished", f"{_clock(job.finished_at)}, {duration(took)} after creation"
    if job.estimate:
        yield "estimate", estimate_line(job.estimate)
    if job.cost:
        yield "cost", cost_line(job.cost, job.estimate)
    if job.error:
        yield "error", error_line(job.error)


def _short(value: object, limit: int = 80) -> str:
    if isinstance(value, list):
        return ", ".join(_short(item) for item in value)
    return one_line(value, limit)


def _video(job: JobView, place: VideoPlace | None) -> Iterator[tuple[str, str]]:
    if place is None or job.size_bytes is None:
        return

    yield "video", f"{place.video} · {size(job.size_bytes)} · sha256 {job.sha256}"
    if job.video_format:
        yield "format", format_line(job.video_format)
    if place.playable:
        yield "playable", place.playable
    yield "open", place.link
    if place.note:
        yield "", place.note


def format_line(found: Mapping[str, Any]) -> str:
    """A video's format in one line: codec, pixels, size, seconds, sound, and whether every browser plays it."""
    shown = [found.get("codec") or "unknown codec", found.get("pixel_format")]
    if found.get("width") and found.get("height"):
        shown.append(f"{found['width']}×{found['height']}")
    if found.get("seconds"):
        shown.append(f"{found['seconds']:g} s")
    shown += [f"sound {found['audio']}" if found.get("audio") else "no sound", found.get("container")]
    if not found.get("playable"):
        shown.append("not every browser plays it")
    return " · ".join(str(part) for part in shown if part)


def _clock(instant: datetime) -> str:
    return f"{instant.astimezone():%Y-%m-%d %H:%M:%S}"


def _print_attempts(out: Console, attempts: Sequence[Mapping[str, Any]]) -> None:
    out.print("Attempts", style="bold")
    for attempt in attempts:
        started, finished = attempt["started_at"], attempt["finished_at"]
        took = f" in {duration((finished - started).total_seconds())}" if finished else ""
        outcome = attempt["outcome"] or "no outcome yet"
        status = f" (HTTP {attempt['http_status']})" if attempt["http_status"] else ""
        error = f" · {error_line(attempt['error'])}" if attempt["error"] else ""
        unused = f" · task {attempt['gateway_task_id']} is not used by the job" if attempt["surplus"] else ""
        what = f"{outcome}{status}{took}{unused}{error}"
        line = f"{attempt['number']} · {_clock(started)} · {attempt['account']} · {what}"
        out.print(f"  {one_line(line, 500)}", soft_wrap=True)


def _print_candidates(out: Console, found: Sequence[Candidate]) -> None:
    out.print("Candidates", style="bold")
    for item in found:
        created = f" · created {_clock(item.created_at)}" if item.created_at else ""
        status = f" · {item.status}" if item.status else ""
        taken = " · belongs to another job" if item.taken else ""
        line = f"{item.task_id} · from {_SOURCES.get(item.source, item.source)}{status}{created}{taken}"
        out.print(f"  {one_line(line, 300)}", soft_wrap=True)
        if item.matches:
            out.print(f"    matches: {', '.join(item.matches)}", soft_wrap=True)
        if item.differs:
            out.print(f"    differs: {one_line(differences(item.differs), 500)}", soft_wrap=True)


def _print_timeline(out: Console, events: Sequence[Mapping[str, Any]]) -> None:
    out.print("Timeline", style="bold")
    start = events[0]["at"]
    for event in events:
        after = f"+{(event['at'] - start).total_seconds():.1f} s"
        message = (event["detail"] or {}).get("message")
        tail = f"  {one_line(message, 200)}" if message else ""
        tail += f"  by {one_line(event['actor'], 200)}" if event["actor"] else ""
        state = state_text(event["target"])
        state.pad_right(max(14 - len(state), 0))
        line = Text.assemble(
            f"  {event['at'].astimezone():%H:%M:%S}  ", (f"{after:>10}  ", "bright_black"), state, event["reason"], tail
        )
        out.print(line, soft_wrap=True)


def wait_line(job: JobView, wait: WaitReason) -> str:
    """One reason why a job waits, as a sentence."""
    found, campaign = wait.values, quote(job.campaign or "")
    match wait.code:
        case "submits_held":
            if found["hold"] == RESTORED:
                return "the database was restored and is compared with its journal first; see `reelq db status`"
            return "all submits are held until the operator decides: `reelq db status`, then `reelq db confirm`"
        case "tried_again":
            return f"retry in {duration(found['seconds'])}: {found['reason']}"
        case "paused":
            return f"the campaign is paused; continue it with `reelq campaign resume {campaign}`"
        case "kept_back":
            return f"the campaign runs its first rows only; `reelq campaign resume {campaign}` submits the rest"
        case "before_start":
            when = f"`reelq campaign set {campaign} --start-at`"
            return f"the campaign starts at {_clock(found['until'])}; {when} changes that"
        case "quiet_hours":
            when = f"`reelq campaign set {campaign} --quiet-hours`"
            return f"the campaign has quiet hours until {_clock(found['until'])}; {when} changes them"
        case "max_concurrent":
            most = f"`reelq campaign set {campaign} --max-concurrent`"
            return f"the campaign runs {found['used']} of at most {found['most']} jobs at once; {most} changes that"
        case "over_budget":
            left = amount(max(found["left"], 0), found["currency"])
            price = amount(found["price"], found["currency"])
            raised = _set_budget(found, f'"AMOUNT {found["currency"]}"')
            return f"{_whose(found)} has {left} left, and this job may cost {price}; {raised}"
        case "no_price":
            problem = f"{_whose(found)} is in {found['currency']}, and the job has no price in that currency"
            return f"{problem}; give the account `rates` and enqueue the job again, or {_set_budget(found, 'none')}"
        case "account_missing":
            return f"account {found['account']}, to which it is pinned, is not configured; add it, or cancel the job"
        case "no_account":
            return "no configured account can serve this job; add one, or cancel the job"
        case "account_paused":
            return f"account {found['account']} is paused; `reelq accounts resume {found['account']}` continues"
        case "removing":
            return f"account {found['account']} is being removed; add another that can serve this job"
        case "suspended":
            until, error = _clock(found["until"]), error_line(found["error"])
            return f"{_of(found)} is suspended until {until}: {error}; {repair_account(found['account'])}"
        case "misrouted":
            return (
                f"the base_url of {_of(found)} does not lead to its gateway's API since {_clock(found['since'])}; "
                f"next try at {_clock(found['until'])}: {error_line(found['error'])}"
            )
        case "outage":
            return (
                f"the gateway of {_of(found)} is down since {_clock(found['since'])}; next try at "
                f"{_clock(found['until'])}: {error_line(found['error'])}"
            )
        case "throttled":
            return f"{_of(found)} reported too many requests; it pauses until {_clock(found['until'])}"
        case "model_closed":
            return (
                f"{_of(found)} cannot be used with this key; next try at {_clock(found['until'])}: "
                f"{error_line(found['error'])}"
            )
        case "probing":
            return f"{_of(found)} is tried with a few jobs after a failure: {error_line(found['error'])}"
        case "slots_taken":
            return f"every slot of {_of(found)} is taken ({found['used']} of {found['most']})"
        case "requests_per_minute" | "polls_per_minute":
            return f"{_of(found)} has used up its {wait.code} ({found['most']})"
        case "held" | "looked_for":
            search = "Check there, then" if wait.code == "held" else "reelq searches for its task; if you know it,"
            return (
                f"unknown whether the gateway accepted this job. {search} run `reelq jobs resolve {job.id}` with "
                "--adopt TASK_ID, --resubmit (may pay twice) or --abandon"
            )
        case "polled":
            return f"next poll within {duration(found['seconds'])}" + (
                f" ({found['reason']})" if found["reason"] else ""
            )
        case "copied":
            return f"retry of the copy in {duration(found['seconds'])}: {found['reason']}"
        case "parts_silent":
            return f"not seen for a minute: {', '.join(found['parts'])}; start `reelq up`, or run `reelq doctor`"


def _of(found: Mapping[str, Any]) -> str:
    return f"model {found['model']} of {found['account']}" if "model" in found else str(found["account"])


def _whose(found: Mapping[str, Any]) -> str:
    return f"the budget of {found['campaign'] or 'the tenant'} ({amount(found['amount'], found['currency'])})"


def _set_budget(found: Mapping[str, Any], to: str) -> str:
    # An API of an earlier release does not name the tenant.
    whose = (
        f"campaign set {quote(found['campaign'])}"
        if found["campaign"]
        else f"tenants set {found.get('tenant', 'NAME')}"
    )
    return f"run `reelq {whose} --budget {to}`"
