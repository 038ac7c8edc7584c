"""Jobs that are written as objects: lines of JSONL, items of YAML."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from producer.campaigns.reading.checks import unusable
from producer.campaigns.reading.options import ReadingOptions
from producer.campaigns.reading.own_cells import values_of
from producer.campaigns.reading.report import Report
from producer.campaigns.reading.words import KEY_WORDS, OURS, folded, near_miss
from producer.errors import BadRow
from producer.intake.intake import Row
from producer.intake.job_spec import JOB_FIELDS
from seedance.problems import Problem, shorten


def object_row(
    where: str, number: int, given: Mapping[str, Any], options: ReadingOptions, report: Report
) -> Row | BadRow:
    """An object as a job. Its names are those of the fields. With a template, a mapping or a key it may have others,
    which are kept in the metadata; a name that is nearly a field is an error."""
    given = {name: value for name, value in given.items() if folded(name) not in OURS}
    key = _key_of(given, options)
    problems = []
    if isinstance(prompt := given.get("prompt"), str) and (why := unusable(prompt)) is not None:
        problems.append(Problem("prompt", why))
    fields, called, kept = (given, {}, {}) if not options.free_names else _sorted(given, options, problems)
    named = options.template.names if options.template is not None else ()
    for name in given:
        report.column(name, used=name not in kept or name in named)
    if kept:
        metadata = fields.get("metadata")
        fields = fields | {"metadata": kept | (metadata if isinstance(metadata, dict) else {})}
    if problems:
        return BadRow(problems, where, number, key)
    entity = key if options.key is not None else None
    values = {**kept, **given, **fields} if options.template is not None else {}
    cells = values_of(given, report.header)
    return Row(where, fields, called, number, key, entity, values, cells=cells)


def _sorted(
    given: Mapping[str, Any], options: ReadingOptions, problems: list[Problem]
) -> tuple[dict[str, Any], dict[str, str], dict[str, Any]]:
    """The fields, what their author calls them, and what is no field."""
    mapping = {folded(column): name for column, name in options.names.items()}
    fields: dict[str, Any] = {}
    called: dict[str, str] = {}
    kept: dict[str, Any] = {}
    for own, value in given.items():
        name = mapping.get(folded(own), own)
        if name in fields or name in kept:
            problems.append(Problem(own, f"is given twice, as {shorten(name)}"))
        elif name in JOB_FIELDS:
            fields[name] = value
            if name != own:
                called[name] = own
        elif name and (meant := near_miss(name)) is not None:
            problems.append(Problem(own, f'is not a field; if {meant} is meant, use --map "{own}={meant}"'))
        else:
            kept[name or own] = value
    return fields, called, kept


def _key_of(given: Mapping[str, Any], options: ReadingOptions) -> str | None:
    known = {folded(name): value for name, value in given.items()}
    words = KEY_WORDS if options.key is None else (folded(options.key),)
    value = next((known[word] for word in words if word in known), None)
    return None if value is None or isinstance(value, dict | list) or not str(value).strip() else str(value).strip()
