"""Where a bucket is: its endpoint, its region, and whether its name stands in the host or in the path. Pure.

Sources: https://docs.aws.amazon.com/AmazonS3/latest/userguide/VirtualHosting.html,
https://docs.aws.amazon.com/general/latest/gr/s3.html
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from ipaddress import ip_address
from typing import Literal
from urllib.parse import quote, urlsplit, urlunsplit

Style = Literal["auto", "path", "virtual"]

DEFAULT_REGION = "us-east-1"
_REGION = r"(?P<region>[a-z0-9]+(?:-[a-z0-9]+)*)"
_AWS = re.compile(r"s3(?:[.-](?:dualstack\.)?(?P<region>[a-z]{2}(?:-[a-z]+)+-\d))?\.amazonaws\.com(?:\.cn)?")
_KNOWN: tuple[tuple[re.Pattern[str], bool, str | None], ...] = (
    # Hosts, whether they want the bucket in the host name, and their region if the host does not say it.
    (_AWS, True, DEFAULT_REGION),
    (re.compile(rf"vpce-[a-z0-9-]+\.s3\.{_REGION}\.vpce\.amazonaws\.com"), True, None),
    (re.compile(rf"(?:s3\.)?oss-{_REGION}\.aliyuncs\.com"), True, None),
    (re.compile(rf"tos-s3-{_REGION}\.(?:volces|ivolces|bytepluses)\.com"), True, None),
    (re.compile(rf"cos(?:-internal)?\.{_REGION}\.(?:myqcloud\.com|tencentcos\.(?:cn|com))"), True, None),
    (re.compile(r"[0-9a-f]{32}\.(?:[a-z]+\.)?r2\.cloudflarestorage\.com"), False, "auto"),
    (re.compile(r"storage\.googleapis\.com"), False, "auto"),
    (re.compile(rf"s3\.{_REGION}\.(?:backblazeb2\.com|wasabisys\.com|scw\.cloud|io\.cloud\.ovh\.net)"), False, None),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Place:
    """Where requests for a bucket go. `endpoint` has no trailing slash and does not contain the bucket."""

    endpoint: str
    bucket: str
    region: str
    virtual: bool = False
    """The bucket's name stands in the host, not in the path."""

    @property
    def base(self) -> str:
        """The URL of the bucket, without a trailing slash."""
        if not self.virtual:
            return f"{self.endpoint}/{self.bucket}"
        parts = urlsplit(self.endpoint)
        return urlunsplit((parts.scheme, f"{self.bucket}.{parts.netloc}", parts.path, "", ""))

    def url(self, key: str, query: str = "") -> str:
        """The URL of an object; `query` is percent-encoded."""
        return f"{self.base}/{quote(key)}" + (f"?{query}" if query else "")

    def in_region(self, region: str) -> Place:
        """The same bucket in another region; at AWS it has another endpoint there."""
        endpoint = aws_endpoint(region) if _AWS.fullmatch(urlsplit(self.endpoint).hostname or "") else self.endpoint
        return replace(self, region=region, endpoint=endpoint)

    def at(self, address: str) -> Place | None:
        """The place that a store names instead of this one, as a URL or a host. None if it is the same, or in another
        domain: a store may not send our objects elsewhere."""
        parts = urlsplit(address if "://" in address else f"{urlsplit(self.endpoint).scheme}://{address}")
        here = urlsplit(self.endpoint)
        host, own = (parts.hostname or "").removeprefix(f"{self.bucket}."), here.hostname or ""
        if not host or _domain(host) != _domain(own) or (here.scheme, parts.scheme) == ("https", "http"):
            return None
        port = f":{parts.port}" if parts.port is not None else ""
        found = known_region(host)
        where = f"{parts.scheme}://{f'[{host}]' if ':' in host else host}{port}{here.path}"
        place = replace(self, endpoint=where, region=found or self.region)
        return None if place == self else place


def place_of(bucket: str, endpoint: str | None, region: str | None, style: Style) -> Place:
    """Where a bucket is, as far as the configuration tells. `endpoint` None: AWS.

    An endpoint that already contains the bucket, as some consoles show it, is understood.
    """
    if endpoint is None:
        region = region or DEFAULT_REGION
        # A dot in the name does not fit the store's certificate.
        return Place(
            aws_endpoint(region), bucket, region, style == "virtual" or (style == "auto" and "." not in bucket)
        )
    parts = urlsplit(endpoint)
    host, path = parts.hostname or "", parts.path.rstrip("/").removesuffix(f"/{bucket}")
    bare = host.removeprefix(f"{bucket}.")
    known = _known(bare)
    if known is not None and bare != host:
        host = bare
    port = f":{parts.port}" if parts.port is not None else ""
    virtual = known is not None and known[0] and "." not in bucket
    return Place(
        f"{parts.scheme}://{f'[{host}]' if ':' in host else host}{port}{path}",
        bucket,
        region or (known[1] if known is not None else None) or DEFAULT_REGION,
        virtual if style == "auto" else style == "virtual",
    )


def aws_endpoint(region: str) -> str:
    """The regional endpoint. The global one does not lead to regions opened after March 2019."""
    return f"https://s3.{region}.amazonaws.com{'.cn' if region.startswith('cn-') else ''}"


def known_region(host: str) -> str | None:
    """The region that the host name of a known store says, None if it says none."""
    known = _known(host)
    return None if known is None else known[1]


def may_be_virtual(place: Place) -> bool:
    """Whether the bucket's name can stand before the host: an address takes no name."""
    try:
        ip_address(urlsplit(place.endpoint).hostname or "")
    except ValueError:
        return True
    return False


def _known(host: str) -> tuple[bool, str | None] | None:
    for pattern, virtual, region in _KNOWN:
        if (found := pattern.fullmatch(host)) is not None:
            said = found.groupdict().get("region")
            return virtual, said.removesuffix("-internal") if said else region
    return None


def _domain(host: str) -> str:
    try:
        ip_address(host)
    except ValueError:
        return ".".join(host.lower().rstrip(".").split(".")[-2:])
    return host
