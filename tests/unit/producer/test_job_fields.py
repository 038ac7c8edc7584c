"""The arguments of `enqueue` are the fields of a job, and a type checker finds those that are none."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from producer.intake.job_spec import JOB_FIELDS
from producer.job_fields import JobFields

ROOT = Path(__file__).parents[3]
PROGRAM = """
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session
from producer import AsyncProducer, Producer

def well(producer: Producer, session: Session, row: dict[str, str]) -> None:
    producer.enqueue("a cat", duration=5, ratio="9:16", tags=["a"], metadata={"sku": 7}, connection=session)
    producer.enqueue(prompt="a cat", seed=None)
    producer.enqueue_many([{"prompt": "a cat", "duration": 5}, row], campaign="spring", connection=session)

async def too(producer: AsyncProducer, session: AsyncSession) -> None:
    print((await producer.enqueue("a cat", duration=5, connection=session)).state.value)

def badly(producer: Producer, session: AsyncSession) -> None:
    producer.enqueue("a cat", durration=5)
    producer.enqueue("a cat", duration="five")
    producer.enqueue("a cat", ratio="9:17")
    producer.enqueue(duration=5)
    producer.enqueue("a cat", connection=session)

async def worse(producer: AsyncProducer, session: Session) -> None:
    await producer.enqueue("a cat", durration=5)
    await producer.enqueue("a cat", connection=session)
"""
SAID = [
    'Unexpected keyword argument "durration"',
    'Argument "duration" to "enqueue" of "Producer" has incompatible type "str"',
    'Argument "ratio" to "enqueue" of "Producer" has incompatible type "Literal[\'9:17\']"',
    'Missing positional argument "prompt"',
    'Argument "connection" to "enqueue" of "Producer" has incompatible type "AsyncSession"',
    'Unexpected keyword argument "durration"',
    'Argument "connection" to "enqueue" of "AsyncProducer" has incompatible type "Session"',
]


def test_the_arguments_are_the_fields_of_a_job() -> None:
    assert {*JobFields.__annotations__, "prompt", "draft_of"} == set(JOB_FIELDS)


def test_a_type_checker_finds_wrong_fields_and_connections(tmp_path: Path) -> None:
    (tmp_path / "backend.py").write_text(PROGRAM)
    command = [sys.executable, "-m", "mypy", "--no-error-summary", "--hide-error-context", str(tmp_path / "backend.py")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    found = [line.split(": error: ")[1] for line in done.stdout.splitlines() if ": error: " in line]
    assert len(found) == len(SAID), done.stdout + done.stderr
    assert [line for line, said in zip(found, SAID, strict=True) if not line.startswith(said)] == []
