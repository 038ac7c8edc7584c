"""The page's languages and forms, without a server."""

from __future__ import annotations

import re
import string
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from pathlib import Path
from typing import get_args

import pytest

from producer.campaigns.decisions.verdicts import Verb
from producer.cli.shared.money import estimate_line
from producer.health.accounts import STATES as ACCOUNT_STATES
from producer.web.actors import actor_in
from producer.web.charts import bar, chart_of, nice
from producer.web.formatting import Formatter, zone_of
from producer.web.forms import back_to
from producer.web.job_form import fields_of, refused, with_own_key
from producer.web.language import LANGUAGES, catalogue, choose
from seedance.pricing import Basis
from seedance.problems import InvalidInput, Problem
from storage.actors import Kind, actor_of_key
from storage.jobs.states import JobState
from storage.reporting.overview import Rate

S = JobState
TEMPLATES = {
    item.name: item.read_text(encoding="utf-8") for item in files("producer.web").joinpath("templates").iterdir()
}
# Texts that are the same in every language.
NAMES = {"reelq", "HTTP", "SHA", "POST", "JSON", "https", "keys", "create", "name", "NAME"}


def test_every_language_has_the_same_texts_with_the_same_values() -> None:
    def values(text: str) -> set[str | None]:
        return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}

    first, *others = (catalogue(code).texts for code in LANGUAGES)
    for other in others:
        assert set(first) == set(other)
        for key in first:
            assert values(first[key]) == values(other[key]), key
    assert all(text.strip() for code in LANGUAGES for text in catalogue(code).texts.values())


def test_the_catalogue_has_exactly_the_texts_of_the_templates() -> None:
    known = set(catalogue("en").texts)
    named, prefixes = (
        set(),
        {
            "wall.",
            "decision.",
            "review.",
            "duration.",
            "tier.",
            "ratio.",
            "answer.",
            "reason.",
            "field.",
            "wait.",
            "actor.",
        },
    )
    for source in [*TEMPLATES.values(), *_sources()]:
        named |= set(re.findall(r"""["']([a-z]+\.[a-zA-Z_0-9-]+)["']""", source)) & known
        prefixes |= set(re.findall(r"""["']([a-z]+\.(?:state_)?)["'] ~""", source))
        prefixes |= {".".join(found) for found in re.findall(r'word\("([a-z]+)", (?:"(state_)" ~)?', source)}
        for key in re.findall(r"""\bt\(\s*["']([a-z]+\.[a-z_]+)["'][,)]""", source):
            assert key in known, key
    unused = {
        key
        for key in known - named
        if not key.startswith(tuple(prefixes)) and key.removesuffix("_one") not in named and key.split(".")[0] != "time"
    }
    assert not unused


def test_an_actor_is_shown_in_the_readers_language() -> None:
    english, chinese = catalogue("en"), catalogue("zh")
    for kind in Kind:
        actor = f"{kind} anna@studio-3" if "{name}" in english.texts[f"actor.{kind.name.lower()}"] else str(kind)
        assert actor_in(english, actor) == actor
        assert not actor_in(chinese, actor).startswith(str(kind))
    assert actor_in(chinese, "command line anna@studio-3") == "命令行 anna@studio-3"
    assert actor_in(chinese, actor_of_key("shop", "ab12", session=True)) == "密钥 shop (ab12) 的会话"
    assert actor_in(chinese, "keyboard of a program") == "keyboard of a program", "a program names itself as it likes"


def test_every_decision_about_a_campaign_has_words() -> None:
    recorded = {
        what
        for package in ("producer", "storage")
        for path in Path(package).rglob("*.py")
        for call in re.findall(r"decisions\.record\(([^)]*)", path.read_text(encoding="utf-8"))
        for what in re.findall(r'"campaign\.(\w+)"', call)
    }
    assert {"paused", "terms", "shared", "share_revoked"} <= recorded
    words = {key.removeprefix("decision.") for key in catalogue("en").texts if key.startswith("decision.")}
    assert words == recorded | {f"rows.{verb}" for verb in Verb}


