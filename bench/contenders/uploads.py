"""Copies as every manual shows them: `upload_fileobj` of a streamed response, in a few threads."""

# mypy: ignore-errors
# Its libraries are installed in the contenders' environment, not in ours.

from __future__ import annotations

import json
import os
import time
from concurrent.futures import ThreadPoolExecutor

import boto3
import requests

from bench.contenders import settings

THREADS = 8


def copies(count: int) -> None:
    """Copy the video at BENCH_URL `count` times; print the seconds and the CPU seconds."""
    url, store = os.environ["BENCH_URL"], boto3.client("s3", endpoint_url=settings.S3_ENDPOINT)

    def copy(number: int) -> None:
        with requests.get(url, stream=True, timeout=600) as response:
            response.raise_for_status()
            store.upload_fileobj(response.raw, settings.BUCKET, settings.object_key(number))

    began_s, cpu_s = time.monotonic(), time.process_time()
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(copy, range(count)))
    took = {"took_s": time.monotonic() - began_s, "cpu_s": time.process_time() - cpu_s}
    print(json.dumps(took))
