"""Finals by command: `reelq jobs finalize`, and rows of a file that name their draft."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

from producer import Producer
from storage.settings import Settings
from tests.integration.api.api_server import S, bring
from tests.integration.producer.command_line import CommandLine

ACCOUNTS = [{"name": "main", "gateway": "ark", "api_key": "sk-secret-key"}]
DRAFT = ("submit", "a red fox", "--model", "seedance-2.5", "--draft", "--duration", "5")


def test_drafts_are_made_final_by_command_and_by_file(settings: Settings, command_line: CommandLine) -> None:
    run = command_line.with_environ(settings, ACCOUNTS)
    drafts = [run(*DRAFT)[1].strip() for _ in range(2)]
    ends_at = (datetime.now(UTC) + timedelta(days=6)).isoformat()
    code, _, err = run("jobs", "finalize", *drafts)
    assert code == 1 and err.count("a final can be made once it has succeeded") == 2
    with Producer(Settings.model_validate(settings.model_dump() | {"accounts": ACCOUNTS})) as producer:
        for draft in drafts:
            bring(producer, draft, S.SUCCEEDED, draft_ends_at=ends_at)

        code, out, _ = run("jobs", "finalize", *drafts, "--output-format", "mov", "--json")
        finals = json.loads(out)
        assert code == 0 and [final["draft_of"] for final in finals] == drafts
        assert run("jobs", "finalize", drafts[0], "--output-format", "mov")[1].split()[0] == finals[0]["id"]
        code, _, err = run("jobs", "finalize", *drafts, "--idempotency-key", "k")
        assert code == 2 and "idempotency_key: is for one draft" in err
        assert f"finals {finals[0]['id']}" in run("jobs", "show", drafts[0])[1]

        Path("finals.csv").write_text(f"draft_of,output_format\n{drafts[0]},mp4\n{drafts[1]},mov\n")
        code, out, err = run("campaign", "run", "finals.csv", "--name", "finals", "--yes", "--json")
        assert code == 0 and json.loads(out)["created"] == 2, err
        Path("bad.csv").write_text(f"draft_of,prompt\n{drafts[0]},again\n")
        code, out, err = run("campaign", "run", "bad.csv", "--name", "bad", "--yes")
        assert code == 2 and "prompt: the draft decides it" in out + err
        Path("drafts.csv").write_text("prompt,model,draft,duration\na boat,seedance-2.5,yes,4\n")
        assert run("campaign", "run", "drafts.csv", "--name", "drafts", "--yes")[0] == 0
        assert (
            producer.enqueue_many([{"draft_of": drafts[0], "output_format": "mp4"}], "finals")[0].campaign == "finals"
        )