def test_only_codes_of_closed_lists_need_their_words() -> None:
    """What another program or a newer release may have stored has words where they are known, and never fails."""
    closed = {"state", "window", "language", "field", "wait"}
    for name, source in TEMPLATES.items():
        assert set(re.findall(r't\("([a-z_.]+)[._]" ~', source)) <= closed, name
    texts = catalogue("en").texts
    for group, codes in (("state", JobState), ("basis", get_args(Basis)), ("account.state", ["ok", *ACCOUNT_STATES])):
        sign = "_" if "." in group else "."
        assert {f"{group}{sign}{code}" for code in codes} <= set(texts), group
    assert catalogue("zh").word("basis", "of_a_newer_release") == "of a newer release"
    estimate = {"low": 1, "high": 1, "currency": "USD", "as_of": "2026-01-01", "basis": "other"}
    assert estimate_line(estimate | {"also": {"CNY": estimate | {"basis": "newer"}}}).count("(prices)") == 1


def _sources() -> list[str]:
    return [item.read_text() for item in files("producer.web").iterdir() if item.name.endswith(".py")]


@pytest.mark.parametrize("name", sorted(TEMPLATES))
def test_no_template_has_bare_text(name: str) -> None:
    text = re.sub(r"(?s){#.*?#}|{%.*?%}|{{.*?}}", " ", TEMPLATES[name])
    seen = re.sub(r"""(?s)<[^>]*>|[\w-]+=("[^"]*"|'[^']*')""", " ", text)
    assert set(re.findall(r"[A-Za-z\u4e00-\u9fff]{2,}", seen)) <= NAMES
    spoken = re.findall(r"""(?:title|aria-label|placeholder|alt|value)=["']([^"']*)["']""", text)
    values = {"yes", "adopt", "resubmit", "abandon", "keep", "discard"}
    assert {item for item in spoken if item.strip()} <= values


@pytest.mark.parametrize("name", sorted(TEMPLATES))
def test_no_template_has_inline_scripts_or_styles_or_disables_escaping(name: str) -> None:
    source = TEMPLATES[name]
    assert not re.search(r"\sstyle\s*=|<style|\son\w+\s*=|javascript:|\|\s*safe\b|autoescape", source)
    assert all("src=" in tag for tag in re.findall(r"<script[^>]*>", source))


@pytest.mark.parametrize(
    ("cookie", "accept", "wanted"),
    [
        (None, "", "en"),
        (None, "zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        (None, "fr,en;q=0.5,zh;q=0.4", "en"),
        (None, "en;q=0.1,zh-TW;q=0.2", "zh"),
        (None, "zh;q=0,de", "en"),
        (None, "zh;q=x", "en"),
        ("zh", "en", "zh"),
        ("xx", "zh", "zh"),
    ],
)
def test_the_language_is_the_cookies_or_the_browsers(cookie: str | None, accept: str, wanted: str) -> None:
    assert choose(cookie, accept) == wanted


def test_times_are_in_the_viewers_zone() -> None:
    now = datetime(2026, 11, 21, 23, 30, tzinfo=UTC)
    here = Formatter(catalogue("zh"), zone_of("Asia/Shanghai"), now)
    assert ">07:29:00<" in here.clock(now - timedelta(minutes=1))
    assert ">2026-11-20 07:30:00<" in here.clock(now - timedelta(days=2) + timedelta(hours=0))
    assert 'datetime="2026-11-21T23:30:00.000+00:00"' in here.clock(now)
    assert ">3 分钟前<" in here.ago(now - timedelta(minutes=3))
    away = Formatter(catalogue("en"), zone_of("../etc/passwd"), now)
    assert ">23:30:00<" in away.clock(now)
    assert ">in 2 h<" in away.until(now + timedelta(hours=2))
    assert (away.span(3.26), away.span(3.2, exact=False), away.span(600)) == ("3.3 s", "3 s", "10 min")
    assert away.money_span(0.5, 2, "USD") == "USD 0.5000 – 2.00"


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("audio", True, ("Yes", "是")),
        ("watermark", False, ("No", "否")),
        ("duration", 4, ("4 s", "4 秒")),
        ("duration", -1, ("Automatic", "自动")),
        ("seed", 4, ("4", "4")),
        ("reference_images", ["a.png", "b.png"], ("a.png, b.png", "a.png, b.png")),
        ("first_frame", "x" * 301, ("x" * 80 + "… (301)",) * 2),
    ],
)
def test_a_field_of_a_request_is_in_the_readers_words(name: str, value: object, said: tuple[str, str]) -> None:
    now = datetime(2026, 11, 21, tzinfo=UTC)
    assert tuple(Formatter(catalogue(of), UTC, now).field(name, value) for of in LANGUAGES) == said


