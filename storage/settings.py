"""The configuration: read once, validated as a whole, passed down.

Environment variables `REELQ_…` win over `reelq.toml` (or the file that `REELQ_CONFIG` names), and the file wins over
the values that a running `reelq up` wrote into its data directory.
"""

from __future__ import annotations

import json
import math
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator

from seedance.account import Account
from seedance.gateways.checks import is_public
from seedance.problems import InvalidInput, Problem, similar
from seedance.request import UNKNOWN_FIELD, problems_of
from storage.broker_url import BrokerUrl, parse_broker_url
from storage.configuration.access import AccessSettings
from storage.configuration.account_book import AccountSettings
from storage.configuration.account_models import with_models_file
from storage.configuration.logs import LogSettings
from storage.configuration.mail import MailSettings
from storage.configuration.network import NetworkSettings
from storage.configuration.secrets import SecretSettings, with_secret_files
from storage.configuration.store import StoreSettings
from storage.webhooks.signing import secret_bytes, tenant_secret

DEFAULT_DATA_DIR = ".reelq"
STACK_FILE = "stack.json"
API_KEY_FILE = "api_key"
PREFIX = "REELQ_"
TRANSFER_MEMORY_MIB = 160
LEAST_POLL_LEASE_S = 30.0
NOT_SETTINGS = frozenset({
    "REELQ_CONFIG", "REELQ_DATA_DIR", "REELQ_API_URL", "REELQ_LOGIN_FILE",
    "REELQ_FAILPOINTS", "REELQ_FAILPOINTS_ALLOWED", "REELQ_FAILPOINTS_ONCE",
})  # fmt: skip
"""Variables of ours that are no settings."""

Seconds = Annotated[float, Field(gt=0, le=7 * 86400, allow_inf_nan=False)]


