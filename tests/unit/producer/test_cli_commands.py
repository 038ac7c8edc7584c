"""The command line without any server: exit codes, one line for every mistake, nothing but JSON where JSON is asked."""

from __future__ import annotations

import ast
import inspect
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from producer.cli import main as cli
from producer.cli.commands import COMMANDS, Command, Group, load
from producer.cli.shared.failures import explain
from storage.database import DatabaseUnavailable

ACCOUNTS = json.dumps([{"name": "main", "gateway": "anyfast", "api_key": "sk-secret-key"}])
CLI = Path(cli.__file__).parent
NOWHERE = "postgresql://reelq:hunter2@127.0.0.1:1/reelq"


@pytest.fixture(autouse=True)
def _configured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REELQ_ACCOUNTS", ACCOUNTS)
    monkeypatch.setenv("REELQ_DATABASE_URL", NOWHERE)


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = cli.run(arguments)
    captured = capsys.readouterr()
    return code, captured.out, captured.err


# What is typed, and how the one line on standard error begins.
BAD_INPUT: list[tuple[list[str], str]] = [
    (["campaign", "run", "none.jsonl", "--name", "a"], "none.jsonl: does not exist"),
    (["campaign", "run", ".", "--name", "a"], ".: is a directory"),
    (
        ["campaign", "run", "jobs.doc", "--name", "a"],
        "jobs.doc: must end in .jsonl, .csv, .tsv, .txt, .xlsx, .xlsm, .xls, .ods, .yaml or .yml",
    ),
    (["campaign", "run", "bad.jsonl", "--name", "a"], "bad.jsonl line 1: duration: must be 4 to 30 seconds, or -1"),
    (["campaign", "run", "bad.jsonl", "--name", "a", "--wait", "--json"], "bad.jsonl line 1: duration: must be"),
    (["campaign", "run", "bad.csv", "--name", "a"], "bad.csv row 2: priority: must be 0 to 9"),
    (["campaign", "run", "bad.csv", "--name", "a", "--map", "x"], "map: must be \"COLUMN=NAME\", not 'x'"),
    (["campaign", "run", "bad.csv", "--name", "a", "--encoding", "x"], "encoding: 'x' is not an encoding; use one of"),
    (["campaign", "run", "bad.csv", "--name", "a", "--delimiter", "ab"], "delimiter: must be one character, or tab"),
    (
        ["campaign", "run", "sheet.csv", "--name", "a"],
        "sheet.csv row 1: has no column for the prompt; its columns are 产品名",
    ),
    (["explain", "sheet.csv"], "sheet.csv row 1: has no column for the prompt"),
    (["campaign", "run", "bad.jsonl", "--name", " "], "name: must be 1 to 100 printable characters"),
    (["campaign", "run", "bad.jsonl"], "Missing option '--name'"),
    (["submit"], "Missing argument 'prompt'"),
    (["submit", "a cat", "--metadata", "{"], "metadata: is not JSON"),
    (["jobs", "list", "--state", "done"], "Invalid value for '--state'"),
    (["jobs", "list", "--limit", "0"], "Invalid value for '--limit'"),
    (["jobs", "list", "--nonsense"], "No such option: --nonsense"),
    (["jobs", "list", "--limit"], "Option '--limit' requires an argument. (see `reelq jobs list --help`)"),
    (["--data-dir"], "Option '--data-dir' requires an argument. (see `reelq --help`)"),
    (["jobs", "resolve", "0123"], "give exactly one of --adopt TASK_ID, --resubmit and --abandon"),
    (["jobs", "resolve", "0123", "--abandon", "--resubmit"], "give exactly one of"),
    (["jobs", "resolve", "01", "02", "--adopt", "t"], "--adopt: one task belongs to one job"),
    (["jobs", "resolve", "0123", "--resubmit"], "--yes: is required without a terminal"),
    (["jobs", "cancel", "0123", "--discard"], "--yes: is required without a terminal"),
    (["accounts", "add", "m", "--gateway", "ark"], "api_key: is needed; name its file with --key-file"),
    (["accounts", "set", "main"], "nothing to change; see `reelq accounts set --help`"),
    (["accounts", "set", "main", "--field", "callbacks"], "--field: must be NAME=JSON, not callbacks"),
    (["keys", "create"], "Missing option '--name'"),
    (["nonsense"], "No such command 'nonsense'"),
    (["up", "--port", "0"], "Invalid value for '--port'"),
    (["up", "--simulator", "mean-seconds=1"], "--simulator: unrecognized arguments: --mean-seconds=1"),
    (["up", "--simulator", "sigma=x"], "--simulator: argument --sigma: invalid float value: 'x'"),
    (["up", "--simulator", "help"], "--simulator: --help cannot be used here; `reelq simulator --help` lists"),
    (["up", "--simulator", "median-seconds=-1"], "--simulator: median_seconds: must be"),
]


