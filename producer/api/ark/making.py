"""From a request of Ark's clients to a job."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import orjson

from producer.api.ark.fields import ArkTask, in_arks_words, read_task, replace_media
from producer.api.videos.attachments import Attachments
from producer.client import Producer
from producer.http.service import Service
from producer.intake.intake import Batch, Prepared, Row, as_prepared
from producer.intake.job_spec import parse_job
from producer.intake.webhook_urls import address_problem, form_problem
from seedance.problems import InvalidInput, Problem
from seedance.request import Modality
from storage.jobs.records import JobView
from storage.jobs.repeated_requests import key_until_answered


@dataclass(frozen=True, slots=True)
class AskedTask:
    """A request: its body, the key of its header (None: it has none), and the API key that sends it."""

    body: Mapping[str, Any]
    idempotency_key: str | None
    key_id: str | None


def make(service: Service, producer: Producer, asked: AskedTask) -> tuple[JobView, bool]:
    """Store the job; also whether it is new. A repetition returns the job of the first request.

    Raises:
        ApiProblem: the model is not known, or something is missing.
        InvalidInput: a parameter breaks a rule, or no configured account can do it.
        IdempotencyConflict, DatabaseUnavailable, StoreUnavailable: as `Producer.store`.
    """
    with Attachments() as attachments:
        try:
            task = read_task(asked.body, producer.settings.accounts)
            _check_callback(task, service)
            if asked.idempotency_key is not None:
                task.fields["idempotency_key"] = asked.idempotency_key
            prepared = _prepared(producer, task, attachments)
        except InvalidInput as exc:
            raise in_arks_words(exc) from exc
        if prepared.idempotency_key is None:
            prepared = replace(prepared, idempotency_key=_key(producer, asked))
        [enqueued] = producer.store(Batch([prepared], attachments.files))
    return producer.get(enqueued.id), enqueued.created


def _prepared(producer: Producer, task: ArkTask, attachments: Attachments) -> Prepared:
    replace_media(task.fields, lambda modality, value: _stored(attachments, modality, value))
    [row] = producer.with_drafts([Row("", task.fields)])
    if isinstance(row, InvalidInput):
        raise row
    spec = attachments.files.replace(parse_job(row.fields))
    return replace(as_prepared(spec, producer.settings, row, attachments.files.facts), ark=task.facts)


def _stored(attachments: Attachments, modality: Modality, value: str) -> str:
    """A data URI as a file of the bucket, so that rows stay small."""
    if not value.startswith("data:"):
        return value
    try:
        return attachments.add(attachments.open(value), modality)
    except ValueError as exc:
        raise InvalidInput([Problem(f"content.{modality}_url.url", str(exc))]) from exc


def _check_callback(task: ArkTask, service: Service) -> None:
    url = task.facts.get("callback_url")
    if url is not None and (problem := form_problem(url) or address_problem(url, service.settings)) is not None:
        raise InvalidInput([Problem("callback_url", problem)])


def _key(producer: Producer, asked: AskedTask) -> str:
    said = orjson.dumps([asked.key_id, asked.body], option=orjson.OPT_SORT_KEYS)
    fingerprint = f"ark:{hashlib.sha256(said).hexdigest()}"
    with producer.database.begin() as conn:
        return key_until_answered(conn, producer.tenant, fingerprint)