class Settings(
    AccountSettings, AccessSettings, StoreSettings, NetworkSettings, MailSettings, LogSettings, SecretSettings
):
    """Every setting. Times are in seconds; `None` means "not configured"."""

    database_url: str | None = None
    """PostgreSQL 15 or newer: `postgresql://user@host:5432/database`. All parameters of libpq are kept."""
    database_prepared_statements: Literal["auto", "off"] = "auto"
    """`auto`: use prepared statements on direct connections, not through a pooler. `off`: never."""
    broker_url: str | None = None
    """Redis or Valkey: `redis://`, `rediss://` (TLS), or several Sentinels with commas between."""
    broker_sentinel_master: str | None = None
    """The name of the master; required if `broker_url` names Sentinels."""

    allow_private_networks: bool = False
    """Also fetch videos from, and call webhooks at, addresses that are not public: for work on one machine or network.
    The host of an account's own `base_url` may have any address in any case."""

    webhook_secret: SecretStr | None = None
    """The master secret from which tenant signing secrets are derived: `whsec_` and base64. They sign deliveries to a
    job's `webhook_url`. To rotate it, set two with a space between, the new one first, until receivers have changed."""

    poster: bool = True
    """Store the first frame of each video as a JPEG beside it. Decoding takes 1 to 10 ms of CPU, depending on the size.
    Needs PyAV (`pip install 'reelq[media]'`); without it no poster is made, as the worker's log and each job state."""
    sidecar: bool = True
    """Store a JSON file about the request, the gateway and the cost beside each video: the bucket then explains itself
    without the database. `false`: one PUT less for each video; the job itself has the same facts."""

    playable_copies: Literal["off", "on_demand", "always"] = "on_demand"
    """Copies of videos that not every browser plays (H.265, 4:4:4, MOV): H.264 and AAC, beside the original. `always`:
    made with each video; `on_demand`: for who asks. Needs PyAV in the transfer workers."""
    playable_copies_at_once: Annotated[int, Field(ge=1, le=1000)] = 2
    """How many are made at once in the whole system; each takes one core, at the lowest priority."""
    transfer_memory_mib: Annotated[int, Field(ge=20, le=65536)] = TRANSFER_MEMORY_MIB
    """How many MiB of videos each transfer worker may hold in memory; a fifth is reserved for videos whose links expire
    soon. A video of more than 8 MiB holds 16, and up to 40 while there is room, which is faster."""

    unconfirmed_policy: Literal["hold", "resubmit"] = "hold"
    """What happens to a job whose POST had no clear answer and whose task is not found. `hold`: it waits for a person
    (`reelq jobs resolve`). `resubmit`: it is submitted again, which in rare cases is paid for twice."""
    unconfirmed_grace_seconds: Seconds = 3600.0
    """How long to look for the task of a POST without a clear answer before `unconfirmed_policy` decides."""
    lease_seconds: Annotated[float, Field(ge=1, le=86400)] = 90.0
    """How long a worker may work on a job before another one takes it up; the delay after a crash."""
    submit_timeout_seconds: Annotated[float, Field(ge=0.1, le=3600)] = 60.0
    """How long to wait for the answer to a POST; without one it is unknown whether the gateway accepted the job."""
    poll_min_seconds: Annotated[float, Field(ge=0.05, le=3600)] = 2.0
    """The shortest time between two polls of a task."""
    poll_max_seconds: Annotated[float, Field(ge=0.05, le=86400)] = 60.0
    """The longest time between two polls of a task."""
    query_timeout_seconds: Annotated[float, Field(ge=0.1, le=600)] = 20.0
    """How long to wait for the answer to a poll."""
    generation_timeout_seconds: Seconds = 259200.0
    """Give up a task that has not ended after this long, even without a deadline; it may still be billed. Ark itself
    ends a task after `execution_expires_after`, at most 72 h."""
    tick_seconds: Annotated[float, Field(ge=0.05, le=10)] = 0.25
    """How often the scheduler looks for due jobs. It also looks when a hint says that a job has become due."""

    keep_uploads_days: Annotated[float, Field(ge=0, le=36500)] = 30.0
    """Delete an uploaded file this long after it was uploaded last, and after the last job that needed it ended. A job
    that has not ended keeps its files in any case. 0: keep files for ever."""
    uploads_max_files: Annotated[int, Field(ge=0)] = 100_000
    """How many uploaded files each tenant may keep."""
    uploads_max_gb: Annotated[float, Field(ge=0, le=1_000_000)] = 500.0
    """How many gigabytes (10⁹ bytes) of uploaded files each tenant may keep."""

    alive_file: Path | None = None
    """A file that the scheduler and each worker touch every few seconds while they work, for health checks of
    containers: `find FILE -mmin -0.5`. One file for each process. None: no file."""

    keep_jobs_days: Annotated[float, Field(ge=2, le=36500)] | None = None
    """Delete jobs that ended longer ago, with their history; their videos stay. Their idempotency keys become free.
    None: keep jobs for ever."""
    keep_events_days: Annotated[float, Field(ge=2, le=36500)] | None = None
    """Delete the events of jobs that ended longer ago, up to a thirtieth of this (at least a day) later; the jobs stay.
    None: keep events as long as the jobs."""

    @field_validator("database_prepared_statements", mode="before")
    @classmethod
    def _on_or_off(cls, value: Any) -> Any:
        """TOML's and the environment's own words for it."""
        return {"true": "auto", "on": "auto", "false": "off"}.get(str(value).lower(), value)

    @model_validator(mode="before")
    @classmethod
    def _add_models(cls, given: Any) -> Any:
        return with_models_file(given) if isinstance(given, Mapping) and given.get("models_file") else given

    @field_validator("webhook_secret", mode="after")
    @classmethod
    def _check_webhook_secret(cls, value: SecretStr | None) -> SecretStr | None:
        secrets = [] if value is None else value.get_secret_value().split()
        for secret in secrets:
            try:
                secret_bytes(secret)
            except ValueError as exc:
                raise ValueError(f"{exc}; `reelq webhooks secret --new` makes one") from None
        return value if secrets else None

    @model_validator(mode="before")
    @classmethod
    def _fit_defaults(cls, given: Any) -> Any:
        """Adapt defaults to the values that are set: a short lease or grace period needs shorter time limits, and the
        two poll bounds must agree. Values that are set do not change; they are validated below."""
        if not isinstance(given, Mapping):
            return given
        fitted = dict(given)
        lease_s, grace_s = _number(given.get("lease_seconds")), _number(given.get("unconfirmed_grace_seconds"))
        timeout_s = _number(given.get("generation_timeout_seconds"))
        for key, *most in (
            ("unconfirmed_grace_seconds", timeout_s),
            ("submit_timeout_seconds", lease_s and lease_s * 2 / 3, grace_s or timeout_s),
            ("query_timeout_seconds", lease_s and lease_s / 2),
        ):
            fitting = min((bound for bound in most if bound is not None), default=math.inf)
            if key not in given and fitting < cls.model_fields[key].default:
                fitted[key] = fitting
        low, high = _number(given.get("poll_min_seconds")), _number(given.get("poll_max_seconds"))
        if low is not None and high is None and low > cls.model_fields["poll_max_seconds"].default:
            fitted["poll_max_seconds"] = low
        if high is not None and low is None and high < cls.model_fields["poll_min_seconds"].default:
            fitted["poll_min_seconds"] = high
        return fitted

    @model_validator(mode="after")
    def _check_combinations(self) -> Self:
        if self.lease_seconds <= self.submit_timeout_seconds:
            raise ValueError(
                f"lease_seconds ({self.lease_seconds:g}) must exceed submit_timeout_seconds "
                f"({self.submit_timeout_seconds:g}), or a slow submit would count as lost"
            )
        if self.lease_seconds <= self.query_timeout_seconds:
            raise ValueError(
                f"lease_seconds ({self.lease_seconds:g}) must exceed query_timeout_seconds "
                f"({self.query_timeout_seconds:g})"
            )
        if self.unconfirmed_grace_seconds < self.submit_timeout_seconds:
            raise ValueError(
                f"unconfirmed_grace_seconds ({self.unconfirmed_grace_seconds:g}) must not be below "
                f"submit_timeout_seconds ({self.submit_timeout_seconds:g}), or a POST that still waits for its answer "
                "would count as not accepted, and the job would be paid for twice"
            )
        if self.unconfirmed_policy == "resubmit" and self.unconfirmed_grace_seconds < self.lease_seconds:
            raise ValueError(
                f"unconfirmed_grace_seconds ({self.unconfirmed_grace_seconds:g}) must not be below lease_seconds "
                f"({self.lease_seconds:g}) if unconfirmed_policy is resubmit, or a job whose worker died would be "
                "submitted again before its task could be found"
            )
        if self.generation_timeout_seconds < self.unconfirmed_grace_seconds:
            raise ValueError(
                f"generation_timeout_seconds ({self.generation_timeout_seconds:g}) must not be below "
                f"unconfirmed_grace_seconds ({self.unconfirmed_grace_seconds:g}), or a task that is found late would "
                "fail at once"
            )
        if self.poll_max_seconds < self.poll_min_seconds:
            raise ValueError(
                f"poll_max_seconds ({self.poll_max_seconds:g}) must not be below poll_min_seconds "
                f"({self.poll_min_seconds:g})"
            )
        self._check_broker()
        names = [account.name for account in self.accounts]
        if repeated := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"accounts: the name {repeated[0]!r} is used twice; give each account its own name")
        return self

    def _check_broker(self) -> None:
        if self.broker_url:
            try:
                parse_broker_url(self.broker_url, self.broker_sentinel_master)
            except ValueError as exc:
                raise ValueError(f"broker_url: {exc}") from None
        elif self.broker_sentinel_master:
            raise ValueError("broker_sentinel_master is set, but no broker_url")

    @property
    def poll_lease_seconds(self) -> float:
        """How long a worker has a task to poll it, and to poll it again by itself: time for a query and a cancellation.
        Shorter than other leases, because a worker that is killed may hold every task that it has submitted; never so
        short that it ends while its message waits in the queue."""
        return min(self.lease_seconds, max(LEAST_POLL_LEASE_S, 2 * self.query_timeout_seconds))

    def webhook_secrets(self, tenant: str) -> list[str]:
        """The secrets that sign deliveries to the `webhook_url` of a tenant's jobs, the newest first; empty if no
        `webhook_secret` is set."""
        masters = "" if self.webhook_secret is None else self.webhook_secret.get_secret_value()
        return [tenant_secret(master, tenant) for master in masters.split()]

    def bucket_reachable_by(self, account: Account) -> bool:
        """Whether the gateway of an account can fetch links to our bucket: the bucket has a public address, or the
        gateway is on our own machine or network, as with the simulator."""
        endpoint = self.s3_public_endpoint_url or self.s3_endpoint_url
        if endpoint is None or self.allow_private_networks:
            return True
        if account.base_url is not None and not is_public(urlsplit(account.base_url).hostname or ""):
            return True
        return is_public(urlsplit(endpoint).hostname or "")

    def require_database_url(self) -> str:
        """The database to use.

        Raises:
            InvalidInput: none is configured and no stack is running here.
        """
        return _required(self.database_url, "database_url")

    def require_broker_url(self) -> str:
        """The broker to use.

        Raises:
            InvalidInput: as `require_database_url`.
        """
        return _required(self.broker_url, "broker_url")

    def require_broker(self) -> BrokerUrl:
        """What `broker_url` says.

        Raises:
            InvalidInput: as `require_database_url`, or it cannot be used.
        """
        try:
            return parse_broker_url(self.require_broker_url(), self.broker_sentinel_master, self.ca_file)
        except InvalidInput:
            raise
        except ValueError as exc:
            raise InvalidInput([Problem("broker_url", str(exc))]) from exc


