"""The settings of the object store."""

from __future__ import annotations

import json
from typing import Annotated, Literal, Self
from urllib.parse import parse_qsl, urlsplit

from pydantic import BaseModel, Field, SecretStr, field_validator, model_validator

BucketName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$")]


class StoreSettings(BaseModel):
    """The part of `Settings` that says where files are stored, and how."""

    s3_endpoint_url: str | None = None
    """The URL of the store. None: that of AWS."""
    s3_bucket: BucketName = "reelq"
    """The bucket for videos, uploads and what lies beside them."""
    s3_tenant_buckets: dict[str, BucketName] = Field(default_factory=dict)
    """Buckets of tenants that do not share `s3_bucket`, by the tenant's name; in the same store, for the same key. As a
    variable: `acme=acme-videos&other=other-videos`, or JSON."""
    s3_public_endpoint_url: str | None = None
    """The URL at which clients reach the store, for links. None: the same as ours; a name or address that is not
    public is not handed out, and the API streams instead."""
    s3_region: str | None = None
    """The region of the bucket. None: what the endpoint's name says, or boto3's usual sources, or us-east-1. If the
    store names another one, that one is used."""
    s3_addressing_style: Literal["auto", "path", "virtual"] = "auto"
    """`virtual`: the bucket's name stands in the host. `auto`: as the endpoint's name suggests or the store demands."""
    s3_checksum: Literal["auto", "crc32", "sha256", "md5", "none"] = "auto"
    """What goes with each upload so that the store verifies it. `auto`: CRC-32; where the store refuses that,
    Content-MD5; where it refuses that too, none."""
    s3_key_prefix: Annotated[str, Field(pattern=r"^([A-Za-z0-9_.={}-]+/)*$", max_length=200)] = ""
    """What every key begins with, with a slash at its end. `{tenant}` stands for the tenant's name."""
    s3_encryption: Literal["AES256", "aws:kms", "aws:kms:dsse"] | None = None
    """Server-side encryption, requested with each object. None: the bucket's default."""
    s3_kms_key_id: str | None = None
    """The KMS key; only with `aws:kms` or `aws:kms:dsse`. None: the account's default key."""
    s3_storage_class: Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]{1,40}$")] | None = None
    """The storage class of videos, such as `STANDARD_IA`. None: the bucket's default."""
    s3_tags: dict[str, str] = Field(default_factory=dict, max_length=10)
    """Tags of each object. As a variable: `team=video&env=prod`, or JSON."""
    s3_cache_control: str | None = None
    """The `Cache-Control` of each object, such as `private, max-age=31536000`."""
    s3_content_disposition: Literal["inline", "attachment", "none"] = "inline"
    """Store with each object a file name for people: campaign and key, or the beginning of the prompt. `attachment`:
    browsers save it instead of playing it. `none`: no name."""
    s3_access_key_id: str | None = None
    """The access key. None: boto3's usual sources (environment, profile, instance role)."""
    s3_secret_access_key: SecretStr | None = None
    """The secret of that access key."""

    @field_validator("s3_endpoint_url", "s3_public_endpoint_url", mode="after")
    @classmethod
    def _check_endpoint(cls, value: str | None) -> str | None:
        if value is None or value == "":
            return None
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query:
            raise ValueError("must be http:// or https:// and a host, without a query")
        return value.rstrip("/")

    @field_validator("s3_tags", "s3_tenant_buckets", mode="before")
    @classmethod
    def _read_table(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        if value.lstrip().startswith("{"):
            return json.loads(value)
        try:
            return dict(parse_qsl(value, keep_blank_values=True, strict_parsing=True)) if value else {}
        except ValueError:
            raise ValueError("must be a table, or text such as team=video&env=prod") from None

    @field_validator("s3_key_prefix", mode="after")
    @classmethod
    def _check_prefix(cls, value: str) -> str:
        parts = value.split("/")
        if "." in parts or ".." in parts or any(c in value.replace("{tenant}", "") for c in "{}"):
            raise ValueError("may hold {tenant}, no other braces, and no part that is . or ..")
        return value

    @field_validator("s3_storage_class", mode="after")
    @classmethod
    def _check_storage_class(cls, value: str | None) -> str | None:
        if value in ("GLACIER", "DEEP_ARCHIVE"):
            raise ValueError(f"{value} cannot be read before it is restored; move videos there by a rule of the bucket")
        return value

    @model_validator(mode="after")
    def _check_encryption(self) -> Self:
        if self.s3_kms_key_id is not None and self.s3_encryption not in ("aws:kms", "aws:kms:dsse"):
            raise ValueError('s3_kms_key_id needs s3_encryption = "aws:kms"')
        return self

    @property
    def buckets(self) -> tuple[str, ...]:
        """The shared bucket, then those of tenants."""
        return (self.s3_bucket, *sorted(set(self.s3_tenant_buckets.values()) - {self.s3_bucket}))
