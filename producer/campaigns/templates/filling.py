"""Fill a template from a row: one job for each combination of its matrix and each variant."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from producer.campaigns.reading.cells import value_of
from producer.campaigns.reading.checks import unusable
from producer.campaigns.reading.kinds import OBJECTS
from producer.campaigns.templates.document import VARIANT, Compiled, Template
from producer.campaigns.templates.engine import ROW, Text
from producer.intake.intake import Row
from seedance.problems import InvalidInput, Problem


def filled(rows: Iterable[Row | InvalidInput], template: Template) -> Iterator[Row | InvalidInput]:
    """The jobs that a template makes of rows. A row that cannot be filled is given once, as its `BadRow`."""
    for row in rows:
        if isinstance(row, InvalidInput):
            yield row
            continue
        made: list[Row | InvalidInput] = list(_jobs_of(row, template))
        bad = [item for item in made if isinstance(item, InvalidInput)]
        yield from bad[:1] or made


def _jobs_of(row: Row, template: Template) -> Iterator[Row | InvalidInput]:
    for values in template.combinations():
        chosen = {axis.name: value for axis, value in zip(template.matrix, values, strict=True)}
        for variant in range(1, template.variants + 1):
            parts = [str(value) for value in values] + ([f"v{variant}"] if variant > 1 else [])
            yield _job(row, template, chosen, variant, "/".join(parts))


def _job(row: Row, template: Template, chosen: Mapping[str, Any], variant: int, label: str) -> Row | InvalidInput:
    plain = {name: value for name, value in row.fields.items() if isinstance(value, str | int)}
    names: dict[str, Any] = {**row.columns, **plain, **chosen, VARIANT: variant, ROW: dict(row.columns)}
    # A prompt says what people see in the sheet; everything else is made of what the cells hold.
    as_seen = {**row.columns, **row.shown}
    in_prompt = {**as_seen, **plain, **chosen, VARIANT: variant, ROW: as_seen} if row.shown else names
    fields = dict(row.fields)
    problems: list[Problem] = []
    for axis in template.matrix:
        if axis.field is not None:
            names[axis.field] = in_prompt[axis.field] = chosen[axis.name]
            _set(fields, axis.field, chosen[axis.name], names, problems)
    for name, value in template.fields.items():
        _set(fields, name, value, in_prompt if name == "prompt" else names, problems)
    for name, value in template.defaults.items():
        if fields.get(name) is None:
            _set(fields, name, value, in_prompt if name == "prompt" else names, problems)
    if problems:
        return row.bad(problems)
    own = {axis.name: chosen[axis.name] for axis in template.matrix if axis.field is None}
    if template.variants > 1:
        own[VARIANT] = variant
    if own:
        fields["metadata"] = own | (fields.get("metadata") or {})
    _set_apart(fields, label, variant)
    where = f"{row.where} ({label})" if label else row.where
    entity = row.entity if row.entity is None or not label else f"{row.entity}:{label}"
    return replace(row, where=where, fields=fields, entity=entity, label=label)


def _set_apart(fields: dict[str, Any], label: str, variant: int) -> None:
    """Give each job of a row a key and a seed of its own."""
    if label and fields.get("idempotency_key"):
        fields["idempotency_key"] = f"{fields['idempotency_key']}:{label}"
    seed = fields.get("seed")
    if variant > 1 and isinstance(seed, int) and not isinstance(seed, bool) and seed >= 0:
        fields["seed"] = seed + variant - 1


def _set(fields: dict[str, Any], name: str, value: Compiled, names: Mapping[str, Any], problems: list[Problem]) -> None:
    try:
        made = _made(value, names)
        if isinstance(made, str):
            if name not in OBJECTS and (why := unusable(made)) is not None:
                raise ValueError(why)
            made = value_of(name, made) if made.strip() else None
    except ValueError as exc:
        problems.append(Problem(name, str(exc)))
        return
    if name == "metadata" and isinstance(made, dict):
        made = (fields.get("metadata") or {}) | made
    if made is None:
        fields.pop(name, None)
    else:
        fields[name] = made


def _made(value: Compiled, names: Mapping[str, Any]) -> Any:
    match value:
        case Text():
            return value.fill(names)
        case list():
            return [item for item in (_made(item, names) for item in value) if item != ""]
        case dict():
            return {name: _made(item, names) for name, item in value.items()}
        case _:
            return value
