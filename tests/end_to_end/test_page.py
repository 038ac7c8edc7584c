"""The page in a real browser with a complete stack: the tasks of its users, in both languages."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from producer.web.language import catalogue
from tests.servers import TestServers
from tests.stack import Stack, running_stack
from tests.waiting import PATIENCE_S, wait_for

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium found: install it, or set CHROMIUM to its path"),
]

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
LOCALES = {"en": "en-GB", "zh": "zh-CN"}
SLOW_S, QUICK_S = 600.0, 0.6
TIMEOUT_MS = PATIENCE_S * 1000
WIDEST = """[...document.querySelectorAll("main *")].sort((a, b) => b.getBoundingClientRect().right
    - a.getBoundingClientRect().right)[0].outerHTML.slice(0, 200)"""
REPORT_VIOLATIONS = (
    "addEventListener('securitypolicyviolation', e => console.error('refused', e.violatedDirective, e.blockedURI))"
)

OpenPage = Callable[..., Page]


@pytest.fixture(scope="module")
def stack(servers: TestServers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with running_stack(tmp_path_factory.mktemp("page"), servers=servers) as started:
        yield started


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    expect.set_options(timeout=TIMEOUT_MS)
    with sync_playwright() as driver:
        launched = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield launched
        launched.close()


@pytest.fixture
def open_page(stack: Stack, browser: Browser) -> Iterator[OpenPage]:
    """Opens pages. The test fails at its end if a page logs an error or sends a request to another host."""
    info = stack.info()
    ours = {urlsplit(url).netloc for url in (info["api"], info["s3"]["endpoint_url"])}
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def opened(path: str = "/", language: str = "en", *, may_fail: bool = False, **options: Any) -> Page:
        context = browser.new_context(locale=LOCALES[language], base_url=info["api"], **options)
        contexts.append(context)
        context.set_default_timeout(TIMEOUT_MS)
        page = context.new_page()
        if options.get("java_script_enabled", True):
            page.add_init_script(REPORT_VIOLATIONS)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda sent: None if _is_ours(sent.url, ours) else complaints.append(sent.url))
        if not may_fail:
            page.on("console", lambda line: complaints.append(line.text) if line.type in ("error", "warning") else None)
        page.goto(path)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert complaints == []


def _is_ours(url: str, ours: set[str]) -> bool:
    parts = urlsplit(url)
    return parts.netloc in ours if parts.scheme in ("http", "https") else parts.scheme in ("data", "blob")


def mark(page: Page) -> None:
    """Set a mark that a reload would remove."""
    page.evaluate("window.marked = true")


def assert_not_reloaded(page: Page) -> None:
    assert page.evaluate("window.marked") is True


def job_id_of(page: Page) -> str:
    return urlsplit(page.url).path.rpartition("/")[2]


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_user_enqueues_watches_and_plays_a_job_and_cancels_another(
    stack: Stack, open_page: OpenPage, language: str
) -> None:
    t = catalogue(language).text
    stack.set_timing(kind="fixed", median_s=QUICK_S)
    page = open_page(language=language)
    page.get_by_label(t("field.prompt")).fill(f"a fox <b>&amp;</b> 狐狸 {language}")
    page.get_by_label(t("field.duration")).select_option("4")
    expect(page.locator(".estimate")).to_contain_text("simulator")
    page.get_by_role("button", name=t("new.send")).click()
    page.wait_for_url("**/jobs/*-*")
    mark(page)
    badge = page.locator(".title .badge")
    expect(badge).to_have_text(t("state.succeeded"))
    expect(page.locator("#said")).to_have_text(t("job.says", state=t("state.succeeded")))
    expect(page.get_by_role("heading", level=1)).to_have_text(f"a fox <b>&amp;</b> 狐狸 {language}")
    wait_for("the video is loaded", lambda: page.evaluate("document.querySelector('video').readyState >= 2"))
    page.evaluate("document.querySelector('video').muted = true; document.querySelector('video').play()")
    wait_for("the video plays", lambda: page.evaluate("document.querySelector('video').currentTime > 0.3"))
    assert_not_reloaded(page)
    assert stack.show(job_id_of(page))["state"] == "succeeded"

    stack.set_timing(kind="fixed", median_s=SLOW_S)
    page.goto("/jobs/new")
    page.get_by_label(t("field.prompt")).fill("a slow fox")
    page.get_by_role("button", name=t("new.send")).click()
    page.wait_for_url("**/jobs/*-*")
    expect(badge).to_have_text(t("state.generating"))
    expect(page.get_by_text(t("cancel.billed", account="simulator"))).to_be_visible()
    page.get_by_label(t("cancel.confirm")).check()
    page.get_by_role("button", name=t("cancel.discard")).click()
    expect(badge).to_have_text(t("state.cancelled"))
    expect(page.get_by_role("button", name=t("retry.send"))).to_be_visible()


def test_the_page_works_with_the_keyboard_and_never_steals_the_focus(stack: Stack, open_page: OpenPage) -> None:
    stack.set_timing(kind="fixed", median_s=3.0)
    page = open_page()
    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#main")).to_be_focused()
    tab_to(page, "textarea[name=prompt]")
    page.keyboard.type("a fox by keyboard")
    tab_to(page, "select[name=resolution]")
    page.keyboard.type("480p")
    tab_to(page, "button.primary")
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"
    page.keyboard.press("Enter")
    page.wait_for_url("**/jobs/*-*")
    tab_to(page, "nav a[href='/jobs']")
    mark(page)
    expect(page.locator(".title .badge")).to_have_text("succeeded")
    expect(page.locator("nav a[href='/jobs']").first).to_be_focused()
    assert_not_reloaded(page)
    page.keyboard.press("Enter")
    page.wait_for_url("**/jobs")
    page.keyboard.press("/")
    expect(page.get_by_role("searchbox")).to_be_focused()
    page.keyboard.type("fox by keyboard")
    page.keyboard.press("Enter")
    page.wait_for_url("**/jobs?q=fox+by+keyboard*")
    expect(page.locator(".rows > li")).to_have_count(1)


def tab_to(page: Page, selector: str) -> None:
    """Press Tab until an element that matches the selector has the focus."""
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("selector => document.activeElement.matches(selector)", selector):
            return
    raise AssertionError(f"{selector} cannot be reached")


def test_a_page_recovers_after_the_api_was_killed(stack: Stack, open_page: OpenPage) -> None:
    stack.set_timing(kind="fixed", median_s=QUICK_S)
    page = open_page(may_fail=True)
    live = page.locator("#live")
    expect(live).to_have_attribute("data-state", "on")
    mark(page)
    stack.kill("api")
    expect(live).to_have_attribute("data-state", "off")
    stack.start_campaign(3, "during-outage")
    expect(live).to_have_attribute("data-state", "on")
    row = page.locator(".campaigns > li", has_text="during-outage")
    expect(row).to_contain_text("3 succeeded")
    assert_not_reloaded(page)


def test_no_page_is_wider_than_a_phone(stack: Stack, open_page: OpenPage) -> None:
    stack.set_timing(kind="fixed", median_s=QUICK_S)
    name = "campaign_" + "w" * 80
    rows = [{"prompt": "p" * 400, "duration": 4, "tags": ["t" * 90], "metadata": {"k" * 90: "v" * 300}}]
    path = stack.directory / "wide.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    done = stack.reelq("campaign", "run", str(path), "--name", name, "--wait")
    assert done.returncode == 0, done.stderr
    [job] = [job for job in stack.jobs() if job["campaign"] == name]
    paths = ["/", "/jobs", f"/jobs/{job['id']}", "/campaigns", f"/campaigns/{name}", "/accounts", "/jobs/new", "/login"]
    for language in LOCALES:
        page = open_page(language=language, viewport={"width": 360, "height": 740}, has_touch=True)
        for shown in paths:
            page.goto(shown)
            for details in page.locator("summary").all():
                details.click()
            wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            assert wide <= 0, f"{shown} in {language} is {wide} px too wide: {page.evaluate(WIDEST)}"


def test_colours_follow_the_system_until_the_user_switches_them(open_page: OpenPage) -> None:
    ground = "getComputedStyle(document.body).backgroundColor"
    page = open_page("/accounts", color_scheme="dark")
    dark = page.evaluate(ground)
    page.emulate_media(color_scheme="light")
    light = page.evaluate(ground)
    assert dark != light
    page.get_by_role("button", name="Dark").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    assert page.evaluate(ground) == dark
    assert urlsplit(page.url).path == "/accounts"
    page.emulate_media(reduced_motion="reduce")
    assert page.evaluate("getComputedStyle(document.querySelector('nav a')).transitionDuration") == "0s"
    page.get_by_role("button", name="中文").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("账号")


def test_the_page_works_without_scripts(stack: Stack, open_page: OpenPage) -> None:
    stack.set_timing(kind="fixed", median_s=QUICK_S)
    page = open_page(java_script_enabled=False)
    page.get_by_label("Prompt").fill("a fox without scripts")
    page.get_by_role("button", name="Estimate").click()
    expect(page.locator(".estimate")).to_contain_text("simulator")
    page.get_by_role("button", name="Enqueue").click()
    page.wait_for_url(re.compile("/jobs/.*-"))
    expect(page.get_by_role("heading", level=1)).to_have_text("a fox without scripts")
    assert stack.show(job_id_of(page))["id"] == job_id_of(page)