def _number(value: object) -> float | None:
    """A number from a file or the environment, None for anything else."""
    try:
        return float(value) if isinstance(value, str | int | float) else None
    except ValueError:
        return None


def _required(value: str | None, key: str) -> str:
    if not value:
        raise InvalidInput(
            [Problem(key, f"is not set; start `reelq up`, or set it in reelq.toml or as {PREFIX}{key.upper()}")]
        )
    return value


def data_dir(given: Path | None = None, environ: Mapping[str, str] = os.environ) -> Path:
    """The directory of the local stack: `given`, `REELQ_DATA_DIR`, or `./.reelq`."""
    return given or Path(environ.get("REELQ_DATA_DIR") or DEFAULT_DATA_DIR)


def read_stack(directory: Path) -> dict[str, Any]:
    """The content of `stack.json`, as a running `reelq up` wrote it; empty if there is none.

    Raises:
        InvalidInput: the file exists but cannot be read.
    """
    path = directory / STACK_FILE
    try:
        stack = json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as exc:
        raise InvalidInput([Problem("", f"cannot be read: {exc}")], where=str(path)) from exc
    if not isinstance(stack, dict):
        raise InvalidInput([Problem("", "is not a JSON object")], where=str(path))
    return stack


def load_settings(
    directory: Path | None = None, environ: Mapping[str, str] = os.environ, *, check_outbound: bool = True
) -> Settings:
    """Read the configuration: for each key, the environment wins over the file, and the file over the local stack.
    `check_outbound` False: proxies and certificate authorities are checked where they are first used, for a program
    that may send nothing; the system's authorities take 20 ms.

    Raises:
        InvalidInput: a key is unknown or its value is not allowed; the message names the key and its source.
    """
    stack = read_stack(data_dir(directory, environ))
    path = config_path(environ, stack)
    from_file = _read_file(path) if path is not None else {}
    from_environ = _read_environ(environ)
    try:
        settings = Settings.model_validate(_from_stack(stack, from_file) | from_file | from_environ)
    except ValidationError as exc:
        problems = problems_of(exc)
        where = ""
        if path is not None and not any(_root(problem) in from_environ for problem in problems):
            where = str(path)
        raise InvalidInput([_named(_with_hint(problem), from_environ) for problem in problems], where) from exc
    if check_outbound:
        settings.outbound(environ)  # a missing file or a wrong proxy is found at the start
    return settings


