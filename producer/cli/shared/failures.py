"""The one place where an exception becomes a message for a person: no trace ever reaches the terminal."""

from __future__ import annotations

import os
import tempfile
import traceback
from pathlib import Path

from producer.backups.errors import BackupFailed
from producer.cli.shared.exit_codes import BAD_INPUT, SOME_FAILED
from producer.errors import CampaignNotFound, JobNotFound, KeyNotFound, NotPossible, ReplayRefused, WebhookNotFound
from producer.local.errors import StackError
from seedance.errors import GatewayError
from seedance.problems import InvalidInput
from storage.bucket.requests import StoreUnavailable
from storage.database import DatabaseUnavailable
from storage.faults import Fault
from storage.jobs.records import IdempotencyConflict
from storage.settings import STACK_FILE
from storage.settings import data_dir as default_dir
from storage.uploads.records import UploadsFull


def explain(error: BaseException, data_dir: Path | None) -> tuple[str, int]:
    """What to print for an exception, and the exit code."""
    if type(error).__module__.partition(".")[0] == "reelq_client":
        # Imported here: the client is loaded then; for any other failure it would be a fifth of the command's time.
        from producer.cli.shared.api_failures import explain_api

        return explain_api(error)
    match error:
        case DatabaseUnavailable(code=DatabaseUnavailable.code):
            return _with_hint(str(error), "REELQ_DATABASE_URL", "database_url", data_dir), BAD_INPUT
        case StoreUnavailable(code=StoreUnavailable.code):
            return _with_hint(str(error), "REELQ_S3_ENDPOINT_URL", "s3_endpoint_url", data_dir), BAD_INPUT
        case Fault(code="broker_down"):
            return _with_hint(str(error), "REELQ_BROKER_URL", "broker_url", data_dir), BAD_INPUT
        case Fault():  # it says itself what to do
            return str(error), BAD_INPUT
        case InvalidInput() | IdempotencyConflict() | StackError() | UploadsFull() | BackupFailed():
            return str(error), BAD_INPUT
        case JobNotFound() | CampaignNotFound() | WebhookNotFound() | KeyNotFound():
            return str(error), BAD_INPUT
        case NotPossible() | ReplayRefused() | TimeoutError():
            return str(error), SOME_FAILED
        case GatewayError():
            return f"{error.gateway}: {error}", SOME_FAILED
        case OSError():
            where = f"{error.filename}: " if error.filename else ""
            return f"{where}{error.strerror or error}", BAD_INPUT
        case _:
            return _unexpected(error, data_dir), BAD_INPUT


def _with_hint(message: str, variable: str, key: str, data_dir: Path | None) -> str:
    if key in message:
        return message
    directory = default_dir(data_dir)
    if not os.environ.get(variable) and (directory / STACK_FILE).exists():
        return f"{message}; is `reelq up` running for {directory}?"
    return f"{message}; check {variable} or {key} in reelq.toml, or start `reelq up`"


def _unexpected(error: BaseException, data_dir: Path | None) -> str:
    """A fault of reelq: the trace goes to a file, whose name the person sees."""
    said = str(error).splitlines()[0] if str(error) else "no message"
    kept = _keep_trace("".join(traceback.format_exception(error)), data_dir)
    return f"unexpected {type(error).__name__}: {said} ({kept})"


def _keep_trace(trace: str, data_dir: Path | None) -> str:
    logs = default_dir(data_dir) / "logs"
    try:
        directory = logs if logs.is_dir() and os.access(logs, os.W_OK) else Path(tempfile.gettempdir())
        handle, name = tempfile.mkstemp(prefix="reelq-trace-", suffix=".txt", dir=directory)
        with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(trace)
    except OSError as exc:
        return f"the trace could not be written: {exc.strerror}"
    return f"trace in {name}"
