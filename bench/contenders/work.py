"""The three steps of a job with requests and boto3, as their manuals show them: submit, ask, copy."""

# mypy: ignore-errors
# Its libraries are installed in the contenders' environment, not in ours.

from __future__ import annotations

import threading

import boto3
import requests
from boto3.s3.transfer import TransferConfig

from bench.contenders import settings

_local = threading.local()
_creating = threading.Lock()
# The callers are threads already. Parts of 8 MiB are boto3's default.
_CONFIG = TransferConfig(use_threads=False)
TIMEOUT_S = 60


def _session() -> requests.Session:
    if not hasattr(_local, "session"):
        _local.session = requests.Session()
        _local.session.headers.update(settings.HEADERS)
    return _local.session


def _store():
    if not hasattr(_local, "store"):
        with _creating:  # boto3's default session cannot create clients in several threads at once
            _local.store = boto3.client("s3", endpoint_url=settings.S3_ENDPOINT, region_name="us-east-1")
    return _local.store


def submit(number: int) -> str:
    """Start a generation; returns the gateway's task id."""
    response = _session().post(settings.CREATE_URL, json=settings.body(number), timeout=TIMEOUT_S)
    response.raise_for_status()
    return response.json()["id"]


def ask(task_id: str) -> str | None:
    """The URL of the video; None while it is not ready."""
    response = _session().get(f"{settings.CREATE_URL}/{task_id}", timeout=TIMEOUT_S)
    response.raise_for_status()
    task = response.json()["data"]
    if task["status"] == "FAILURE":
        raise RuntimeError(task["fail_reason"])
    return task["result_url"] if task["status"] == "SUCCESS" else None


def copy(url: str, number: int) -> None:
    """Stream the video into the bucket."""
    with requests.get(url, stream=True, timeout=TIMEOUT_S) as response:
        response.raise_for_status()
        _store().upload_fileobj(response.raw, settings.BUCKET, settings.object_key(number), Config=_CONFIG)
