"""Which configured accounts can serve a request, by their dialects' rules, before anything is stored."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from producer.intake.media_check import MediaFacts, broken_limits, media_problems
from seedance import assets
from seedance.account import Account, unknown_account
from seedance.delivery import Delivery, delivery_of
from seedance.media import MediaKind, media_kind
from seedance.models.rows import MB, ModelRow
from seedance.problems import InvalidInput, Problem
from seedance.request import GenerationRequest
from storage.settings import Settings

_IN_BASE64 = 4 / 3


@dataclass(frozen=True, slots=True)
class Fit:
    """One request at one account, which can serve it if there are no problems."""

    account: Account
    problems: Sequence[Problem]


def fits(
    request: GenerationRequest,
    settings: Settings,
    pin: str | None = None,
    facts: Mapping[str, MediaFacts] | None = None,
) -> list[Fit]:
    """Every configured account in order, or the pinned one alone, with its problems with the request.

    `facts`: facts about local files, by reference.

    Raises:
        InvalidInput: no account can be used, or the pinned one cannot, or is not configured.
    """
    require_accounts(settings)
    accounts: Sequence[Account] = settings.accounts
    if pin is not None:
        accounts = [account for account in accounts if account.name == pin] or _unknown(pin, settings)
    return [Fit(account, list(problems_at(account, request, settings, facts or {}))) for account in accounts]


def problems_at(
    account: Account, request: GenerationRequest, settings: Settings, facts: Mapping[str, MediaFacts]
) -> Iterator[Problem]:
    """The problems of one account with a request, by field."""
    yield from account.dialect.refusals(request)
    row = account.dialect.row_of(request)
    if row is not None:
        broken = list(media_problems(account.gateway, row, request, facts))
        yield from broken or _delivery_problems(account, row, request, settings, facts)


def able(found: Sequence[Fit]) -> list[Account]:
    """The accounts that can serve the request.

    Raises:
        InvalidInput: none can; the problems name the field and what each account allows.
    """
    accounts = [fit.account for fit in found if not fit.problems]
    if not accounts:
        raise InvalidInput(_merged(found))
    return accounts


def require_accounts(settings: Settings) -> None:
    """Check that there is an account.

    Raises:
        InvalidInput: no account is configured, or none of them can be used.
    """
    if settings.accounts:
        return
    message = "none is configured; add [[accounts]] to reelq.toml, or start `reelq up` here, which brings a simulator"
    if unusable := settings.unusable_accounts:
        listed = "; ".join(_cannot_be_used(name, why) for name, why in unusable.items())
        message = f"{listed}. There is no other account for these jobs"
    raise InvalidInput([Problem("accounts", message)])


def _cannot_be_used(name: str, why: str) -> str:
    """For tenants, too: without the settings of the server that `why` names."""
    short = "its key cannot be decrypted" if "decrypted" in why else "its settings are not valid at this server"
    return f"{name!r} cannot be used, because {short}; `reelq doctor` at the server says what to do"


def _unknown(pin: str, settings: Settings) -> list[Account]:
    if (why := settings.unusable_accounts.get(pin)) is not None:
        raise InvalidInput([Problem("account", _cannot_be_used(pin, why))])
    raise unknown_account(pin, [account.name for account in settings.accounts])


def _delivery_problems(
    account: Account, row: ModelRow, request: GenerationRequest, settings: Settings, facts: Mapping[str, MediaFacts]
) -> Iterator[Problem]:
    """Uploaded files that cannot be delivered to the gateway."""
    capabilities = account.dialect.capabilities()
    body_bytes = 0.0
    for field, modality, value in request.media():
        if media_kind(value) is not MediaKind.UPLOAD:
            body_bytes += len(value)
            continue
        if row.media[modality].count == 0:
            continue
        match delivery_of(account, row, modality, reachable=settings.bucket_reachable_by(account)):
            case None:
                host = urlsplit(settings.s3_endpoint_url or "").hostname
                yield Problem(
                    field,
                    f"{account.gateway} fetches {modality} files by URL, and cannot reach the bucket at {host}; "
                    "set s3_endpoint_url to a public store, or give an http(s) URL",
                )
            case Delivery.INLINE if value in facts:
                body_bytes += facts[value].size_bytes * _IN_BASE64
                if capabilities.max_body_bytes is not None and body_bytes > capabilities.max_body_bytes:
                    limit = capabilities.max_body_bytes // MB
                    yield Problem(
                        field,
                        f"{account.gateway} takes requests of up to {limit} MB including files, and cannot "
                        f"reach the bucket; {facts[value]}",
                    )
            case Delivery.ASSET if value in facts:
                for wanted in broken_limits(assets.LIMITS[modality], facts[value]):
                    yield Problem(field, f"{account.gateway} takes as an asset {wanted}; {facts[value]}")
            case _:
                pass


def _merged(found: Sequence[Fit]) -> list[Problem]:
    """One problem per field, with the message of each account that has it."""
    by_field: dict[str, dict[str, list[str]]] = {}
    for fit in found:
        for problem in fit.problems:
            names = by_field.setdefault(problem.field, {}).setdefault(problem.message, [])
            if fit.account.name not in names:
                names.append(fit.account.name)
    several = len(found) > 1
    return [
        Problem(
            field,
            "; ".join(f"{text} ({', '.join(names)})" if several else text for text, names in by_message.items()),
        )
        for field, by_message in by_field.items()
    ]
