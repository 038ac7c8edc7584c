"""A template: what to fill into the fields of each row, and how many jobs to make of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from producer.campaigns.reading.table import whole_file
from producer.campaigns.reading.words import field_of, near_miss
from producer.intake.job_spec import JOB_FIELDS
from seedance.problems import InvalidInput, Problem, shorten

if TYPE_CHECKING:  # Jinja2 and YAML take as long to import as a tenth of a command, and few commands have a template
    from producer.campaigns.templates.engine import Text

MAX_FILE_BYTES: Final = 256 * 1024
MAX_JOBS_OF_A_ROW: Final = 1_000
_OWN: Final = ("defaults", "matrix", "variants")
VARIANT: Final = "variant"
"""The number of the variant, from 1: a name for placeholders, and in the job's metadata."""
Compiled = Any
"""A value of a field: texts with placeholders are `Text`, in lists and objects too."""


@dataclass(frozen=True, slots=True)
class Axis:
    """One part of the matrix. `field`: the field that it sets; None: a name of its own, for placeholders."""

    name: str
    field: str | None
    values: Sequence[Any]


@dataclass(frozen=True, slots=True)
class Template:
    """A template: `fields` replace what a row has, `defaults` fill what it leaves empty.

    Each row makes one job for every combination of the `matrix`, times `variants`.
    """

    fields: Mapping[str, Compiled] = field(default_factory=dict)
    defaults: Mapping[str, Compiled] = field(default_factory=dict)
    matrix: Sequence[Axis] = ()
    variants: int = 1

    @property
    def fills(self) -> frozenset[str]:
        """The fields that need no column."""
        return frozenset([*self.fields, *self.defaults, *(axis.field for axis in self.matrix if axis.field)])

    @property
    def names(self) -> frozenset[str]:
        """What its placeholders take from a row."""
        return frozenset(name for text in self._texts() for name in text.names)

    @property
    def columns(self) -> frozenset[str]:
        """What every row must have, beside the names of the matrix."""
        own = {VARIANT, *(axis.name for axis in self.matrix), *(axis.field for axis in self.matrix if axis.field)}
        return frozenset(name for text in self._texts() for name in text.required) - own

    def _texts(self) -> Iterator[Text]:
        return _texts_in([self.fields, self.defaults])

    @property
    def jobs_of_a_row(self) -> int:
        """How many jobs each row makes."""
        return prod(len(axis.values) for axis in self.matrix) * self.variants

    def combinations(self) -> Iterator[tuple[Any, ...]]:
        """Every combination of the matrix's values, the last axis fastest."""
        return product(*(axis.values for axis in self.matrix))


def read_template(path: Path | None, prompt: str | None = None) -> Template | None:
    """The template in a file, with the prompt given beside it; None: neither is given.

    Raises:
        InvalidInput: names everything that is wrong with it.
    """
    return with_prompt(None if path is None else _read(path), prompt, "--prompt")


def with_prompt(template: Template | None, prompt: str | None, where: str) -> Template | None:
    """A template with the prompt given beside it, in the option `where`; None: neither is given.

    Raises:
        InvalidInput: the prompt is no template that is allowed.
    """
    if prompt is None:
        return template
    try:
        fields = {"prompt": compiled(prompt)}
    except ValueError as exc:
        raise InvalidInput([Problem(where, str(exc))]) from exc
    base = template or Template()
    return replace(base, fields={**base.fields, **fields})


def _read(path: Path) -> Template:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
    except OSError as exc:
        raise whole_file(str(path), f"cannot be read: {exc.strerror or exc}") from exc
    if len(content) > MAX_FILE_BYTES:
        raise whole_file(str(path), f"is larger than {MAX_FILE_BYTES // 1024} KiB")
    try:
        return parse_template(content.decode("utf-8-sig"), str(path))
    except UnicodeDecodeError as exc:
        raise whole_file(str(path), f"is not UTF-8 text (byte {exc.start + 1})") from exc


