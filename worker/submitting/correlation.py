"""Marks by which a POST can be recognised at the gateway later: a seed, a value of `execution_expires_after`, and a
callback URL, each of its own."""

from __future__ import annotations

import secrets

from seedance.client import GatewayClient
from seedance.gateways.base import AttemptOptions
from seedance.lanes import model_key
from seedance.marks import MarkBand, mark_band
from seedance.request import GenerationRequest
from storage.jobs.callbacks import hash_token
from storage.jobs.records import Correlation
from storage.settings import Settings

RANDOM_SEED = -1
_SEEDS = 2**31


def correlate(
    client: GatewayClient, request: GenerationRequest, settings: Settings, deadline_in_s: float | None = None
) -> tuple[AttemptOptions, Correlation]:
    """What this attempt is sent with, and what is stored of it before it is sent. The mark is chosen when it is stored.

    The seed is chosen where the gateway lists its tasks with their seeds, unless the job asks for one. The callback URL
    is given where the account wants callbacks, gateways can reach us, and this gateway would call that URL.
    """
    seed = _seed(client, request)
    url, token = _callback(client, settings)
    key = model_key(client.dialect.model_for(request), request.resolution)
    marks = _marks(client, request, deadline_in_s)
    correlation = Correlation(seed, hash_token(token) if url is not None else None, key, marks)
    return AttemptOptions(seed, url, deadline_in_s), correlation


def _marks(client: GatewayClient, request: GenerationRequest, deadline_in_s: float | None) -> MarkBand | None:
    return mark_band(deadline_in_s) if "expires_after" in client.dialect.marks(request) else None


def _seed(client: GatewayClient, request: GenerationRequest) -> int | None:
    if "seed" not in client.dialect.capabilities().marks:
        return None
    if request.seed is not None and request.seed != RANDOM_SEED:
        return request.seed
    return secrets.randbelow(_SEEDS) if "seed" in client.dialect.marks(request) else None


def _callback(client: GatewayClient, settings: Settings) -> tuple[str | None, str]:
    token = secrets.token_urlsafe(32)
    if not (client.account.callbacks and settings.public_url and client.dialect.capabilities().callbacks):
        return None, token
    url = f"{settings.public_url.rstrip('/')}/callbacks/{client.dialect.name}/{token}"
    if client.dialect.callback_problem(url, allow_private=settings.allow_private_networks) is not None:
        return None, token
    return url, token