def config_path(environ: Mapping[str, str] = os.environ, stack: Mapping[str, Any] | None = None) -> Path | None:
    """The configuration file in use: `REELQ_CONFIG`, `./reelq.toml`, or the one that started the local stack."""
    if named := environ.get("REELQ_CONFIG"):
        return Path(named)
    if (here := Path("reelq.toml")).is_file():
        return here
    if stack and isinstance(stack.get("config"), str) and Path(stack["config"]).is_file():
        return Path(stack["config"])
    return None


def _read_file(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))  # editors of Windows write a byte order mark
    except FileNotFoundError as exc:
        raise InvalidInput([Problem("REELQ_CONFIG", "the file does not exist")], where=str(path)) from exc
    except UnicodeDecodeError as exc:
        raise InvalidInput([Problem("", "is not UTF-8 text; save it as UTF-8")], where=str(path)) from exc
    except (OSError, ValueError) as exc:  # TOMLDecodeError and UnicodeDecodeError are ValueErrors
        raise InvalidInput([Problem("", f"cannot be read: {exc}")], where=str(path)) from exc


def _read_environ(environ: Mapping[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in with_secret_files(environ, Settings.model_fields, PREFIX).items():
        if not name.startswith(PREFIX) or name in NOT_SETTINGS:
            continue
        key = name.removeprefix(PREFIX).lower()
        if key not in Settings.model_fields:
            continue  # other variables may have this prefix, such as an account's api_key_env
        if key == "accounts":
            try:
                found[key] = json.loads(value)
            except ValueError as exc:
                raise InvalidInput([Problem(name, f"is not JSON: {exc}")]) from exc
        else:
            found[key] = value
    return found


def _from_stack(stack: Mapping[str, Any], from_file: Mapping[str, Any]) -> dict[str, Any]:
    if not stack:
        return {}
    keys = ("database_url", "broker_url", "broker_sentinel_master", "webhook_secret")
    found = {key: stack[key] for key in keys if stack.get(key)}
    if "broker_url" in from_file:  # the stack's master does not belong to the file's broker
        found.pop("broker_sentinel_master", None)
    for key, value in (stack.get("s3") or {}).items():
        found[f"s3_{key}"] = value
    if own := [stack[name] for name in ("api", "flower", "simulator") if stack.get(name)]:
        found["own_urls"] = [*own, *from_file.get("own_urls", ())]
    if stack.get("simulator") and not from_file.get("accounts"):
        found |= simulator_settings(stack["simulator"], from_file)
    return found


def simulator_settings(url: str, configured: Mapping[str, Any]) -> dict[str, Any]:
    """The account that is used until one is configured, and faster polling for its short generations."""
    account = {
        "name": "simulator",
        "gateway": "anyfast",
        "base_url": f"{url.rstrip('/')}/anyfast",
        "api_key": "sk-simulator",
        "max_in_flight": 50,
        "requests_per_minute": 6000,
    }
    paced: dict[str, Any] = {"accounts": [account], "allow_private_networks": True}
    if "poll_min_seconds" not in configured:
        paced["poll_min_seconds"] = 0.5
    if "poll_max_seconds" not in configured:
        paced["poll_max_seconds"] = max(5.0, float(configured.get("poll_min_seconds", 0.5)))
    return paced


def _root(problem: Problem) -> str:
    return problem.field.split("[")[0].split(".")[0]


def _with_hint(problem: Problem) -> Problem:
    """The problem; of an unknown key, with the key that was probably meant."""
    if problem.message != UNKNOWN_FIELD:
        return problem
    key = problem.field.rpartition(".")[2]
    known = Account.model_fields if _root(problem) == "accounts" else Settings.model_fields
    meant = similar(key, known)
    return Problem(problem.field, f"{problem.message}; did you mean {meant}?" if meant else problem.message)


def _named(problem: Problem, from_environ: Mapping[str, Any]) -> Problem:
    """The problem, with the name under which the caller set the value."""
    root = _root(problem)
    if root in from_environ:
        return Problem(PREFIX + root.upper() + problem.field.removeprefix(root), problem.message)
    return problem