def parse_template(text: str, where: str) -> Template:
    """A template from the text of its file; `where` names it.

    Raises:
        InvalidInput: names everything that is wrong with it.
    """
    from producer.campaigns.reading.objects.yaml_text import parse_yaml

    try:
        found = parse_yaml(text)
    except ValueError as exc:
        raise whole_file(where, str(exc)) from exc
    if not isinstance(found, dict) or not found:
        raise whole_file(where, "must have names and values, as in `prompt: ...`")
    problems: list[Problem] = []
    fields = _compiled({name: value for name, value in found.items() if name not in _OWN}, problems)
    defaults = _compiled(_object(found, "defaults", problems), problems, "defaults.")
    matrix = list(_axes(_object(found, "matrix", problems), problems))
    variants = found.get("variants", 1)
    if isinstance(variants, bool) or not isinstance(variants, int) or not 1 <= variants <= MAX_JOBS_OF_A_ROW:
        problems.append(Problem("variants", f"must be 1 to {MAX_JOBS_OF_A_ROW}, not {shorten(variants)}"))
        variants = 1
    template = Template(fields, defaults, matrix, variants)
    for axis in matrix:
        if axis.field in fields:
            problems.append(Problem(f"matrix.{axis.name}", f"sets {axis.field}, which the template sets too"))
    if not problems and template.jobs_of_a_row > MAX_JOBS_OF_A_ROW:
        message = f"makes {template.jobs_of_a_row:,} jobs of each row; at most {MAX_JOBS_OF_A_ROW:,}"
        problems.append(Problem("matrix", message))
    if problems:
        raise InvalidInput(problems, where)
    return template


def _object(found: Mapping[str, Any], name: str, problems: list[Problem]) -> dict[str, Any]:
    value = found.get(name) or {}
    if isinstance(value, dict):
        return value
    problems.append(Problem(name, f"must have names and values, not {shorten(value)}"))
    return {}


def _compiled(values: Mapping[str, Any], problems: list[Problem], place: str = "") -> dict[str, Compiled]:
    fields: dict[str, Compiled] = {}
    for name, value in values.items():
        meant = field_of(name)
        if meant is None:
            problems.append(Problem(f"{place}{name}", _no_field(name)))
        elif meant in fields:
            problems.append(Problem(f"{place}{name}", f"sets {meant} a second time"))
        else:
            try:
                fields[meant] = compiled(value)
            except ValueError as exc:
                problems.append(Problem(f"{place}{name}", str(exc)))
    return fields


def compiled(value: Any) -> Compiled:
    """A value with its texts compiled.

    Raises:
        ValueError: a text is no template that is allowed.
    """
    from producer.campaigns.templates.engine import Text, is_template

    match value:
        case str():
            return Text(value) if is_template(value) else value
        case list():
            return [compiled(item) for item in value]
        case dict():
            return {name: compiled(item) for name, item in value.items()}
        case _:
            return value


def _texts_in(value: Compiled) -> Iterator[Text]:
    from producer.campaigns.templates.engine import Text

    if isinstance(value, Text):
        yield value
    elif isinstance(value, Mapping):
        yield from _texts_in(list(value.values()))
    elif isinstance(value, list):
        for item in value:
            yield from _texts_in(item)


def _no_field(name: str) -> str:
    near = near_miss(name)
    known = f"do you mean {near}?" if near else f"the fields are {', '.join(JOB_FIELDS)}"
    return f"is not a field; {known}"


def _axes(matrix: Mapping[str, Any], problems: list[Problem]) -> Iterator[Axis]:
    seen: set[str] = set()
    for name, values in matrix.items():
        meant = field_of(name) or field_of(name.removesuffix("s"))
        listed = values if isinstance(values, list) else [values]
        if not listed or any(isinstance(value, dict | list) or value is None for value in listed):
            problems.append(Problem(f"matrix.{name}", "must be a list of values"))
        elif len({str(value) for value in listed}) < len(listed):
            problems.append(Problem(f"matrix.{name}", "has a value twice"))
        elif (meant or name) in seen:
            problems.append(Problem(f"matrix.{name}", f"sets {meant or name} a second time"))
        else:
            seen.add(meant or name)
            yield Axis(name, meant, listed)
