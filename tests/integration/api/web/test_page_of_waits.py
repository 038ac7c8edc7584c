"""The page of a campaign says why its jobs wait, and releases those that `--first` kept back."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
from typer.testing import CliRunner

from producer.cli.main import app
from producer.web.language import LANGUAGES, catalogue
from storage.database import connect
from storage.settings import Settings
from tests.integration.api.api_server import serving
from tests.integration.api.web.test_page import make_key
from tests.integration.api.web.test_page_of_holds import commands_use
from tests.waiting import wait_for


def test_the_page_says_why_jobs_of_a_campaign_wait(
    configured: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    commands_use(configured, monkeypatch)
    sheet = tmp_path / "sheet.jsonl"
    sheet.write_text("".join(f'{{"prompt": "a lighthouse, {number}"}}\n' for number in range(3)))

    def run(*arguments: str) -> None:
        done = CliRunner().invoke(app, ["campaign", *arguments])
        assert done.exit_code == 0, done.output

    run("run", str(sheet), "--name", "first", "--first", "1")
    run("run", str(sheet), "--name", "later", "--start-at", "2036-12-04T18:00Z", "--max-concurrent", "5")
    key = make_key(configured, "read", "enqueue")
    with serving(configured) as page:

        def the_page(at: str, language: str = "en") -> str:
            answer = page.get(at, headers={"Authorization": f"Bearer {key}", "Accept-Language": language})
            assert answer.status_code == 200
            return answer.text

        def the_page_with(said: str, at: str, language: str) -> str | None:
            return shown if said in (shown := the_page(at, language)) else None

        for language in LANGUAGES:
            texts = catalogue(language)
            kept = texts.text("campaign.waits", jobs="2", reason=texts.word("reason", "kept_back"))
            first = wait_for("the page says it", partial(the_page_with, kept, "/campaigns/first", language))
            assert texts.text("campaign.kept_back_why") in first
            assert 'id="resume"' in first and 'id="pause"' in first
            later = the_page("/campaigns/later", language)
            assert f"{texts.word('pace', 'before_start')} <time" in later and "2036-12-04 18:00<" in later
            assert texts.text("campaign.max_concurrent", used="0", most="5") in later
            assert 'id="resume"' not in later
        form, headers = {"token": page.cookies["reelq_form"]}, {"Authorization": f"Bearer {key}"}
        assert page.post("/campaigns/first/resume", data=form, headers=headers).status_code == 303
    with connect(configured.require_database_url()) as conn:
        left = conn.execute("SELECT count(*) FROM jobs WHERE reason = 'kept_back' AND due_at IS NULL").fetchone()
    assert left == (0,)