@pytest.mark.parametrize(("arguments", "said"), BAD_INPUT, ids=[" ".join(a) for a, _ in BAD_INPUT])
def test_bad_input_is_one_line_and_exit_2(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, arguments: list[str], said: str
) -> None:
    Path("bad.jsonl").write_text('{"prompt": "a cat", "duration": 3}\n')
    Path("bad.csv").write_text("prompt,priority\na cat,99\n")
    Path("sheet.csv").write_text("产品名,price\na cat,3\n", encoding="utf-8")
    monkeypatch.setattr(sys, "stdin", open(os.devnull))  # noqa: SIM115 - closed with the test
    code, out, err = run(capsys, *arguments)
    sys.stdin.close()
    assert (code, out) == (2, "")
    assert err.startswith(said), err
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["jobs", "list"],
        ["jobs", "show", "0123"],
        ["jobs", "cancel", "0123"],
        ["submit", "a cat"],
        ["campaign", "status", "a"],
        ["campaign", "list"],
        ["accounts", "list"],
        ["db", "upgrade"],
    ],
)
def test_a_database_that_does_not_answer_is_one_line_that_says_what_to_do(
    capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    code, out, err = run(capsys, *arguments)
    assert (code, out) == (2, "")
    assert "127.0.0.1:1/reelq" in err
    assert "check REELQ_DATABASE_URL or database_url in reelq.toml, or start `reelq up`" in err
    assert "hunter2" not in err
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("lease_secs = 5\n", "reelq.toml: lease_secs: is not a field we know"),
        ('poll_min_seconds = "fast"\n', "reelq.toml: poll_min_seconds:"),
        ("[[accounts]]\n", "reelq.toml: accounts"),
        ("= 1\n", "reelq.toml: cannot be read"),
    ],
)
def test_a_wrong_configuration_names_the_key(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, text: str, said: str
) -> None:
    monkeypatch.delenv("REELQ_ACCOUNTS")
    Path("reelq.toml").write_text(text)
    code, out, err = run(capsys, "jobs", "list")
    assert (code, out) == (2, "")
    assert err.startswith(said)
    assert len(err.splitlines()) == 1


