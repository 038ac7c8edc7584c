"""The routes of the page."""

from __future__ import annotations

from fastapi import APIRouter

from producer.http.doors.failed_keys import FailedKeys
from producer.http.doors.keyring import KeyRing
from producer.web.accounts import account_routes
from producer.web.campaigns import campaign_routes
from producer.web.job import job_routes
from producer.web.jobs import job_list_routes
from producer.web.overview import overview_routes
from producer.web.reference import reference_routes
from producer.web.shared import shared_routes
from producer.web.sign_in import sign_in_routes
from producer.web.site import Site
from producer.web.static_files import static_routes


def page_routes(site: Site, keyring: KeyRing, failed: FailedKeys) -> APIRouter:
    """All routes of the page."""
    router = APIRouter()
    router.include_router(overview_routes(site))
    router.include_router(job_list_routes(site))
    router.include_router(job_routes(site))
    router.include_router(campaign_routes(site))
    router.include_router(account_routes(site))
    router.include_router(reference_routes(site))
    router.include_router(sign_in_routes(site, keyring, failed))
    router.include_router(shared_routes(site))
    router.include_router(static_routes(site.files))
    return router
