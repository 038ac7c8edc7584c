"""Programs of backends that enqueue jobs: `make lint` checks their types, and nothing runs them.

mypy reports an ignored error that it does not find, so each of these comments is an assertion.
"""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session

from producer import AsyncProducer, Producer


def well(producer: Producer, session: Session, row: dict[str, str]) -> None:
    """Fields of a job, a connection of either kind, rows of a file."""
    producer.enqueue("a cat", duration=5, ratio="9:16", tags=["a"], metadata={"sku": 7}, connection=session)
    producer.enqueue(prompt="a cat", seed=None)
    producer.enqueue_many([{"prompt": "a cat", "duration": 5}, row], campaign="spring", connection=session)


async def too(producer: AsyncProducer, session: AsyncSession) -> str:
    """The same with asyncio."""
    return (await producer.enqueue("a cat", duration=5, connection=session)).state.value


def badly(producer: Producer, session: AsyncSession) -> None:
    """Names that no field has, values that no field takes, no prompt, a connection of the other kind."""
    producer.enqueue("a cat", durration=5)  # type: ignore[call-arg]
    producer.enqueue("a cat", duration="five")  # type: ignore[arg-type]
    producer.enqueue("a cat", ratio="9:17")  # type: ignore[arg-type]
    producer.enqueue(duration=5)  # type: ignore[call-arg]
    producer.enqueue("a cat", connection=session)  # type: ignore[arg-type]


async def worse(producer: AsyncProducer, session: Session) -> None:
    """The same with asyncio."""
    await producer.enqueue("a cat", durration=5)  # type: ignore[call-arg]
    await producer.enqueue("a cat", connection=session)  # type: ignore[arg-type]
