"""How commands print text, tables and the pace."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from producer.cli.campaigns.stored_text import stored_lines
from producer.cli.doors.here.jobs import link_note
from producer.cli.jobs.detail import wait_line
from producer.cli.shared.formatting import clean, counts_line, duration, error_line, one_line, size
from producer.cli.shared.output import print_table
from producer.cli.shared.pace import Pace
from producer.intake.start import Start
from producer.operator_actions.waiting import WaitReason, reasons
from producer.wording import plural
from storage.admission.grants import Hold
from storage.jobs.records import JobView
from storage.jobs.states import JobState
from storage.settings import Settings


def test_text_from_outside_cannot_steer_the_terminal() -> None:
    assert clean("a\x1b[2Jb\x07c\u202ed") == "a\ufffd[2Jb\ufffdc\ufffdd"
    assert one_line("a\r\n  b\tc" + "d" * 300, 10) == "a b cdddd…"
    assert clean("雨夜 é") == "雨夜 é"


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.04, "0.0 s"), (9.94, "9.9 s"), (10, "10 s"), (119, "119 s"), (120, "2 min"), (7200, "2 h"), (172800, "2 days")],
)
def test_durations_are_rounded(seconds: float, said: str) -> None:
    assert duration(seconds) == said
    assert duration(-seconds) == (f"-{said}" if seconds else said)


def test_plurals_errors_and_counts() -> None:
    assert (plural(1, "poll"), plural(2, "poll")) == ("1 poll", "2 polls")
    assert (size(512 * 1024), size(3 * 2**20)) == ("512 KiB", "3.0 MiB")
    assert error_line({"code": "abandoned", "message": "given up\nby hand"}) == "abandoned: given up by hand"
    assert error_line(None) == ""
    counts = {JobState.SUCCEEDED: 2, JobState.QUEUED: 1, JobState.FAILED: 0}
    assert counts_line(counts) == "1 queued · 2 succeeded"
    assert counts_line({}) == "no jobs"


def test_a_piped_table_is_plain_aligned_and_never_cut(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(["ID", "STATE", "PROMPT"], [["1", "queued", "x" * 500], ["22", "failed", "[bold]y"]], states="STATE")
    lines = capsys.readouterr().out.splitlines()
    assert lines == ["ID  STATE   PROMPT", f"1   queued  {'x' * 500}", "22  failed  [bold]y"]


def test_the_pace_covers_the_last_half_minute() -> None:
    now = [0.0]
    pace = Pace(100, clock=lambda: now[0])
    pace.note(0)
    assert (pace.per_second, pace.left_s) == (0.0, None)
    for second in range(1, 61):
        now[0] = float(second)
        pace.note(second if second <= 30 else 30 + (second - 30) // 2)
    assert pace.per_second == pytest.approx(0.5, abs=0.05)
    assert pace.left_s == pytest.approx(110, abs=10)
    assert pace.line().startswith("0.5 jobs/s · ")
    assert pace.line(last=True) == "in 60 s"


def a_job(state: JobState, **fields: Any) -> JobView:
    values: dict[str, Any] = dict.fromkeys(JobView.__dataclass_fields__)
    values |= {"id": uuid4(), "state": state, "due_at": datetime.now(UTC) + timedelta(seconds=30.5)} | fields
    return JobView(**values)


def test_wait_reasons_are_sentences() -> None:
    def why(job: JobView, hold: Hold | None = None, silent: tuple[str, ...] = ()) -> str:
        found = reasons(job, holds=[("main", hold)], silent=silent)
        return "\n".join(wait_line(job, wait) for wait in found)

    assert why(a_job(JobState.QUEUED, reason="throttled")) == "retry in 30 s: throttled"
    ready = a_job(JobState.QUEUED, due_at=datetime.now(UTC) - timedelta(seconds=1))
    values = {
        "until": datetime.now(UTC),
        "since": datetime.now(UTC),
        "error": {"code": "account_problem", "message": "no credit"},
    }
    assert "main is suspended until" in why(ready, Hold("suspended", values))
    assert "no credit" in why(ready, Hold("suspended", values))
    assert "the gateway of main is down since" in why(ready, Hold("outage", values))
    assert "the base_url of main does not lead" in why(ready, Hold("misrouted", values))
    closed = why(ready, Hold("model_closed", values | {"model": "seedance-fast"}))
    assert "model seedance-fast of main cannot be used with this key" in closed
    assert why(ready, Hold("slots_taken", {"used": 3, "most": 3})) == "every slot of main is taken (3 of 3)"
    assert why(ready, Hold("requests_per_minute", {"most": 5})) == "main has used up its requests_per_minute (5)"
    assert why(ready) == ""
    assert "reelq jobs resolve" in why(a_job(JobState.UNCONFIRMED))
    assert why(a_job(JobState.GENERATING, reason="generating")) == "next poll within 30 s (generating)"
    assert why(a_job(JobState.TRANSFERRING, reason="download_failed")) == "retry of the copy in 30 s: download_failed"
    assert "not seen for a minute: scheduler" in why(ready, silent=("scheduler",))


def test_texts_count_in_the_singular_too() -> None:
    """`is empty in 1 rows`: a number before a noun goes through `plural`, unless it is a limit."""
    counted = re.compile(r"\{(?!plural)[^{}]+\} (?:rows|jobs|videos|campaigns|accounts|deliveries|tasks)\b")
    limits = re.compile(r"at most|more than|log\.|_SQL|of a row|jobs/s")
    found = {
        f"{path}: {line.strip()}"
        for path in Path("producer").rglob("*.py")
        for line in path.read_text(encoding="utf-8").splitlines()
        if counted.search(line) and not limits.search(line)
    }
    assert not found


@pytest.mark.parametrize(("looks", "said"), [(1, "makes the finals"), (0, "only marks them")])
def test_a_run_says_what_approving_its_proofs_does(looks: int, said: str) -> None:
    stored = {
        "rows": 1,
        "sheet_rows": 1,
        "created": 1,
        "known": 0,
        "proofs": {"drafts": 0, "looks": looks, "as_asked": 1 - looks},
        "differs": [],
        "edited": {"replaced": [], "again": [], "paid_for": []},
        "not_in_file": [],
    }
    lines = list(stored_lines(stored, "lamps", Start(), None))
    assert lines[1].endswith(f"; `reelq campaign approve lamps` {said}")


@pytest.mark.parametrize(
    ("store", "public", "says"),
    [
        ("http://s3:8333", None, "works only where s3 is known; for others set s3_public_endpoint_url"),
        ("http://s3.video.svc.cluster.local:8333", None, "works only where s3.video.svc.cluster.local is known"),
        ("http://s3:8333", "https://videos.example.com", ""),
        ("https://s3.example.com", None, ""),
        ("http://127.0.0.1:8333", None, ""),
        ("http://localhost:8333", None, ""),
        ("http://[::1]:8333", None, ""),
        (None, None, ""),
    ],
)
def test_a_link_that_works_only_inside_says_so(store: str | None, public: str | None, says: str) -> None:
    note = link_note(Settings(s3_endpoint_url=store, s3_public_endpoint_url=public))
    assert note.startswith(says) and bool(note) is bool(says)


@pytest.mark.parametrize(
    ("campaign", "command"), [(None, "tenants set acme"), ("spring sale", "campaign set 'spring sale'")]
)
def test_the_advice_about_a_budget_names_whose_it_is_and_what_is_missing(campaign: str | None, command: str) -> None:
    """Seen: `reelq tenants set TENANT --budget …`."""
    budget = {"tenant": "acme", "campaign": campaign, "amount": 60, "left": 4.9, "currency": "CNY"}
    job = a_job(JobState.QUEUED)
    said = wait_line(job, WaitReason("over_budget", budget | {"price": 5}))
    assert said.endswith(f'run `reelq {command} --budget "AMOUNT CNY"`')
    assert wait_line(job, WaitReason("no_price", budget)).endswith(f"or run `reelq {command} --budget none`")
