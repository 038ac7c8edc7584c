"""Compare a task in a gateway's list with an attempt, field by field, to see whether the attempt started it.

A field counts only if both sides are known. A value that an attempt left to the gateway (no ratio, `adaptive`, a
duration of -1) is not compared.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from urllib.parse import urlsplit

from seedance.gateways.base import Dialect, ListedTask
from seedance.media import MediaKind, media_kind
from seedance.models.rows import ModelRow
from seedance.problems import shorten
from seedance.request import AUTO_DURATION, RANDOM_SEED, GenerationRequest, Tier

FLEX = "flex"
EXPIRES = "execution_expires_after"
ENDPOINT_PREFIX = "ep-"
"""An endpoint id can replace a model name; lists may show either."""
ALTERED = frozenset({EXPIRES, "model"})
"""Fields that gateways in front of others are known to rename or to replace with their own values."""
_SIZES = frozenset({"duration", "resolution", "ratio"})
_VERSION = re.compile(r"-\d{6,8}\Z")
"""Lists may add the version to a name or omit it."""


@dataclass(frozen=True, slots=True)
class Sent:
    """The values that an attempt was sent with. `seed` and `mark` are its own marks; None: it has none."""

    dialect: Dialect
    model: str
    request: GenerationRequest
    seed: int | None = None
    mark: int | None = None
    draft_task_id: str | None = None
    """The draft's task, for a final."""

    @property
    def is_final(self) -> bool:
        """Whether the gateway took most values from a draft: those that were not sent are not compared."""
        return self.request.draft_of is not None

    @property
    def sizes(self) -> GenerationRequest:
        """The request with the values that the model's row replaced. It is the row of the model that the attempt was
        sent to: the configuration may name another one for the same request by now."""
        row = _row_of(self.dialect, self.model, self.request.tier)
        return self.request if row is None else row.corrected(self.request)

    @property
    def expected_seed(self) -> int | None:
        """The seed that the task must show; None: any seed."""
        asked = self.request.seed
        return self.seed if asked in (None, RANDOM_SEED) else asked

    @property
    def expected_expiry(self) -> object:
        """The value of `execution_expires_after` that the task must show; None: any value."""
        return self.dialect.options(self.request).get(EXPIRES, self.mark)


@cache
def _row_of(dialect: Dialect, model: str, tier: Tier) -> ModelRow | None:
    """As in the catalog; a list is compared with every open attempt."""
    return dialect.catalog.row_for_id(model, tier)


@dataclass(frozen=True, slots=True)
class Comparison:
    """`matches` and `differs` name fields; a field that one side does not show is in neither. `differs` holds the
    requested and the shown value."""

    matches: tuple[str, ...] = ()
    differs: Mapping[str, tuple[Any, Any]] = field(default_factory=dict)
    marked: bool = False
    """The list shows a mark that only this attempt carries."""
    unseen: tuple[str, ...] = ()
    """Sizes that were requested and are not shown. Ark shows them when the task has succeeded."""

    @property
    def recognised(self) -> bool:
        """Whether nothing differs, and the mark, the seed or the prompt agrees."""
        return not self.differs and (self.marked or "seed" in self.matches or "prompt" in self.matches)


def compare(sent: Sent, task: ListedTask, besides: Collection[str] = ()) -> Comparison:
    """Compare everything that the list shows of a task with the attempt's values, except the fields in `besides`."""
    matches: list[str] = []
    differs: dict[str, tuple[Any, Any]] = {}
    unseen: list[str] = []
    for name, look in _FIELDS.items():
        asked, shown, same = look(sent, task) if name not in besides else (None, None, None)
        if same is True:
            matches.append(name)
        elif same is False:
            differs[name] = (asked, shown)
        elif name in _SIZES and asked not in (None, AUTO_DURATION) and shown is None:
            unseen.append(name)
    return Comparison(tuple(matches), differs, _is_marked(sent, task, besides), tuple(unseen))


def shown_differences(comparison: Comparison) -> dict[str, dict[str, str]]:
    """The differences for people: by field, the requested and the shown value. The task may belong to another tenant,
    so its prompt and files are not repeated."""
    found = {}
    for name, (asked, shown) in comparison.differs.items():
        if name == "prompt":
            asked, shown = "this job's", "another one"
        elif name == "media":
            asked, shown = f"{len(asked)} of this job", f"{len(shown)}, not the same"
        found[name] = {"asked": shorten(asked, 100), "shown": shorten(shown, 100)}
    return found


def can_be(sent: Sent, task: ListedTask, besides: Collection[str] = ()) -> bool:
    """Whether nothing contradicts the task; like `compare`, but stops at the first difference."""
    return _is_marked(sent, task, besides) or all(
        look(sent, task)[2] is not False for name, look in _FIELDS.items() if name not in besides
    )


