"""The built package in a page of the API's own site, in Chromium: streams, files, uploads with progress."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Route, sync_playwright

from producer.client import Producer
from storage.settings import Settings
from tests.end_to_end.test_page import CHROMIUM, FLAGS
from tests.integration.typescript.node import CLIENT, api_for_programs, build
from tests.integration.typescript.test_typescript_client import needs_packages
from tests.servers import TestServers
from tests.waiting import PATIENCE_S

pytestmark = [needs_packages, pytest.mark.skipif(CHROMIUM is None, reason="no Chromium found")]

PROGRAM = """async ({ url, key }) => {
  const { Reelq, ApiError } = await import("/package/index.js");
  const reelq = new Reelq({ baseUrl: url, apiKey: key });
  const { id } = await reelq.jobs.create({ prompt: "a red fox" });
  const seen = [];
  for await (const event of reelq.jobs.events(id)) {
    seen.push(event.target);
    if (event.target === "queued") await fetch("/door", { method: "POST", body: JSON.stringify({ id }) });
  }
  const size = (await reelq.jobs.video(id).blob()).size;
  const page = await reelq.jobs.list({ limit: 1 }).page();
  const refusal = await reelq.jobs.create({ prompt: "a", duration: 3 }).catch((error) => error);
  const refused = refusal instanceof ApiError && refusal.name;
  const progress = [];
  const file = new File([new Uint8Array(300000)], "fox.png", { type: "image/png" });
  const sent = { onProgress: (...given) => progress.push(given) };
  const upload = await reelq.uploads.create(file, sent).catch((error) => error.status);
  const path = await reelq.jobs.video(id).save("fox.mp4").catch((error) => error.name);
  return { seen, size, listed: page.data[0].id === id, refused, upload, progress: progress.at(-1), path };
}"""


def test_in_a_page(configured: Settings, producer: Producer, servers: TestServers) -> None:
    build()
    with api_for_programs(configured, producer, servers) as environment, sync_playwright() as driver:
        api = environment["REELQ_API_URL"]
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page()
        page.set_default_timeout(PATIENCE_S * 1000)

        def serve(route: Route) -> None:
            path = urlsplit(route.request.url).path
            if path == "/page":
                route.fulfill(body="<!doctype html><title>page</title>", content_type="text/html")
            elif path.startswith("/package/"):
                route.fulfill(path=CLIENT / "dist" / "esm" / path.removeprefix("/package/"))
            else:
                body = {"id": (route.request.post_data_json or {})["id"], "state": "succeeded", "bytes": 1000}
                route.fulfill(status=page.request.post(environment["TEST_CONTROL_URL"], data=body).status)

        for ours in ("**/page", "**/package/**", "**/door"):
            page.route(ours, serve)
        page.goto(f"{api}/page")
        found = page.evaluate(PROGRAM, {"url": api, "key": environment["REELQ_API_KEY"]})
        browser.close()
    assert found.pop("upload") in (404, 422), "the file is no picture"
    assert found == {
        "seen": ["queued", "submitting", "generating", "transferring", "succeeded"],
        "size": 1000,
        "listed": True,
        "refused": "InvalidRequest",
        "progress": [300_000, 300_000],
        "path": "ConfigurationError",
    }
