"""The HTTP API."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

from fastapi import FastAPI
from fastapi.responses import JSONResponse

from producer.api import documents
from producer.api.batch import batch_routes
from producer.api.callbacks import callback_routes
from producer.api.campaigns import campaign_routes
from producer.api.information import information_routes
from producer.api.jobs import job_routes
from producer.api.metrics import metrics_routes
from producer.api.readiness import Readiness
from producer.api.streams import event_routes
from producer.api.videos.routes import video_routes
from producer.api.webhooks import webhook_routes
from producer.http import problems
from producer.http.guard import Guard
from producer.http.keyring import KeyRing
from producer.http.service import Service
from producer.web.routes import page_routes
from producer.web.site import Site
from storage.database import Database
from storage.settings import Settings, load_settings

DESCRIPTION = (
    "A durable job queue for Seedance video generation. docs/api.md is the guide, docs/jobs.md has every field."
)
DATABASE_WAIT_S = 5.0
"""How long a request waits for a connection to the database."""


def create_app(settings: Settings | None = None) -> FastAPI:
    """The application.

    `settings`: None reads the configuration.

    Raises:
        seedance.problems.InvalidInput: the configuration is wrong.
    """
    settings = settings or load_settings()
    readiness = Readiness(settings)
    service = Service(settings)
    url = settings.require_database_url()
    database = Database(url, name="reelq api", size=4, wait_s=DATABASE_WAIT_S)
    # Connections of its own: whoever tries keys that do not exist must not keep callbacks waiting.
    key_database = Database(url, name="reelq keys", size=2, wait_s=DATABASE_WAIT_S)
    site = Site(service)
    keyring = KeyRing(key_database, None if settings.api_key is None else settings.api_key.get_secret_value())

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield
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
        docs_url=None,  # its pages load scripts from elsewhere
        redoc_url=None,
    )
    app.state.keyring = keyring
    app.add_middleware(Guard, settings=settings, keyring=keyring)
    problems.install(app)
    documents.install(app)
    app.include_router(batch_routes(service))
    app.include_router(job_routes(service))
    app.include_router(campaign_routes(service))
    app.include_router(event_routes(service))
    app.include_router(information_routes(service))
    app.include_router(video_routes(service))
    app.include_router(webhook_routes(service))
    app.include_router(callback_routes(database))
    app.include_router(metrics_routes(database, settings.unconfirmed_grace_seconds))
    app.include_router(page_routes(site, keyring))

    @app.get("/healthz")
    async def healthz() -> dict[str, str]:
        """The process is alive; nothing else is asked."""
        return {"status": "ok"}

    @app.get("/readyz", **documents.READY)
    async def readyz() -> JSONResponse:
        """200 once jobs can run, else 503 and what is missing."""
        missing = await readiness.missing()
        return JSONResponse({"ready": not missing, "missing": missing}, 503 if missing else 200)

    return app
