"""What a wait says that the database did not answer."""

from __future__ import annotations

from uuid import uuid4

import pytest

from producer.patience import wait_for
from storage.database import Database


@pytest.mark.parametrize(
    ("jobs", "said"),
    [
        (1, "1 of 1 job did not finish within 0.1 s; it continues"),
        (2, "some of 2 jobs did not finish within 0.1 s; they continue"),
    ],
)
def test_a_wait_without_an_answer_says_one_job_or_some_of_several(closed_port: int, jobs: int, said: str) -> None:
    database = Database(f"postgresql://reelq@127.0.0.1:{closed_port}/reelq", name="test", size=1, wait_s=0.2)
    try:
        with pytest.raises(TimeoutError) as found:
            list(wait_for(database, "default", [uuid4() for _ in range(jobs)], 0.1, held_is_finished=True))
    finally:
        database.close()
    assert str(found.value) == said
