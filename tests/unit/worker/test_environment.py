"""Variables of other programs are not obeyed."""

from __future__ import annotations

import pytest

from worker.environment import ignore_others


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ({"CELERY_BROKER_URL": "redis://other", "CELERY_WORKER_POOL": "prefork", "HOME": "/"}, {"HOME": "/"}),
        ({"FLOWER_PORT": "tcp://10.0.0.7:5555", "FLOWER_SERVICE_PORT": "5555"}, {"FLOWER_SERVICE_PORT": "5555"}),
        ({"FLOWER_PORT": "5556", "FLOWER_BASIC_AUTH": "a:b"}, {"FLOWER_PORT": "5556", "FLOWER_BASIC_AUTH": "a:b"}),
    ],
)
def test_only_what_is_meant_for_us_is_kept(given: dict[str, str], kept: dict[str, str]) -> None:
    environ = dict(given)
    ignore_others(environ)
    assert environ == kept
