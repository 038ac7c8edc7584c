"""The addresses of the servers and the wait between polls: the same for every contender."""

from __future__ import annotations

import json
import os
import random

FIRST_WAIT_S, GROWTH, MAX_WAIT_S = 0.5, 1.5, 10.0

NAME = os.environ["BENCH_NAME"]
"""Part of every prompt, so that the gateway's ledger identifies the contender."""
GATEWAY = os.environ["BENCH_GATEWAY"]
API_KEY = os.environ["BENCH_API_KEY"]
S3_ENDPOINT = os.environ["BENCH_S3_ENDPOINT"]
BUCKET = os.environ["BENCH_BUCKET"]
DATABASE_URL = os.environ["BENCH_DATABASE_URL"]
BROKER_URL = os.environ["BENCH_BROKER_URL"]
# boto3 and botocore read the store's keys from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.

HEADERS = {"Authorization": f"Bearer {API_KEY}"}
CREATE_URL = f"{GATEWAY}/v1/video/generations"


def tuning(**usual: int) -> dict[str, int]:
    """A library's usual values of some options, unless BENCH_TUNING (JSON) overrides them."""
    given = json.loads(os.environ.get("BENCH_TUNING", "{}"))
    return {name: given.get(name, value) for name, value in usual.items()}


def body(number: int) -> dict[str, object]:
    """The body of a job's create request."""
    prompt = f"{NAME} {number}"
    return {"model": "seedance", "content": [{"type": "text", "text": prompt}], "duration": 4, "resolution": "480p"}


def wait_s(polls: int) -> float:
    """The wait before the next poll after `polls` polls: exponential backoff with jitter."""
    return min(FIRST_WAIT_S * GROWTH**polls, MAX_WAIT_S) * random.uniform(0.9, 1.1)


def object_key(number: int) -> str:
    """The object key of a job's video."""
    return f"videos/{number}.mp4"
