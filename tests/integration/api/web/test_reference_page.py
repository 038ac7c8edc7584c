"""The page of the API in a real browser: it shows programs, sends requests, and loads nothing from another host."""

from __future__ import annotations

import os
import shutil

import pytest
from playwright.sync_api import expect, sync_playwright

from storage.settings import Settings
from tests.integration.api.api_server import serving
from tests.waiting import PATIENCE_S

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
REPORT_VIOLATIONS = (
    "addEventListener('securitypolicyviolation', e => console.error('refused', e.violatedDirective, e.blockedURI))"
)

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium found: install it, or set CHROMIUM to its path")


def test_it_shows_programs_and_sends_requests_in_light_and_dark(configured: Settings) -> None:
    complaints: list[str] = []
    with serving(configured) as api, sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_context(base_url=str(api.base_url), color_scheme="light").new_page()
        page.set_default_timeout(PATIENCE_S * 1000)
        expect.set_options(timeout=PATIENCE_S * 1000)
        page.add_init_script(REPORT_VIOLATIONS)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda line: complaints.append(line.text) if line.type in ("error", "warning") else None)
        page.on(
            "request", lambda sent: complaints.append(sent.url) if not is_ours(sent.url, api.base_url.netloc) else None
        )
        page.goto("/docs")
        route = page.locator(".opblock-post", has=page.locator('[data-path="/v1/estimate"]'))
        route.locator(".opblock-summary").click()
        expect(route.locator(".samples code")).to_contain_text("curl -sS -X POST")
        route.get_by_role("button", name="Try it out").click()
        route.get_by_role("button", name="Execute").click()
        expect(route.locator(".live-responses-table .response .response-col_status")).to_contain_text("200")
        route = page.locator(".opblock-post", has=page.locator('[data-path="/v1/jobs"]'))
        route.locator(".opblock-summary").click()
        route.get_by_role("button", name="Python", exact=True).click()
        expect(route.locator(".samples code")).to_contain_text("from reelq_client import Reelq")
        expect(page.locator("html.dark-mode")).to_have_count(0)
        page.emulate_media(color_scheme="dark")
        expect(page.locator("html.dark-mode")).to_have_count(1)
        browser.close()
    assert complaints == []


def is_ours(url: str, netloc: bytes) -> bool:
    return url.startswith((f"http://{netloc.decode()}/", "data:"))
