"""The HTTP API."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Annotated

from fastapi import APIRouter, Depends, FastAPI, Query
from starlette.responses import Response

from producer.api.access import access_routes
from producer.api.accounts import account_routes
from producer.api.ark.routes import ark_routes
from producer.api.assets import asset_routes
from producer.api.batch import batch_routes
from producer.api.batches.file_routes import file_routes
from producer.api.batches.routes import batch_api_routes
from producer.api.batches.runner import BatchRunner
from producer.api.callbacks import callback_routes
from producer.api.campaign_rows.deciding import decision_routes
from producer.api.campaign_rows.pages import row_routes
from producer.api.campaign_rows.videos import campaign_video_routes
from producer.api.campaigns.plan_errors import plan_error_routes
from producer.api.campaigns.plans import plan_routes
from producer.api.campaigns.results import campaign_result_routes
from producer.api.campaigns.routes import campaign_routes
from producer.api.information import information_routes
from producer.api.jobs.details import job_detail_routes
from producer.api.jobs.files import job_file_routes
from producer.api.jobs.routes import job_routes
from producer.api.jobs.streams import event_routes
from producer.api.mcp.mounting import McpDoor
from producer.api.models import model_routes
from producer.api.monitoring.heartbeat import Heartbeat
from producer.api.monitoring.metrics import metrics_routes
from producer.api.monitoring.readiness import Purpose, Readiness
from producer.api.openapi import document
from producer.api.openapi.operation_ids import operation_id
from producer.api.resources.information import HealthReport, ReadinessReport
from producer.api.uploads import upload_routes
from producer.api.videos.routes import video_routes
from producer.api.webhooks import webhook_routes
from producer.http import problems
from producer.http.answers import answer
from producer.http.doors.callback_proofs import CallbackProofs
from producer.http.doors.failed_keys import FailedKeys
from producer.http.doors.guard import Guard
from producer.http.doors.keyring import KeyRing
from producer.http.doors.proxies import TrustedProxies
from producer.http.layers.answer_headers import AnswerHeaders
from producer.http.layers.compression import Compression
from producer.http.layers.head_requests import HeadRequests
from producer.http.layers.query_names import check_query_names
from producer.http.service import Service
from producer.http.sharing.request_rates import RequestRates
from producer.web.routes import page_routes
from producer.web.site import Site
from storage import heartbeats
from storage.addresses.own import is_loopback
from storage.database import Database
from storage.settings import Settings, load_settings
from storage.waking.database import HintingDatabase

DESCRIPTION = (
    "A durable job queue for Seedance video generation. See docs/api.md for the guide and docs/jobs.md for every field."
)
FOR = """`jobs`: 503 unless jobs can run. `intake`: 503 only if jobs cannot be taken and stored, for a load balancer:
while the broker, the bucket or a worker is down, the API still takes jobs, which run later."""
DATABASE_WAIT_S = 5.0
"""How long a request waits for a connection to the database."""


def create_app(settings: Settings | None = None, host: str = "127.0.0.1") -> FastAPI:
    """The application.

    `settings`: None reads the configuration. `host`: where the server listens; if that is not only this machine, every
    program needs a key.

    Raises:
        seedance.problems.InvalidInput: the configuration is wrong.
    """
    settings = settings or load_settings()
    readiness = Readiness(settings)
    service = Service(settings)
    url = settings.require_database_url()
    prepared = settings.database_prepared_statements
    database = HintingDatabase(settings, name="reelq api", size=4, wait_s=DATABASE_WAIT_S)
    # Connections of its own: a client that tries keys at random must not keep callbacks waiting.
    key_database = Database(url, name="reelq keys", size=2, wait_s=DATABASE_WAIT_S, prepared=prepared)
    heartbeat = Heartbeat(database)
    site = Site(service)
    failed = FailedKeys()
    keyring = KeyRing(key_database, None if settings.api_key is None else settings.api_key.get_secret_value())
    door, runner = McpDoor(service), BatchRunner(service)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        service.start()
        runner.start()
        heartbeat.start()
        async with door.running():
            yield
        heartbeat.stop()
        await runner.stop()
        await site.close()
        await service.close()
        await readiness.close()
        await asyncio.to_thread(database.close)
        await asyncio.to_thread(key_database.close)

    app = FastAPI(
        title="reelq",
        version=version("reelq"),
        description=DESCRIPTION,
        lifespan=lifespan,
        docs_url=None,  # its pages load scripts from other hosts
        redoc_url=None,
        dependencies=[Depends(check_query_names)],
        generate_unique_id_function=operation_id,
    )
    app.state.keyring = keyring
    _add_layers(app, settings, service, keyring, failed, keys_for_all=settings.keys_for_all or not is_loopback(host))
    problems.install(app)
    document.install(app)
    _add_routes(app, service, runner)
    app.include_router(callback_routes(database, CallbackProofs(lambda: service.settings, settings.outbound())))
    app.include_router(metrics_routes(database, lambda: service.settings))
    app.include_router(page_routes(site, keyring, failed))
    door.mount(app)
    app.include_router(_health_routes(readiness))
    return app


def _add_layers(
    app: FastAPI, settings: Settings, service: Service, keyring: KeyRing, failed: FailedKeys, *, keys_for_all: bool
) -> None:
    """The layers around every route; a later one is further out."""
    app.add_middleware(HeadRequests, router=app.router)
    app.add_middleware(Compression)
    app.add_middleware(
        Guard,
        keyring=keyring,
        failed=failed,
        rates=RequestRates(settings.api_requests_per_minute or None),
        keys_for_all=keys_for_all,
        check_fit=service.check_fit,
    )
    app.add_middleware(AnswerHeaders)
    app.add_middleware(TrustedProxies, networks=settings.trusted_proxies)


def _add_routes(app: FastAPI, service: Service, runner: BatchRunner) -> None:
    """The routes of the API, in the order of its description."""
    for made in (
        batch_routes,
        job_routes,
        job_file_routes,
        job_detail_routes,
        access_routes,  # before campaigns, whose names may contain slashes
        plan_routes,
        plan_error_routes,
        campaign_result_routes,
        row_routes,
        campaign_video_routes,
        decision_routes,
        campaign_routes,
        event_routes,
        information_routes,
        asset_routes,
        account_routes,
        upload_routes,
        video_routes,
        ark_routes,
        model_routes,
        file_routes,
    ):
        app.include_router(made(service))
    app.include_router(batch_api_routes(service, runner))
    app.include_router(webhook_routes(service))


def _health_routes(readiness: Readiness) -> APIRouter:
    """What a load balancer asks."""
    router = APIRouter(tags=["health"])

    @router.get("/healthz", response_model=HealthReport, response_description="The process is alive.")
    async def healthz() -> Response:
        """Answer at once, without checking any other part."""
        return answer(HealthReport(status="ok"))

    @router.get(
        "/readyz",
        response_model=ReadinessReport,
        response_description="Ready.",
        responses=document.also(503, "Not ready; `missing` says why.", model=ReadinessReport),
    )
    async def readyz(
        purpose: Annotated[Purpose, Query(alias="for", description=FOR)] = "jobs",
    ) -> Response:
        """Check every part that jobs need: database, broker, bucket, scheduler and workers."""
        found = await readiness.look()
        ready = found.ready(purpose)
        report = ReadinessReport(
            ready=ready, missing=found.missing, warnings=found.warnings, version=heartbeats.own_version()
        )
        return answer(report, 200 if ready else 503)

    return router
