"""Give each POST marks of its own to recognize it at the gateway later: a seed, a value of `execution_expires_after`,
and a callback URL."""

from __future__ import annotations

import secrets

from seedance.client import GatewayClient
from seedance.expiry_marks import MarkBand, mark_band
from seedance.gateways.base import AttemptOptions
from seedance.lanes import model_key
from seedance.request import GenerationRequest
from storage.jobs.callbacks import hash_token
from storage.jobs.records import Correlation
from storage.settings import Settings

RANDOM_SEED = -1
_SEEDS = 2**31


def correlate(
    client: GatewayClient, request: GenerationRequest, settings: Settings, deadline_in_s: float | None = None
) -> tuple[AttemptOptions, Correlation]:
    """The options to send this attempt with, and the correlation to store before. The mark is chosen when it is stored.

    The attempt gets a seed if the gateway lists tasks with their seeds and the job has none. It gets a callback URL if
    the account wants callbacks, gateways can reach reelq, and this gateway calls such a URL.
    """
    seed = _seed(client, request)
    url = hashed = None
    if (callback := _callback(client, settings)) is not None:
        url, token = callback
        hashed = hash_token(token)
    key = model_key(client.dialect.model_for(request), request.resolution)
    marks = _marks(client, request, deadline_in_s)
    correlation = Correlation(seed, hashed, key, client.key_id, marks)
    return AttemptOptions(seed, url, deadline_in_s), correlation


def _marks(client: GatewayClient, request: GenerationRequest, deadline_in_s: float | None) -> MarkBand | None:
    return mark_band(deadline_in_s) if "expires_after" in client.dialect.marks(request) else None


def _seed(client: GatewayClient, request: GenerationRequest) -> int | None:
    if "seed" not in client.dialect.capabilities().marks:
        return None
    if request.seed is not None and request.seed != RANDOM_SEED:
        return request.seed
    return secrets.randbelow(_SEEDS) if "seed" in client.dialect.marks(request) else None


def _callback(client: GatewayClient, settings: Settings) -> tuple[str, str] | None:
    """A URL and the token in it; None: the attempt gets none."""
    if not (client.account.callbacks and settings.public_url and client.dialect.capabilities().callbacks):
        return None
    token = secrets.token_urlsafe(32)
    url = f"{settings.public_url.rstrip('/')}/callbacks/{client.dialect.name}/{token}"
    if client.dialect.callback_problem(url, allow_private=settings.allow_private_networks) is not None:
        return None
    return url, token
