"""Dry run of a job: what each account would be sent. Nothing is sent, uploaded or stored."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from producer.campaigns.files import SUFFIXES, read_campaign
from producer.campaigns.reading.json_objects import parse_object
from producer.campaigns.reading.options import NO_OPTIONS, ReadingOptions
from producer.intake.estimates import estimate_of
from producer.intake.finals import without_draft
from producer.intake.intake import Row
from producer.intake.job_spec import JobSpec, parse_job
from producer.intake.media_check import MediaFacts
from producer.intake.routing import fits
from producer.intake.uploads import LocalFiles
from seedance.account import Account
from seedance.client import base_url_of
from seedance.delivery import Delivery, delivery_of
from seedance.expiry_marks import mark_band
from seedance.gateways.base import AttemptOptions, Dialect, WireCall
from seedance.media import MediaKind, media_kind
from seedance.problems import InvalidInput, Problem
from seedance.request import AUTO_DURATION, GenerationRequest, Modality
from storage.jobs.records import JobView
from storage.settings import Settings

_OWN_SEED = 2**62  # no job can ask for it


@dataclass(frozen=True, slots=True)
class AccountAnswer:
    """One job at one account. With errors there is no request; `estimate` None: no price is known."""

    account: str
    gateway: str
    errors: Sequence[Problem]
    warnings: Sequence[Problem] = ()
    model: str | None = None
    row: Mapping[str, Any] | None = None
    """The row that ruled the job: the model's neutral `name`, its `as_of`, and `decided_by`, why it applies."""
    method: str | None = None
    url: str | None = None
    body: Mapping[str, Any] | None = None
    estimate: Mapping[str, Any] | None = None

    def as_dict(self) -> dict[str, Any]:
        """The same as JSON."""
        found: dict[str, Any] = {name: getattr(self, name) for name in self.__dataclass_fields__}
        for name in ("errors", "warnings"):
            found[name] = [{"field": item.field, "message": item.message} for item in getattr(self, name)]
        return found | {"can_serve": not self.errors}


@dataclass(frozen=True, slots=True)
class Explanation:
    """One job: its own problems, or the answer of each account, in the order in which they are tried."""

    where: str
    job: Mapping[str, Any]
    problems: Sequence[Problem] = ()
    accounts: Sequence[AccountAnswer] = field(default_factory=tuple)

    @property
    def chosen(self) -> str | None:
        """The first account that can serve the job, None when none can."""
        return next((answer.account for answer in self.accounts if not answer.errors), None)

    def as_dict(self) -> dict[str, Any]:
        """The same as JSON."""
        return {
            "where": self.where,
            "job": self.job,
            "problems": [{"field": item.field, "message": item.message} for item in self.problems],
            "chosen": self.chosen,
            "accounts": [answer.as_dict() for answer in self.accounts],
        }


def explain(
    texts: Sequence[str],
    settings: Settings,
    only: str | None = None,
    options: ReadingOptions = NO_OPTIONS,
    note: Callable[[str], None] = lambda _: None,
) -> Iterator[Explanation]:
    """Explain campaign files, single jobs as JSON objects, and prompts. `only`: the one account to look at; `note`
    gets what there is to say about how a file was read.

    Raises:
        InvalidInput: no account is configured, the one asked for is not, or a file cannot be read.
    """
    for text in texts:
        path = Path(text)
        if text.lower().endswith(SUFFIXES):
            rows = read_campaign(path, options)
            yield from explain_rows(rows, settings, path.parent, only)
            for said in rows.notes:
                note(said)
        else:
            yield from explain_rows([_row(text)], settings, Path(), only)


def request_of(job: JobView, settings: Settings, seed: int | None = None) -> AccountAnswer | None:
    """What the account of a stored job was sent; before it has an account, what the first able one would be sent.

    `seed`: the one that reelq chose for the attempt, if it did. None: its account is no longer configured, or
    would refuse it now.
    """
    try:
        spec = parse_job(job.request)
        found = fits(spec.request(), settings, job.account or job.account_pin)
    except InvalidInput:
        return None
    fit = next((fit for fit in found if not fit.problems), None)
    return None if fit is None else _answer(fit.account, (), spec, settings, {}, seed, job.draft_task_id)


def job_of(text: str) -> Mapping[str, Any]:
    """The fields of a job that a person typed: a prompt, or a JSON object.

    Raises:
        InvalidInput: it begins as JSON, and is none.
    """
    if not text.lstrip().startswith("{"):
        return {"prompt": text}
    try:
        return parse_object(text)
    except ValueError as exc:
        raise InvalidInput([Problem("", str(exc))]) from exc


def _row(text: str) -> Row | InvalidInput:
    try:
        return Row("", job_of(text))
    except InvalidInput as exc:
        return exc


def explain_rows(rows: Any, settings: Settings, base: Path | None, only: str | None) -> Iterator[Explanation]:
    """Explain rows of a file. `base`: what relative paths start from; None: rows may name no local files.

    Raises:
        InvalidInput: no account is configured, or the one asked for is not.
    """
    with closing(LocalFiles(base)) as files:
        for row in rows:
            if isinstance(row, InvalidInput):
                yield Explanation(row.where, {}, row.problems)
                continue
            try:
                spec = files.replace(parse_job(without_draft(row.fields)))
            except InvalidInput as exc:
                yield Explanation(row.where, row.fields, row.bad(exc.problems).problems)
                continue
            answers = [
                _answer(fit.account, fit.problems, spec, settings, files.facts)
                for fit in fits(spec.request(), settings, only or spec.account, files.facts)
            ]
            yield Explanation(row.where, row.fields, accounts=answers)


