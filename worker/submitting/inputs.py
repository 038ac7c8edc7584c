"""Put a job's files into the wire call: as assets, as links to the bucket, or inside the request."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext

from seedance.client import GatewayClient
from seedance.delivery import Delivery, delivery_without_asset
from seedance.errors import InputGone, NotTried, Rejected
from seedance.media import MediaKind, media_kind
from seedance.problems import InvalidInput, Problem
from seedance.request import GenerationRequest, Modality
from storage.bucket.requests import MAX_LINK_S, StoreUnavailable
from worker.runtime import Part, Runtime

INLINE_AT_ONCE = 2


class NotDeliverable(Rejected):
    """With its files inside, the request is larger than the gateway accepts. Nothing was sent; an account that can send
    the files another way may serve it."""


class InlineSlots(Part):
    """Limits how many requests hold whole files in memory at a time."""

    def __init__(self, runtime: Runtime) -> None:
        super().__init__(runtime)
        self.slots = asyncio.Semaphore(INLINE_AT_ONCE)


def with_inputs(
    runtime: Runtime,
    client: GatewayClient,
    request: GenerationRequest,
    assets: Mapping[str, str],
    key_of: Callable[[str], str],
) -> GenerationRequest:
    """The request with assets and links for stored files. Files that must go inside the request are left to `inlined`.

    `assets`: `asset://ID` by reference, for the files that the account has. `key_of`: where a file lies.

    Raises:
        InvalidInput: this account cannot send a file to its gateway.
    """
    uploads = _uploads(request)
    if not uploads:
        return request
    reachable = runtime.settings.bucket_reachable_by(client.account)
    replaced: dict[str, str] = {}
    for name, (modality, value) in uploads.items():
        if value in assets:
            replaced[name] = assets[value]
            continue
        match delivery_without_asset(client.dialect.row_for(request), modality, reachable=reachable):
            case Delivery.LINK:
                replaced[name] = runtime.objects.link(key_of(value), MAX_LINK_S)
            case None:
                raise InvalidInput([Problem(name, f"{client.dialect.name} cannot reach the bucket to fetch it")])
            case _:
                pass
    return request.with_media(replaced)


def _uploads(request: GenerationRequest) -> dict[str, tuple[Modality, str]]:
    """The stored files that a request names: modality and reference, by field."""
    return {
        name: (modality, value) for name, modality, value in request.media() if media_kind(value) is MediaKind.UPLOAD
    }


def inlined(
    runtime: Runtime, client: GatewayClient, request: GenerationRequest, key_of: Callable[[str], str]
) -> AbstractAsyncContextManager[GenerationRequest]:
    """The request with every remaining file as a data URI; only a few such requests are held at a time.

    Raises:
        NotTried: the object store cannot provide a file now.
        InputGone: a file is no longer in the bucket.
        NotDeliverable: the gateway would refuse the request with the files inside.
    """
    uploads = _uploads(request)
    return _with_files(runtime, client, request, uploads, key_of) if uploads else nullcontext(request)


@asynccontextmanager
async def _with_files(
    runtime: Runtime,
    client: GatewayClient,
    request: GenerationRequest,
    uploads: Mapping[str, tuple[Modality, str]],
    key_of: Callable[[str], str],
) -> AsyncIterator[GenerationRequest]:
    async with runtime.part(InlineSlots).slots:
        replaced = {}
        for name, (modality, value) in uploads.items():
            content = await read_object(runtime, client, key_of(value))
            subtype = value.rpartition(".")[2].replace("jpg", "jpeg")
            replaced[name] = f"data:{modality}/{subtype};base64,{base64.b64encode(content).decode()}"
        whole = request.with_media(replaced)
        if refusals := client.dialect.refusals(whole):
            raise NotDeliverable(str(InvalidInput(refusals)), gateway=client.dialect.name)
        yield whole


async def read_object(runtime: Runtime, client: GatewayClient, key: str) -> bytes:
    """A stored file, whole.

    Raises:
        NotTried: the object store cannot provide it now.
        InputGone: it is no longer in the bucket.
    """

    def read() -> bytes | None:
        try:
            return b"".join(runtime.objects.chunks(key))
        except StoreUnavailable:
            if runtime.objects.head(key) is None:
                return None
            raise

    try:
        content = await asyncio.to_thread(read)
    except StoreUnavailable as exc:
        raise NotTried(str(exc), gateway=client.dialect.name) from exc
    if content is None:
        raise InputGone(f"{key} is no longer in the bucket; enqueue the job again", gateway=client.dialect.name)
    return content