def test_without_configuration_the_line_says_how_to_begin(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("REELQ_DATABASE_URL")
    monkeypatch.delenv("REELQ_ACCOUNTS")
    assert run(capsys, "jobs", "list")[2].startswith("database_url: is not set; start `reelq up`")
    Path("a.jsonl").write_text('{"prompt": "a cat"}')
    code, _, err = run(capsys, "campaign", "run", "a.jsonl", "--name", "a")
    assert code == 2
    assert err.startswith("accounts: none is configured; add [[accounts]] to reelq.toml, or start `reelq up`")


@pytest.mark.parametrize(
    "arguments", [["--data-dir", "there", "jobs", "list"], ["jobs", "list", "--data-dir", "there"]]
)
def test_the_data_directory_may_stand_before_or_after_the_command(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    monkeypatch.delenv("REELQ_DATABASE_URL")
    Path("there").mkdir()
    Path("there/stack.json").write_text(json.dumps({"database_url": "postgresql://127.0.0.1:2/there"}))
    code, _, err = run(capsys, *arguments)
    assert code == 2
    assert "127.0.0.1:2/there" in err
    assert err.endswith("is `reelq up` running for there?\n")


def test_doctor_reports_every_part_and_what_to_do(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REELQ_BROKER_URL", "redis://127.0.0.1:1/0")
    monkeypatch.setenv("REELQ_S3_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("REELQ_S3_ACCESS_KEY_ID", "k")
    monkeypatch.setenv("REELQ_S3_SECRET_ACCESS_KEY", "s3cret")
    code, out, _ = run(capsys, "doctor", "--no-gateways", "--json")
    found = {item["part"]: item for item in json.loads(out)}
    assert code == 2
    assert [part for part, item in found.items() if item["ok"]] == ["configuration", "account main"]
    assert "REELQ_DATABASE_URL" in found["database"]["message"]
    assert "REELQ_BROKER_URL" in found["broker"]["message"]
    assert "REELQ_S3_ENDPOINT_URL" in found["bucket"]["message"]
    assert "s3cret" not in out
    assert "sk-secret-key" not in out
    code, out, _ = run(capsys, "doctor", "--no-gateways")
    assert code == 2
    assert [line.split()[0] for line in out.splitlines()] == ["BAD", "BAD", "BAD", "ok", "ok"], "the worst comes first"


def test_an_unexpected_error_is_one_line_and_its_trace_is_kept(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".reelq" / "logs").mkdir(parents=True)

    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("one\ntwo")

    monkeypatch.setattr("storage.settings.load_settings", broken)
    code, out, err = run(capsys, "jobs", "list")
    assert (code, out) == (2, "")
    [trace] = (tmp_path / ".reelq" / "logs").iterdir()
    assert err == f"unexpected ZeroDivisionError: one (trace in {trace})\n"
    assert "Traceback" in trace.read_text()


def test_ctrl_c_and_a_closed_pipe_end_quietly(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("storage.settings.load_settings", interrupted)
    assert run(capsys, "jobs", "list") == (130, "", "")


@pytest.mark.parametrize(
    "arguments", [[], ["jobs"], ["campaign"], ["--help"], ["submit", "--help"], ["simulator", "-h"]]
)
def test_help_is_printed(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    code, out, err = run(capsys, *arguments)
    assert code == (0 if arguments and arguments[-1].startswith("-") else 2)
    assert "usage: reelq" in (out + err).lower()


def test_hints_are_not_added_twice(tmp_path: Path) -> None:
    message = "database at localhost is not up to date; run `reelq db upgrade`"
    assert explain(DatabaseUnavailable(message, code="schema_old"), tmp_path) == (message, 2)


HEAVY = (
    *("sqlalchemy", "sqlmodel", "celery", "boto3", "botocore", "httpx", "aiohttp", "fastapi", "PIL", "av", "rich"),
    *("jinja2", "yaml", "cryptography"),
)


def test_importing_is_cheap() -> None:
    """`reelq jobs list` must answer at once, and a program that imports Producer pays for no command."""
    code = (
        "import sys; from producer import Producer; from producer.cli import main;"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert result.stdout == "[]\n"


def loaded(arguments: list[str]) -> set[str]:
    """The modules that a command line imports."""
    code = f"import sys; from producer.cli import main; main.run({arguments!r}); print('\\nLOADED', *sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    return set(result.stdout.rpartition("LOADED ")[2].split())


def leaves(entries: Mapping[str, Command | Group], before: tuple[str, ...] = ()) -> Iterator[tuple[Any, Command]]:
    """Every command with the words that call it."""
    for name, entry in entries.items():
        if isinstance(entry, Group):
            yield from leaves(entry.commands, (*before, name))
        else:
            yield (*before, name), entry


LEAVES = list(leaves(COMMANDS))
every_command = pytest.mark.parametrize(("words", "command"), LEAVES, ids=[" ".join(words) for words, _ in LEAVES])


def test_a_plan_loads_no_client_of_gateways_or_of_an_api(tmp_path: Path) -> None:
    """`campaign run` checks its rows in the same way."""
    (tmp_path / "reelq.toml").write_text('[[accounts]]\nname = "a"\ngateway = "ark"\napi_key = "k"\n')
    (tmp_path / "rows.csv").write_text("prompt\na lighthouse at dusk\n")
    code = (
        "import sys; from producer.cli import main;"
        "code = main.run(['campaign', 'plan', 'rows.csv', '--json']);"
        f"print([code, *(name for name in {(*HEAVY, 'reelq_client')!r} if name in sys.modules)], file=sys.stderr)"
    )
    environ = {name: value for name, value in os.environ.items() if not name.startswith("REELQ_")}
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, cwd=tmp_path, env=environ, check=True
    )
    assert json.loads(result.stdout)["good"] == 1
    assert result.stderr.splitlines()[-1] == "[0]"


def test_a_command_loads_no_other() -> None:
    modules = {f"producer.cli.{command.module}" for _, command in LEAVES}
    assert loaded(["jobs", "list", "--nonsense"]) & modules == {"producer.cli.jobs.list"}
    assert loaded(["--data-dir", "x", "jobs", "list", "--nonsense"]) & modules == {"producer.cli.jobs.list"}


def test_the_version_and_the_overview_load_no_command() -> None:
    for arguments in (["--version"], ["--help"], ["jobs", "--help"], ["nonsense"]):
        found = {name.split(".")[0] for name in loaded(arguments)}
        assert not found & {"psycopg", "orjson", "storage", "seedance"}, arguments


@pytest.mark.parametrize(
    ("arguments", "seldom"),
    [(["jobs", "list", "-h"], True), *(([name, "-h"], False) for name in ("up", "demo", "mcp", "simulator"))],
)
def test_garbage_is_collected_seldom_only_in_a_command_that_soon_ends(arguments: list[str], seldom: bool) -> None:
    code = (
        "import atexit, gc, sys; usual = gc.get_threshold(); from producer.cli import main;"
        "atexit.register(lambda: print('SELDOM', gc.get_threshold() != usual));"
        f"sys.argv[1:] = {arguments!r}; main.main()"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert result.stdout.splitlines()[-1] == f"SELDOM {seldom}"


# What a function of the command line may import, each for its time; everything else stands at the top of its file.
LAZY = {
    ("doors/choice.py", "producer.cli.doors.there.jobs"),
    ("doors/choice.py", "producer.cli.doors.here.jobs"),
    ("doors/choice.py", "producer.cli.shared.producers"),
    ("doors/here/jobs.py", "producer.operator_actions.adoption"),
    ("doors/choice.py", "reelq_client"),
    ("login/stored.py", "storage.settings"),
    ("doors/accounts.py", "producer.cli.doors.there.translated"),
    ("doors/keys.py", "producer.cli.doors.there.translated"),
    ("doors/webhooks.py", "producer.cli.doors.there.translated"),
    ("doors/webhooks.py", "producer.cli.doors.there.pages"),
    ("doors/results.py", "producer.cli.doors.here.results"),
    ("doors/results.py", "producer.cli.doors.there.results"),
    ("doors/results.py", "producer.cli.shared.access"),
    ("doors/rows.py", "producer.cli.doors.here.rows"),
    ("doors/rows.py", "producer.cli.doors.there.rows"),
    ("doors/rows.py", "producer.cli.shared.producers"),
    ("doors/listing.py", "producer.cli.doors.here.listing"),
    ("doors/listing.py", "producer.cli.doors.there.listing"),
    ("doors/listing.py", "producer.cli.shared.access"),
    ("doors/looking.py", "producer.cli.doors.here.looking"),
    ("doors/looking.py", "producer.cli.doors.there.looking"),
    ("doors/looking.py", "producer.cli.shared.access"),
    ("doors/assets.py", "producer.cli.doors.here.assets"),
    ("doors/assets.py", "producer.cli.doors.there.assets"),
    ("doors/assets.py", "producer.cli.shared.access"),
    ("doors/here/assets.py", "producer.operator_actions.remote_assets"),
    ("campaigns/plan.py", "producer.cli.campaigns"),
    ("campaigns/run.py", "producer.cli.campaigns"),
    ("campaigns/planning.py", "producer.campaigns.planning.plan"),
    ("campaigns/run_rows_here.py", "producer.operator_actions.standstill"),
    ("commands.py", "tomllib"),
    ("main.py", "importlib.metadata"),
    ("main.py", "producer.cli.shared.failures"),
    ("shared/failures.py", "producer.cli.shared.api_failures"),
    ("shared/access.py", "storage.settings"),
    ("shared/access.py", "storage.accounts.live"),
    ("shared/output.py", "producer.cli.shared.terminal"),
    ("shared/progress.py", "producer.cli.shared.progress_bar"),
    ("demo/check.py", "av"),
    ("jobs/submit.py", "producer.cli.jobs.detail"),
    ("setup/rehearsal.py", "producer.cli.demo.run"),
}


def test_only_what_was_measured_is_imported_in_functions() -> None:
    found = set()
    for path in CLI.rglob("*.py"):
        for function in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(function, ast.FunctionDef):
                for node in ast.walk(function):
                    if isinstance(node, ast.Import):
                        found |= {(path.relative_to(CLI).as_posix(), alias.name) for alias in node.names}
                    elif isinstance(node, ast.ImportFrom):
                        found.add((path.relative_to(CLI).as_posix(), str(node.module)))
    assert {(file, module) for file, module in found} == LAZY


@every_command
def test_the_line_of_a_command_is_how_its_help_begins(words: tuple[str, ...], command: Command) -> None:
    function = getattr(import_module(f"producer.cli.{command.module}"), command.function)
    assert " ".join(str(inspect.getdoc(function)).split()).startswith(command.summary)


@every_command
def test_no_help_has_brackets(words: tuple[str, ...], command: Command) -> None:
    """Typer takes them for markup and leaves them out."""
    for parameter in load(words[-1], command).params:
        assert "[" not in (getattr(parameter, "help", None) or ""), parameter.name


@pytest.mark.parametrize("before", [[], ["--data-dir", "somewhere"]], ids=["first", "after an option"])
@every_command
def test_every_command_is_there(
    capsys: pytest.CaptureFixture[str], words: tuple[str, ...], command: Command, before: list[str]
) -> None:
    if command.passes_on:
        assert words[0] in run(capsys, "--help")[1]
        return
    code, out, _ = run(capsys, *before, *words, "--help")
    assert code == 0
    assert f"Usage: reelq {' '.join(words)} [OPTIONS]" in " ".join(out.split())


def test_a_mistyped_command_is_answered_with_the_right_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert "Did you mean 'campaign'" in run(capsys, "campain")[2]
    assert "Did you mean 'resolve'" in run(capsys, "jobs", "resolv")[2]
