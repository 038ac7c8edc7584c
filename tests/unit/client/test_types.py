"""What a type checker says about programs that use the client."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

GOOD = """
from pathlib import Path
from collections.abc import AsyncIterator, Iterator
from reelq_client import AsyncReelq, Job, JobEvent, JobFields, Reelq

def blocking(reelq: Reelq) -> None:
    job: Job = reelq.jobs.create("a fox", duration=5, tier="fast", first_frame=Path("a.png"), tags=["x"])
    state: str = reelq.jobs.wait(job.id, timeout=60.0).state
    url: str | None = job.video_url
    jobs: Iterator[Job] = reelq.jobs.iterate(state="failed")
    events: Iterator[JobEvent] = reelq.jobs.events(job.id)
    saved: Path = reelq.jobs.video(job.id).save("a.mp4")
    rows: list[JobFields] = [{"prompt": "a fox", "duration": 5}]
    total: int = reelq.campaigns.run("spring", rows, budget="1 CNY").rows
    print(state, url, jobs, events, saved, total)

async def awaiting(reelq: AsyncReelq) -> None:
    job: Job = await reelq.jobs.create("a fox", duration=5)
    jobs: AsyncIterator[Job] = reelq.jobs.iterate()
    saved: Path = await reelq.jobs.video(job.id).save("a.mp4")
    print(jobs, saved)
"""
HEAD = "from reelq_client import AsyncReelq, JobFields, Reelq\nreelq = Reelq()\n"
BAD = [
    ('reelq.jobs.create("a fox", durations=5)', "durations"),
    ('reelq.jobs.create("a fox", duration="5 s")', "duration"),
    ('reelq.jobs.create("a fox", tier="fastest")', "tier"),
    ('rows: list[JobFields] = [{"prompt": "a", "lenght": 5}]', "lenght"),
    ('reelq.jobs.list(state="done")', "state"),
    ('reelq.jobs.get("1").vidio_url', "vidio_url"),
    ("x: int = reelq.jobs.create", "assignment"),
    ('await_me: str = AsyncReelq().jobs.create("a fox")', "Coroutine"),
]


@pytest.fixture(scope="module")
def complaints(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What mypy says, by the file: all files in one run."""
    folder = tmp_path_factory.mktemp("programs")
    (folder / "good.py").write_text(GOOD)
    for number, (line, _) in enumerate(BAD):
        (folder / f"bad{number}.py").write_text(f"{HEAD}{line}\n")
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file=", "--cache-dir", str(folder / "cache"), "."]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    said: dict[str, str] = {}
    for line in done.stdout.splitlines():
        name = Path(line.partition(":")[0]).stem
        said[name] = said.get(name, "") + line
    return said


def test_good_programs_pass(complaints: dict[str, str]) -> None:
    assert "good" not in complaints, complaints["good"]


@pytest.mark.parametrize(("number", "word"), [(number, word) for number, (_, word) in enumerate(BAD)])
def test_mistakes_are_found(complaints: dict[str, str], number: int, word: str) -> None:
    assert word in complaints[f"bad{number}"]
