"""The command line through the API: the same output as at the server, and nothing of the server's configuration."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import httpx
import pytest

from producer import Producer
from storage.jobs.states import JobState
from tests.integration.api.api_server import bring
from tests.integration.client.elsewhere import Run, both

S = JobState


def test_reading_commands_say_the_same(run: Run, away: dict[str, str], producer: Producer) -> None:
    for state in (S.QUEUED, S.GENERATING, S.UNCONFIRMED, S.FAILED):
        job = producer.enqueue("a red fox", duration=5, tags=["a"], metadata={"sku": 1})
        if state is not S.QUEUED:
            bring(producer, str(job.id), state)
        assert both(run, away, "jobs", "show", job.id)[0] == 0
    producer.enqueue_many([{"prompt": f"shot {number}"} for number in range(3)], campaign="spring")
    for arguments in (
        ("jobs", "list"),
        ("jobs", "list", "--json", "--limit", "5"),
        ("jobs", "list", "--campaign", "spring", "--json"),
        ("jobs", "list", "--state", "failed", "--json"),
        ("accounts", "list"),
        ("accounts", "list", "--json"),
        ("jobs", "show", "01890a5d-ac96-774b-bcce-b302099a8057"),
        ("jobs", "show", "zz"),
        ("jobs", "show", str(job.id)[:13]),
        ("jobs", "cancel", job.id),
        ("campaign", "pause", "autumn"),
    ):
        both(run, away, *arguments)
    shown = json.loads(run("jobs", "show", job.id, "--json", **away)[1])
    assert (shown["state"], shown["attempts"][0]["account"], shown["events"][0]["target"]) == (
        "failed",
        "main",
        "queued",
    )


def test_a_list_of_something_that_does_not_exist_says_so(run: Run, away: dict[str, str], producer: Producer) -> None:
    """Seen: an empty list, or nothing at all, and exit code 0."""
    producer.enqueue_many([{"prompt": "a lamp"}], campaign="spring")
    both(run, away, "jobs", "list", "--campaign", "spring", "--state", "failed")
    assert run("jobs", "list", "--campaign", "spring", "--state", "failed", "--json", **away)[:2] == (0, "[]\n")
    for arguments, said in (
        (("jobs", "list", "--campaign", "autumn"), "there is no campaign 'autumn'"),
        (("jobs", "list", "--campaign", "autumn", "--json"), "there is no campaign 'autumn'"),
        (("jobs", "resolve", "--campaign", "autumn", "--abandon"), "there is no campaign 'autumn'"),
        (("jobs", "resolve", "--account", "nope", "--abandon"), "account: 'nope' is not configured; there is main"),
        (("assets", "list", "--account", "nope"), "account: 'nope' is not configured; there is main"),
        (("assets", "list", "--account", "nope", "--remote"), "account: 'nope' is not configured; there is main"),
        (("models", "list", "--account", "nope"), "account: 'nope' is not configured; there is main"),
    ):
        assert both(run, away, *arguments) == (2, ""), arguments
        assert said in run(*arguments, **away)[2], arguments
    for command in (
        ("jobs", "list"),
        ("jobs", "list", "--campaign", "spring"),
        ("campaign", "list", "--json"),
        ("keys", "list"),
        ("webhooks", "list"),
        ("assets", "list", "--uploads"),
    ):
        code, out, err = run(*command, "--tenant", "nope", here=True)
        assert (code, out) == (2, "") and "--tenant: there is no tenant 'nope'; see `reelq tenants list`" in err
    for how in ({"here": True}, away):
        assert run("jobs", "resolve", "--all", "--abandon", **how) == (0, "", "no unconfirmed jobs\n")


def test_deciding_commands_work(run: Run, away: dict[str, str], producer: Producer) -> None:
    code, out, err = run("submit", "a red fox", "--duration", "5", "--tag", "x", **away)
    assert (code, err) == (0, "")
    job_id = out.strip()
    assert producer.get(job_id).request["duration"] == 5
    code, out, err = run("submit", "a red fox", "--duration", "3", **away)
    assert (code, err) == run("submit", "a red fox", "--duration", "3", here=True)[::2]
    assert code == 2 and "duration: must be" in err
    assert run("submit", "a", "--first-frame", "none.png", **away)[0] == 2
    assert run("jobs", "cancel", job_id[:13], **away)[:2] == (0, f"{job_id} cancelled\n")
    code, out, _ = run("jobs", "retry", job_id, "--json", **away)
    assert json.loads(out)[0]["metadata"]["retry_of"] == job_id
    held = str(producer.enqueue("a hare").id)
    bring(producer, held, S.UNCONFIRMED)
    assert run("jobs", "resolve", "--all", "--abandon", "--yes", **away)[:2] == (0, f"{held} failed\n")
    done = str(producer.enqueue("a hare", resolution="480p").id)
    bring(producer, done, S.SUCCEEDED)
    code, out, err = run("jobs", "finalize", done, "--regenerate", "--resolution", "720p", **away)
    assert code == 0 and f"a new generation of {done}" in out, err
    assert producer.get(job_id).state == "cancelled"


REFUSED = (
    *(f"campaign {verb} nope" for verb in ("status", "retry", "pause", "resume", "cancel --yes", "share")),
    *(f"campaign {verb} nope --all" for verb in ("approve", "reject", "reroll", "resume", "cancel --yes")),
    *("campaign export nope --to o.csv", "campaign download nope vids", "campaign sheet nope --to s.html"),
    *("campaign set nope --weight 2", "campaign set lamps --all --field priority9"),
    *("campaign set lamps --budget x", "campaign set lamps --weight 0", "campaign set lamps --start-at never"),
    *("campaign set lamps --quiet-hours 1", "campaign set lamps --notify x", "campaign set lamps --field duration=5"),
    *("campaign approve lamps", "campaign approve lamps --rows x", "campaign approve lamps --all --rows 2"),
    *("campaign share lamps --days 0", "campaign share lamps --revoke nope", "campaign export lamps --to o.pdf"),
    *(f"jobs {verb} nope" for verb in ("show", "cancel", "retry", "finalize", "playable", "resolve --abandon --yes")),
    *("accounts pause nope", "accounts remove nope", "accounts set main --max-in-flight 3", "models show nope"),
    *("keys revoke nope --yes", "keys create a --scope nope", "webhooks add nope", "webhooks replay nope"),
    *("submit x --duration 99", "submit x --account nope", "submit x --webhook-url ftp://x"),
    *("submit x --first-frame none.png", "submit x --reference-image none.png"),
)


def test_wrong_input_is_refused_in_the_same_words(run: Run, away: dict[str, str], producer: Producer) -> None:
    """Seen: `submit --first-frame none.png` named the file in other words, and not the field."""
    producer.enqueue_many([{"prompt": "a lamp"}], campaign="lamps")
    for line in REFUSED:
        assert both(run, away, *line.split())[0] == 2, line


def test_campaigns_of_earlier_releases_may_have_slashes(run: Run, away: dict[str, str], producer: Producer) -> None:
    """Seen: from elsewhere, `export` of one was refused with words about a parameter, and `share` with HTTP 405."""
    producer.enqueue_many([{"prompt": "a lamp"}], campaign="lamps")
    with producer.database.begin() as conn:
        conn.execute("UPDATE campaigns SET name = 'eu/lamps'")
    for line in ("status", "share --list", "resume", "retry", "export --to away.csv", "sheet --to away.html", "share"):
        verb, *options = line.split()
        code, _, err = run("campaign", verb, "eu/lamps", *options, **away)
        assert code == 0, err
    assert run("campaign", "export", "eu/lamps", "--to", "here.csv", here=True)[0] == 0
    assert Path("away.csv").read_bytes() == Path("here.csv").read_bytes()


def test_a_job_is_waited_for(run: Run, away: dict[str, str], producer: Producer) -> None:
    job = producer.enqueue("a fox", idempotency_key="fox-1")
    bring(producer, str(job.id), S.FAILED)
    code, out, _ = run("submit", "a fox", "--idempotency-key", "fox-1", "--wait", "--json", **away)
    assert (code, json.loads(out)["id"]) == (1, str(job.id))
    code, _, err = run("submit", "a hare", "--wait", "--timeout", "0.1", **away)
    assert code == 1 and "did not finish within 0.1 s" in err


def test_campaigns_are_controlled(run: Run, away: dict[str, str], producer: Producer) -> None:
    producer.enqueue_many([{"prompt": f"shot {number}"} for number in range(3)], campaign="spring")
    assert run("campaign", "pause", "spring", **away)[:2] == (0, "spring is paused: 3 queued\n")
    code, out, _ = run("campaign", "set", "spring", "--budget", "100 USD", "--weight", "2", "--json", **away)
    assert (code, json.loads(out)["budget"]["amount"], json.loads(out)["weight"]) == (0, 100.0, 2)
    assert run("campaign", "set", "spring", "--budget", "none", **away)[1] == "spring: weight 2, budget none\n"
    assert run("campaign", "resume", "spring", **away)[0] == 0
    assert run("campaign", "cancel", "spring", "--yes", **away)[1].startswith("spring: 3 cancelled")


def test_other_commands_say_that_they_work_at_the_server_only(run: Run, away: dict[str, str]) -> None:
    only_there = (
        ("db", "upgrade"),
        ("tenants", "set", "acme"),
        ("assets", "give", "a", "--tenant", "acme"),
        ("accounts", "reencrypt"),
    )
    for arguments in only_there:
        code, out, err = run(*arguments, **away)
        assert (code, out) == (2, "") and err.count("\n") == 1
        assert f"`reelq {' '.join(arguments[:2])}` works only where the server's configuration is" in err
    code, _, err = run("jobs", "list", "--tenant", "acme", **away)
    assert code == 2 and "the key decides whose jobs they are" in err


def test_login_keeps_the_key_for_this_user_only(
    run: Run, api: httpx.Client, key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = str(api.base_url)
    given = tmp_path / "key"

    def login(text: str) -> tuple[int, str, str]:
        given.write_text(text)
        with given.open() as stdin, pytest.MonkeyPatch.context() as patch:
            patch.setattr("sys.stdin", stdin)
            return run("login", url, "--key-stdin")

    assert run("whoami")[0] == 2
    code, _, err = login("rq_wrong\n")
    assert code == 2 and "reelq login" in err and not (tmp_path / "config").exists()
    code, out, err = login(f"{key}\n")
    assert (code, out) == (0, f"{url}: tenant default, scopes admin, enqueue, metrics, read\n") and key not in err
    stored = tmp_path / "config" / "reelq" / "login.json"
    assert stat.S_IMODE(stored.stat().st_mode) == 0o600
    assert run("whoami")[1] == out
    assert json.loads(run("whoami", "--json")[1])["name"] == "default"
    code, listed, _ = run("jobs", "list", "--json")
    assert (code, json.loads(listed)) == (0, [])
    assert run("jobs", "list", "--json", REELQ_API_URL=url)[0] == 0
    # A key never goes to another server than the one it is for.
    code, _, err = run("jobs", "list", REELQ_API_URL=url.replace("127.0.0.1", "localhost"), REELQ_API_KEY="rq_other")
    assert code == 2 and "reelq login" in err
    assert run("logout")[1] == "logged out\n" and not stored.exists()
    assert "there is no login" in run("logout")[1]
    monkeypatch.setenv("REELQ_API_URL", "ftp://x")
    code, _, err = run("jobs", "list")
    assert code == 2 and "must begin with http" in err
