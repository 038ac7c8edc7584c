"""`reelq explain` without a database: the request of every account, what it costs, what it cannot do."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from producer.cli import main as cli
from tests.media_files import clip, picture

RATE = {"price": "0.1", "per": "second", "currency": "USD", "as_of": "2026-01-01"}
ACCOUNTS: list[dict[str, Any]] = [
    {"name": "any", "gateway": "anyfast", "api_key": "sk-secret-of-any"},
    {"name": "uni", "gateway": "uniall", "api_key": "sk-secret-of-uni", "base_url": "https://uniall.example"},
    {"name": "twelve", "gateway": "12ai", "api_key": "sk-secret-of-12", "rates": [RATE]},
    {"name": "evo", "gateway": "evolink", "api_key": "sk-secret-of-evo", "callbacks": True},
    {"name": "ark", "gateway": "ark", "api_key": "sk-secret-of-ark", "callbacks": True},
    {"name": "fast", "gateway": "ark", "api_key": "sk-secret-of-fast", "models": {"fast": "ep-123"}},
]

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]) -> Run:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REELQ_ACCOUNTS", json.dumps(ACCOUNTS))
    monkeypatch.setenv("REELQ_PUBLIC_URL", "https://reelq.example")
    monkeypatch.setenv("REELQ_DATABASE_URL", "postgresql://unknown@127.0.0.1:1/none")

    def run(*arguments: object) -> tuple[int, str, str]:
        code = cli.run(["explain", *(str(argument) for argument in arguments)])
        captured = capsysbinary.readouterr()
        assert "secret" not in captured.out.decode() + captured.err.decode()
        return code, captured.out.decode(), captured.err.decode()

    return run


def answers(run: Run, job: dict[str, Any], *more: str, code: int = 0) -> dict[str, Any]:
    got, out, err = run(json.dumps(job), "--json", *more)
    assert got == code, err
    [explained] = json.loads(out)
    return {answer["account"]: answer for answer in explained["accounts"]} | {"chosen": explained["chosen"]}


def test_a_sheet_is_explained_and_its_reading_reported(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "jobs.csv"
    path.write_bytes("产品名;时长;SKU\n一只猫;5;007\n一只狗;3;\n".encode("gbk"))
    code, out, err = run(path, "--map", "产品名=prompt", "--account", "any", "--json")
    found = json.loads(out)
    assert (code, [item["where"] for item in found]) == (2, ["jobs.csv row 2", "jobs.csv row 3"])
    assert found[0]["job"] == {"prompt": "一只猫", "duration": 5, "metadata": {"SKU": "007"}}
    assert [problem["field"] for problem in found[1]["problems"]] == ["时长 (duration)"]
    assert "jobs.csv: read as GB18030 text, cells separated by semicolons" in err
    assert "jobs.csv: not used, kept in metadata: SKU" in err


def test_a_prompt_is_explained_for_every_gateway(run: Run) -> None:
    code, out, _ = run("a cat")
    assert code == 0
    assert "any (anyfast, seedance), tried first" in out
    assert "POST https://www.anyfast.com.cn/v1/video/generations" in out
    assert "POST https://uniall.example/v1/video/generations" in out
    assert "POST https://ark.cn-beijing.volces.com/api/v3/contents/generations/tasks" in out
    assert '"callback_url": "https://reelq.example/callbacks/ark/<token of the attempt>"' in out
    assert '"seed": "<random>"' in out
    assert '"execution_expires_after": "<129600 to 172799>"' in out
    prices = "cost     CNY 5.01 or USD 0.7623{} of 2026-11-28, 108,900 tokens"
    assert prices.format(" (Ark's list price), the published price") in out
    assert prices.format(", Ark's list price") in out, "AnyFast publishes no price"
    assert "cost     USD 0.5000, your rate of 2026-01-01, " in out
    assert "fast (ark) cannot serve it\n    error    tier: ark has fast, not standard" in out


def test_each_account_lists_errors_and_warnings(run: Run) -> None:
    found = answers(run, {"prompt": "a cat", "resolution": "1080p", "seed": 7, "watermark": False})
    assert found["chosen"] == "uni"
    said = {name: [item["field"] for item in found[name]["errors"]] for name in ("any", "uni", "twelve", "evo", "ark")}
    assert said == {"any": ["resolution"], "uni": [], "twelve": ["resolution", "seed"], "evo": ["seed"], "ark": []}
    assert found["ark"]["body"]["seed"] == 7
    found = answers(run, {"prompt": "a cat", "watermark": False})
    assert [item["field"] for item in found["evo"]["warnings"]] == ["watermark"]
    assert found["twelve"]["body"]["metadata"] == {"watermark": False}


def test_an_accounts_own_models_and_rates_are_used(run: Run) -> None:
    found = answers(run, {"prompt": "a cat", "tier": "fast", "duration": 8}, "--account", "fast")
    assert list(found) == ["fast", "chosen"]
    assert found["fast"]["model"] == found["fast"]["body"]["model"] == "ep-123"
    listed = found["fast"]["estimate"]
    assert (listed["basis"], listed["currency"], listed["low"]) == ("published", "CNY", 6.4269)
    found = answers(run, {"prompt": "a cat", "duration": 8}, "--account", "twelve")
    assert (found["twelve"]["estimate"]["low"], found["twelve"]["estimate"]["currency"]) == (0.8, "USD")


def test_files_are_measured_and_shown_as_placeholders(run: Run, tmp_path: Path) -> None:
    (tmp_path / "hero.png").write_bytes(picture())
    clip(tmp_path / "walk.mp4", 5)
    found = answers(
        run,
        {
            "prompt": "x",
            "reference_images": ["hero.png"],
            "reference_videos": ["walk.mp4"],
            "duration": 8,
            "resolution": "720p",
            "ratio": "16:9",
        },
    )
    content = found["any"]["body"]["content"]
    assert content[1]["image_url"]["url"] == "asset://<hero.png, once it is uploaded>"
    assert content[2]["video_url"]["url"] == "asset://<walk.mp4, once it is uploaded>"
    assert "bills the upload" in found["any"]["warnings"][0]["message"]
    assert found["ark"]["body"]["content"][1]["image_url"]["url"].endswith(
        "<hero.png, once it is uploaded, signed for 7 days>"
    )
    assert found["ark"]["estimate"]["tokens"] == [302_400, 302_400], "the minimum of 8 s; with its 5 s input it is less"


def test_a_private_bucket_allows_only_files_without_links(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REELQ_S3_ENDPOINT_URL", "http://127.0.0.1:9000")
    (tmp_path / "hero.png").write_bytes(picture())
    found = answers(run, {"prompt": "x", "first_frame": "hero.png"})
    assert found["ark"]["body"]["content"][1]["image_url"]["url"] == "data:image/png;base64,<hero.png>"
    assert found["any"]["body"]["content"][1]["image_url"]["url"] == "asset://<hero.png, once it is uploaded>"
    [problem] = found["evo"]["errors"]
    assert problem["field"] == "first_frame"
    assert "cannot reach the bucket at 127.0.0.1" in problem["message"]


def test_a_job_without_an_able_account_exits_2(run: Run, tmp_path: Path) -> None:
    (tmp_path / "small.png").write_bytes(picture(100, 100))
    rows = [
        {"prompt": "good"},
        {"prompt": "small", "first_frame": "small.png", "tier": "fast"},
        {"prompt": "bad", "duration": 3},
        {"prompt": "elsewhere", "account": "uni"},
    ]
    Path("jobs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    code, out, _ = run("jobs.jsonl")
    assert code == 2
    assert "jobs.jsonl line 1: good" in out
    assert "first_frame: anyfast takes sides of 300 to 6000 pixels, not 100x100; small.png: png, 100x100, 0.0 MB" in out
    assert "jobs.jsonl line 3: bad\n  error    duration: must be 4 to 30 seconds" in out
    code, out, _ = run("jobs.jsonl", "--account", "any", "--json")
    assert code == 2
    explained = json.loads(out)
    assert [item["chosen"] for item in explained] == ["any", None, None, None]
    assert explained[3]["accounts"][0]["errors"] == [{"field": "account", "message": "the job is pinned to uni"}]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["missing.jsonl"], "missing.jsonl: does not exist"),
        (["a cat", "--account", "unknown"], "account: 'unknown' is not configured; there is any, uni"),
    ],
)
def test_invalid_input_is_one_line(run: Run, arguments: list[str], said: str) -> None:
    code, _, err = run(*arguments)
    assert code == 2
    assert err.startswith(said)
    assert err.count("\n") == 1