def unreliable_fields(pairs: Iterable[tuple[Sent, ListedTask]]) -> frozenset[str]:
    """The fields that a list does not show as sent: those that differ in most pairs of an attempt and its own task. A
    gateway may rename a model, or drop a value on the way to its upstream."""
    differ, agree = Counter[str](), Counter[str]()
    for sent, task in pairs:
        found = compare(sent, task)
        differ.update(found.differs.keys())
        agree.update(found.matches)
    return frozenset(name for name, count in differ.items() if count > agree[name])


def confirmed_fields(pairs: Iterable[tuple[Sent, ListedTask]]) -> frozenset[str]:
    """The fields that a list has shown as they were sent, of an attempt and its own task."""
    return frozenset(name for sent, task in pairs for name in compare(sent, task).matches)


def _is_marked(sent: Sent, task: ListedTask, besides: Collection[str]) -> bool:
    own_mark = sent.mark is not None and sent.expected_expiry == sent.mark == task.execution_expires_after
    own_seed = sent.seed is not None and sent.expected_seed == sent.seed == task.report.seed
    own_seed = own_seed and sent.request.seed in (None, RANDOM_SEED)
    return (own_mark and EXPIRES not in besides) or (own_seed and "seed" not in besides)


_Seen = tuple[Any, Any, bool | None]
"""The requested value, the shown value, and whether they agree; None: one of them is unknown."""


def _equal(asked: Any, shown: Any) -> _Seen:
    return asked, shown, None if asked is None or shown is None else asked == shown


def _expiry(sent: Sent, task: ListedTask) -> _Seen:
    return _equal(sent.expected_expiry, task.execution_expires_after)


def _seed(sent: Sent, task: ListedTask) -> _Seen:
    return _equal(sent.expected_seed, task.report.seed)


def _prompt(sent: Sent, task: ListedTask) -> _Seen:
    asked, shown = sent.request.prompt, task.prompt
    return asked, shown, None if not shown or sent.is_final else asked.split() == shown.split()


def _media(sent: Sent, task: ListedTask) -> _Seen:
    asked = [value for _, _, value in sent.request.media()]
    if sent.is_final or task.media is None or not (asked or task.media):
        return asked, task.media, None
    left = list(task.media)
    for value in asked:
        kind = media_kind(value)
        if left and _is_shown_as(value, kind, left[0]):
            left.pop(0)
        elif kind is MediaKind.URL:
            return asked, task.media, False
    return asked, task.media, not left


def _is_shown_as(value: str, kind: MediaKind, shown: str) -> bool:
    """Stored files are sent as links that are signed each time, or in ways that lists do not show."""
    if kind is MediaKind.UPLOAD:
        return urlsplit(shown).path.endswith("/" + value.removeprefix("upload://"))
    return value == shown


def _model(sent: Sent, task: ListedTask) -> _Seen:
    asked, shown = sent.model, task.model
    if not shown or shown.startswith(ENDPOINT_PREFIX) != asked.startswith(ENDPOINT_PREFIX):
        return asked, shown, None
    return asked, shown, asked == shown or _VERSION.sub("", asked) == shown or asked == _VERSION.sub("", shown)


def _duration(sent: Sent, task: ListedTask) -> _Seen:
    asked, shown = sent.sizes.duration, task.duration
    if sent.is_final or asked in (None, AUTO_DURATION) or shown in (None, AUTO_DURATION):
        return asked, shown, None
    return asked, shown, abs(float(shown or 0) - float(asked or 0)) < 1  # lists may show the exact generated length


def _resolution(sent: Sent, task: ListedTask) -> _Seen:
    return _equal(sent.request.resolution, task.resolution)


def _ratio(sent: Sent, task: ListedTask) -> _Seen:
    asked = None if sent.is_final else sent.sizes.ratio
    return _equal(None if asked == "adaptive" else asked, None if task.ratio == "adaptive" else task.ratio)


def _audio(sent: Sent, task: ListedTask) -> _Seen:
    return _equal(None if sent.is_final else sent.request.audio, task.audio)


def _service_tier(sent: Sent, task: ListedTask) -> _Seen:
    asked, shown = sent.dialect.options(sent.request).get("service_tier", "default"), task.service_tier
    return asked, shown, None if shown is None else (asked == FLEX) == (shown == FLEX)


def _draft(sent: Sent, task: ListedTask) -> _Seen:
    asked, shown = sent.request.draft, task.draft
    return asked, shown, None if shown is None or not (asked or shown) else asked == shown


def _draft_task(sent: Sent, task: ListedTask) -> _Seen:
    """A final shows its draft's task, and no other task shows one."""
    asked, shown = sent.draft_task_id, task.draft_task_id
    return asked, shown, None if shown is None else asked == shown


# The fields that differ most often come first.
_FIELDS: Mapping[str, Callable[[Sent, ListedTask], _Seen]] = {
    EXPIRES: _expiry,
    "seed": _seed,
    "prompt": _prompt,
    "model": _model,
    "duration": _duration,
    "resolution": _resolution,
    "ratio": _ratio,
    "media": _media,
    "audio": _audio,
    "service_tier": _service_tier,
    "draft": _draft,
    "draft_task_id": _draft_task,
}
