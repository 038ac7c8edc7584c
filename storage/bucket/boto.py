"""boto3's sessions and clients, which go the same way out as everything else.

boto3 reads the proxy variables itself, but not our setting, and its idea of `NO_PROXY` differs; it knows nothing of
`SSL_CERT_FILE`, and takes a bundle instead of the system's authorities, not in addition to them.
"""

from __future__ import annotations

import socket
import ssl
from typing import TYPE_CHECKING, Any

from seedance.network.outbound import Outbound
from storage.bucket.place import Place
from storage.settings import Settings

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

CONNECT_S, READ_S = 5, 30
_AT_ONCE: Any = [(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)]
"""As botocore's own clients have it. Otherwise a body waits 40 ms for the acknowledgement of its headers."""


def make_http(place: Place, outbound: Outbound) -> Any:
    """What sends requests that are signed here: botocore's HTTP client, without botocore's descriptions of services,
    which take a process a fifth of a second to load."""
    proxies = _proxies(place, outbound)
    if outbound.authorities.sources:
        return _trusting(outbound, proxies)
    from botocore.httpsession import URLLib3Session

    timeout: Any = (CONNECT_S, READ_S)
    return URLLib3Session(verify=True, proxies=proxies, timeout=timeout, socket_options=_AT_ONCE)


def _proxies(place: Place, outbound: Outbound) -> dict[str, str]:
    proxy = outbound.proxies.of(place.base)
    return {} if proxy is None else {place.base.partition(":")[0]: proxy.full_url}


def make_session(settings: Settings, outbound: Outbound) -> Any:
    """A boto3 session with the configured credentials, else with those that boto3 finds."""
    import boto3
    import botocore.session
    from botocore.config import Config

    core = botocore.session.get_session()
    if settings.proxy is not None:  # also for the services that hand out credentials
        proxies = {"http": outbound.proxies.http, "https": outbound.proxies.https}
        found = {scheme: proxy.full_url for scheme, proxy in proxies.items() if proxy is not None}
        core.set_default_client_config(Config(proxies=found))
    if outbound.authorities.sources:
        create = core.create_client

        def create_trusting(*args: Any, **options: Any) -> Any:
            client: Any = create(*args, **options)
            client._endpoint.http_session = _trusting(outbound, client.meta.config.proxies or {})
            return client

        core.create_client = create_trusting  # type: ignore[method-assign]  # boto3 makes its own clients with it, too
    secret = settings.s3_secret_access_key
    return boto3.session.Session(
        aws_access_key_id=settings.s3_access_key_id,
        aws_secret_access_key=secret.get_secret_value() if secret is not None else None,
        region_name=settings.s3_region,
        botocore_session=core,
    )


def make_client(session: Any, place: Place, outbound: Outbound) -> S3Client:
    """An S3 client for a bucket. boto3's session must not be used by two threads at once."""
    from botocore.config import Config

    return session.client(  # type: ignore[no-any-return]  # boto3 has no types
        "s3",
        endpoint_url=place.endpoint,
        region_name=place.region,
        config=Config(
            # At a custom endpoint boto3 would sign with SigV2, which other stores refuse.
            signature_version="s3v4",
            s3={"addressing_style": "virtual" if place.virtual else "path"},
            connect_timeout=CONNECT_S,
            read_timeout=READ_S,
            retries={"max_attempts": 3, "mode": "standard"},
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            proxies=_proxies(place, outbound),
        ),
    )


def _trusting(outbound: Outbound, proxies: dict[str, str]) -> Any:
    """botocore's HTTP client with our authorities in addition to its own."""
    from botocore.httpsession import URLLib3Session

    class Trusting(URLLib3Session):
        def _get_ssl_context(self) -> ssl.SSLContext:
            return outbound.authorities.new_context()

        def _setup_proxy_ssl_context(self, _proxy_url: str) -> ssl.SSLContext:
            return outbound.authorities.new_context()

    timeout: Any = (CONNECT_S, READ_S)
    return Trusting(verify=True, proxies=proxies, timeout=timeout, socket_options=_AT_ONCE)
