"""The simulator as a process: start, stop, and errors at the start."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.simulator_client import Client, client_at
from tests.waiting import PATIENCE_S, wait_for

PATH = "/v1/video/generations"
BODY = {"model": "seedance", "content": [{"type": "text", "text": "a red fox"}], "duration": 4, "resolution": "480p"}


@contextmanager
def process(directory: Path, *arguments: str) -> Iterator[tuple[Client, subprocess.Popen[str]]]:
    port_file = directory / "port"
    port_file.unlink(missing_ok=True)
    log = directory / "log"
    command = [sys.executable, "-m", "simulator", "--port-file", str(port_file), *arguments]
    with log.open("w") as out, subprocess.Popen(command, stdout=out, stderr=out, text=True) as started:
        try:
            wait_for("it listens", port_file.exists)
            url = f"http://127.0.0.1:{port_file.read_text().strip()}"
            assert log.read_text() == f"simulator ready at {url}\n"
            with client_at(url) as client:
                yield client, started
        finally:
            started.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_the_simulator_cleanly(tmp_path: Path, number: signal.Signals) -> None:
    with process(tmp_path) as (client, started):
        assert client.http.get("/_sim/health").json() == {"ok": True}
        started.send_signal(number)
        assert started.wait(timeout=PATIENCE_S) == 0
    assert (tmp_path / "log").read_text().count("\n") == 1, "one line, no traceback"


def test_the_simulator_stops_while_a_request_hangs(tmp_path: Path) -> None:
    with process(tmp_path) as (client, started):
        client.arm({"kind": "hang", "seconds": 600, "where": "query"})
        with socket.create_connection(("127.0.0.1", client.http.base_url.port or 0)) as connection:
            connection.sendall(
                b"GET /anyfast/v1/video/generations/x HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer k\r\n\r\n"
            )
            wait_for("the request hangs", lambda: client.http.get("/_sim/faults").json()["rules"][0]["applied"])
            started.terminate()
            assert started.wait(timeout=PATIENCE_S) == 0


def test_tasks_and_links_survive_a_kill(tmp_path: Path) -> None:
    arguments = ("--time", "fixed", "--median-seconds", "0.2", "--journal", str(tmp_path / "journal"))
    with process(tmp_path, *arguments) as (client, started):
        task_id = client.post(PATH, BODY).json()["id"]
        url = wait_for("the video", lambda: client.get(f"{PATH}/{task_id}").json()["data"]["result_url"])
        video = client.http.get(url).content
        started.kill()
        started.wait(timeout=PATIENCE_S)
    with process(tmp_path, *arguments) as (client, _):
        restored = client.get(f"{PATH}/{task_id}").json()["data"]
        assert restored["status"] == "SUCCESS"
        assert client.http.get(restored["result_url"]).content == video
        moved = url.replace(url.split("/")[2], str(client.http.base_url.netloc, "ascii"))
        assert client.http.get(moved).content == video, "a link from before the kill still works"


def test_groups_and_assets_survive_a_kill_and_go_with_a_reset(tmp_path: Path) -> None:
    """Seen: a restart kept the tasks and forgot the groups, so the next upload made its group again."""
    arguments = ("--asset-seconds", "0.2", "--journal", str(tmp_path / "journal"))

    def listed(client: Any) -> list[Any]:
        bodies = [client.post(f"/volc/asset/List{what}", {}).json() for what in ("AssetGroups", "Assets")]
        return [item for body in bodies for item in body["Items"]]

    def billed(client: Any) -> Any:
        return client.http.get("/_sim/ledger?summary=1").json()["asset_calls_billed"]

    with process(tmp_path, *arguments) as (client, started):
        group = client.post("/volc/asset/CreateAssetGroup", {"model": "volc-asset", "Name": "spring"}).json()
        asset = {"model": "volc-asset", "GroupId": group["Id"], "Name": "hero", "AssetType": "Image"}
        made = client.post("/volc/asset/CreateAsset", asset | {"URL": "https://media.example/hero.png"})
        assert made.status_code == 200, made.text
        wait_for("the asset", lambda: listed(client)[1]["Status"] == "Active")
        before = (listed(client), billed(client))
        started.kill()
        started.wait(timeout=PATIENCE_S)
    for reset in (True, False):
        with process(tmp_path, *arguments) as (client, _):
            assert (listed(client), billed(client)) == (before if reset else ([], {}))
            client.http.post("/_sim/reset")


def test_a_reset_restores_the_faults_of_the_file(tmp_path: Path) -> None:
    faults = tmp_path / "faults.toml"
    faults.write_text('[[rules]]\nkind = "rate_limit"\nfirst = 1\n')
    with process(tmp_path, "--faults", str(faults)) as (client, _):
        for _ in range(2):
            assert [client.post(PATH, BODY).status_code for _ in range(2)] == [429, 200]
            client.http.post("/_sim/reset")


def fails(*arguments: Any) -> str:
    command = [sys.executable, "-m", "simulator", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert done.returncode == 2 and done.stdout == ""
    return done.stderr


def test_a_port_in_use_or_an_invalid_option_is_one_line(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert "in use" in fails("--port", taken.getsockname()[1])
    bad = tmp_path / "faults.json"
    bad.write_text('[{"kind": "lost", "every": 0}]')
    for message in (
        fails("--faults", bad),
        fails("--faults", tmp_path / "missing.json"),
        fails("--median-seconds", "-1"),
        fails("--video-bytes", "12"),
    ):
        assert message.startswith("simulator: ") and message.count("\n") == 1


def test_a_client_that_expects_100_continue_receives_it(tmp_path: Path) -> None:
    with process(tmp_path) as (client, _):
        port = client.http.base_url.port or 0
        with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as connection:
            head = f"POST /anyfast{PATH} HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer k\r\nContent-Length: 2\r\n"
            connection.sendall(f"{head}Expect: 100-continue\r\n\r\n".encode())
            assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
            connection.sendall(b"{}")
            assert connection.recv(100).startswith(b"HTTP/1.1 400 ")