def test_a_form_becomes_the_fields_of_a_job() -> None:
    form = {
        "prompt": " a fox \r\n runs ",
        "tier": "fast",
        "resolution": "",
        "duration": "5",
        "seed": "many",
        "audio": "no",
        "tags": "a, b，c,",
        "reference_images": "https://a/1.png\n\n https://a/2.png ",
        "priority": "0",
        "unknown": "x",
    }
    assert fields_of(form) == {
        "prompt": "a fox \n runs",
        "tier": "fast",
        "duration": 5,
        "seed": "many",
        "audio": False,
        "tags": ["a", "b", "c"],
        "reference_images": ["https://a/1.png", "https://a/2.png"],
        "priority": 0,
    }


def test_the_same_form_sent_twice_is_one_job_and_a_changed_one_another() -> None:
    once = with_own_key({"prompt": "a"}, "0123456789ab")
    assert once == with_own_key({"prompt": "a"}, "0123456789ab")
    assert once["idempotency_key"] != with_own_key({"prompt": "b"}, "0123456789ab")["idempotency_key"]
    assert once["idempotency_key"] != with_own_key({"prompt": "a"}, "another-form")["idempotency_key"]
    own = {"prompt": "a", "idempotency_key": "mine"}
    assert with_own_key(own, "0123456789ab") == own


def test_problems_are_shown_beside_their_fields() -> None:
    exc = InvalidInput(
        [Problem("duration", "too long"), Problem("reference_images[1]", "no URL"), Problem("accounts", "none")]
    )
    form = refused({"duration": "99", "prompt": "a"}, exc)
    assert form.problems == {"duration": ["too long"], "reference_images": ["reference_images[1]: no URL"]}
    assert form.other == ["accounts: none"]
    assert form.given["duration"] == "99"
    assert form.more_open


def test_redirects_lead_to_local_paths_only() -> None:
    assert back_to("/jobs?state=failed") == "/jobs?state=failed"
    for path in ("//evil.example", "/\\evil.example", "https://evil.example", "", "/\n/evil", "javascript:x"):
        assert back_to(path) == "/"


def test_charts_have_a_stable_scale_and_correct_sums() -> None:
    rate = Rate(60.0, 60, [{}, {"succeeded": 3, "failed": 1}, {"cancelled": 8}])
    chart = chart_of(rate)
    assert (chart.top, chart.start, chart.end, chart.width) == (8, 60.0, 240.0, 30.0)
    assert chart.totals == {S.SUCCEEDED: 3, S.FAILED: 1, S.CANCELLED: 8}
    heights = [[box.height for box in column.boxes] for column in chart.columns]
    assert heights == [[], [37.5, 12.5], [100.0]]
    assert [nice(number) for number in (0, 4, 5, 11, 99, 151, 100_001)] == [4, 4, 5, 15, 100, 200, 150_000]
    boxes = bar({S.SUCCEEDED: 1_000_000, S.FAILED: 1, S.QUEUED: 0})
    assert [box.state for box in boxes] == [S.SUCCEEDED, S.FAILED]
    assert boxes[1].width >= 6
    assert sum(box.width for box in boxes) == pytest.approx(1000, abs=0.1)