def _answer(
    account: Account,
    errors: Sequence[Problem],
    spec: JobSpec,
    settings: Settings,
    facts: Mapping[str, MediaFacts],
    seed: int | None = None,
    draft_task_id: str | None = None,
) -> AccountAnswer:
    if spec.account is not None and spec.account != account.name:
        errors = [Problem("account", f"the job is pinned to {spec.account}"), *errors]
    if errors:
        return AccountAnswer(account.name, account.gateway, errors)
    request = spec.request()
    dialect = account.dialect
    sent = request.with_media(dict(_stand_ins(account, request, settings, facts)))
    own_seed = _seed_of_attempt(account, request)
    if own_seed is not None and seed is not None:
        own_seed = seed
    options = AttemptOptions(own_seed, _callback_url(account, settings), draft_task_id=draft_task_id)
    options = replace(options, draft_model=dialect.model_for(request))
    call = dialect.submit_call(sent, options)
    lowest, highest = call, call
    if "expires_after" in dialect.marks(request):
        band = mark_band(_deadline_in_s(spec))
        lowest = dialect.submit_call(sent, replace(options, mark=band.low))
        highest = dialect.submit_call(sent, replace(options, mark=band.low + band.count - 1))
    return AccountAnswer(
        account.name,
        account.gateway,
        (),
        [*dialect.warnings(request), *_more_warnings(account, request, settings)],
        dialect.model_for(request),
        _row_of(dialect, request),
        call.method,
        base_url_of(account, dialect) + call.path + _query_of(call),
        _shown(lowest.json, highest.json),
        estimate_of(account, request, facts),
    )


def _query_of(call: WireCall) -> str:
    """The query of a call as people read it, not escaped."""
    return "?" + "&".join(f"{name}={value}" for name, value in call.params.items()) if call.params else ""


def _row_of(dialect: Dialect, request: GenerationRequest) -> dict[str, Any]:
    row = dialect.row_for(request)
    return {"name": row.name, "as_of": row.as_of.isoformat(), "decided_by": row.decided_by}


def _seed_of_attempt(account: Account, request: GenerationRequest) -> int | None:
    """Where a gateway lists tasks with their seeds, each attempt gets its own seed, which identifies it."""
    return _OWN_SEED if "seed" in account.dialect.marks(request) else None


def _callback_url(account: Account, settings: Settings) -> str | None:
    if not (account.callbacks and settings.public_url):
        return None
    url = f"{settings.public_url.rstrip('/')}/callbacks/{account.gateway}/"
    problem = account.dialect.callback_problem(url, allow_private=settings.allow_private_networks)
    return None if problem else f"{url}<token of the attempt>"


def _deadline_in_s(spec: JobSpec) -> float | None:
    if isinstance(spec.deadline, datetime):
        return (spec.deadline - datetime.now(UTC)).total_seconds()
    return spec.deadline


def _shown(lowest: Any, highest: Any) -> Any:
    """A body with placeholders for what is chosen when the job is submitted: a range where the two bodies differ."""
    if isinstance(lowest, dict):
        return {name: _shown(item, highest[name]) for name, item in lowest.items()}
    if isinstance(lowest, list | tuple):
        return [_shown(*pair) for pair in zip(lowest, highest, strict=True)]
    if lowest != highest:
        return f"<{lowest} to {highest}>"
    return "<random>" if type(lowest) is int and lowest == _OWN_SEED else lowest


def _stand_ins(
    account: Account, request: GenerationRequest, settings: Settings, facts: Mapping[str, MediaFacts]
) -> Iterator[tuple[str, str]]:
    """Placeholders for uploaded files, which become links, assets or data URIs when the job is submitted."""
    for name, modality, value in request.media():
        if media_kind(value) is not MediaKind.UPLOAD:
            continue
        stored = value.removeprefix("upload://")
        match delivery_of(
            account, account.dialect.row_for(request), modality, reachable=settings.bucket_reachable_by(account)
        ):
            case Delivery.ASSET:
                yield name, f"asset://<{_called(value, facts)}, once it is uploaded>"
            case Delivery.INLINE:
                yield name, f"data:{modality}/{stored.partition('.')[2]};base64,<{_called(value, facts)}>"
            case _:
                bucket = settings.s3_endpoint_url or "https://s3.amazonaws.com"
                folder = f"{bucket.rstrip('/')}/{settings.s3_bucket}/inputs"
                yield name, f"{folder}/<{_called(value, facts)}, once it is uploaded, signed for 7 days>"


def _called(reference: str, facts: Mapping[str, MediaFacts]) -> str:
    return facts[reference].name if reference in facts else reference.removeprefix("upload://")


def _more_warnings(account: Account, request: GenerationRequest, settings: Settings) -> Iterator[Problem]:
    """Side effects and costs beside the request itself."""
    row = account.dialect.row_for(request)
    if row.settled(request).duration == AUTO_DURATION:
        shortest, longest = row.seconds
        yield Problem("duration", f"{account.gateway} chooses {shortest} to {longest} s and bills the length it chose")
    several = len(settings.accounts) > 1
    for name, modality, value in request.media():
        kind = media_kind(value)
        if kind is MediaKind.ASSET and several:
            yield Problem(name, "an asset belongs to one account; name that account in the job")
        if kind is MediaKind.UPLOAD and _is_uploaded(account, request, modality, settings):
            yield Problem(name, f"{account.gateway} bills the upload, once for each account and file")


def _is_uploaded(account: Account, request: GenerationRequest, modality: Modality, settings: Settings) -> bool:
    reachable = settings.bucket_reachable_by(account)
    return delivery_of(account, account.dialect.row_for(request), modality, reachable=reachable) is Delivery.ASSET
